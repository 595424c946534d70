"""The rotating member code: one minute, one use, unforgeable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.kit.ids import uuid7
from shuke.members.errors import QrExpired, QrInvalid, QrUsed
from shuke.members.models import UsedQrCode
from shuke.members.qr import issue_qr, looks_like_qr, redeem_qr
from tests.factories.members import make_member

MINUTE = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.django_db
def test_a_code_works_once() -> None:
    member, other = make_member(), make_member("张三")
    token, expires_at = issue_qr(member.id, MINUTE + 7 * SECOND)
    assert expires_at == MINUTE + 60 * SECOND
    assert looks_like_qr(token)
    assert redeem_qr(token, MINUTE + 8 * SECOND) == member.id
    with pytest.raises(QrUsed):
        redeem_qr(token, MINUTE + 9 * SECOND)
    assert redeem_qr(issue_qr(other.id, MINUTE)[0], MINUTE) == other.id
    assert redeem_qr(issue_qr(member.id, MINUTE + 60 * SECOND)[0], MINUTE + 61 * SECOND) == member.id


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "outcome"),
    [(-6, QrInvalid), (-5, None), (0, None), (59, None), (64, None), (65, QrExpired), (3600, QrExpired)],
)
def test_its_minute_plus_a_small_skew(at: int, outcome: type[Exception] | None) -> None:
    member = make_member()
    token, _expires_at = issue_qr(member.id, MINUTE)
    if outcome is None:
        assert redeem_qr(token, MINUTE + at * SECOND) == member.id
    else:
        with pytest.raises(outcome):
            redeem_qr(token, MINUTE + at * SECOND)
        assert not UsedQrCode.objects.exists()


@pytest.mark.django_db
def test_a_scanner_may_send_lower_case_and_line_ends() -> None:
    member = make_member()
    token, _ = issue_qr(member.id, MINUTE)
    assert redeem_qr(f" {token.lower()}\r\n", MINUTE) == member.id


@pytest.mark.django_db
def test_a_code_of_a_member_who_is_gone_is_invalid() -> None:
    with pytest.raises(QrInvalid):
        redeem_qr(issue_qr(uuid7(), MINUTE)[0], MINUTE)


@given(st.integers(2, 57), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_every_altered_character_is_noticed(place: int, character: str) -> None:
    token, _ = issue_qr(uuid7(), MINUTE)
    altered = token[:place] + character + token[place + 1 :]
    if altered != token:
        with pytest.raises(QrInvalid):
            redeem_qr(altered, MINUTE)


@given(st.text(max_size=80) | st.from_regex(r"SK[A-Z2-7]{56}", fullmatch=True))
def test_anything_else_is_invalid(text: str) -> None:
    with pytest.raises(QrInvalid):
        redeem_qr(text, MINUTE)
