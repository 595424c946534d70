"""Finding one member: what is typed, what is scanned, and how little it costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shuke.core.errors import InvalidInput, NotFound
from shuke.kit.ids import uuid7
from shuke.members.errors import QrExpired, QrInvalid, QrUsed
from shuke.members.models import UsedQrCode
from shuke.members.qr import issue_qr
from shuke.members.queries import find_member, get_candidate, get_member, identify, identify_id_by_phone
from tests.factories.core import NOW
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


def test_every_kind_of_identifier_finds_its_member_and_says_by_what() -> None:
    make_member("张三")
    member = make_member(
        "林若溪", "13812346621", email="lin@example.com", cards=["VIP001"], external_ids={"pos": "h-9"}
    )
    for text, kind in (
        (member.number, "number"),
        (" 138 1234 6621 ", "phone"),
        ("+8613812346621", "phone"),
        ("１３８１２３４６６２１", "phone"),
        ("LIN@example.com", "email"),
        ("vip-001", "card"),
        ("h-9", "external"),
        ("6621", "search"),
        ("林若溪", "search"),
        ("lrx", "search"),
    ):
        rows = identify(text, NOW)
        assert [(row.member_id, row.matched_by) for row in rows] == [(member.id, kind)], text


def test_candidates_are_masked() -> None:
    member = make_member("林若溪", "13812346621", email="lin@example.com")
    row = identify("6621", NOW)[0]
    assert (row.name, row.phone, row.email) == ("林*溪", "138****6621", "l***@example.com")
    assert "若" not in repr(row) and "1234" not in repr(row)
    assert get_candidate(member.id) == get_candidate(member.id)
    assert get_candidate(member.id).name == "林*溪"


def test_a_scanned_code_is_used_up() -> None:
    member = make_member()
    token, _ = issue_qr(member.id, NOW)
    assert [(row.member_id, row.matched_by) for row in identify(token, NOW)] == [(member.id, "qr")]
    with pytest.raises(QrUsed):
        identify(token, NOW)
    with pytest.raises(QrExpired):
        identify(issue_qr(member.id, NOW)[0], NOW + timedelta(minutes=3))
    with pytest.raises(QrInvalid):
        identify(token[:-1] + ("A" if token[-1] != "A" else "B"), NOW)
    assert UsedQrCode.objects.count() == 1


def test_whole_names_come_before_parts_and_newest_first() -> None:
    first = make_member("张伟", now=NOW - timedelta(days=3))
    longer = make_member("张伟明", now=NOW - timedelta(days=1))
    second = make_member("张伟", now=NOW - timedelta(days=2))
    assert [row.member_id for row in identify("张伟", NOW)] == [second.id, first.id, longer.id]
    assert [row.member_id for row in identify("zhangwei", NOW)] == [longer.id, second.id, first.id]
    assert len(identify("张伟", NOW, limit=2)) == 2
    assert len(identify("zw", NOW, limit=1)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "%",
        "_",
        "' OR 1=1 --",
        "🎉",
        "\u202e",
        "13800000000",
        "9999",
        "不存在",
        "nobody",
        "a@b.co",
    ],
)
def test_what_matches_nobody_finds_nobody(text: str) -> None:
    make_member("林若溪", "13812346621")
    assert identify(text, NOW) == []


def test_a_long_text_is_refused() -> None:
    with pytest.raises(InvalidInput):
        identify("x" * 201, NOW)
    assert identify("林" * 200, NOW) == []


def test_by_phone_is_one_indexed_statement() -> None:
    member = make_member("林若溪", "13812346621")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert identify_id_by_phone("138 1234 6621") == member.id
    assert len(queries) == 1
    assert identify_id_by_phone("13812346622") is None
    with pytest.raises(InvalidInput):
        identify_id_by_phone("123")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + queries[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "members_identifier_once" in plan


def test_identifying_costs_few_statements_however_many_match() -> None:
    for _ in range(3):
        make_member("林若溪")
    with CaptureQueriesContext(connection) as one:
        identify("lrx", NOW)
    for _ in range(7):
        make_member("林若溪")
    with CaptureQueriesContext(connection) as many:
        assert len(identify("lrx", NOW)) == 10
    assert len(many) == len(one) == 3


def test_get_and_find() -> None:
    member = make_member(number=None)
    assert get_member(member.id) == member
    with pytest.raises(NotFound):
        get_member(uuid7())
    with pytest.raises(NotFound):
        get_candidate(uuid7())
    assert find_member("number", f" {member.number} ") == member
    assert find_member("number", "\x00") is None
    with pytest.raises(InvalidInput):
        find_member("external", "x")
    with pytest.raises(InvalidInput):
        find_member("passport", "x")
