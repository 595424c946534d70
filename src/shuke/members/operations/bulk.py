"""Register many members: the same preparation as one by one, written by COPY.

Rows are prepared and written in chunks, so that memory does not grow with the input. A row that is refused does not
stop the others; it is reported with its place in the input. All rows are one transaction, so a caller that must be
able to resume hands in as many rows as it wants to commit at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
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

_Row = tuple[int, PreparedMember]


@dataclass(slots=True)
class _Origins:
    """Stores, channels and staff that were found to exist, so that each is asked for once."""

    known: set[tuple[str, UUID | str | None]] = field(default_factory=set)

    def check(self, actor: Actor, new: NewMember) -> None:
        origin = {("store", new.join_store_id), ("channel", new.join_channel), ("staff", new.join_staff_id)}
        if not origin <= self.known:
            check_origin(actor, new)
            self.known |= origin


def register_members_in_bulk(*, actor: Actor, now: datetime, rows: Iterable[NewMember]) -> BulkResult:
    """Register every row that the rules of `register_member` accept, in one transaction.

    The outcome is that of calling `register_member` for one row after the other, but for one audit row that covers
    all. Of two rows with the same identifier the first wins.
    """
    result = BulkResult(registered=[], refused=[])
    origins = _Origins()
    numbered = enumerate(rows)
    with transaction.atomic():
        definitions = load_definitions()
        keys = keyset()
        while chunk := list(islice(numbered, CHUNK)):
            prepared: list[_Row] = []
            for index, new in chunk:
                try:
                    origins.check(actor, new)
                    prepared.append(
                        (index, prepare_member(new, keyset=keys, definitions=definitions, now=now))
                    )
                except ShukeError as error:
                    result.refused.append(RefusedRow(index, error))
            _write(prepared, now, result)
        result.refused.sort(key=lambda refused: refused.index)
        record_audit(
            actor=actor,
            action="members.register_members_in_bulk",
            now=now,
            object_type="member",
            data={"registered": len(result.registered), "refused": len(result.refused)},
        )
    return result


def _write(rows: list[_Row], now: datetime, result: BulkResult) -> None:
    """Write a chunk. When a rival commits one of the identifiers meanwhile, look again and write the rest."""
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
        ((i.id, m.id, i.kind, i.system, i.blind, i.value, now) for m in members for i in m.identifiers),
    )
    # Sorted, so that the index on the random tokens is walked from left to right once for each chunk.
    _copy_into(
        "members_searchtoken (token, member_id)",
        ["bytea", "uuid"],
        sorted((token, m.id) for m in members for token in m.tokens),
    )


def _member_row(m: PreparedMember, number: str, now: datetime) -> tuple[Any, ...]:
    what = (m.id, number, m.profile, m.tags, Jsonb(m.attributes), MemberStatus.ACTIVE.value)
    return (*what, m.join_store_id, m.join_channel, m.join_staff_id, m.joined_at, now)


def _copy_into(target: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
