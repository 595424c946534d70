"""The pages that explain, and the accountant's pages, in a real browser: no problem in any look."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from shuke.catalog.models import Store
from shuke.checkout.models import Order
from shuke.checkout.refunds import refund_order
from shuke.core.models import Staff
from shuke.members.models import Member
from shuke.members.queries import find_member
from tests.e2e.browser import Look
from tests.e2e.conftest import OpenScreen
from tests.factories.checkout import TILL, make_shop, sell
from tests.factories.members import make_member

WORDS = frozenset({"Product", "POS", "pos", "CSV"})
LOOKS = [
    Look("light", "zh-hans", 1440),
    Look("dark", "zh-hant", 390),
    Look("dark", "en", 1440),
    Look("light", "en", 390),
]
PHONE = "+8613812347788"


@pytest.fixture
def member() -> Member:
    """Somebody with a tier, points of two stores, a paid order and a refund; made once for the whole run."""
    if found := find_member("phone", PHONE):
        return found
    with transaction.atomic():
        now = timezone.now()
        if not Store.objects.filter(code="S1").exists():
            make_shop()
        for code, name in (("S1", "三里屯店"), ("S2", "国贸店")):
            Store.objects.filter(code=code).update(name=name)
        made = make_member("顾清和", PHONE, now=now - timedelta(days=200))
        sell(("A", 150), now=now - timedelta(days=30), member=made)
        sell(
            ("A", 3),
            ("B", 7),
            now=now - timedelta(days=5),
            member=made,
            points=900,
            store="S2",
            number="20260815-7",
        )
        back = sell(("B", 4), now=now - timedelta(days=3), member=made)
        refund_order(actor=TILL, order_id=UUID(back["id"]), reason="商品变质", now=now - timedelta(days=1))
    return made


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_every_page_is_well_in_every_look(
    screen: OpenScreen, owner: Staff, member: Member, look: Look
) -> None:
    order = Order.objects.get(number="20260815-7")
    since = (timezone.localdate() - timedelta(days=40)).isoformat()
    window = screen(look, owner)
    for name, path in (
        ("explain-balance", f"/members/{member.id}/balances/points"),
        ("explain-tier", f"/members/{member.id}/tier"),
        ("explain-order", f"/orders/{order.id}"),
        ("settlement", f"/finance/settlement?from={since}"),
        ("liability", f"/finance/liability?from={since}"),
    ):
        assert window.goto(path) == 200, path
        if name == "liability":
            window.page.wait_for_selector("#figures .tbl")
            window.settle()
        window.shot(name, whole=True)
        assert window.problems(words=WORDS) == [], path
