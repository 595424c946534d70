"""The book at a past instant: what a replay up to then gives, and at the end exactly what the running figures say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from django.db import connection

from shuke.core.values import SYSTEM
from shuke.kit.ids import uuid7
from shuke.ledger.as_of import Cut, assets_at, balances_at, flows_at, moves_at
from shuke.ledger.logic import WAITING
from shuke.ledger.models import Account, Lot
from shuke.ledger.operations import place_hold, release_hold
from shuke.ledger.queries import balances_of, reconcile
from tests.factories.core import NOW
from tests.factories.ledger import give, owe, post, spend
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@dataclass
class Story:
    """A random history of one member, kept beside the book: (occurred, recorded, lot or None, amount)."""

    member_id: UUID
    random: Random
    moves: list[tuple[datetime, datetime, UUID | None, int]] = field(default_factory=list)
    lots: dict[UUID, tuple[datetime, datetime | None]] = field(default_factory=dict)
    now: datetime = NOW - 400 * DAY

    def held(self, lot: UUID | None) -> int:
        return sum(amount for *_times, moved, amount in self.moves if moved == lot)

    def step(self) -> None:
        self.now += self.random.choice([timedelta(0), timedelta(microseconds=1), DAY / 3, 5 * DAY])
        recorded = self.now + self.random.choice([timedelta(0), DAY, 30 * DAY])
        act = self.random.choice(["earn", "earn", "redeem", "reversal", "owe", "expire", "fancy"])
        legs: list[tuple[UUID | None, int]] = []
        opened = []
        if act in ("earn", "fancy"):
            amount, lot = self.random.randint(1, 500), uuid7()
            settled = min(amount, -self.held(None))
            if settled:
                legs.append((None, settled))
            if amount > settled:
                active = self.now + self.random.choice([timedelta(0), timedelta(0), 7 * DAY])
                ends = self.random.choice([None, active + 20 * DAY, active + 200 * DAY])
                self.lots[lot] = (active, ends)
                legs.append((lot, amount - settled))
                opened.append(
                    {
                        "id": str(lot),
                        "asset": "points",
                        "amount": amount - settled,
                        "active_at": active.isoformat(),
                        "expires_at": ends.isoformat() if ends else None,
                    }
                )
        elif act == "owe":
            legs.append((None, -self.random.randint(1, 90)))
        else:
            filled = [lot for lot in self.lots if self.held(lot)]
            for lot in self.random.sample(filled, min(len(filled), 2)):
                legs.append((lot, -self.random.randint(1, self.held(lot))))
        if not legs:
            return
        kind = {"fancy": "accrue", "owe": "reversal"}.get(act, act)
        entries = [
            {
                "account": "member",
                "asset": "points",
                "amount": amount,
                **({"lot_id": str(lot)} if lot else {}),
            }
            for lot, amount in legs
        ]
        entries.append({"account": "issued", "asset": "points", "amount": -sum(a for _lot, a in legs)})
        post(self.member_id, kind, entries, opened, self.now, recorded_at=recorded)
        self.moves += [(self.now, recorded, lot, amount) for lot, amount in legs]

    def replay(self, cut: Cut) -> tuple[int, int, dict[UUID, int]]:
        """(balance, debt, what each lot holds) of the moves that count, one after the other."""
        balance, debt, lots = 0, 0, dict[UUID, int]()
        for occurred, recorded, lot, amount in self.moves:
            if occurred > cut.as_of or (cut.known_at is not None and recorded > cut.known_at):
                continue
            balance += amount
            if lot is None:
                debt -= amount
            else:
                lots[lot] = lots.get(lot, 0) + amount
        return balance, debt, lots


@pytest.mark.parametrize("seed", range(25))
def test_any_instant_is_a_replay_up_to_it_and_the_last_is_the_running_balance(seed: int) -> None:
    random = Random(seed)
    story = Story(make_member().id, random)
    for _step in range(25):
        story.step()
    instants = [moment for occurred, recorded, *_ in story.moves for moment in (occurred, recorded)]
    for _look in range(12):
        cut = Cut(
            random.choice(instants) + random.choice([timedelta(0), timedelta(microseconds=-1)]),
            random.choice([None, random.choice(instants)]),
        )
        balance, debt, lots = story.replay(cut)
        found = assets_at(story.member_id, cut)
        at = found[0] if found else None
        assert (at.balance, at.debt) == (balance, debt) if at else (balance, debt, lots) == (0, 0, {})
        if at:
            assert {lot.id: lot.remaining for lot in at.lots} == lots
            assert sum(flow.amount for flow in flows_at(story.member_id, "points", cut)) == balance
            for lot in at.lots:
                active, ends = story.lots[lot.id]
                assert (lot.state == "pending") == (lot.remaining != 0 and active > cut.as_of)
                assert (lot.state == "lapsed") == (
                    lot.remaining != 0 and active <= cut.as_of and ends is not None and ends <= cut.as_of
                )
    last = Cut(max(instants))
    [at] = assets_at(story.member_id, last)
    account = Account.objects.get(member_id=story.member_id)
    assert (at.balance, at.debt) == (account.balance, account.debt)
    assert {lot.id: lot.remaining for lot in at.lots} == dict(
        Lot.objects.filter(member_id=story.member_id).values_list("id", "remaining")
    )
    assert balances_at(story.member_id, last) == balances_of(story.member_id, last.as_of)
    # The kind that the proof of the book does not know yet may look like a lot from nowhere; the sums must hold.
    assert {d.check for d in reconcile().differences} <= {"amount_is_entry"}


def test_what_was_known_is_not_what_had_happened() -> None:
    member = make_member()
    lot = give(member.id, 100, at=NOW - 10 * DAY)
    entries = [
        {"account": "member", "asset": "points", "amount": -30, "lot_id": str(lot)},
        {"account": "redeemed", "asset": "points", "amount": 30},
    ]
    post(member.id, "redeem", entries, [], NOW - 8 * DAY, recorded_at=NOW - 2 * DAY)
    assert balances_at(member.id, Cut(NOW - 9 * DAY))[0].balance == 100
    assert balances_at(member.id, Cut(NOW - 5 * DAY))[0].balance == 70
    assert balances_at(member.id, Cut(NOW - 5 * DAY, NOW - 5 * DAY))[0].balance == 100
    assert balances_at(member.id, Cut(NOW - 11 * DAY)) == []


def test_a_lot_that_waits_for_an_event_is_pending_for_ever() -> None:
    member = make_member()
    lot = give(member.id, 5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_lot SET active_at = %s WHERE id = %s", [WAITING, lot])
    [at] = assets_at(member.id, Cut(NOW + 900 * DAY))
    assert [(each.state, each.active_at) for each in at.lots] == [("pending", None)]


def test_the_moves_of_a_lot_come_with_those_of_the_debt() -> None:
    member = make_member()
    lot, other = give(member.id, 10, at=NOW - 3 * DAY), give(member.id, 7, at=NOW - 3 * DAY)
    spend(member.id, lot, 4, at=NOW - 2 * DAY)
    spend(member.id, other, 7, at=NOW - 2 * DAY)
    owe(member.id, 6, at=NOW - DAY)
    give(member.id, 9, at=NOW, settle=6)
    moves = moves_at(member.id, "points", Cut(NOW), [lot])
    assert [(move.lot_id, move.amount) for move in moves] == [(lot, 10), (lot, -4), (None, -6), (None, 6)]
    assert len(moves_at(member.id, "points", Cut(NOW - 2 * DAY), [lot])) == 2


def test_what_was_on_hold_then_is_told_as_held() -> None:
    member = make_member()
    give(member.id, 100, at=NOW - 9 * DAY)
    hold = place_hold(
        actor=SYSTEM,
        now=NOW - 5 * DAY,
        member_id=member.id,
        asset="points",
        amount=30,
        reason="room",
        until=NOW + DAY,
    )
    during = Cut(NOW - 4 * DAY)
    assert [(b.balance, b.usable, b.held) for b in balances_at(member.id, during)] == [(100, 70, 30)]
    release_hold(actor=SYSTEM, now=NOW - 2 * DAY, hold_id=hold.id)
    assert [(b.balance, b.usable, b.held) for b in balances_at(member.id, during)] == [(100, 70, 30)]
    for cut in (Cut(NOW - 6 * DAY), Cut(NOW - 2 * DAY)):
        assert [(b.balance, b.usable, b.held) for b in balances_at(member.id, cut)] == [(100, 100, 0)]
    assert balances_at(member.id, Cut(NOW)) == balances_of(member.id, NOW)
