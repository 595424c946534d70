"""Sales that arrive at the same moment share statements; each is answered as if it had been alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, transaction

from shuke.checkout import errors, operations
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import Order, OrderLine, OrderTender
from shuke.checkout.operations import commit_order
from shuke.checkout.stored_value import top_up
from shuke.checkout.values import MemberRef, TenderRequest
from shuke.core.models import IdempotentCall, OutboxEvent
from shuke.kit.together import Together
from shuke.kit.turns import Turn
from shuke.ledger.models import Account
from shuke.ledger.queries import reconcile
from shuke.loyalty.models import Standing
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)


class Crowd:
    """Sells several carts: one sale is under way until all of them wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self._began = threading.Event()
        self._company = 0
        self._together: Together[Any, Any] = Together(self._work, most=16)
        monkeypatch.setattr(operations, "_together", self._together)
        # As if each till named a member in its own way: turns keep apart only what is named alike.
        monkeypatch.setattr(
            operations, "_turns", Mock(turn=lambda thing, asked: nullcontext(Turn(asked, None)))
        )

    def _work(self, asked: Sequence[Any]) -> list[Any]:
        self.sizes.append(len(asked))
        self._began.set()
        deadline = time.monotonic() + 20
        while len(self.sizes) == 1 and len(self._together._waiting) < self._company:
            assert time.monotonic() < deadline, "nobody comes"
            time.sleep(0.001)
        return operations._commit_together(asked)

    def __call__(self, *calls: Callable[[], Any]) -> list[Any]:
        self._company = len(calls)

        def later(call: Callable[[], Any]) -> Any:
            self._began.wait(20)
            return call()

        first = partial(sell, ("B", 1), now=NOW)
        return race([first, *(partial(later, call) for call in calls)])[1:]


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    make_shop()
    yield Crowd(monkeypatch)
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


def points(member: Any) -> int:
    return Account.objects.get(member=member, asset="points").balance


def test_sales_of_several_members_are_written_as_each_would_be_alone(crowd: Crowd) -> None:
    members = [make_member(now=NOW) for _ in range(4)]
    carts = [[("A", 1)], [("A", 100), ("B", 1)], [("B", 2), ("A", 3), ("B", 4)], [("A", 7)]]
    alone = [sell(*cart, member=make_member(now=NOW), now=NOW) for cart in carts]
    crowd.sizes.clear()
    answers = crowd(
        *(
            partial(sell, *cart, member=member, now=NOW, key=f"k{n}")
            for n, (cart, member) in enumerate(zip(carts, members, strict=True))
        ),
        partial(sell, ("A", 2), now=NOW),
    )
    assert crowd.sizes == [1, 5]
    for answer, other, member in zip(answers, alone, members, strict=False):
        same = ("payable_minor", "discount_minor", "points_earned", "growth_earned", "earned", "lines")
        assert {name: answer[name] for name in same} == {name: other[name] for name in same}
        assert answer["member"]["id"] == str(member.id)
        assert (
            answer["member"]["balances"]["points"] == points(member) == other["member"]["balances"]["points"]
        )
        order = Order.objects.get(id=answer["id"])
        assert (order.member_id, order.payable_minor, order.settled) == (
            member.id,
            answer["payable_minor"],
            False,
        )
        kept = (
            OrderLine.objects.filter(order=order).order_by("line_no").values_list("payable_minor", flat=True)
        )
        assert list(kept) == [line["payable_minor"] for line in answer["lines"]]
    assert Standing.objects.get(member=members[1]).tier == "silver"
    assert Order.objects.get(id=answers[4]["id"]).member_id is None
    assert IdempotentCall.objects.count() == 4
    assert [json.loads(bytes(c.body)) for c in IdempotentCall.objects.order_by("key")] == answers[:4]
    assert OutboxEvent.objects.filter(name="checkout.order_committed.v1").count() == 4 + 1 + 5


def test_sales_paid_with_points_and_stored_value_go_with_the_others(crowd: Crowd) -> None:
    publish(stored_value={}, policies={"spend_own_points": True})
    members = [make_member(now=NOW) for _ in range(3)]
    for member in members:
        top_up(actor=TILL, member_id=member.id, store="S1", amount_minor=5_000, tender="cash", now=NOW)
        sell(("A", 8), member=member, now=NOW)
    money = (TenderRequest("stored_value", None), TenderRequest("cash", reference="R1"))
    crowd.sizes.clear()
    both, points_only, poor, plain = crowd(
        partial(sell, ("A", 6), member=members[0], points=100, tenders=money, now=NOW, key="k"),
        partial(sell, ("A", 3), member=members[1], points=100, now=NOW),
        partial(sell, ("A", 9), member=members[2], tenders=(TenderRequest("stored_value", 5_001),), now=NOW),
        partial(sell, ("B", 1), now=NOW),
    )
    assert crowd.sizes == [1, 4]
    # Of 60.00 points pay 1.00, some of them given by this very sale; stored value pays 50.00, cash the rest.
    assert both["points_used"] == 100 > 80
    assert [(t["kind"], t["amount_minor"]) for t in both["tenders"]] == [
        ("stored_value", 5_000),
        ("cash", 900),
    ]
    assert isinstance(poor, errors.NotEnoughStoredValue)
    assert (points_only["points_used"], plain["payable_minor"]) == (100, 250)
    for member, answer in zip(members, (both, points_only), strict=False):
        left = Account.objects.get(member=member, asset="stored_value").balance
        assert answer["member"]["balances"]["points"] == points(member)
        assert answer["member"]["balances"]["stored_value"] == left == (0 if answer is both else 5_000)
    kept = OrderTender.objects.filter(order=both["id"]).order_by("seq")
    assert [(t.kind, t.amount_minor, t.holder_id, t.reference) for t in kept] == [
        ("stored_value", 5_000, members[0].id, ""),
        ("cash", 900, None, "R1"),
    ]


def test_what_is_wrong_with_one_sale_is_told_to_it_alone(crowd: Crowd) -> None:
    member, other = make_member(now=NOW), make_member(now=NOW)
    known = sell(("A", 1), member=other, now=NOW, key="known", number="N1")
    crowd.sizes.clear()
    unknown, good, twisted, again, taken = crowd(
        partial(sell, ("NOPE", 1), member=member, now=NOW),
        partial(sell, ("A", 3), member=member, now=NOW, key="good"),
        partial(
            commit_order, actor=TILL, sale=sale(("A", 9), member=other), now=NOW, key="known", input_hash=b"?"
        ),
        partial(sell, ("A", 1), member=other, now=NOW, key="known", number="N1"),
        partial(sell, ("A", 1), member=other, now=NOW, number="N1"),
    )
    assert crowd.sizes == [1, 5]
    assert isinstance(unknown, errors.UnknownProduct)
    assert isinstance(twisted, errors.IdempotencyConflict)
    assert again == known
    assert isinstance(taken, errors.OrderExists)
    assert good["member"]["balances"]["points"] == points(member) == 30
    assert points(other) == 10
    assert Order.objects.count() == 3


def test_sales_of_one_member_and_twins_come_one_after_the_other(crowd: Crowd) -> None:
    member, other = make_member(now=NOW), make_member(now=NOW)
    twin = partial(commit_order, actor=TILL, sale=sale(("A", 5), member=other), now=NOW, key="twin")
    answers = crowd(*[partial(sell, ("A", 1), member=member, now=NOW)] * 3, twin, twin)
    assert crowd.sizes == [1, 5]
    assert sorted(a["member"]["balances"]["points"] for a in answers[:3]) == [10, 20, 30]
    assert sorted(a.replayed for a in answers[3:]) == [False, True]
    assert answers[3].body == answers[4].body
    assert (points(member), points(other)) == (30, 50)


def test_sales_of_one_member_that_come_at_once_lose_no_work_to_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_shop()
    member = make_member(now=NOW)
    attempts = Mock(wraps=operations._draft)
    monkeypatch.setattr(operations, "_draft", attempts)
    answers = race([partial(sell, ("A", 1), member=member, now=NOW) for _ in range(8)])
    assert sorted(answer["member"]["balances"]["points"] for answer in answers) == [*range(10, 90, 10)]
    assert attempts.call_count == 8
    assert operations._turns._queues == {}


class Queue:
    """Sells to one member: the first sale is under way until all the others wait behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, member: Any) -> None:
        self.member = member
        self.sizes: list[int] = []
        self._company = 0
        self._began = threading.Event()
        self._attempt, self._share = operations._together.ask, operations._commit_with_those_behind
        monkeypatch.setattr(operations, "_together", Mock(ask=self._first))
        monkeypatch.setattr(operations, "_commit_with_those_behind", self._with_those_behind)

    def _first(self, asked: Any) -> Any:
        if self._company and not self._began.is_set():
            self._began.set()
            self._wait_until(self._company)
        return self._attempt(asked)

    def _with_those_behind(self, turn: Any) -> Any:
        self.sizes.append(1 + len(turn.behind(99)))
        return self._share(turn)

    def _wait_until(self, waiting: int) -> None:
        deadline = time.monotonic() + 20
        while len(operations._turns._queues[MemberRef("id", str(self.member.id))]) < waiting:
            assert time.monotonic() < deadline, "nobody comes"
            time.sleep(0.001)

    def __call__(self, *calls: Callable[[], Any]) -> list[Any]:
        def later(place: int, call: Callable[[], Any]) -> Any:
            self._began.wait(20)
            self._wait_until(place)
            return call()

        self._company = len(calls)
        first = partial(sell, ("B", 1), member=self.member, now=NOW)
        return race([first, *(partial(later, place, call) for place, call in enumerate(calls))])[1:]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    make_shop()
    yield Queue(monkeypatch, make_member(now=NOW))
    assert operations._turns._queues == {}
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


def transactions() -> int:
    """In how many transactions the orders were written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM checkout_order")
        return int(cursor.fetchone()[0])


def test_who_has_the_turn_sells_for_those_who_wait(queue: Queue) -> None:
    answers = queue(
        *(partial(sell, ("A", 1 + n), member=queue.member, now=NOW, key=f"k{n}") for n in range(5))
    )
    assert queue.sizes == [5]
    assert transactions() == 2
    assert [a["member"]["balances"]["points"] for a in answers] == [
        2 + total for total in (10, 30, 60, 100, 150)
    ]
    assert points(queue.member) == 152
    assert [json.loads(bytes(c.body)) for c in IdempotentCall.objects.order_by("key")] == answers
    assert OutboxEvent.objects.filter(name="checkout.order_committed.v1").count() == 6


def test_what_is_in_the_way_of_one_who_waits_is_told_to_it_alone(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = sell(("A", 1), member=queue.member, now=NOW, key="known", number="N1")
    to_member = partial(sell, member=queue.member, now=NOW)
    draft, broken = operations._draft, Mock(side_effect=[KeyError("a fault")])

    def fail_once(asked: Any, *more: Any) -> Any:
        if asked.key == "fault" and broken.call_count == 0:
            broken()
        return draft(asked, *more)

    monkeypatch.setattr(operations, "_draft", fail_once)
    good, poor, unknown, again, fault, twisted, spent = queue(
        partial(to_member, ("A", 30), key="good"),
        partial(to_member, ("A", 900), points=4_000),
        partial(to_member, ("NOPE", 1)),
        partial(to_member, ("A", 1), key="known", number="N1"),
        partial(to_member, ("A", 3), key="fault"),
        partial(
            commit_order,
            actor=TILL,
            sale=sale(("A", 3), member=queue.member),
            now=NOW,
            key="known",
            input_hash=b"?",
        ),
        partial(to_member, ("A", 50), points=300),
    )
    assert (queue.sizes[0], broken.call_count) == (7, 1)
    assert isinstance(poor, errors.NotEnoughPoints)
    assert isinstance(unknown, errors.UnknownProduct)
    assert isinstance(twisted, errors.IdempotencyConflict)
    assert again == known
    # Before anybody else's turn came, the last had spent what the first of them earned.
    assert good["member"]["balances"]["points"] == 10 + 2 + 300
    assert spent["member"]["balances"]["points"] == 12 + spent["points_earned"]
    assert fault["member"]["balances"]["points"] == points(queue.member) == 12 + spent["points_earned"] + 30
    assert Order.objects.count() == 5


def test_a_statement_that_fails_leaves_each_of_those_who_wait_to_its_own_turn(queue: Queue) -> None:
    other = make_member(now=NOW)
    sell(("A", 1), member=other, now=NOW, number="N1")
    first, second, taken, last = queue(
        partial(sell, ("A", 1), member=queue.member, now=NOW),
        partial(sell, ("A", 3), member=queue.member, now=NOW),
        partial(sell, ("A", 1), member=queue.member, now=NOW, number="N1"),
        partial(sell, ("A", 2), member=queue.member, now=NOW),
    )
    assert queue.sizes == [4, 3, 2, 1]
    assert isinstance(taken, errors.OrderExists)
    assert [a["member"]["balances"]["points"] for a in (first, second, last)] == [12, 42, 62]
    assert points(queue.member) == 62


def test_a_database_that_goes_away_is_told_to_all_whose_sales_it_took_along(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was under way may be written or not, so nobody tries again on the caller's behalf."""
    under_lock, killed = operations._try_under_lock, list[str]()

    def end_after(asked: Any) -> Any:
        answer = under_lock(asked)
        if asked.key == "k2" and not killed:
            killed.append("k2")
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return answer

    monkeypatch.setattr(operations, "_try_under_lock", end_after)
    answers = queue(*(partial(sell, ("A", 1), member=queue.member, now=NOW, key=f"k{n}") for n in range(3)))
    assert [isinstance(answer, OperationalError) for answer in answers] == [True] * 3
    assert (Order.objects.count(), points(queue.member)) == (1, 2)


def test_a_book_that_is_held_elsewhere_keeps_only_its_own_member_waiting(crowd: Crowd) -> None:
    held, free = make_member(now=NOW), make_member(now=NOW)
    taken, release, done = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT ledger_take_book(%s, NULL)", [held.id])
            taken.set()
            release.wait(30)

    def sell_to_the_free() -> Any:
        answer = sell(("A", 2), member=free, now=NOW)
        done.set()
        return answer

    def let_go() -> None:
        assert done.wait(20), "the sale of another member waits, too"
        assert not Order.objects.filter(member=held).exists()
        release.set()

    holder = threading.Thread(target=race, args=([hold],))
    holder.start()
    assert taken.wait(20)
    watcher = threading.Thread(target=race, args=([let_go],))
    watcher.start()
    waited, sold = crowd(partial(sell, ("A", 1), member=held, now=NOW), sell_to_the_free)
    holder.join(30)
    watcher.join(30)
    assert release.is_set()
    assert crowd.sizes == [1, 2]
    assert (waited["points_earned"], sold["points_earned"]) == (10, 20)
    assert (points(held), points(free)) == (10, 20)


def test_a_sale_that_is_overtaken_on_the_way_is_priced_again_and_the_others_are_sold(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtaken, free = make_member(now=NOW), make_member(now=NOW)
    write = operations._write

    def sell_elsewhere() -> None:
        with transaction.atomic():  # alone, as another process would
            sell(("A", 120), member=overtaken, now=NOW)

    def overtake(drafts: Sequence[Any]) -> Sequence[bool]:
        if len(drafts) == 2:
            assert race([sell_elsewhere]) == [None]
        return write(drafts)

    monkeypatch.setattr(operations, "_write", overtake)
    again, sold = crowd(
        partial(sell, ("A", 2), member=overtaken, now=NOW), partial(sell, ("A", 3), member=free, now=NOW)
    )
    assert crowd.sizes == [1, 2]
    assert (again["member"]["tier_before"], again["discount_minor"] > 0) == ("silver", True)
    assert again["member"]["balances"]["points"] == points(overtaken) == 1200 + again["points_earned"]
    assert sold["member"]["balances"]["points"] == points(free) == 30
