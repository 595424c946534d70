"""The impact of a draft over the API: read in one call, nothing written, only with a key that covers all stores."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest

from shuke.checkout.impact import runs
from shuke.checkout.impact.models import SILENT, ImpactRun
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.core.values import Scope
from shuke.kit.clock import now
from shuke.kit.ids import uuid7
from tests.api.client import Till
from tests.factories.checkout import make_shop, sell
from tests.factories.core import make_key
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

PATH = "/programme/impact"
TIERS = {**document()["tiers"], "on_change": "keep"}
TIERS["levels"][1] = {**TIERS["levels"][1], "threshold": "100.00"}
QUESTION = {"document": json.dumps(document(tiers=TIERS)), "days": 30}


def test_read_in_one_call_and_nothing_is_written(till: Till) -> None:
    at = now()
    sell(("A", 20), member=make_member(now=at - timedelta(days=40)), now=at - timedelta(days=3))
    rows = (AuditEvent.objects.count(), OutboxEvent.objects.count())
    found = till.post(PATH, QUESTION)
    assert found.status == 200, found.json
    told = found.json
    assert (told["members"], told["buyers"], told["days"], told["currency"]) == (1, 1, 30, "CNY")
    assert told["programmes"]["current"]["version"] == 1
    in_time = told["tracks"][0]["in_time"]
    assert (in_time["up"], in_time["down"], in_time["unchanged"]) == (1, 0, 0)
    assert in_time["moves"] == [{"from": "classic", "to": "silver", "members": 1, "direction": "up"}]
    # 2 % of 200.00 and 40 points, a cent each.
    assert told["cost"]["in_time"]["total_minor"] == 440
    assert told["cost"]["at_once"]["total_minor"] == 0
    assert rows == (AuditEvent.objects.count(), OutboxEvent.objects.count())


def test_refusals_name_the_place(till: Till) -> None:
    wrong = till.post(PATH, {**QUESTION, "document": "shuke: 1"})
    assert (wrong.status, wrong.code) == (422, "invalid_programme")
    assert till.post(PATH, {**QUESTION, "days": 0}).json["errors"][0]["pointer"] == "/days"
    assert till.post(PATH, {**QUESTION, "against": 99}).code == "unknown_programme_version"
    assert Till(make_key(Scope.PROGRAMME_READ)[1]).post(PATH, QUESTION).status == 403


def test_a_key_of_some_stores_is_told_to_cover_all() -> None:
    store = make_shop()
    refused = Till(make_key(Scope.REPORTS_READ, store_ids=[store.id])[1]).post(PATH, QUESTION)
    assert (refused.status, refused.code) == (403, "needs_all_stores")


def test_a_large_book_is_looked_at_by_a_job_that_is_polled(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MANY", 0)
    at = now()
    sell(("A", 20), member=make_member(now=at - timedelta(days=40)), now=at - timedelta(days=3))
    asked = till.post(PATH, QUESTION)
    assert (asked.status, asked.json["status"], asked.json["days"]) == (202, "waiting", 30)
    assert till.post(PATH, QUESTION).json["id"] == asked.json["id"]
    place = f"{PATH}/{asked.json['id']}"
    assert till.get(place).json["report"] is None
    ImpactRun.objects.update(status="running", seen_at=at - SILENT)  # its worker was killed
    lost = till.get(place).json
    assert lost["status"] == "failed" and "interrupted" in lost["problem"]
    asked = till.post(PATH, QUESTION)
    assert f"{PATH}/{asked.json['id']}" != place
    place = f"{PATH}/{asked.json['id']}"
    runs.run_impact(impact_id=UUID(asked.json["id"]), clock=now)
    found = till.get(place)
    assert (found.json["status"], found.json["done"]) == ("done", 1)
    assert found.json["report"]["tracks"][0]["in_time"]["up"] == 1
    assert till.get(f"{PATH}/{uuid7()}").code == "unknown_impact"
