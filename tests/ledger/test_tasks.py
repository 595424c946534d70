"""The periodic job of the ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shuke.kit import clock, jobs
from shuke.ledger.models import Lot
from shuke.ledger.tasks import expire_lots
from tests.factories.ledger import give
from tests.factories.members import make_member


@pytest.mark.django_db
def test_the_job_is_registered_and_expires_everything_due() -> None:
    assert "ledger.expire_lots" in jobs.task_names()
    now = clock.now()
    give(make_member().id, 5, at=now - timedelta(days=9), expires_at=now - timedelta(days=1))
    kept = give(make_member().id, 5, at=now, expires_at=now + timedelta(days=1))
    expire_lots()
    assert list(Lot.objects.filter(remaining__gt=0).values_list("id", flat=True)) == [kept]
