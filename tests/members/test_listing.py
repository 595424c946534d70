"""Lists of members: every filter, every page, counts that stop."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shuke.core.errors import InvalidInput
from shuke.core.pagination import encode_cursor
from shuke.core.values import SYSTEM
from shuke.members.operations import change_status, define_attribute
from shuke.members.queries import count_members, list_members
from shuke.members.values import MemberFilters
from tests.factories.catalog import make_store
from tests.factories.core import NOW
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def numbers(**filters: Any) -> list[str]:
    wanted = MemberFilters(**filters)
    rows = [row.number for row in list_members(wanted).rows]
    assert count_members(wanted).value == len(rows)
    return rows


def test_filters() -> None:
    store = make_store()
    define_attribute(actor=SYSTEM, now=NOW, code="size", kind="integer", labels={"en": "Size"})
    define_attribute(actor=SYSTEM, now=NOW, code="allergy", kind="text", labels={"en": "A"}, is_personal=True)
    old = make_member("林若溪", now=NOW - 2 * DAY, tags=["vip"], attributes={"size": 38})
    mid = make_member("林小雨", "13800006621", now=NOW - DAY, join_store_id=store.id, attributes={"size": 40})
    new = make_member("张三", tags=["vip", "new"])
    change_status(actor=SYSTEM, now=NOW, member_id=new.id, status="frozen", reason="疑似盗号")
    assert numbers() == [new.number, mid.number, old.number]
    assert numbers(status="frozen") == [new.number]
    assert numbers(status="active") == [mid.number, old.number]
    assert numbers(tag="vip") == [new.number, old.number]
    assert numbers(tag="vi") == numbers(tag="\x00\ud800") == []
    assert numbers(store_ids=frozenset({store.id})) == [mid.number]
    assert numbers(store_ids=frozenset()) == []
    assert numbers(joined_from=NOW - DAY) == [new.number, mid.number]
    assert numbers(joined_before=NOW - DAY) == [old.number]
    assert numbers(attributes={"size": "38"}) == [old.number]
    assert numbers(text="lin") == [mid.number, old.number]
    assert numbers(text="林") == [mid.number, old.number]
    assert numbers(text="林若溪") == [old.number]
    assert numbers(text="6621") == [mid.number]
    assert numbers(text="138 0000 6621") == [mid.number]
    assert numbers(text=old.number) == [old.number]
    assert numbers(text="lin", tag="vip", status="active", attributes={"size": 38}) == [old.number]
    assert numbers(text="!!") == numbers(text="\x00") == []
    for bad in (
        MemberFilters(status="gone"),
        MemberFilters(attributes={"nope": 1}),
        MemberFilters(attributes={"size": "big"}),
        MemberFilters(attributes={"allergy": "花生"}),
        MemberFilters(text="x" * 201),
    ):
        with pytest.raises(InvalidInput):
            list_members(bad)


@pytest.mark.parametrize(
    "filters", [MemberFilters(), MemberFilters(text="lrx"), MemberFilters(status="active")]
)
def test_pages_show_each_member_once_even_when_joined_at_one_instant(filters: MemberFilters) -> None:
    for n in range(7):
        make_member("林若溪", now=NOW - DAY * (n // 4))
    seen, cursor, pages = [], None, 0
    while True:
        page = list_members(filters, cursor, limit=3)
        seen += [(row.joined_at, row.member_id) for row in page.rows]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
    assert (len(set(seen)), pages) == (7, 3)
    assert seen == sorted(seen, reverse=True)


def test_bad_pages_are_refused() -> None:
    for call in (
        lambda: list_members(MemberFilters(), limit=0),
        lambda: list_members(MemberFilters(), limit=201),
        lambda: list_members(MemberFilters(), "forged"),
        lambda: list_members(MemberFilters(), encode_cursor(["of", "products"])),
        lambda: list_members(MemberFilters(text="lin"), encode_cursor([NOW])),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_a_page_costs_the_same_statements_for_one_row_and_for_many() -> None:
    make_member()
    with CaptureQueriesContext(connection) as one:
        list_members(MemberFilters())
    for _ in range(4):
        make_member()
    with CaptureQueriesContext(connection) as many:
        assert len(list_members(MemberFilters()).rows) == 5
    assert len(one) == len(many) == 1


def test_counts_stop_at_the_cap() -> None:
    for _ in range(4):
        make_member()
    assert count_members(MemberFilters(), cap=3) == type(count_members(MemberFilters()))(3, False)
    exact = count_members(MemberFilters(), cap=4)
    assert (exact.value, exact.is_exact) == (4, True)
