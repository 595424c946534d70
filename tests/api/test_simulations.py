"""Simulations over the API: asked for once per key, followed, read, and only with a key that covers all stores."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from shuke.checkout.simulate.models import Simulation
from shuke.checkout.simulate.runs import run_simulation
from shuke.core.values import Scope
from shuke.kit.clock import now
from tests.api.client import Till, new_key
from tests.factories.checkout import START, sell
from tests.factories.core import make_key
from tests.factories.members import make_member
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db

PATH = "/programme/simulations"
QUESTION = {
    "document": json.dumps(document(earning=[{"id": "base", "name": {"zh-Hans": "双倍"}, "give": 2, "per": "1.00"}])),
    "from": START.isoformat(),
    "to": (START + timedelta(days=30)).isoformat(),
    "note": "twice",
}  # fmt: skip


def test_asked_for_followed_and_read(till: Till) -> None:
    sell(("A", 2), member=make_member(now=START), now=START + timedelta(days=1))
    key = new_key()
    asked = till.call("POST", PATH, QUESTION, key=key)
    assert (asked.status, asked.json["status"], asked.json["against"]) == (202, "waiting", 1)
    assert till.call("POST", PATH, QUESTION, key=key).json == asked.json
    assert Simulation.objects.count() == 1
    here = f"{PATH}/{asked.json['id']}"
    assert till.get(here).json["report"] is None
    run_simulation(simulation_id=UUID(asked.json["id"]), clock=now)
    read = till.get(here).json
    assert (read["status"], read["note"], read["from"][:10]) == ("done", "twice", "2024-01-01")
    assert read["report"]["difference"]["points_issued"] == 20
    till.call("POST", PATH, QUESTION, key=new_key())
    first = till.get(PATH, limit=1).json
    rest = till.get(PATH, limit=1, cursor=first["next_cursor"]).json
    assert [first["simulations"][0]["status"], rest["simulations"][0]["id"]] == ["waiting", asked.json["id"]]
    assert rest["next_cursor"] is None and "report" not in rest["simulations"][0]
    open_one = f"{PATH}/{first['simulations'][0]['id']}/cancel"
    assert till.post(open_one).json["status"] == "cancelled"
    assert (till.post(open_one).status, till.post(open_one).code) == (409, "simulation_not_open")


def test_refusals_name_the_place(till: Till) -> None:
    wrong = till.post(PATH, {**QUESTION, "document": "shuke: 1"})
    assert (wrong.status, wrong.code) == (422, "invalid_programme")
    assert till.post(PATH, {**QUESTION, "to": QUESTION["from"]}).json["errors"][0]["pointer"] == "/from"
    assert till.get(f"{PATH}/{uuid4()}").code == "unknown_simulation"
    assert Till(make_key(Scope.PROGRAMME_READ)[1]).post(PATH, QUESTION).status == 403
    assert Simulation.objects.count() == 0


def test_the_schema_of_documents_is_served(till: Till) -> None:
    found = till.get("/programme/schema").json["schema"]
    assert found["properties"]["earning"]["type"] == "array" and found["additionalProperties"] is False
