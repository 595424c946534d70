"""Channels on the screen: who sees them, who adds and renames them."""

from __future__ import annotations

import pytest

from shuke.catalog.models import Channel
from shuke.core.models import AuditEvent
from shuke.core.values import Role
from tests.console.pages import client_of, text_of
from tests.factories.catalog import make_store
from tests.factories.core import make_staff

pytestmark = pytest.mark.django_db


def test_a_channel_is_added_once_and_renamed() -> None:
    client = client_of()
    answer = client.post("/channels", {"code": "Meituan", "name": "美团外卖"})
    assert answer.status_code == 302
    assert Channel.objects.get(code="meituan").name == "美团外卖"
    again = client.post("/channels", {"code": "meituan", "name": "Another"})
    assert again.status_code == 422
    assert "meituan" in text_of(again)
    assert Channel.objects.get(code="meituan").name == "美团外卖"
    client.post("/channels/meituan", {"name": "美团"})
    assert Channel.objects.get(code="meituan").name == "美团"
    assert "美团" in text_of(client.get("/channels"))
    kept = AuditEvent.objects.filter(object_type="channel").order_by("id")
    assert [event.action for event in kept] == ["catalog.create_channel", "catalog.change_channel"]
    assert kept[1].data == {"name": ["美团外卖", "美团"]}


@pytest.mark.parametrize("code", ["", "two words", "a/b", "x" * 41, "<b>"])
def test_a_code_that_no_till_could_name_is_refused(code: str) -> None:
    before = Channel.objects.count()
    assert client_of().post("/channels", {"code": code, "name": "x"}).status_code == 422
    assert Channel.objects.count() == before


def test_an_unknown_channel_and_an_empty_name_change_nothing() -> None:
    client = client_of()
    client.post("/channels", {"code": "kiosk", "name": "Kiosk"})
    assert client.post("/channels/none", {"name": "x"}).status_code == 404
    client.post("/channels/kiosk", {"name": "  "})
    assert Channel.objects.get(code="kiosk").name == "Kiosk"


def test_whoever_may_not_change_all_stores_only_reads() -> None:
    store = make_store()
    readers = [
        make_staff(Role.CASHIER),
        make_staff(Role.ADMIN, all_stores=False, store_ids=[store.id]),
    ]
    for staff in readers:
        client = client_of(staff)
        assert client.get("/channels").status_code == 200
        assert 'name="code"' not in text_of(client.get("/channels"))
        assert client.post("/channels", {"code": "kiosk", "name": "Kiosk"}).status_code == 403
        assert client.post("/channels/pos", {"name": "Mine"}).status_code == 403
    assert not Channel.objects.filter(code="kiosk").exists()
