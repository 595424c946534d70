"""The signed claim that a till shows when it was allowed to sell on trust, and what of it a late sale may still take.

Ed25519: a device checks a claim with the public key alone and can make none. The private key derives from the keyset.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shuke.checkout.errors import AllowanceForeign, AllowanceInvalid
from shuke.checkout.logic import Priced
from shuke.checkout.models import Allowance
from shuke.checkout.tender_logic import Funds
from shuke.core.keyset import keyset

MAX_TOKEN = 2000
CLOCK_SKEW_SECONDS = 300
VERSION = 1


class Claim(msgspec.Struct, frozen=True):
    """What the signature covers. Points in units, money in minor units; instants in seconds since 1970."""

    v: int
    id: UUID
    member: UUID
    device: str
    store: str
    points: int
    money_minor: int
    currency: str
    from_: int = msgspec.field(name="from")
    until: int


def _private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(keyset().derive("checkout.allowance"))


def public_key() -> str:
    """What a device checks signatures with: the raw Ed25519 key, base64url without padding."""
    return _text(_private_key().public_key().public_bytes_raw())


def sign(claim: Claim) -> str:
    """`claim.signature`, both base64url without padding; the signature is over the bytes of the claim."""
    body = msgspec.json.encode(claim)
    return f"{_text(body)}.{_text(_private_key().sign(body))}"


def read_claim(token: str) -> Claim:
    """The claim of a token that was signed here. Raises AllowanceInvalid."""
    body, _dot, signature = token[:MAX_TOKEN].partition(".")
    try:
        raw = _bytes(body)
        _private_key().public_key().verify(_bytes(signature), raw)
        claim = msgspec.json.decode(raw, type=Claim)
    except (InvalidSignature, binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise AllowanceInvalid(field="allowance") from error
    if claim.v != VERSION:
        raise AllowanceInvalid(field="allowance")
    return claim


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a sale made offline may take although it is no longer there: the rest of its allowance."""

    allowance_id: UUID | None
    points: int
    money_minor: int

    def added_to(self, funds: Funds) -> Funds:
        """Funds that reach at least as far as the allowance; what is missing counts as principal."""
        missing = self.money_minor - funds.principal - funds.bonus
        return replace(funds, principal=funds.principal + missing) if missing > 0 else funds

    def used_by(self, priced: Priced) -> dict[str, Any]:
        """What of the allowance a sale uses up, as `checkout_commit` takes it."""
        money = sum(paid.amount_minor for paid in priced.paid if paid.kind in ("stored_value", "bonus"))
        return {
            "id": self.allowance_id,
            "points": min(priced.points_used, self.points),
            "money": min(money, self.money_minor),
        }


NO_TRUST = Trust(None, 0, 0)


def trust_of(token: str, member_id: UUID | None, sold_at: datetime) -> Trust:
    """The rest of the allowance that a sale names. Raises AllowanceInvalid, AllowanceForeign.

    An allowance that was replaced or has ended still covers what was sold under it in its time.
    """
    claim = read_claim(token)
    if (
        claim.member != member_id
        or not claim.from_ - CLOCK_SKEW_SECONDS <= sold_at.timestamp() <= claim.until
    ):
        raise AllowanceForeign(field="allowance")
    row = Allowance.objects.filter(id=claim.id).first()
    if row is None:
        raise AllowanceInvalid(field="allowance")
    return Trust(row.id, row.points - row.points_used, row.money_minor - row.money_used_minor)
