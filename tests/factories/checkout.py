"""A small shop for tests: a store, a channel, products, a programme in force, and a till that sells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from shuke.catalog.models import Category, Channel, Product, Store
from shuke.checkout.operations import commit_order
from shuke.checkout.values import LineRequest, MemberRef, SaleRequest
from shuke.core.values import Actor
from shuke.kit.ids import uuid7
from shuke.loyalty.document import validate
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.factories.programmes import document

START = datetime(2024, 1, 1, tzinfo=UTC)
TILL = Actor("key", UUID(int=7), "till")
_numbers = count(1)


def make_shop(**changes: Any) -> Store:
    """Store S1 (and S2), channel pos, SKUs A (10.00), B (2.50), C (no price), and `document(**changes)` in force."""
    publish(**changes)
    Channel.objects.get_or_create(code="pos", defaults={"name": "POS"})
    Category.objects.get_or_create(path="FOOD", defaults={"name": "FOOD", "depth": 1})
    for sku, price in (("A", 1000), ("B", 250), ("C", None)):
        made = {"name": f"Product {sku}", "category_id": "FOOD", "price_minor": price, "created_at": START}
        Product.objects.get_or_create(sku=sku, defaults=made)
    Store.objects.get_or_create(code="S2", defaults={"name": "Second", "created_at": START})
    return Store.objects.get_or_create(code="S1", defaults={"name": "First", "created_at": START})[0]


def publish(effective_at: datetime = START, **changes: Any) -> ProgrammeVersion:
    """Put a programme in force, past the publishing rules that need not be told here."""
    number = ProgrammeVersion.objects.count() + 1
    draft = document(**changes)
    for rule in (*draft["earning"], *draft["multipliers"]):
        rule.setdefault("name", {"zh-Hans": rule["id"]})  # a test may leave out what does not matter to it
    source = json.dumps(draft)
    version = ProgrammeVersion.objects.create(
        id=uuid7(),
        number=number,
        document=validate(source),
        source=source,
        digest=f"{number:064d}",
        effective_at=effective_at,
        published_at=effective_at,
    )
    forget_versions()
    return version


def sale(*lines: tuple[str, int], member: Any = None, points: int = 0, **more: Any) -> SaleRequest:
    """A sale of (sku, whole units) lines at S1."""
    return SaleRequest(
        store=more.pop("store", "S1"),
        channel="pos",
        lines=tuple(LineRequest(sku, units * 1000) for sku, units in lines)
        if lines
        else more.pop("line_requests"),
        member=MemberRef("id", str(member.id)) if member else None,
        points_to_use=points,
        system="till",
        number=more.pop("number", f"T{next(_numbers)}"),
        **more,
    )


def sell(
    *lines: tuple[str, int], now: datetime, key: str | None = None, actor: Actor = TILL, **more: Any
) -> dict:
    """Commit a sale and return the decoded answer."""
    answer = commit_order(actor=actor, sale=sale(*lines, **more), now=now, key=key, input_hash=b"h")
    return json.loads(answer.body)
