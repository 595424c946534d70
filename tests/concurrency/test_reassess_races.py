"""A new version looked at for all members, on several tracks: every book is taken once, in the order of ids."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from shuke.checkout.queries import qualifying_totals
from shuke.ledger.writing import take_books
from shuke.loyalty import tier_reviews
from shuke.loyalty.models import Standing, TrackStanding
from shuke.loyalty.queries import forget_versions
from tests.core.races import race
from tests.factories.checkout import make_shop, publish, sell
from tests.factories.members import make_member
from tests.factories.programmes import BASE

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
NAME = {"zh-Hans": "会员"}


def rules(silver: str, vip: str) -> dict[str, Any]:
    lowest, second = BASE["tiers"]["levels"][:2]
    return {
        "tiers": {
            **BASE["tiers"],
            "on_change": "reassess",
            "levels": [lowest, {**second, "threshold": silver}],
        },
        "tracks": [
            {
                "code": "club",
                "name": NAME,
                "metric": "orders",
                "window_months": 12,
                "valid_months": 12,
                "on_change": "reassess",
                "levels": [
                    {"code": "in", "name": NAME, "threshold": "0"},
                    {"code": "vip", "name": NAME, "threshold": vip},
                ],
            }
        ],
    }


@pytest.mark.django_db(transaction=True)
def test_nobody_who_takes_two_books_is_caught_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    make_shop(**rules("1000.00", "9"))
    low, high = sorted((make_member(now=NOW), make_member(now=NOW)), key=lambda m: m.id)
    sell(("A", 50), now=NOW, member=high)  # 500.00 in one order: the main track
    for _ in range(3):
        sell(("A", 1), now=NOW, member=low)  # three orders: the club
    publish(NOW + timedelta(days=1), **rules("400.00", "3"))
    forget_versions()
    taken: list[set[UUID]] = []

    def take(members: Iterable[UUID]) -> None:
        taken.append(set(members))
        take_books(taken[-1])
        time.sleep(0.3)

    monkeypatch.setattr(tier_reviews, "take_books", take)

    def job() -> None:
        while tier_reviews.reassess_members(now=NOW + timedelta(days=2), qualifying=qualifying_totals):
            pass

    def transfer() -> None:
        while not taken:
            time.sleep(0.01)
        with transaction.atomic():
            take_books([low.id, high.id])

    assert race([job, transfer]) == [None, None]
    assert taken == [{low.id, high.id}]
    assert Standing.objects.get(member=high).tier == "silver"
    assert TrackStanding.objects.get(member=low).tier == "vip"
