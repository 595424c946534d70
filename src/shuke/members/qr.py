"""The rotating member code: what a member's phone shows at the till, good for one minute and one use.

A token is the member id, the number of the minute and a MAC over both, in Base32, so that every scanner reads it
whatever its keyboard layout. It needs no table to be issued. A redeemed minute is written down: showing a photograph
of the code a second time is refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from shuke.core.keyset import keyset
from shuke.kit.sql import load
from shuke.members.errors import QrExpired, QrInvalid, QrUsed
from shuke.members.models import Member

STEP_SECONDS = 60
SKEW_SECONDS = 5
_PREFIX = "SK"
_MAC_BYTES = 14
_TOKEN = re.compile(r"SK[A-Z2-7]{56}")


def issue_qr(member_id: UUID, now: datetime) -> tuple[str, datetime]:
    """(token, the instant when it stops working): the code of the current minute."""
    step = int(now.timestamp()) // STEP_SECONDS
    head = member_id.bytes + step.to_bytes(5, "big")
    token = _PREFIX + base64.b32encode(head + _mac(head)).decode("ascii")
    return token, datetime.fromtimestamp((step + 1) * STEP_SECONDS, UTC)


def looks_like_qr(text: str) -> bool:
    """True when the text has the shape of a member code."""
    return _TOKEN.fullmatch(text.strip().upper()) is not None


def redeem_qr(token: str, now: datetime) -> UUID:
    """The member who showed the code; the code is used up, if the transaction commits.

    The minute before still counts until its end plus 5 s, for clocks that differ.
    Raises QrInvalid, QrExpired or QrUsed.
    """
    member_id, step = _read(token)
    starts = datetime.fromtimestamp(step * STEP_SECONDS, UTC)
    skew = timedelta(seconds=SKEW_SECONDS)
    if now >= starts + timedelta(seconds=STEP_SECONDS) + skew:
        raise QrExpired
    if now < starts - skew:
        raise QrInvalid
    with connection.cursor() as cursor:
        cursor.execute(load("members", "use_qr"), {"member": member_id, "step": step, "now": now})
        if cursor.rowcount == 1:
            return member_id
    if Member.objects.filter(id=member_id).exists():
        raise QrUsed
    raise QrInvalid


def _read(token: str) -> tuple[UUID, int]:
    text = token.strip().upper()
    if not _TOKEN.fullmatch(text):
        raise QrInvalid
    try:
        raw = base64.b32decode(text[len(_PREFIX) :])
    except binascii.Error as error:
        raise QrInvalid from error
    head, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(head)):
        raise QrInvalid
    return UUID(bytes=head[:16]), int.from_bytes(head[16:], "big")


def _mac(head: bytes) -> bytes:
    return keyset().blind_index("members.qr", head.hex())[:_MAC_BYTES]
