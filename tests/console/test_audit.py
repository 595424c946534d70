"""The audit log's pages: filters, paging, the seal, and nothing of stores that the reader does not cover."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

import shuke
from shuke.console.audit_words import ACTIONS, OBJECTS, action_name
from shuke.console.scope import SESSION_KEY
from shuke.core.models import AuditEvent
from shuke.core.operations import record_audit, seal_audit
from shuke.core.values import SYSTEM, Role
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.catalog import make_store
from tests.factories.core import NOW, make_key, make_staff

pytestmark = pytest.mark.django_db


SIGNING_IN = ("core.staff_logged_in.v1",)
"""Left by the test's own client."""


def act(action: str = "members.unmask_profile", **more: object) -> AuditEvent:
    return record_audit(actor=SYSTEM, action=action, now=NOW, **more)  # type: ignore[arg-type]


def shown(client: Client, **query: str) -> list[str]:
    answer = client.get("/audit", query)
    assert answer.status_code == 200
    return [action for row in answer.context["rows"] if (action := row.event.action) not in SIGNING_IN]


def test_rows_are_shown_in_words_newest_first() -> None:
    act("core.staff_created.v1", object_type="staff", object_id="x", reason="new shop")
    act("house.unknown")
    client = client_of()
    assert shown(client) == ["house.unknown", "core.staff_created.v1"]
    page = text_of(client.get("/audit"))
    assert "Account created" in page
    assert "new shop" in page


def test_filters_narrow_the_log() -> None:
    staff = make_staff(Role.CASHIER)
    key, _secret = make_key()
    record_audit(actor=staff.as_actor(), action="a.staff", now=NOW, object_type="member", object_id="m1")
    act("a.old")
    later = record_audit(
        actor=SYSTEM, action="b.late", now=NOW + timedelta(days=3), object_type="store", object_id="s1"
    )
    client = client_of()
    assert shown(client, actor=f"staff:{staff.id}") == ["a.staff"]
    assert shown(client, actor=f"key:{key.id}") == []
    assert "a.staff" not in shown(client, actor="system")
    assert shown(client, action="b.late") == ["b.late"]
    assert shown(client, type="member", object="m1") == ["a.staff"]
    day = (NOW + timedelta(days=3)).date().isoformat()
    assert shown(client, **{"from": day, "to": day}) == [later.action]
    assert "b.late" not in shown(client, to=(NOW + timedelta(days=2)).date().isoformat())


@pytest.mark.parametrize(
    "text",
    ["\x00", "'", "<script>alert(1)</script>", "0001-01-01", "9999-12-31", "staff:", "staff:x", "x" * 900],
)
def test_hostile_filters_are_answered(text: str) -> None:
    act()
    client = client_of()
    for field in ("actor", "action", "type", "object", "from", "to", "cursor"):
        answer = client.get("/audit", {field: text})
        assert answer.status_code == 200
        assert "<script>alert" not in text_of(answer)


def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    for number in range(60):
        act(f"a.{number:02}")
    client = client_of()
    first = client.get("/audit")
    second = client.get("/audit", {"cursor": first.context["next_cursor"]})
    names = [row.event.action for page in (first, second) for row in page.context["rows"]]
    assert names == [*SIGNING_IN, *(f"a.{number:02}" for number in reversed(range(60)))]


def test_a_row_tells_everything_and_whether_it_is_intact() -> None:
    store = make_store()
    event = act(
        "catalog.x",
        object_type="store",
        object_id=store.id,
        store_id=store.id,
        data={"name": ["a", "b"], "n": 3},
    )
    client = client_of()
    answer = client.get(f"/audit/{event.id}")
    assert ("name", "a", "b") in answer.context["data"]
    assert ("n", "3", None) in answer.context["data"]
    assert answer.context["is_intact"]
    assert answer.context["seal"] is None
    assert f"/stores/{store.id}" in text_of(answer)
    assert client.get(f"/audit/{uuid.uuid4()}").status_code == 404


def test_an_altered_row_is_called_out() -> None:
    honest = act(reason="complaint 7")
    forged = AuditEvent.objects.create(
        occurred_at=NOW, actor_kind="system", actor_name="x", action="a.forged", hash=bytes(honest.hash)
    )
    page = text_of(client_of().get(f"/audit/{forged.id}"))
    assert "not what was written" in page


def test_the_log_is_proved_and_the_proof_is_recorded() -> None:
    act()
    client = client_of()
    before = text_of(client.get("/audit"))
    assert "Not sealed yet" in before
    assert "shuke audit verify" in before
    assert client.get("/audit/prove").status_code == 405
    client.post("/audit/prove")
    proof = AuditEvent.objects.get(action="core.audit_verified.v1")
    assert (proof.data["ok"], proof.data["unsealed_rows"]) == (True, 2)
    assert "proved" in text_of(client.get("/audit"))


def test_a_forged_row_fails_the_proof() -> None:
    AuditEvent.objects.create(
        occurred_at=NOW, actor_kind="system", actor_name="x", action="a.forged", hash=b"x"
    )
    client = client_of()
    client.post("/audit/prove")
    assert AuditEvent.objects.get(action="core.audit_verified.v1").data["ok"] is False
    assert "found a difference" in text_of(client.get("/audit"))


def test_a_reader_of_some_stores_sees_no_others() -> None:
    mine, theirs = make_store(), make_store()
    near, far = act("a.near", store_id=mine.id), act("a.far", store_id=theirs.id)
    client = client_of(make_staff(Role.AUDITOR, all_stores=False, store_ids=[mine.id]))
    actions = shown(client)
    assert "a.near" in actions
    assert "a.far" not in actions
    assert client.get(f"/audit/{near.id}").status_code == 200
    assert client.get(f"/audit/{far.id}").status_code == 404
    client.post("/audit/prove")
    assert not AuditEvent.objects.filter(action="core.audit_verified.v1").exists()


def test_the_chosen_store_narrows_the_log() -> None:
    mine, other = make_store(), make_store()
    act("a.mine", store_id=mine.id)
    act("a.other", store_id=other.id)
    client = client_of()
    client.post("/store", {"store": str(mine.id)})
    assert client.session[SESSION_KEY] == str(mine.id)
    assert shown(client) == ["a.mine", "catalog.create_store"]


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN, Role.AUDITOR)]
)
def test_other_roles_stay_out(role: Role) -> None:
    event = act()
    client = client_of(make_staff(role))
    for path in ("/audit", f"/audit/{event.id}"):
        assert client.get(path).status_code == 403
    assert client.post("/audit/prove").status_code == 403


def test_pages_cost_the_same_for_one_row_and_for_three() -> None:
    client = client_of()
    event = act()
    one = queries_of(client, "/audit")
    act(store_id=make_store().id)
    act()
    seal_audit(now=NOW)
    assert queries_of(client, "/audit") == one <= MOST_QUERIES
    assert queries_of(client, f"/audit/{event.id}") <= MOST_QUERIES


@pytest.mark.parametrize("language", ["zh-hans", "zh-hant", "en"])
def test_no_two_things_of_the_filter_share_a_name(language: str) -> None:
    with translation.override(language):
        names = [str(name) for name in OBJECTS.values()]
    assert len(set(names)) == len(names)


def test_every_listed_act_has_a_name() -> None:
    assert all(action_name(action) != action for action in ACTIONS)
    assert action_name("a.b") == "a.b"


def test_every_act_that_is_recorded_by_its_name_is_listed() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in Path(shuke.__file__).parent.rglob("*.py"))
    acts = set(re.findall(r'action="([a-z]+\.[a-z_.0-9]+)"', source))
    objects = set(re.findall(r'object_type="([a-z_]+)"', source))
    assert len(acts) > 20 and len(objects) > 10
    assert acts - ACTIONS.keys() == set()
    assert objects - OBJECTS.keys() == set()
