"""Nothing personal in clear: not in any table, not in the audit log, not in the outbox, not in the logs."""

from __future__ import annotations

import logging
from datetime import date

import pytest
from django.apps import apps
from django.db import connection

from shuke.core.values import SYSTEM
from shuke.members.errors import IdentifierTaken
from shuke.members.operations import (
    add_identifier,
    define_attribute,
    register_member,
    register_members_in_bulk,
    set_attributes,
    unmask_profile,
    update_member,
)
from shuke.members.profile import Profile
from shuke.members.queries import identify, list_members
from shuke.members.values import MemberFilters, NewMember
from tests.factories.core import NOW

SECRETS = [
    *("林若溪", "若溪", "linruoxi", "ruoxi", "13812346621", "12346621", "lin.ruoxi", "example.org", "1994-05-17"),
    *("南京西路", "花生过敏", "剧烈反应", "VIPCARD7788", "openid-zzz", "欧阳娜娜", "ouyangnana", "13900001111"),
]  # fmt: skip


def dump_of_every_table() -> str:
    """Every row of every table of ours, as PostgreSQL prints it: bytes as hex, and once more as text."""
    lines = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            cursor.execute(
                f"SELECT to_jsonb(t)::text FROM {connection.ops.quote_name(model._meta.db_table)} AS t"
            )
            for (line,) in cursor.fetchall():
                lines.append(line)
    return "\n".join(lines)


@pytest.mark.django_db
def test_no_table_no_log_line_and_no_error_holds_personal_data(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    define_attribute(actor=SYSTEM, now=NOW, code="allergy", kind="text", labels={"en": "A"}, is_personal=True)
    profile = Profile(
        name="林若溪",
        phone="138 1234 6621",
        email="lin.ruoxi@example.org",
        birthday=date(1994, 5, 17),
        gender="female",
        address="南京西路 1 号",
        note="花生过敏",
    )
    member = register_member(
        actor=SYSTEM,
        now=NOW,
        profile=profile,
        attributes={"allergy": "剧烈反应"},
        cards=["VIPCARD7788"],
        external_ids={"wechat": "openid-zzz"},
    )
    register_members_in_bulk(
        actor=SYSTEM, now=NOW, rows=[NewMember(profile=Profile(name="欧阳娜娜", phone="13900001111"))]
    )
    update_member(actor=SYSTEM, now=NOW, member_id=member.id, changes={"note": "花生过敏 剧烈反应"})
    set_attributes(actor=SYSTEM, now=NOW, member_id=member.id, attributes={"allergy": "剧烈反应！"})
    add_identifier(actor=SYSTEM, now=NOW, member_id=member.id, kind="card", value="VIPCARD77889")
    unmask_profile(actor=SYSTEM, now=NOW, member_id=member.id, reason="核对身份")
    identify("linruoxi", NOW)
    list_members(MemberFilters(text="林若溪"))
    with pytest.raises(IdentifierTaken) as refusal:
        register_member(actor=SYSTEM, now=NOW, profile=profile)

    dump = dump_of_every_table()
    # Bytes are printed as hex, so that each secret is looked for in that spelling, too.
    assert str(member.id) in dump
    assert member.number in dump
    logged = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("django.db")
    )
    said = f"{refusal.value} {refusal.value!r} {profile!r} {member!r}"
    for secret in SECRETS:
        for spelling in (secret, secret.encode().hex(), secret.upper(), secret.encode().hex().upper()):
            assert spelling not in dump, secret
            assert spelling not in logged, secret
            assert spelling not in said, secret
    for digits in ("6621", "1111"):
        assert f'"{digits}"' not in dump


@pytest.mark.django_db
def test_the_scan_would_notice() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO members_searchtoken (token, member_id) VALUES (%s, gen_random_uuid())",
            ["林若溪".encode()],
        )
    assert "林若溪".encode().hex() in dump_of_every_table()
