"""Charging renewals: what a payment provider must be able to do, and a complete one that lives in this database.

A charge goes out under a reference of ours. The provider must answer a reference that it has seen with what became of it,
and charge nothing twice; so a charge whose answer was lost is simply asked for again. A provider of one's own is
registered with `use_provider` at start. It is called outside any transaction.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from django.db import transaction

from shuke.loyalty.plans.models import LocalAccount, LocalPayment

Outcome = Literal["approved", "declined", "unknown"]
Behaviour = Literal["approved", "declined", "timeout", "lost"]
BEHAVIOURS: tuple[Behaviour, ...] = ("approved", "declined", "timeout", "lost")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a charge; `reason` is the provider's word for a decline."""

    outcome: Outcome
    reason: str = ""


class PaymentProvider(Protocol):
    """What renewals need of whoever moves the money."""

    def open_mandate(self, now: datetime) -> str:
        """A token for a new agreement with the payer."""

    def close_mandate(self, token: str, now: datetime) -> None:
        """The payer's leave is withdrawn. Doing it twice changes nothing."""

    def charge(self, token: str, reference: str, amount_minor: int, currency: str, now: datetime) -> Answer:
        """Charge once per reference. "unknown" when no answer came in time: it may have been charged."""

    def look_up(self, reference: str) -> Answer | None:
        """What became of a reference; None when the provider has never seen it."""


class LocalProvider:
    """Keeps mandates and payments in this database: for trying things out, for tests, and for tills that collect
    renewals by themselves. `script` of an account says how its next charges end: "timeout" answers nothing and charges
    nothing, "lost" charges and answers nothing."""

    def open_mandate(self, now: datetime) -> str:
        token = f"local-{secrets.token_hex(12)}"
        LocalAccount.objects.create(token=token, created_at=now)
        return token

    def close_mandate(self, token: str, now: datetime) -> None:
        LocalAccount.objects.filter(token=token, closed_at=None).update(closed_at=now)

    def charge(self, token: str, reference: str, amount_minor: int, currency: str, now: datetime) -> Answer:
        with transaction.atomic():
            account = LocalAccount.objects.select_for_update().filter(token=token).first()
            seen = self.look_up(reference)
            if seen is not None:
                return seen
            behaviour: str = "approved"
            if account is not None and account.script:
                behaviour = account.script[0]
                account.script = account.script[1:]
                account.save()
            if account is None or account.closed_at is not None:
                return Answer("declined", "mandate_closed")
            if behaviour == "timeout":
                return Answer("unknown")
            LocalPayment.objects.create(
                reference=reference,
                token=token,
                amount_minor=amount_minor,
                currency=currency,
                outcome="declined" if behaviour == "declined" else "approved",
                occurred_at=now,
            )
        if behaviour == "lost":
            return Answer("unknown")
        return Answer("declined", "declined") if behaviour == "declined" else Answer("approved")

    def look_up(self, reference: str) -> Answer | None:
        payment = LocalPayment.objects.filter(reference=reference).first()
        if payment is None:
            return None
        return Answer("approved") if payment.outcome == "approved" else Answer("declined", "declined")


_providers: dict[str, PaymentProvider] = {"local": LocalProvider()}


def use_provider(name: str, provider: PaymentProvider) -> None:
    """Register a provider under the name that mandates keep."""
    _providers[name] = provider


def provider_of(name: str) -> PaymentProvider:
    """Raises KeyError for a name that nobody registered."""
    return _providers[name]


def provider_names() -> list[str]:
    """Every registered provider."""
    return sorted(_providers)
