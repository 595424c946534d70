"""Rivals at the worst moment: whatever happens between the facts of a sale and its write, the book stays right."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from shuke.catalog.models import Product, Store
from shuke.checkout import errors, operations
from shuke.checkout.bulk import HistoricOrder, commit_batch, take_books
from shuke.checkout.invariants import verify_orders
from shuke.checkout.logic import CartLine
from shuke.checkout.models import Order, Refund
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.refunds import refund_order
from shuke.checkout.values import LineRequest
from shuke.core.keyset import keyset
from shuke.core.values import SYSTEM
from shuke.integrations import orders_lane, orders_plan
from shuke.integrations.errors import ImportRunning
from shuke.integrations.mapping import read_mapping
from shuke.integrations.runs import run_import
from shuke.integrations.values import Kind, Options
from shuke.ledger.models import Account, Entry
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import reconcile
from shuke.loyalty.counters import hold_counters, verify_counters
from shuke.loyalty.earning import EPOCH
from shuke.loyalty.models import Counter as BudgetCounter
from shuke.loyalty.models import Standing, TierChange
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.queries import forget_versions
from shuke.loyalty.tier_reviews import review_tiers
from shuke.members.identifiers import blind, normalise
from shuke.members.models import Identifier, Member
from shuke.members.operations import change_status, update_member
from tests.concurrency.rivals import Rivals, elsewhere
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.ledger import give
from tests.factories.members import make_member
from tests.factories.programmes import document
from tests.integrations.conftest import NOW as IMPORT_NOW
from tests.integrations.conftest import fill_chain
from tests.integrations.test_orders_import import MAPPING

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
WRITE = (operations, "sale_document")
"""The last thing before the write: facts are read, the price is made."""


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> Rivals:
    return Rivals(monkeypatch)


@pytest.fixture(autouse=True)
def shop(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[None]:
    """A shop before, and a book that adds up after, whatever the test did."""
    forget_versions()
    if "chain" not in request.fixturenames:
        make_shop()
    yield
    assert reconcile().differences == ()
    assert verify_orders()[1] == []
    assert tier_history_breaks() == []
    forget_versions()


def tier_history_breaks() -> list[Any]:
    """Members whose standing is not where the newest change of tier left it."""
    newest: dict[Any, TierChange] = {}
    for change in TierChange.objects.order_by("id"):
        newest[change.member_id] = change
    return [s.member_id for s in Standing.objects.all() if newest[s.member_id].to_tier != s.tier]


def points(member: Member) -> int:
    return Account.objects.get(member=member, asset="points").balance


def test_two_sales_of_a_member_are_priced_one_after_the_other(rivals: Rivals) -> None:
    member = make_member(now=NOW)
    sell(("A", 99), member=member, now=NOW)  # 990.00: ten more make silver
    rivals.before(*WRITE, partial(sell, ("A", 1), member=member, now=NOW))
    answer = sell(("A", 10), member=member, now=NOW)
    assert rivals.acted == 1
    assert answer["member"]["tier_before"] == "silver"
    assert answer["discount_minor"] == 200
    assert answer["member"]["balances"]["points"] == points(member) == 990 + 10 + 98 + 19


def test_a_sale_that_loses_every_time_takes_the_book_and_is_served(rivals: Rivals) -> None:
    member = make_member(now=NOW)
    rival = partial(sell, ("A", 1), member=member, now=NOW)
    tries = 1 + operations.OPTIMISTIC_TRIES  # first with whoever came at the same moment
    rivals.before(*WRITE, *[rival] * tries)
    answer = sell(("A", 2), member=member, now=NOW)
    assert rivals.acted == tries
    assert answer["member"]["balances"]["points"] == points(member) == 10 * rivals.acted + 20


def test_the_same_points_are_not_spent_twice(rivals: Rivals) -> None:
    member = make_member(now=NOW)
    sell(("A", 30), member=member, now=NOW)
    rivals.before(*WRITE, partial(sell, ("A", 6), member=member, points=300, now=NOW))
    with pytest.raises(errors.NotEnoughPoints) as refusal:
        sell(("A", 50), member=member, points=300, now=NOW, key="k")
    assert refusal.value.params == {"asked": 300, "usable": 57}
    assert points(member) == 57


def lapsing(days: int = 10) -> tuple[Member, datetime]:
    """A member with 300 points that lapse at the returned instant."""
    member, lapses = make_member(now=NOW), NOW + timedelta(days=days)
    give(member.id, 300, at=NOW, expires_at=lapses)
    return member, lapses


def test_points_that_lapse_between_quote_and_commit_are_refused_not_spent() -> None:
    member, lapses = lapsing()
    cart = sale(("A", 50), member=member, points=300)
    assert quote_order(actor=TILL, sale=cart, now=lapses - timedelta(seconds=1))["points_used"] == 300
    with pytest.raises(errors.NotEnoughPoints):
        commit_order(actor=TILL, sale=cart, now=lapses)
    assert (Order.objects.count(), points(member)) == (0, 300)
    assert expire_lots(now=lapses) == 1
    assert points(member) == 0


def test_the_expiry_job_between_facts_and_write_wins(rivals: Rivals) -> None:
    member, lapses = lapsing()
    rivals.before(*WRITE, partial(expire_lots, now=lapses))
    with pytest.raises(errors.NotEnoughPoints):
        sell(("A", 50), member=member, points=300, now=lapses - timedelta(seconds=1))
    assert rivals.acted == 1
    assert (Order.objects.count(), points(member)) == (0, 0)


def test_a_sale_whose_lot_was_expired_under_it_pays_from_the_next_one(rivals: Rivals) -> None:
    member, lapses = lapsing()
    other = give(member.id, 500, at=NOW, expires_at=lapses + timedelta(days=100))
    rivals.before(*WRITE, partial(expire_lots, now=lapses))
    answer = sell(("A", 50), member=member, points=300, now=lapses - timedelta(seconds=1))
    spent = Entry.objects.filter(transfer__kind="redeem", account="member").values_list("lot_id", "amount")
    assert list(spent) == [(other, -300)]
    assert answer["member"]["balances"]["points"] == points(member)


def silver(now: datetime) -> tuple[Member, datetime]:
    """A silver member and the instant at which the tier is reviewed, by when nothing counts any more."""
    member = make_member(now=now)
    sell(("A", 100), member=member, now=now)
    review = Standing.objects.get(member=member).review_at
    assert review is not None
    return member, review


def review(now: datetime) -> Callable[[], int]:
    return partial(review_tiers, now=now, qualifying=qualifying_totals)


def test_job_and_sale_review_a_tier_once(rivals: Rivals) -> None:
    member, due = silver(NOW)
    after = due + timedelta(hours=1)
    rivals.before(operations, "review_member", review(after))
    answer = sell(("A", 10), member=member, now=after)
    assert (rivals.acted, answer["discount_minor"]) == (1, 0)
    assert list(TierChange.objects.order_by("id").values_list("cause", flat=True)) == ["qualified", "lapsed"]


def test_a_review_between_facts_and_write_is_seen(rivals: Rivals) -> None:
    member, due = silver(NOW)
    rivals.before(*WRITE, review(due))
    answer = sell(("A", 10), member=member, now=due - timedelta(seconds=1))
    assert rivals.acted == 1
    assert (answer["member"]["tier_before"], answer["discount_minor"]) == ("classic", 0)
    assert Order.objects.get(id=answer["id"]).tier == "classic"


def test_a_sale_just_before_the_job_takes_the_book_renews_the_tier(
    rivals: Rivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shuke.loyalty import tier_reviews as loyalty

    member, due = silver(NOW)
    rivals.before(
        loyalty, "take_books", partial(sell, ("A", 200), member=member, now=due - timedelta(hours=1))
    )
    review(due)()
    assert TierChange.objects.order_by("id").last().cause == "renewed"  # type: ignore[union-attr]
    assert Standing.objects.get(member=member).tier == "silver"


def test_of_many_refunds_of_an_order_one_is_made() -> None:
    member = make_member(now=NOW)
    order = sell(("A", 30), member=member, now=NOW)
    act = partial(refund_order, actor=TILL, order_id=order["id"], reason="returned", now=NOW)
    results = race([act] * 6)
    assert Counter(type(r) for r in results) == {dict: 1, errors.AlreadyRefunded: 5}
    assert (Refund.objects.count(), points(member)) == (1, 0)


def test_of_many_refunds_of_a_strangers_order_one_is_made() -> None:
    order = sell(("A", 30), now=NOW)
    act = partial(refund_order, actor=TILL, order_id=order["id"], reason="returned", now=NOW)
    assert Counter(type(r) for r in race([act] * 6)) == {dict: 1, errors.AlreadyRefunded: 5}
    assert Refund.objects.count() == 1


def test_a_refund_between_facts_and_write_takes_its_points_along(rivals: Rivals) -> None:
    member = make_member(now=NOW)
    order = sell(("A", 30), member=member, now=NOW)
    rivals.before(*WRITE, partial(refund_order, actor=TILL, order_id=order["id"], reason="returned", now=NOW))
    with pytest.raises(errors.NotEnoughPoints):
        sell(("A", 50), member=member, points=300, now=NOW)
    assert points(member) == 0


def test_a_sale_whose_facts_are_read_before_a_freeze_stands_and_the_next_is_refused(rivals: Rivals) -> None:
    """A freeze is no change of the book: it orders itself after the sale that was under way (a few milliseconds)."""
    member = make_member(now=NOW)
    freeze = partial(
        change_status, actor=SYSTEM, now=NOW, member_id=member.id, status="frozen", reason="card was stolen"
    )
    rivals.before(*WRITE, freeze)
    answer = sell(("A", 10), member=member, now=NOW)
    assert (rivals.acted, answer["points_earned"], points(member)) == (1, 100, 100)
    with pytest.raises(errors.MemberNotActive):
        sell(("A", 10), member=member, now=NOW)


def test_a_freeze_is_seen_by_a_sale_that_must_price_again(rivals: Rivals) -> None:
    member = make_member(now=NOW)

    def sell_and_freeze() -> None:
        sell(("A", 1), member=member, now=NOW)
        change_status(actor=SYSTEM, now=NOW, member_id=member.id, status="frozen", reason="card was stolen")

    rivals.before(*WRITE, sell_and_freeze)
    with pytest.raises(errors.MemberNotActive):
        sell(("A", 10), member=member, now=NOW)
    assert points(member) == 10


def test_a_sale_does_not_wait_for_a_change_of_the_members_file() -> None:
    member = make_member(now=NOW)
    with transaction.atomic():
        update_member(actor=SYSTEM, now=NOW, member_id=member.id, changes={"note": "prefers a window seat"})
        elsewhere(lambda: impatiently(partial(sell, ("A", 1), member=member, now=NOW)))
    assert points(member) == 10


def impatiently(act: Callable[[], Any]) -> Any:
    """Do it, refusing to wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    return act()


def test_a_programme_published_between_quote_and_commit_counts_from_its_instant_on(rivals: Rivals) -> None:
    member = make_member(now=NOW)
    cart = sale(("A", 10), member=member)
    quote = quote_order(actor=TILL, sale=cart, now=NOW)
    double = document()
    double["earning"][0]["give"] = 2
    publish = partial(publish_programme, actor=SYSTEM, now=NOW, source=json.dumps(double))
    rivals.before(*WRITE, publish)
    under_way = json.loads(commit_order(actor=TILL, sale=cart, now=NOW + timedelta(seconds=1)).body)
    assert rivals.acted == 1
    assert (under_way["points_earned"], under_way["programme_version"]) == (quote["points_earned"], 1)
    later = sell(("A", 10), member=member, now=NOW + timedelta(seconds=3))
    assert (later["points_earned"], later["programme_version"]) == (200, 2)


def orders_file(path: Path, orders: int = 600) -> Path:
    rows = [
        f"O{n},2026-0{1 + n % 9}-05 10:{n % 60:02d},S{1 + n % 2},h{n % 10},P{n % 20},1,{10 + n % 7}.50,0\n"
        for n in range(orders)
    ]
    path.write_text("order,time,store,member,sku,qty,amount,off\n" + "".join(rows))
    return path


@pytest.fixture
def chain(transactional_db: None) -> None:
    """Another shop: the one that the importer's tests know."""
    fill_chain()


@pytest.mark.parametrize("options", [{}, {"all_or_nothing": True}], ids=["chunks", "all or nothing"])
def test_two_imports_of_one_file_at_once_sell_every_order_once(
    chain: None, tmp_path: Path, options: dict[str, Any]
) -> None:
    act = partial(
        run_import,
        kind=Kind.ORDERS,
        path=orders_file(tmp_path / "orders.csv"),
        mapping=read_mapping(MAPPING, Kind.ORDERS),
        options=Options(workers=1, **options),
        clock=lambda: IMPORT_NOW,
        progress=lambda work: None,
    )
    results = race([act, act])
    problems = [r for r in results if isinstance(r, BaseException)]
    assert all(isinstance(problem, ImportRunning) for problem in problems), problems
    assert len(problems) < 2
    assert Order.objects.count() == 600


def test_a_till_that_sells_an_order_of_a_chunk_under_the_import_wins(
    chain: None, tmp_path: Path, rivals: Rivals
) -> None:
    cart = sale(line_requests=(LineRequest("P1", 1000),), number="O5")
    till = partial(commit_order, actor=TILL, sale=replace(cart, system="old"), now=IMPORT_NOW)
    rivals.before(orders_lane, "commit_batch", till)
    outcome = run_import(
        kind=Kind.ORDERS,
        path=orders_file(tmp_path / "orders.csv", 20),
        mapping=read_mapping(MAPPING, Kind.ORDERS),
        options=Options(workers=1),
        clock=lambda: IMPORT_NOW,
        progress=lambda work: None,
    )
    assert rivals.acted == 1
    assert (outcome.counts.imported, outcome.counts.skipped, Order.objects.count()) == (19, 1, 20)
    assert Order.objects.get(number="O5").actor == TILL.reference


def test_a_run_in_one_transaction_waits_for_a_till_before_it_holds_a_budget(
    chain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the till would wait for the budget, and the run for the till."""
    monkeypatch.setattr(orders_plan, "CHUNK_LINES", 1)
    rule = {"id": "limited", "give": 1, "per": "1.00", "budget": "launch"}
    budget = {"id": "launch", "name": {"zh-Hans": "开业"}, "limit": 50}
    publish(datetime(2025, 12, 1, tzinfo=UTC), earning=[rule], budgets=[budget])
    first = Identifier.objects.get(blind=blind(keyset(), "external", normalise("external", "h0", "old")))
    others = sorted(Member.objects.exclude(id=first.member_id).values_list("id", flat=True))
    taken = Event()

    def till() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            take_books(others)
            taken.set()
            deadline = time.monotonic() + 20
            waits = False
            while not waits and time.monotonic() < deadline:
                time.sleep(0.02)
                cursor.execute(
                    "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
                    " AND a.datname = current_database()), pg_stat_clear_snapshot()"
                )
                waits = cursor.fetchone()[0]
            hold_counters([("launch", EPOCH)])

    def dry_run() -> int:
        assert taken.wait(20)
        outcome = run_import(
            kind=Kind.ORDERS,
            path=orders_file(tmp_path / "orders.csv", 20),
            mapping=read_mapping(MAPPING, Kind.ORDERS),
            options=Options(dry_run=True),
            clock=lambda: IMPORT_NOW,
            progress=lambda work: None,
        )
        return outcome.counts.imported

    assert race([till, dry_run]) == [None, 20]


def test_a_dry_run_lets_go_of_members_as_soon_as_their_chunk_is_counted(
    chain: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it tries a chunk, a till sells to members of those before and after it; the members of the chunk wait."""
    monkeypatch.setattr(orders_plan, "CHUNK_LINES", 1)
    write, sold = orders_lane._write_chunk, Counter[bool]()
    everybody = list(Member.objects.values_list("id", flat=True))

    def sells_to(member_id: Any) -> bool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '300ms'")
            try:
                take_books([member_id])
            except OperationalError:
                return False
            return True

    def write_and_sell(run: Any, orders: Any, now: datetime) -> Any:
        result = write(run, orders, now)
        mine = {order.member_id for _row, order in orders}
        for member_id in everybody:
            free = elsewhere(partial(sells_to, member_id))
            assert free == (member_id not in mine)
            sold[free] += 1
        return result

    monkeypatch.setattr(orders_lane, "_write_chunk", write_and_sell)
    outcome = run_import(
        kind=Kind.ORDERS,
        path=orders_file(tmp_path / "orders.csv", 6),
        mapping=read_mapping(MAPPING, Kind.ORDERS),
        options=Options(dry_run=True),
        clock=lambda: IMPORT_NOW,
        progress=lambda work: None,
    )
    assert (outcome.counts.imported, sold[True], sold[False]) == (6, 54, 6)
    assert Order.objects.count() == 0


def storm(seconds: float) -> Counter[str]:
    """Sales, refunds, imports, expiry, reviews and edits of the same members for a time, all drawing on the same budgets;
    returns what was done."""
    budgets = [
        {"id": "whole", "name": {"zh-Hans": "总量"}, "limit": 10**9},
        {"id": "daily", "name": {"zh-Hans": "每日"}, "limit": 300, "period": "day"},
    ]
    earning = [
        {"id": "base", "give": 1, "per": "1.00"},
        {"id": "growth", "asset": "growth", "give": 1, "per": "1.00"},
        {"id": "more", "give": 1, "per": "10.00", "budget": "whole"},
        {"id": "gift", "fixed": 3, "budget": "daily"},
    ]
    publish(earning=earning, budgets=budgets)
    dice = random.Random(5)
    members = [make_member(now=NOW) for _ in range(24)]
    store, product = Store.objects.get(code="S1"), Product.objects.get(sku="A")
    over, done = Event(), Counter[str]()
    line = CartLine(str(product.id), "A", "FOOD", 1000, 5000)

    def keep(
        name: str, act: Callable[[random.Random], Any], *refusals: type[Exception]
    ) -> Callable[[], None]:
        own = random.Random(dice.random())

        def run() -> None:
            while not over.is_set():
                try:
                    act(own)
                    done[name] += 1
                except refusals:
                    done[f"{name} refused"] += 1

        return run

    def sale_of(own: random.Random) -> None:
        sell(("A", own.randint(1, 40)), member=own.choice(members), points=own.choice([0, 100]), now=NOW)

    def refund(own: random.Random) -> None:
        order = Order.objects.filter(status="committed").order_by("?").first()
        if order:
            at = max(NOW, order.occurred_at)
            refund_order(actor=TILL, order_id=order.id, reason="returned", now=at)

    def batch(own: random.Random) -> None:
        chosen = [own.choice(members) for _ in range(30)]
        orders = [
            HistoricOrder(
                "old", f"{own.random()}", m.id, store.id, "S1", "pos", NOW - timedelta(days=40 - n), [line]
            )
            for n, m in enumerate(chosen)
        ]
        commit_batch(reference="system:test", orders=orders, now=NOW)

    def edit(own: random.Random) -> None:
        with transaction.atomic():
            for member in own.sample(members, 12):
                changes = {"note": f"note {own.random()}"}
                update_member(actor=SYSTEM, now=NOW, member_id=member.id, changes=changes)

    def jobs(own: random.Random) -> None:
        later = NOW + timedelta(days=own.choice([0, 500]))
        expire_lots(now=later)
        review_tiers(now=later, qualifying=qualifying_totals)

    def end() -> None:
        time.sleep(seconds)
        over.set()

    acts = [keep("sale", sale_of, errors.NotEnoughPoints) for _ in range(4)]
    acts += [keep("batch", batch) for _ in range(2)]
    acts += [keep("refund", refund, errors.AlreadyRefunded), keep("edit", edit), keep("jobs", jobs)]
    problems = [result for result in race([*acts, end], timeout=seconds + 120) if result is not None]
    over.set()
    assert problems == []
    assert verify_counters() == []
    drawn = dict(BudgetCounter.objects.filter(budget="daily").values_list("period", "used"))
    assert max(drawn.values()) <= 300
    return done


def test_everybody_at_the_same_members_and_nobody_deadlocks() -> None:
    done = storm(6)
    assert all(done[name] for name in ("sale", "batch", "refund", "edit", "jobs")), done


@pytest.mark.slow
def test_half_a_minute_of_everybody_at_the_same_members() -> None:
    done = storm(30)
    print(done)
    assert all(done[name] for name in ("sale", "batch", "refund", "edit", "jobs")), done
