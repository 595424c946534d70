"""Coupons at the cashier's desk: chosen by hand, typed, proposed; each told with what it gives or why not."""

from __future__ import annotations

import re

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from shuke.checkout.models import Order
from shuke.core.values import SYSTEM, Role
from shuke.kit import clock
from shuke.loyalty.queries import forget_versions, programme_at
from shuke.rewards.models import Coupon
from shuke.rewards.operations import download_codes, generate_codes, order_codes
from tests.checkout.test_coupons import coupon, give
from tests.console.test_cashier import Desk
from tests.factories.checkout import make_shop
from tests.factories.core import make_staff
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    store = make_shop(
        coupons=[
            coupon("three", name={"zh-Hans": "三元券", "en": "Three off"}),
            coupon("tenth", "percent_off", percent="10", name={"zh-Hans": "九折", "en": "A tenth off"}),
            coupon("big", amount="9.00", minimum_spend="50.00", name={"zh-Hans": "大额", "en": "Nine off"}),
            coupon("open", amount="1.00", public_code="HELLO", name={"zh-Hans": "一元", "en": "One off"}),
            coupon(
                "flyer",
                amount="2.00",
                validity={"until": "2099-12-31"},
                name={"zh-Hans": "传单", "en": "Flyer"},
            ),
        ]
    )
    member = make_member(now=clock.now())
    desk = Desk(make_staff(Role.CASHIER, store_ids=[store.id])).choose(store)
    desk.member = member
    desk.pieces = {code: give(member, code, now=clock.now())[0] for code in ("three", "tenth", "big")}
    desk.post("pick", member=str(member.id))
    yield desk
    forget_versions()


def test_what_the_member_holds_is_shown_with_its_effect_and_chosen_by_a_key(desk):
    desk.post("scan", text="2*A")
    page = desk.page()
    assert "Three off" in page and "−¥3.00" in page and "−¥2.00" in page
    assert "It needs ¥50.00 of its goods, and there are ¥20.00: ¥30.00 more." in page
    page = desk.post("coupon", add=desk.pieces["three"])
    assert 'name="seen" value="1700"' in page and "−¥1.70" in page  # a tenth of what is left
    assert desk.events["desk"]["focus"] == "coupon"
    for no_place in ("9" * 5000, "²", "-1", "1"):
        assert desk.post("coupon", drop=no_place) == page
    page = desk.post("coupon", drop="0")
    assert 'name="seen" value="2000"' in page


def test_equal_pieces_are_one_line_and_the_first_that_can_be_used_is_taken(desk):
    for _each in range(2):
        give(desk.member, "three", now=clock.now())
    desk.post("scan", text="2*A")
    page = desk.page()
    assert page.count("<b>Three off") == 1 and 'Three off <span class="num">×3</span>' in page
    first = re.search(r'name="add" value="([0-9a-f-]+)"[^>]*>(?:(?!</button>).)*Three off', page, re.DOTALL)[
        1
    ]
    page = desk.post("coupon", add=first)
    # The two others cannot be used beside it: they are pieces of its line, not refusals of their own.
    assert page.count("<b>Three off") == 1 and 'Three off <span class="num">×3</span>' in page
    assert 'name="seen" value="1700"' in page
    assert 'Three off <span class="num">×3</span>' in desk.post("coupon", drop="0")


def test_an_empty_field_proposes_the_best_and_the_sale_uses_it(desk):
    desk.post("scan", text="6*A")
    page = desk.post("coupon", text="")
    assert 'name="seen" value="4320"' in page  # 60.00 − 3.00 − 9.00, and a tenth of 48.00
    assert desk.post("line", sku="A", quantity="2")  # now the large one does not count any more
    assert desk.ticket()["seen"] == "1530"
    desk.post("commit", 204, **desk.ticket())
    assert Order.objects.get().payable_minor == 1530
    states = {each.template: each.state for each in Coupon.objects.all()}
    assert states == {"three": "used", "tenth": "used", "big": "held"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [("nonsense", "There is no such coupon."), ("piece", "It needs ¥50.00")],
)
def test_what_does_not_count_is_said_and_not_kept(desk, typed, said):
    desk.post("scan", text="A")
    page = desk.post("coupon", 422, text=desk.pieces["big"] if typed == "piece" else typed)
    assert said in page and desk.ticket()["seen"] == "1000"
    desk.post("commit", 204, **desk.ticket())


def test_codes_are_typed_and_a_unique_one_is_kept_nowhere(desk):
    in_force = programme_at(clock.now())
    job = order_codes(
        actor=SYSTEM, template=in_force.programme.coupons["flyer"], version_id=in_force.version_id,
        zone=in_force.programme.zone, count=1, note="", now=clock.now(),
    )  # fmt: skip
    generate_codes(job_id=job.id, now=clock.now())
    code = list(download_codes(actor=SYSTEM, job_id=job.id, now=clock.now(), reason="t"))[-1]
    desk.post("scan", text="A")
    desk.post("coupon", text=" hello ")
    page = desk.post("coupon", text=code.lower())
    assert 'name="seen" value="700"' in page and code not in page
    kept = SessionStore(session_key=Session.objects.latest("expire_date").session_key)
    assert code not in str(kept.load()) and code.lower() not in str(kept.load())
    desk.post("commit", 204, **desk.ticket())
    assert Order.objects.get().payable_minor == 700


def test_another_member_and_an_empty_cart_start_without_coupons(desk):
    page = desk.post("coupon", 422, text="HELLO")
    assert "Add the goods first" in page or 'name="seen"' in page
    desk.post("scan", text="A")
    desk.post("coupon", text="HELLO")
    assert desk.ticket()["seen"] == "900"
    desk.post("pick", member="")
    assert desk.ticket()["seen"] == "1000"


def test_the_refund_page_tells_what_becomes_of_them(desk):
    desk.post("scan", text="A")
    desk.post("coupon", add=desk.pieces["three"])
    desk.post("commit", 204, **desk.ticket())
    order = Order.objects.get()
    page = desk.client.get(f"/cashier/refund/{order.id}").content.decode()
    assert "Three off" in page and "back to the member" in page
