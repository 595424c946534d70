"""What a cashier gives back alone, what a second person signs, voids, and forgiving what a refund left owed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from shuke.catalog.models import Store
from shuke.checkout.models import Order, OrderStatus, Refund
from shuke.console.views.cashier import signing
from shuke.core.models import AuditEvent, Staff
from shuke.core.values import Role
from shuke.kit import clock
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from shuke.loyalty.queries import forget_versions
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.checkout import make_shop, sell
from tests.factories.core import PASSWORD, make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Any:
    yield make_shop(policies={"cashier_refund_most": "100.00", "return_window_days": 7})
    forget_versions()


def cashier(shop: Store) -> Client:
    return client_of(make_staff(Role.CASHIER, all_stores=False, store_ids=[shop.id]))


def with_password(role: Role, shop: Store, **more: Any) -> Staff:
    staff = make_staff(role, all_stores=False, store_ids=[shop.id], **more)
    staff.set_password(PASSWORD)
    staff.save()
    return staff


def manager(shop: Store, **more: Any) -> Staff:
    return with_password(Role.STORE_MANAGER, shop, **more)


def signed(staff: Staff, password: str = PASSWORD) -> dict[str, str]:
    return {"reason": "returned", "approver": staff.username, "approver_password": password}


def test_within_the_limit_a_cashier_refunds_alone_and_beyond_it_a_second_person_signs(shop: Store) -> None:
    small = sell(("A", 10), now=clock.now())
    large = sell(("A", 11), now=clock.now())
    till = cashier(shop)
    assert 'name="approver"' not in text_of(till.get(f"/cashier/refund/{small['id']}"))
    assert till.post(f"/cashier/refund/{small['id']}", {"reason": "returned"}).status_code == 302
    path = f"/cashier/refund/{large['id']}"
    page = text_of(till.get(path))
    assert 'name="approver"' in page and "up to ¥100.00 alone" in page
    assert "has to sign" in text_of(till.post(path, {"reason": "returned"}))
    boss = manager(shop)
    assert "Nobody with this name" in text_of(till.post(path, signed(boss, "wrong password")))
    assert Refund.objects.count() == 1
    assert till.post(path, signed(boss)).status_code == 302
    asked = AuditEvent.objects.get(action="checkout.refund_approved.v1")
    made = Refund.objects.get(order_id=large["id"])
    assert (asked.actor_id, asked.data) == (boss.id, {"asked_by": made.actor})
    assert boss.as_actor().reference != made.actor
    assert AuditEvent.objects.filter(action="core.login_failed.v1", actor_id=boss.id).count() == 1
    assert 'name="approver"' not in text_of(client_of(boss).get(path))


def test_parts_are_no_way_round_the_limit(shop: Store) -> None:
    order = sell(("A", 20), now=clock.now())
    till, path = cashier(shop), f"/cashier/refund/{order['id']}"
    assert till.post(path, {"reason": "x", "goods1": "10"}).status_code == 302
    assert till.post(path, {"reason": "x", "goods1": "1"}).status_code == 422
    assert Refund.objects.count() == 1


def test_two_who_give_back_at_the_same_moment_see_each_other(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second click in another process, or a colleague: each looked at the sale before the other was written."""
    order = sell(("A", 20), now=clock.now())
    till, path = cashier(shop), f"/cashier/refund/{order['id']}"
    part = {"reason": "x", "goods1": "6", "seen": "0"}
    others = iter([lambda: cashier(shop).post(path, part)])
    original = signing.signer

    def signer(*given: Any) -> Any:
        for other in others:
            assert other().headers["Location"] == f"{path}?done=1"
        return original(*given)

    monkeypatch.setattr(signing, "signer", signer)
    assert till.post(path, part).headers["Location"] == path
    assert Refund.objects.get().sales_minor == 6000, "not twice, nor beyond what a cashier gives back alone"


def test_an_old_sale_and_a_signature_that_does_not_count(shop: Store) -> None:
    order = sell(("A", 1), now=clock.now() - timedelta(days=8))
    till, path = cashier(shop), f"/cashier/refund/{order['id']}"
    assert "older than the return window" in text_of(till.get(path))
    elsewhere = manager(Store.objects.get(code="S2"))
    colleague = with_password(Role.CASHIER, shop)
    inactive = manager(shop, is_active=False)
    for person in (elsewhere, colleague, inactive):
        assert till.post(path, signed(person)).status_code == 422, person.role
    assert not Refund.objects.exists() and not AuditEvent.objects.filter(action="checkout.refund_approved.v1")


def test_after_a_part_nothing_of_the_rest_is_chosen_unasked(shop: Store) -> None:
    order = sell(("A", 2), ("B", 1), now=clock.now())
    till, path = cashier(shop), f"/cashier/refund/{order['id']}"
    page = text_of(till.get(path))
    assert re.search(r'name="goods1"[^>]* autofocus', page) and page.count(" autofocus") == 2
    assert 'data-confirm="sure"' in page and "Refund the whole sale?" in page
    page = text_of(till.get(path, {"goods1": "1"}))
    assert 'data-confirm="sure"' not in page and re.search(r'id="reason"[^>]* autofocus', page)
    done = till.post(path, {"reason": "x", "goods1": "1"})
    assert done.headers["Location"] == f"{path}?done=1"
    page = text_of(till.get(done.headers["Location"]))
    assert re.search(r'id="to-desk"[^>]* autofocus', page) and page.count(" autofocus") == 1
    assert (
        'id="refund"' not in page
        and 'id="reason"' not in page
        and 'id="refund"' not in text_of(till.get(path))
    )
    page = text_of(till.get(path, {"rest": "1"}))
    assert "Refund everything that is left?" in page and re.search(r'id="reason"[^>]* autofocus', page)
    assert Refund.objects.count() == 1


def test_a_void_undoes_a_sale_of_today_and_only_of_today(shop: Store) -> None:
    member = make_member(now=clock.now())
    order = sell(("A", 5), member=member, now=clock.now())
    boss = client_of(manager(shop))
    assert f"/cashier/refund/{order['id']}/void" in text_of(boss.get(f"/cashier/refund/{order['id']}"))
    page = text_of(boss.get(f"/cashier/refund/{order['id']}/void"))
    assert "as if it had not been made" in page and "¥50.00" in page
    assert "Say why" in text_of(boss.post(f"/cashier/refund/{order['id']}/void", {"reason": " "}))
    assert boss.post(f"/cashier/refund/{order['id']}/void", {"reason": "wrong"}).status_code == 302
    assert Order.objects.get(id=order["id"]).status == OrderStatus.VOIDED
    assert "Voided" in text_of(boss.get(f"/cashier/refund/{order['id']}"))
    old = sell(("A", 1), now=clock.now() - timedelta(days=2))
    assert "/void" not in text_of(boss.get(f"/cashier/refund/{old['id']}"))
    assert boss.post(f"/cashier/refund/{old['id']}/void", {"reason": "wrong"}).status_code == 422
    assert Refund.objects.count() == 1 and reconcile().is_clean


def test_what_a_refund_left_owed_is_written_off_by_somebody_else() -> None:
    shop = make_shop(policies={"refund_shortfall": "write_off"})
    member, now = make_member(now=clock.now()), clock.now()
    order = sell(("A", 50), member=member, now=now - timedelta(minutes=2))
    sell(("A", 20), member=member, points=500, now=now - timedelta(minutes=1))
    first, second = manager(shop), manager(shop)
    path = f"/cashier/refund/{order['id']}"
    assert client_of(first).post(path, {"reason": "returned"}).status_code == 302
    refund = Refund.objects.get()
    assert refund.points_owed > 0
    assert "a second person may write them off" in text_of(client_of(first).get(path))
    act = f"/cashier/write-off/{refund.id}"
    client_of(first).post(act, {"reason": "mine"})
    assert Account.objects.get(member_id=member.id, asset="points").debt == refund.points_owed
    assert 'id="write-off"' in text_of(client_of(second).get(path))
    assert cashier(shop).post(act, {"reason": "x"}).status_code == 403
    assert client_of(manager(Store.objects.get(code="S2"))).post(act, {"reason": "x"}).status_code == 404
    client_of(second).post(act, {"reason": "goodwill"})
    assert Account.objects.get(member_id=member.id, asset="points").debt == 0
    page = text_of(client_of(second).get(path))
    assert 'id="write-off"' not in page and "written off" in page
    assert queries_of(client_of(second), path) <= MOST_QUERIES
    assert reconcile().is_clean
    forget_versions()
