"""Members out of a file: who is new is registered in bulk, who is known is skipped, updated or reported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from shuke.catalog.models import Channel, Store
from shuke.core.errors import InvalidInput
from shuke.core.keyset import keyset
from shuke.core.values import SYSTEM
from shuke.integrations.values import Counts, OnExisting, RowRefusal
from shuke.kit.errors import ShukeError
from shuke.members.identifiers import blind, normalise, normalise_system
from shuke.members.models import Identifier, IdentifierKind, Member
from shuke.members.operations import (
    add_identifier,
    register_members_in_bulk,
    set_attributes,
    set_tags,
    update_member,
)
from shuke.members.profile import Profile
from shuke.members.values import NewMember

PROFILE = ("name", "phone", "email", "birthday", "gender", "address", "note")
_TAGS = re.compile(r"[,;，；、|]")

_Key = tuple[str, str, bytes]


class MemberRows:
    """Writes chunks of member rows. Stores and channels are asked for once per code."""

    def __init__(self) -> None:
        self._stores: dict[str, UUID] = {}
        self._channels: set[str] = set()

    def write(
        self, rows: list[tuple[int, dict[str, Any]]], on_existing: OnExisting, currency: str, now: datetime
    ) -> tuple[Counts, list[RowRefusal]]:
        """Write one chunk inside the caller's transaction."""
        self._load_places(rows)
        known = _find_known(rows)
        counts, refused = Counts(), list[RowRefusal]()
        fresh: list[tuple[int, NewMember]] = []
        for number, row in rows:
            field, code = self._place_error(row)
            if code:
                refused.append(RowRefusal(number, field, code))
                continue
            owners = known.get(number, set())
            if len(owners) > 1:
                refused.append(RowRefusal(number, "number", "identifiers_disagree"))
            elif not owners:
                fresh.append((number, self._new(row)))
            elif on_existing is OnExisting.SKIP:
                counts.skipped += 1
            elif on_existing is OnExisting.ERROR:
                refused.append(RowRefusal(number, "number", "member_exists"))
            else:
                self._update(number, row, next(iter(owners)), now, counts, refused)
        result = register_members_in_bulk(actor=SYSTEM, now=now, rows=[new for _number, new in fresh])
        counts.imported = len(result.registered)
        refused += [_refusal(fresh[one.index][0], one.error) for one in result.refused]
        return counts, refused

    def _load_places(self, rows: list[tuple[int, dict[str, Any]]]) -> None:
        codes = {row.get("join_store") for _n, row in rows} - self._stores.keys() - {None}
        self._stores.update(Store.objects.filter(code__in=codes).values_list("code", "id"))
        if {row.get("join_channel") for _n, row in rows} - self._channels - {None}:
            self._channels = set(Channel.objects.values_list("code", flat=True))

    def _place_error(self, row: Mapping[str, Any]) -> tuple[str, str]:
        if row.get("join_store") is not None and row["join_store"] not in self._stores:
            return "join_store", "unknown_store"
        if row.get("join_channel") is not None and row["join_channel"] not in self._channels:
            return "join_channel", "unknown_channel"
        return "", ""

    def _new(self, row: Mapping[str, Any]) -> NewMember:
        store = row.get("join_store")
        return NewMember(
            profile=Profile(**{name: row[name] for name in PROFILE if row.get(name) is not None}),
            number=row.get("number"),
            join_store_id=self._stores[store] if store is not None else None,
            join_channel=row.get("join_channel"),
            joined_at=row.get("joined_at"),
            tags=_tags(row),
            attributes=_family(row, "attribute:"),
            cards=[row["card"]] if row.get("card") is not None else [],
            external_ids=_family(row, "external:"),
        )

    def _update(
        self,
        number: int,
        row: Mapping[str, Any],
        member_id: UUID,
        now: datetime,
        counts: Counts,
        refused: list[RowRefusal],
    ) -> None:
        """Bring one member up to date; an empty cell changes nothing."""
        changes = {name: row[name] for name in PROFILE if row.get(name) not in (None, "")}
        try:
            with transaction.atomic():
                before = _state(member_id)
                who: Any = {"actor": SYSTEM, "now": now, "member_id": member_id}
                update_member(**who, changes=changes)
                if row.get("tags") is not None:
                    set_tags(**who, tags=_tags(row))
                if attributes := _family(row, "attribute:"):
                    set_attributes(**who, attributes=attributes)
                if row.get("card") is not None:
                    add_identifier(**who, kind=IdentifierKind.CARD.value, value=row["card"])
                for system, value in _family(row, "external:").items():
                    add_identifier(**who, kind=IdentifierKind.EXTERNAL.value, value=value, system=system)
                after = _state(member_id)
        except ShukeError as error:
            refused.append(_refusal(number, error))
            return
        if after != before:
            counts.updated += 1
        else:
            counts.skipped += 1


def _state(member_id: UUID) -> tuple[Any, ...]:
    """Equal when nothing was changed: a profile is encrypted anew only when it differs."""
    profile, tags, attributes = Member.objects.values_list("profile", "tags", "attributes").get(id=member_id)
    return bytes(profile), tags, attributes, Identifier.objects.filter(member_id=member_id).count()


def _find_known(rows: list[tuple[int, dict[str, Any]]]) -> dict[int, set[UUID]]:
    """The members that already have an identifier of each row."""
    wanted: dict[_Key, list[int]] = {}
    numbers: dict[str, list[int]] = {}
    keys = keyset()
    for number, row in rows:
        if row.get("number") is not None:
            numbers.setdefault(row["number"], []).append(number)
        for kind, system, text in _identifiers(row):
            try:
                name = normalise_system(system) if system else ""
                key = (kind, name, blind(keys, kind, normalise(kind, text, name)))
            except InvalidInput:
                continue  # registering or updating says what is wrong with it
            wanted.setdefault(key, []).append(number)
    owners: dict[int, set[UUID]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, system, blind, member_id FROM members_identifier WHERE blind = ANY(%s)",
            [[index for _kind, _system, index in wanted]],
        )
        for kind, system, index, member_id in cursor.fetchall():
            for number in wanted.get((kind, system, bytes(index)), ()):
                owners.setdefault(number, set()).add(member_id)
    for member_id, text in Member.objects.filter(number__in=numbers).values_list("id", "number"):
        for number in numbers[text]:
            owners.setdefault(number, set()).add(member_id)
    return owners


def _identifiers(row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = [(kind, "", row[kind]) for kind in ("phone", "email", "card") if row.get(kind) is not None]
    return found + [("external", system, value) for system, value in _family(row, "external:").items()]


def _family(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name[len(prefix) :]: value
        for name, value in row.items()
        if name.startswith(prefix) and value is not None
    }


def _tags(row: Mapping[str, Any]) -> list[str]:
    return [tag.strip() for tag in _TAGS.split(row.get("tags") or "") if tag.strip()]


def _refusal(row: int, error: ShukeError) -> RowRefusal:
    return RowRefusal(row, error.field or "", error.code, str(error))
