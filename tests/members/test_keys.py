"""After a rotation of the keyset every data key is wrapped anew, in steps that may be interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import override_settings
from typer.testing import CliRunner

from shuke.core.keyset import keyset
from shuke.kit.crypto import Keyset, keyset_at, rotate_keyset
from shuke.members.commands import app
from shuke.members.models import DataKey
from shuke.members.operations import rewrap_keys
from shuke.members.queries import identify, open_profiles
from shuke.members.tasks import rewrap_all_keys
from tests.factories.core import NOW
from tests.factories.members import make_member

pytestmark = pytest.mark.django_db


class Environment:
    def __init__(self, keyset_path: Path) -> None:
        self.keyset_path = keyset_path


@pytest.fixture
def own_keyset(tmp_path: Path) -> Path:
    path = tmp_path / "keyset.json"
    path.write_text(Keyset.generate().dumps())
    with override_settings(ENV=Environment(path)):
        yield path
    keyset_at.cache_clear()


def stale() -> int:
    return sum(keyset().needs_rewrap(bytes(row.wrapped)) for row in DataKey.objects.all())


def test_keys_are_renewed_step_by_step_and_profiles_stay_readable(own_keyset: Path) -> None:
    members = [make_member(f"会员{n}") for n in range(7)]
    profiles_before = {member.id: bytes(member.profile) for member in members}
    assert rewrap_keys() == 0
    rotate_keyset(own_keyset)
    assert stale() == 7
    assert rewrap_keys(limit=3) == 3
    assert stale() == 4
    assert len(open_profiles(member.id for member in members)) == 7
    newcomer = make_member("新会员")
    rewrap_all_keys()
    assert stale() == 0
    opened = open_profiles([*profiles_before, newcomer.id])
    assert opened[newcomer.id].name == "新会员"
    assert opened[members[0].id].name == "会员0"
    for member in members:
        member.refresh_from_db()
        assert bytes(member.profile) == profiles_before[member.id]
    assert [row.member_id for row in identify("会员3", NOW)] == [members[3].id]


def test_the_command_says_how_many(own_keyset: Path) -> None:
    for _ in range(3):
        make_member()
    rotate_keyset(own_keyset)
    answer = CliRunner().invoke(app, ["rewrap"])
    assert answer.exit_code == 0
    assert "3 data keys renewed" in answer.output
    assert stale() == 0
