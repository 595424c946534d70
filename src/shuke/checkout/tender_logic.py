"""How a sale is paid: a pure function from what the till asks and what is there to what each tender pays.

Stored value splits into principal and bonus money in the programme's order. Stored value and gift cards pay through the
ledger; cash, cards and wallets are facts of the sale. When the till names any of those, the tenders must add up to the
sale exactly; otherwise what the ledger does not pay is left due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shuke.checkout.values import OUTSIDE_TENDERS, PricingRefusal
from shuke.kit.money import allocate
from shuke.loyalty.programme import Programme
from shuke.loyalty.tenders import StoredValue


@dataclass(frozen=True, slots=True)
class Tender:
    """One tender as asked: `asked` None means as much as is there, or the rest; with `at_most`, `asked` is a ceiling.
    `holder` is the gift card.
    """

    kind: str
    asked: int | None
    holder: UUID | None = None
    reference: str = ""
    at_most: bool = False

    @property
    def fixed(self) -> int:
        """What this tender pays whatever the others do."""
        return 0 if self.at_most else self.asked or 0


@dataclass(frozen=True, slots=True)
class Funds:
    """What can be spent now, in minor units: the member's principal and bonus money, and each gift card named."""

    principal: int = 0
    bonus: int = 0
    cards: Mapping[UUID, int] = field(default_factory=dict)


NO_FUNDS = Funds()


@dataclass(frozen=True, slots=True)
class Paid:
    """What one tender pays. `kind` tells bonus money (`bonus`) from principal (`stored_value`)."""

    kind: str
    amount_minor: int
    holder: UUID | None = None
    reference: str = ""

    @property
    def is_inside(self) -> bool:
        """True when the ledger pays it."""
        return self.kind not in OUTSIDE_TENDERS


def settle(
    programme: Programme, tenders: Sequence[Tender], funds: Funds, payable: int, *, has_member: bool
) -> list[Paid]:
    """What each tender pays, in the order asked. Raises PricingRefusal."""
    _check(programme, tenders, has_member=has_member)
    left = payable - sum(tender.fixed for tender in tenders)
    if left < 0:
        raise PricingRefusal("tenders_exceed", "tenders", payable=payable, tendered=payable - left)
    amounts = [tender.asked for tender in tenders]
    # Who asks for "the rest" is served after everybody who asked for a figure, the ledger before the wallet.
    for index in sorted(range(len(tenders)), key=lambda i: tenders[i].kind in OUTSIDE_TENDERS):
        tender = tenders[index]
        if tender.asked is None or tender.at_most:
            part = min(left, _most(programme, tender, funds, payable))
            part = part if tender.asked is None else min(part, tender.asked)
            amounts[index] = part
            left -= part
        elif tender.asked > _most(programme, tender, funds, payable):
            raise _too_much(programme, tender, funds, payable, index)
    if left and any(tender.kind in OUTSIDE_TENDERS for tender in tenders):
        raise PricingRefusal("tenders_short", "tenders", payable=payable, tendered=payable - left)
    paid: list[Paid] = []
    for tender, amount in zip(tenders, amounts, strict=True):
        if not amount:
            continue
        if tender.kind == "stored_value":
            assert programme.stored_value is not None
            paid += _split(programme.stored_value, funds, payable, amount)
        else:
            paid.append(Paid(tender.kind, amount, tender.holder, tender.reference))
    return paid


def stored_value_limit(programme: Programme, funds: Funds, payable: int) -> int:
    """The most that stored value, principal and bonus together, may pay of this sale."""
    rule = programme.stored_value
    if rule is None:
        return 0
    return min(
        funds.principal + _bonus_limit(rule, funds, payable), payable * rule.max_percent // 100_000, payable
    )


def stored_value_shares(programme: Programme, paid: Sequence[Paid]) -> int:
    """How much of what was paid does not earn under the programme's switches."""
    silent = 0
    if programme.stored_value and not programme.stored_value.earns:
        silent += sum(p.amount_minor for p in paid if p.kind in ("stored_value", "bonus"))
    if programme.gift_cards and not programme.gift_cards.earns:
        silent += sum(p.amount_minor for p in paid if p.kind == "gift_card")
    return silent


def _check(programme: Programme, tenders: Sequence[Tender], *, has_member: bool) -> None:
    seen: set[tuple[str, UUID | None]] = set()
    for index, tender in enumerate(tenders):
        here = f"tenders/{index}"
        if tender.kind == "stored_value":
            if not has_member:
                raise PricingRefusal("stored_value_needs_member", here)
            if programme.stored_value is None:
                raise PricingRefusal("tender_not_accepted", here)
        elif tender.kind == "gift_card" and programme.gift_cards is None:
            raise PricingRefusal("tender_not_accepted", here)
        if tender.kind in ("stored_value", "gift_card"):
            if (tender.kind, tender.holder) in seen:
                raise PricingRefusal("tender_twice", here)
            seen.add((tender.kind, tender.holder))


def _most(programme: Programme, tender: Tender, funds: Funds, payable: int) -> int:
    if tender.kind == "stored_value":
        return stored_value_limit(programme, funds, payable)
    if tender.kind == "gift_card":
        assert programme.gift_cards is not None and tender.holder is not None
        share = payable * programme.gift_cards.max_percent // 100_000
        return min(funds.cards.get(tender.holder, 0), share)
    return payable


def _too_much(programme: Programme, tender: Tender, funds: Funds, payable: int, index: int) -> PricingRefusal:
    """Refused for want of money, or because the programme lets this tender pay only a part of a sale."""
    asked = tender.asked or 0
    there = (
        funds.principal + funds.bonus
        if tender.kind == "stored_value"
        else funds.cards.get(tender.holder, 0)
        if tender.holder
        else 0
    )
    if asked > there:
        code = "not_enough_stored_value" if tender.kind == "stored_value" else "not_enough_on_gift_card"
        return PricingRefusal(code, f"tenders/{index}", asked=asked, usable=there)
    most = _most(programme, tender, funds, payable)
    return PricingRefusal("tender_over_limit", f"tenders/{index}", asked=asked, most=most)


def _bonus_limit(rule: StoredValue, funds: Funds, payable: int) -> int:
    return min(funds.bonus, payable * rule.bonus_max_percent // 100_000)


def _split(rule: StoredValue, funds: Funds, payable: int, amount: int) -> list[Paid]:
    """Principal and bonus money of one payment; the caller has checked that both together suffice."""
    bonus_most = _bonus_limit(rule, funds, payable)
    if rule.order == "principal_first":
        bonus = amount - min(amount, funds.principal)
    elif rule.order == "bonus_first":
        bonus = min(amount, bonus_most)
    else:
        bonus = min(allocate(amount, [funds.principal, funds.bonus])[1], bonus_most)
        bonus = max(bonus, amount - funds.principal)
    parts = (("stored_value", amount - bonus), ("bonus", bonus))
    return [Paid(kind, part) for kind, part in parts if part]
