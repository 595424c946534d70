"""Unique codes: made in bulk, unguessable and told again without being stored; claimed, used and called back once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection

from shuke.core.keyset import keyset
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.kit.crypto import Keyset
from shuke.kit.ids import uuid7
from shuke.kit.typed_codes import with_check
from shuke.rewards import errors
from shuke.rewards.codes import blind_code, codes_of_job, read_unique_code
from shuke.rewards.invariants import verify_coupons
from shuke.rewards.models import Code, CodeJob, Coupon
from shuke.rewards.operations import (
    claim_code,
    download_codes,
    expire_coupons,
    generate_codes,
    order_codes,
    void_codes,
)
from shuke.rewards.operations import codes as code_operations
from shuke.rewards.queries import figures_of, find_code
from tests.factories.checkout import TILL
from tests.factories.core import NOW
from tests.factories.members import make_member
from tests.factories.rewards import VERSION, ZONE, restore, template, use

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clean_afterwards() -> Iterator[None]:
    yield
    assert verify_coupons()[1] == []


def order(count: int, kind: Any = None, **more: Any) -> CodeJob:
    kind = kind or template()
    return order_codes(
        actor=TILL,
        template=kind,
        version_id=VERSION,
        zone=ZONE,
        count=count,
        note="flyers",
        now=NOW,
        **more,
    )


def made(count: int, kind: Any = None) -> tuple[CodeJob, list[str]]:
    job = order(count, kind)
    while generate_codes(job_id=job.id, now=NOW, limit=7):
        pass
    told = download_codes(actor=TILL, job_id=job.id, now=NOW, reason="printing")
    return CodeJob.objects.get(id=job.id), list(told)


def claim(code: str, member_id: UUID, kind: Any = None) -> Coupon:
    kind = kind or template()
    return claim_code(
        actor=TILL,
        member_id=member_id,
        code=code,
        templates={kind.code: kind},
        version_id=VERSION,
        zone=ZONE,
        now=NOW,
    )


def test_codes_follow_from_job_and_place_and_check_themselves() -> None:
    secret, job = Keyset.generate(), uuid4()
    codes = list(codes_of_job(secret, job, 0, 2000))
    assert len(set(codes)) == 2000
    assert all(with_check(code[:15]) == code for code in codes)
    assert list(codes_of_job(secret, job, 1234, 5)) == codes[1234:1239]
    for other in (codes_of_job(secret, uuid4(), 0, 2000), codes_of_job(Keyset.generate(), job, 0, 2000)):
        assert set(codes).isdisjoint(other)
    assert len({blind_code(secret, code) for code in codes}) == 2000
    wrong = codes[0][:-1] + ("2" if codes[0][-1] != "2" else "3")
    assert read_unique_code(wrong) is None
    assert read_unique_code(f" {codes[0][:4].lower()}-{codes[0][4:]} ") == codes[0]


def test_a_job_makes_its_codes_in_batches_and_goes_on_after_a_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    job = order(20)
    assert figures_of(["ten"])["ten"].free == 20, "taken from the stock when they are ordered"
    assert generate_codes(job_id=job.id, now=NOW, limit=8) == 8
    with pytest.raises(errors.CodesNotReady):
        download_codes(actor=TILL, job_id=job.id, now=NOW, reason="too early")
    copy = code_operations._copy

    def fall(job_id: UUID, first: int, count: int) -> None:
        copy(job_id, first, count)
        raise KeyboardInterrupt

    monkeypatch.setattr(code_operations, "_copy", fall)
    with pytest.raises(KeyboardInterrupt):
        generate_codes(job_id=job.id, now=NOW, limit=8)
    monkeypatch.undo()
    assert (CodeJob.objects.get().made, Code.objects.count()) == (8, 8)
    assert [generate_codes(job_id=job.id, now=NOW, limit=8) for _ in range(3)] == [8, 4, 0]
    done = CodeJob.objects.get()
    assert (done.status, done.made, Code.objects.count()) == ("done", 20, 20)
    assert OutboxEvent.objects.filter(name="rewards.codes_made.v1").count() == 1


def test_a_download_tells_what_the_table_only_has_as_blind_indexes_and_is_on_record() -> None:
    job, codes = made(20)
    assert len(codes) == len(set(codes)) == 20
    plain = [code.replace("-", "") for code in codes]
    blinds = {bytes(row.blind): row.place for row in Code.objects.all()}
    assert [blinds[blind_code(keyset(), code)] for code in plain] == list(range(20))
    with connection.cursor() as cursor:
        for table in ("rewards_code", "rewards_codejob", "core_outboxevent", "core_auditevent"):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            text = cursor.fetchone()[0]
            assert not any(code in text or code.lower() in text for code in plain), table
    part = download_codes(actor=TILL, job_id=job.id, now=NOW, reason="lost page", first=18, count=9)
    assert list(part) == codes[18:]
    looks = AuditEvent.objects.filter(action="rewards.codes_downloaded.v1").order_by("id")
    assert [(look.reason, look.data["first"], look.data["count"]) for look in looks] == [
        ("printing", 0, 20),
        ("lost page", 18, 2),
    ]


def test_orders_out_of_range_or_stock_are_refused() -> None:
    for count in (0, code_operations.MAX_CODES + 1):
        with pytest.raises(errors.CodeCountOutOfRange):
            order(count)
    with pytest.raises(errors.CouponTemplateOver):
        order(1, template(ends=date(2026, 11, 20)))
    order(6, template(stock=10))
    with pytest.raises(errors.CouponsOutOfStock) as refused:
        order(5, template(stock=10))
    assert refused.value.params["left"] == 4
    assert CodeJob.objects.count() == 1


def test_a_code_is_claimed_by_one_member() -> None:
    kind = template(days_after_issue=7)
    _job, codes = made(3, kind)
    anna, ben = make_member().id, make_member().id
    coupon = claim(codes[0].lower(), anna, kind)
    assert (coupon.state, coupon.member_id, coupon.last_four) == ("held", anna, codes[0][-4:])
    assert coupon.valid_until is not None, "the term begins with the claim"
    assert claim(codes[0], anna, kind).id == coupon.id, "said again"
    with pytest.raises(errors.CouponCodeTaken):
        claim(codes[0], ben, kind)
    with pytest.raises(errors.CouponCodeUnknown):
        claim(next(codes_of_job(keyset(), uuid4(), 0, 1)), ben, kind)
    figures = figures_of(["ten"])["ten"]
    assert (figures.issued, figures.held, figures.free) == (3, 1, 2)
    order_id = use({"t": "ten", "c": coupon.id, "v": 7}, member_id=anna)
    with pytest.raises(errors.CouponCodeTaken):
        claim(codes[0], anna, kind)
    restore(order_id)
    assert claim(codes[0], anna, kind).id == coupon.id


def test_one_member_claims_as_many_codes_as_allowed() -> None:
    kind = template(per_member=2)
    _job, codes = made(3, kind)
    anna = make_member().id
    claim(codes[0], anna, kind)
    claim(codes[1], anna, kind)
    with pytest.raises(errors.CouponClaimLimit):
        claim(codes[2], anna, kind)


def test_a_bearer_uses_a_code_that_nobody_claimed_and_gets_it_back() -> None:
    _job, codes = made(2)
    found = find_code(codes[0])
    assert found is not None
    assert (found.template, found.state, found.coupon) == ("ten", "issued", None)
    document = {"t": "ten", "b": found.blind.hex(), "f": found.last_four, "v": 300}
    order_id = use({**document, "i": uuid7()})
    with pytest.raises(OperationalError):
        use({**document, "i": uuid7()})
    again = find_code(codes[0])
    assert again is not None
    assert again.coupon is not None
    assert (again.state, again.coupon.last_four) == ("used", codes[0][-4:])
    restore(order_id)
    assert Coupon.objects.get().state == "issued"
    assert figures_of(["ten"])["ten"].free == 2
    anna = make_member().id
    assert claim(codes[0], anna).member_id == anna
    assert figures_of(["ten"])["ten"].held == 1


def test_a_job_that_is_called_back_leaves_what_members_hold() -> None:
    job, codes = made(5)
    anna = make_member().id
    held = claim(codes[0], anna)
    ended = void_codes(actor=TILL, job_id=job.id, reason="printed wrong", now=NOW)
    assert (ended.status, ended.ended_pieces) == ("void", 4)
    with pytest.raises(errors.CodeJobEnded):
        void_codes(actor=TILL, job_id=job.id, reason="again", now=NOW)
    with pytest.raises(errors.CodeJobEnded):
        download_codes(actor=TILL, job_id=job.id, now=NOW, reason="too late")
    with pytest.raises(errors.CouponCodeOver):
        claim(codes[1], make_member().id)
    found = find_code(codes[2])
    assert found is not None
    assert found.state == "void"
    with pytest.raises(OperationalError):
        use({"t": "ten", "b": found.blind.hex(), "i": uuid7(), "v": 1})
    figures = figures_of(["ten"])["ten"]
    assert (figures.issued, figures.held, figures.void, figures.free) == (5, 1, 4, 0)
    assert claim(codes[0], anna).id == held.id


def test_codes_of_fixed_days_lapse_with_their_job() -> None:
    kind = template(ends=date(2026, 11, 30))
    job, codes = made(4, kind)
    claim(codes[0], make_member().id, kind)
    late = NOW + timedelta(days=12)
    assert [expire_coupons(now=late) for _ in range(3)] == [1, 3, 0]
    assert CodeJob.objects.get(id=job.id).status == "expired"
    figures = figures_of(["ten"])["ten"]
    assert (figures.expired, figures.held, figures.free) == (4, 0, 0)
    found = find_code(codes[1])
    assert found is not None
    assert found.state == "expired"
