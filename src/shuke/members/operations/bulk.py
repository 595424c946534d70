"""Register many members: the same preparation as one by one, written by COPY.

Rows are prepared and written in chunks, so that memory does not grow with the input. A row that is refused does not
stop the others; it is reported with its place in the input. All rows are one transaction, so a caller that must be
able to resume hands in as many rows as it wants to commit at once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from psycopg.types.json import Jsonb

from shuke.core.keyset import keyset
from shuke.core.operations import NewEvent, publish_events, record_audit
from shuke.core.values import Actor
from shuke.kit.errors import ShukeError
from shuke.members.models import Member, MemberStatus
from shuke.members.numbers import new_number
from shuke.members.operations.register import (
    REGISTERED,
    check_origin,
    find_taken,
    is_identifier_clash,
    load_definitions,
    registered_payload,
    taken,
)
from shuke.members.prepare import PreparedMember, prepare_member
from shuke.members.values import BulkResult, NewMember, RefusedRow

CHUNK = 4000
_ATTEMPTS = 5
_INSTANTS = ("timestamptz", "timestamptz")

# The binary format of COPY: signature, flags and extension; fields in a row; bytes in a field; end.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_ROW_START = struct.pack("!hi", 2, 16)
_FIELD_START = struct.pack("!i", 16)
_COPY_END = struct.pack("!h", -1)

_Row = tuple[int, PreparedMember]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One chunk, encrypted and indexed, and the rows of it that could not be."""

    rows: list[_Row]
    refused: list[RefusedRow]


@dataclass(slots=True)
class _Origins:
    """Stores, channels and staff that were found to exist, so that each is asked for once."""

    known: set[tuple[str, UUID | str | None]] = field(default_factory=set)

    def accept(
        self, actor: Actor, chunk: Iterable[tuple[int, NewMember]], result: BulkResult
    ) -> list[tuple[int, NewMember]]:
        """The rows whose origin may be; the others join the refused."""
        accepted = []
        for index, new in chunk:
            origin = {
                ("store", new.join_store_id),
                ("channel", new.join_channel),
                ("staff", new.join_staff_id),
            }
            try:
                if not origin <= self.known:
                    check_origin(actor, new)
                    self.known |= origin
            except ShukeError as error:
                result.refused.append(RefusedRow(index, error))
            else:
                accepted.append((index, new))
        return accepted


def register_members_in_bulk(*, actor: Actor, now: datetime, rows: Iterable[NewMember]) -> BulkResult:
    """Register every row that the rules of `register_member` accept, in one transaction.

    The outcome is that of calling `register_member` for one row after the other, but for one audit row that covers
    all. Of two rows with the same identifier the first wins.
    """
    result = BulkResult(registered=[], refused=[])
    origins = _Origins()
    numbered = enumerate(rows)
    with transaction.atomic(), ThreadPoolExecutor(1) as preparer:
        definitions = load_definitions()
        keys = keyset()

        def prepare(chunk: list[tuple[int, NewMember]]) -> _Prepared:
            prepared = _Prepared([], [])
            for index, new in chunk:
                try:
                    member = prepare_member(new, keyset=keys, definitions=definitions, now=now)
                except ShukeError as error:
                    prepared.refused.append(RefusedRow(index, error))
                else:
                    prepared.rows.append((index, member))
            return prepared

        # While the database takes one chunk, the next is prepared.
        waiting: Future[_Prepared] | None = None
        while chunk := list(islice(numbered, CHUNK)):
            upcoming = preparer.submit(prepare, origins.accept(actor, chunk, result))
            if waiting is not None:
                _write(waiting.result(), now, result)
            waiting = upcoming
        if waiting is not None:
            _write(waiting.result(), now, result)
        result.registered.sort()
        result.refused.sort(key=lambda refused: refused.index)
        record_audit(
            actor=actor,
            action="members.register_members_in_bulk",
            now=now,
            object_type="member",
            data={"registered": len(result.registered), "refused": len(result.refused)},
        )
    return result


def _write(prepared: _Prepared, now: datetime, result: BulkResult) -> None:
    """Write a chunk. When a rival commits one of the identifiers meanwhile, look again and write the rest."""
    rows = prepared.rows
    result.refused.extend(prepared.refused)
    refused: dict[int, ShukeError] = {}
    for _attempt in range(_ATTEMPTS):
        rows, clashing = _without_taken(rows)
        refused |= clashing
        numbers = _numbers(rows)
        try:
            with transaction.atomic():
                _copy(rows, numbers, now)
            break
        except IntegrityError as error:
            if not is_identifier_clash(error):
                raise
    else:
        raise RuntimeError("identifiers of new members kept clashing with rows that then could not be found")
    publish_events(
        [
            NewEvent(
                name=REGISTERED, member_id=member.id, occurred_at=now, payload=registered_payload(member)
            )
            for _index, member in rows
        ]
    )
    result.registered.extend((index, member.id) for index, member in rows)
    result.refused.extend(RefusedRow(index, error) for index, error in refused.items())


def _without_taken(rows: Sequence[_Row]) -> tuple[list[_Row], dict[int, ShukeError]]:
    """The rows whose identifiers are free, in the database and among the rows before; and the others' refusals."""
    keys = [identifier.key for _index, member in rows for identifier in member.identifiers]
    seen: set[Any] = set(find_taken(keys))
    wanted = [member.number for _index, member in rows if member.number]
    if wanted:
        seen |= set(Member.objects.filter(number__in=wanted).values_list("number", flat=True))
    free: list[_Row] = []
    refused: dict[int, ShukeError] = {}
    for index, member in rows:
        clash = next((identifier.kind for identifier in member.identifiers if identifier.key in seen), None)
        if clash is None and member.number in seen:
            clash = "number"
        if clash is not None:
            refused[index] = taken(clash)
            continue
        seen.update(identifier.key for identifier in member.identifiers)
        if member.number:
            seen.add(member.number)
        free.append((index, member))
    return free, refused


def _numbers(rows: Sequence[_Row]) -> list[str]:
    """A member number for each row: its own, or a fresh one that nobody has."""
    chosen = {member.number for _index, member in rows if member.number}
    missing = len(rows) - len(chosen)
    fresh: set[str] = set()
    while len(fresh) < missing:
        drawn = {new_number() for _ in range(missing - len(fresh))} - chosen
        fresh |= drawn - set(Member.objects.filter(number__in=drawn).values_list("number", flat=True))
    supply = iter(fresh)
    return [member.number or next(supply) for _index, member in rows]


def _copy(rows: Sequence[_Row], numbers: Sequence[str], now: datetime) -> None:
    members = [member for _index, member in rows]
    _copy_into(
        "members_member (id, number, profile, tags, attributes, status, join_store_id, join_channel_id,"
        " join_staff_id, joined_at, updated_at)",
        ["uuid", "varchar", "bytea", "varchar[]", "jsonb", "varchar", "uuid", "varchar", "uuid", *_INSTANTS],
        (_member_row(m, number, now) for m, number in zip(members, numbers, strict=True)),
    )
    _copy_into(
        "members_datakey (member_id, wrapped, created_at)",
        ["uuid", "bytea", "timestamptz"],
        ((m.id, m.wrapped_key, now) for m in members),
    )
    _copy_into(
        "members_identifier (id, member_id, kind, system, blind, value, created_at)",
        ["uuid", "uuid", "varchar", "varchar", "bytea", "bytea", "timestamptz"],
        # In the order of the unique index, as single registrations insert theirs: rivals wait, none in a circle.
        sorted(
            ((i.id, m.id, i.kind, i.system, i.blind, i.value, now) for m in members for i in m.identifiers),
            key=itemgetter(4),
        ),
    )
    _copy_tokens(sorted((token, m.id.bytes) for m in members for token in m.tokens))


def _member_row(m: PreparedMember, number: str, now: datetime) -> tuple[Any, ...]:
    what = (m.id, number, m.profile, m.tags, Jsonb(m.attributes), MemberStatus.ACTIVE.value)
    return (*what, m.join_store_id, m.join_channel, m.join_staff_id, m.joined_at, now)


def _copy_into(target: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    copying = f"COPY {target} FROM STDIN (FORMAT BINARY)"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _copy_tokens(rows: Sequence[tuple[bytes, bytes]]) -> None:
    """Two fields of 16 bytes in each row, ten rows and more for each member: framed here, at a tenth of the cost.

    The rows are sorted, so that the index on the random tokens is walked from left to right once for each chunk.
    """
    copying = "COPY members_searchtoken (token, member_id) FROM STDIN (FORMAT BINARY)"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.write(_COPY_HEADER)
        copy.write(b"".join([_ROW_START + token + _FIELD_START + member_id for token, member_id in rows]))
        copy.write(_COPY_END)
