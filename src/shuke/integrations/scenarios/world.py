"""The little chain that a scenario acts in: its programme in force, stores, products, members, staff, and what it named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from shuke.catalog.models import Channel
from shuke.catalog.operations import create_product, create_store, ensure_channel, ensure_first_channels
from shuke.core.operations import create_staff
from shuke.core.values import SYSTEM, Actor
from shuke.integrations.scenarios.values import Case, Frame, StepMistake
from shuke.loyalty.cautions import ALL
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.readers import did_you_mean
from shuke.members.operations import register_member
from shuke.members.profile import Profile

BEGINNING_OF_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_NAMESPACE = UUID("6f1d2a53-6c5e-4d0c-9d0a-0d9f4be2f3a1")
_PASSWORD = "scenario only, never a login"  # noqa: S105  these accounts are rolled back with the scenario


class World:
    """What stands, by name: `things` are (kind, id), `actors` may act."""

    def __init__(self, case: Case) -> None:
        self.currency, self.zone = case.currency, case.zone
        self.things: dict[str, tuple[str, UUID]] = {}
        self.actors: dict[str, Actor] = {"till": _till("till"), "system": SYSTEM}
        self.stores: dict[str, UUID] = {}

    @classmethod
    def built_for(cls, case: Case) -> World:
        """Everything that stands before the first step, made by the public operations."""
        world = cls(case)
        forget_versions()
        publish_programme(
            actor=SYSTEM,
            now=BEGINNING_OF_TIME,
            source=case.programme,
            effective_at=BEGINNING_OF_TIME,
            accepted=ALL,
        )
        world._open_shop(case)
        acting = {step.by for step in case.steps}
        for name, given in case.staff.items():
            if name in acting:  # a password costs a tenth of a second
                world._employ(name, given)
        for name, given in case.members.items():
            world._enrol(name, given, case.begins)
        return world

    def name(self, alias: str, kind: str, thing_id: UUID) -> None:
        """Remember what a step made."""
        self.things[alias] = (kind, thing_id)

    def ref(self, name: str, kind: str) -> UUID:
        """The id of a thing by the name that the scenario gave it. Raises StepMistake."""
        found = self.things.get(name)
        if found is None or found[0] != kind:
            known = [each for each, (its_kind, _id) in self.things.items() if its_kind == kind]
            raise StepMistake(f"there is no {kind} “{name}”; {_hint(name, known)}")
        return found[1]

    def store(self, code: str) -> UUID:
        """The id of a store by its code. Raises StepMistake."""
        if code not in self.stores:
            raise StepMistake(f"there is no store “{code}”; {_hint(code, self.stores)}")
        return self.stores[code]

    def frame(self) -> Frame:
        """How figures are read and shown now."""
        return Frame(self.currency, self.zone, {str(id_): name for name, (_kind, id_) in self.things.items()})

    def _open_shop(self, case: Case) -> None:
        if not Channel.objects.exists():  # a run's own database has them from the start
            ensure_first_channels()
        for code in case.catalog["channels"]:
            ensure_channel(code)
        for code, given in (case.catalog["stores"] or {"S1": {"open": True}}).items():
            self.stores[code] = create_store(
                actor=SYSTEM,
                now=BEGINNING_OF_TIME,
                code=code,
                name=code,
                region=given.get("region", ""),
                is_open=given["open"],
            ).id
        for sku, given in case.catalog["products"].items():
            create_product(
                actor=SYSTEM,
                now=BEGINNING_OF_TIME,
                sku=sku,
                name=given.get("name", sku),
                category=given.get("category", ""),
                brand=given.get("brand", ""),
                price_minor=given.get("price"),
                currency=case.currency,
                is_active=given.get("active", True),
            )

    def _employ(self, name: str, given: Mapping[str, Any]) -> None:
        stores = frozenset(self.store(code) for code in given.get("stores", ()))
        if given["role"] == "till":
            self.actors[name] = _till(name, stores)
            return
        staff = create_staff(
            actor=SYSTEM,
            now=BEGINNING_OF_TIME,
            username=name,
            display_name=name,
            role=given["role"],
            password=_PASSWORD,
            all_stores=not stores,
            store_ids=stores,
        )
        self.actors[name] = staff.as_actor()

    def _enrol(self, name: str, given: Mapping[str, Any], begins: datetime) -> None:
        member = register_member(
            actor=SYSTEM,
            now=given.get("joined", begins),
            profile=Profile(
                name=name,
                phone=given.get("phone", ""),
                email=given.get("email", ""),
                birthday=given.get("birthday"),
            ),
            join_store_id=self.store(given["store"]) if "store" in given else None,
            join_channel=given.get("channel"),
            tags=given.get("tags", ()),
            cards=given.get("cards", ()),
            external_ids=given.get("external_ids", {}),
        )
        self.name(name, "member", member.id)


def _till(name: str, stores: frozenset[UUID] = frozenset()) -> Actor:
    """A till's key: the same id in every run, so that idempotency keys belong to it."""
    return Actor("key", uuid5(_NAMESPACE, name), name, all_stores=not stores, store_ids=stores)


def _hint(word: str, known: Iterable[str]) -> str:
    guess = did_you_mean(word, known)
    return f"did you mean “{guess}”?" if guess else f"there are: {', '.join(known) or 'none'}"
