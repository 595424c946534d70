"""Prepaid money of a member: topping up with the bonus that the programme gives, and paying the rest back.

Principal is what the member paid in, bonus money what the house added; they are two assets and never mix. A bonus in
instalments is one lot per instalment from the start, each usable from its day on, so that no job can forget or repeat one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils.translation import gettext_lazy as _

from shuke.checkout.books import (
    MAX_NUMBER,
    MAX_REASON,
    active_member,
    header_of,
    one_line,
    open_lots_of,
    open_store,
    post_transfer,
    take_books,
)
from shuke.checkout.errors import (
    CardLimitExceeded,
    CashNotAllowed,
    NothingToReturn,
    NotReturnable,
    StoredValueNotOffered,
    TopUpExists,
    TopUpOutOfRange,
)
from shuke.checkout.models import StoredValueReturn, TopUp
from shuke.checkout.operations import programme_in_force
from shuke.checkout.posting import NewEntry, NewLot, NewTransfer
from shuke.checkout.values import OUTSIDE_TENDERS
from shuke.core.errors import InvalidInput
from shuke.core.operations import publish_event, record_audit
from shuke.core.text import clean_text
from shuke.core.values import Actor
from shuke.kit.clock import add_months, end_of_day, local_date, start_of_day
from shuke.kit.ids import uuid7
from shuke.kit.money import MAX_MINOR, allocate
from shuke.ledger.models import Account, Entry
from shuke.loyalty.logic import expires_at
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import InForce
from shuke.loyalty.tenders import BonusRule, CardLimits, StoredValue

_TOP_UP_FIELDS = (
    "id",
    "occurred_at",
    "amount_minor",
    "bonus_minor",
    "tender",
    "returned_at",
    "store__code",
)
_STEP_DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class Instalment:
    """A part of a bonus: usable from `active_at` on, gone at `expires_at` (None: never)."""

    amount: int
    active_at: datetime
    expires_at: datetime | None


def instalments_of(programme: Programme, rule: BonusRule, amount: int, now: datetime) -> list[Instalment]:
    """The bonus of a top-up in its parts; equal to the cent, the larger parts first."""
    parts = [part for part in allocate(rule.bonus(amount), [1] * rule.instalments) if part]
    day, found = local_date(now, programme.zone), []
    for number, part in enumerate(parts):
        starts = _later(day, rule, number)
        active = now if number == 0 else start_of_day(starts, programme.zone)
        if rule.months:
            lapses: datetime | None = end_of_day(add_months(starts, rule.months), programme.zone)
        else:
            lapses = _lapse(programme, "bonus", active)
        found.append(Instalment(part, active, lapses))
    return found


def _later(day: date, rule: BonusRule, number: int) -> date:
    if rule.every == "month":
        return add_months(day, number)
    return day + timedelta(days=_STEP_DAYS[rule.every] * number)


def _lapse(programme: Programme, asset: str, at: datetime) -> datetime | None:
    """Prepaid money never lapses unless the programme's assets say so."""
    expiry = programme.expiry.get(asset)
    return expires_at(expiry, at, programme) if expiry else None


def check_cash(limits: CardLimits, tender: str, amount: int, *, organisation: bool = False) -> None:
    """Raises CashNotAllowed for cash at or above the legal limit."""
    limit = limits.no_cash_from_organisation if organisation else limits.no_cash_from
    if tender == "cash" and limit is not None and amount >= limit:
        raise CashNotAllowed(field="tender", limit=limit)


def check_tender(tender: str) -> None:
    """Money for prepaid cards comes from outside. Raises InvalidInput."""
    if tender not in OUTSIDE_TENDERS:
        raise InvalidInput(field="tender", reason=_("There is no such tender."))


def top_up(
    *,
    actor: Actor,
    member_id: UUID,
    store: str,
    amount_minor: int,
    tender: str,
    now: datetime,
    reference: str = "",
    system: str = "api",
    number: str | None = None,
    organisation: bool = False,
) -> dict[str, Any]:
    """Take money in advance and give the bonus of the rule it reaches, in one transaction.

    A debt of stored value, left by a sale made offline, is settled first. (system, number) exists once. Raises the
    refusals of `checkout.errors`: StoredValueNotOffered, TopUpOutOfRange, CardLimitExceeded, CashNotAllowed, TopUpExists.
    """
    in_force = programme_in_force(now)
    programme, rules = in_force.programme, _offered(in_force)
    check_tender(tender)
    most = min(MAX_MINOR, rules.top_up_most if rules.top_up_most is not None else MAX_MINOR)
    if not rules.top_up_least <= amount_minor <= most:
        raise TopUpOutOfRange(field="amount_minor", least=rules.top_up_least, most=most)
    check_cash(programme.card_limits, tender, amount_minor, organisation=organisation)
    reference = clean_text("reference", reference, MAX_NUMBER)
    place = open_store(actor, store)
    active_member(member_id)
    top_up_id, transfer_id = uuid7(), uuid7()
    rule = rules.bonus_for(amount_minor)
    bonus = instalments_of(programme, rule, amount_minor, now) if rule else []
    try:
        with transaction.atomic():
            take_books([member_id])
            debts = _debts(member_id)
            limit = programme.card_limits.registered_most
            held = sum(lot.remaining for lot in open_lots_of(member_id, "stored_value"))
            if limit is not None and held + amount_minor - debts.get("stored_value", 0) > limit:
                raise CardLimitExceeded(field="amount_minor", limit=limit, held=held)
            transfer = _top_up_transfer(programme, transfer_id, amount_minor, bonus, rule, debts, now)
            post_transfer(transfer, header_of(member_id, actor, place, in_force.version_id, now))
            TopUp.objects.create(
                id=top_up_id,
                member_id=member_id,
                store=place,
                system=system,
                number=number or str(top_up_id),
                occurred_at=now,
                recorded_at=now,
                currency=programme.currency,
                amount_minor=amount_minor,
                bonus_minor=sum(part.amount for part in bonus),
                rule=rule.id if rule and bonus else "",
                tender=tender,
                reference=reference,
                transfer_id=transfer_id,
                programme_version_id=in_force.version_id,
                actor=actor.reference,
            )
            facts = {
                "top_up_id": str(top_up_id),
                "amount_minor": amount_minor,
                "bonus_minor": sum(part.amount for part in bonus),
                "tender": tender,
            }
            record_audit(
                actor=actor,
                action="checkout.stored_value_topped_up.v1",
                now=now,
                object_type="member",
                object_id=member_id,
                store_id=place.id,
                data=facts,
            )
            publish_event(
                name="checkout.stored_value_topped_up.v1",
                member_id=member_id,
                occurred_at=now,
                payload={**facts, "store": place.code},
            )
    except IntegrityError as error:
        if "checkout_topup_once" in str(error):
            raise TopUpExists(field="number", system=system, number=number) from error
        raise
    return {
        "id": top_up_id,
        "currency": programme.currency,
        "amount_minor": amount_minor,
        "bonus_minor": sum(part.amount for part in bonus),
        "rule": rule.id if rule and bonus else "",
        "instalments": [
            {"amount_minor": part.amount, "usable_from": part.active_at, "expires_at": part.expires_at}
            for part in bonus
        ],
        "occurred_at": now,
    }


def quote_top_up(**asked: Any) -> dict[str, Any]:
    """What `top_up` would answer now: the same act, rolled back, so it promises nothing that would be refused."""
    with transaction.atomic():
        told = top_up(**asked)
        transaction.set_rollback(True)
    return {name: value for name, value in told.items() if name not in ("id", "occurred_at")}


def _offered(in_force: InForce) -> StoredValue:
    if in_force.programme.stored_value is None:
        raise StoredValueNotOffered
    return in_force.programme.stored_value


def _debts(member_id: UUID) -> dict[str, int]:
    rows = Account.objects.filter(member_id=member_id, debt__gt=0, asset__in=("stored_value", "bonus"))
    return dict(rows.values_list("asset", "debt"))


def _top_up_transfer(
    programme: Programme,
    transfer_id: UUID,
    amount: int,
    bonus: list[Instalment],
    rule: BonusRule | None,
    debts: dict[str, int],
    now: datetime,
) -> NewTransfer:
    parts = [("stored_value", Instalment(amount, now, _lapse(programme, "stored_value", now)))]
    parts += [("bonus", part) for part in bonus]
    owed, entries, lots = dict(debts), list[NewEntry](), list[NewLot]()
    for asset, part in parts:
        explain = {"rule": rule.id} if asset == "bonus" and rule else None
        settled = min(part.amount, owed.get(asset, 0))
        if settled:
            owed[asset] -= settled
            entries.append(NewEntry("member", asset, settled, None, explain))
        kept = part.amount - settled
        if kept:
            lot = NewLot(uuid7(), asset, kept, kept, now, part.active_at, part.expires_at)
            lots.append(lot)
            entries.append(NewEntry("member", asset, kept, lot.id, explain))
    entries.append(NewEntry("topped_up", "stored_value", -amount, None, None))
    if bonus:
        entries.append(NewEntry("bonus", "bonus", -sum(part.amount for part in bonus), None, None))
    return NewTransfer(transfer_id, "top_up", tuple(entries), tuple(lots))


@dataclass(frozen=True, slots=True)
class ReturnPlan:
    """What returning the card would do now, in minor units: paid = principal − deducted; bonus money is forfeited."""

    principal_minor: int
    spent_bonus_minor: int
    deducted_minor: int
    paid_minor: int
    forfeited_minor: int


def quote_return(*, member_id: UUID, now: datetime) -> dict[str, Any]:
    """What the member would get back for the card now. Writes nothing."""
    in_force = programme_in_force(now)
    active_member(member_id)
    return _told(_plan(_offered(in_force), member_id), in_force.programme.currency)


def return_stored_value(
    *, actor: Actor, member_id: UUID, store: str, tender: str, reason: str, now: datetime, reference: str = ""
) -> dict[str, Any]:
    """Pay all principal back, take the bonus money back, and close the member's top-ups, in one transaction.

    Bonus money that is spent already is deducted from the principal unless the programme says otherwise. What a hold has
    taken stays. Raises StoredValueNotOffered, NotReturnable, NothingToReturn.
    """
    in_force = programme_in_force(now)
    rules = _offered(in_force)
    if not rules.returnable:
        raise NotReturnable
    check_tender(tender)
    reason = one_line("reason", reason, MAX_REASON, _("Say why: the reason stays with the return."))
    reference = clean_text("reference", reference, MAX_NUMBER)
    place = open_store(actor, store)
    active_member(member_id)
    with transaction.atomic():
        take_books([member_id])
        plan = _plan(rules, member_id)
        if plan.principal_minor == 0 and plan.forfeited_minor == 0:
            raise NothingToReturn
        transfer = _return_transfer(member_id, plan)
        post_transfer(transfer, header_of(member_id, actor, place, in_force.version_id, now, reason))
        TopUp.objects.filter(member_id=member_id, returned_at=None).update(returned_at=now)
        done = StoredValueReturn.objects.create(
            id=uuid7(),
            member_id=member_id,
            store=place,
            occurred_at=now,
            recorded_at=now,
            currency=in_force.programme.currency,
            principal_minor=plan.principal_minor,
            deducted_minor=plan.deducted_minor,
            paid_minor=plan.paid_minor,
            forfeited_minor=plan.forfeited_minor,
            tender=tender,
            reference=reference,
            reason=reason,
            transfer_id=transfer.id,
            actor=actor.reference,
        )
        facts = {
            "return_id": str(done.id),
            "paid_minor": plan.paid_minor,
            "deducted_minor": plan.deducted_minor,
            "forfeited_minor": plan.forfeited_minor,
            "tender": tender,
        }
        record_audit(
            actor=actor,
            action="checkout.stored_value_returned.v1",
            now=now,
            object_type="member",
            object_id=member_id,
            store_id=place.id,
            reason=reason,
            data=facts,
        )
        publish_event(
            name="checkout.stored_value_returned.v1",
            member_id=member_id,
            occurred_at=now,
            payload={**facts, "store": place.code},
        )
    return {"id": done.id, "occurred_at": now, **_told(plan, in_force.programme.currency)}


def _told(plan: ReturnPlan, currency: str) -> dict[str, Any]:
    return {
        "currency": currency,
        "principal_minor": plan.principal_minor,
        "spent_bonus_minor": plan.spent_bonus_minor,
        "deducted_minor": plan.deducted_minor,
        "paid_minor": plan.paid_minor,
        "forfeited_minor": plan.forfeited_minor,
    }


def _plan(rules: StoredValue, member_id: UUID) -> ReturnPlan:
    principal = sum(lot.free for lot in open_lots_of(member_id, "stored_value"))
    bonus = sum(lot.free for lot in open_lots_of(member_id, "bonus"))
    spent = _spent_bonus(member_id)
    owed = sum(_debts(member_id).values())
    deducted = min(principal, (spent if rules.deduct_spent_bonus else 0) + owed)
    return ReturnPlan(principal, spent, deducted, principal - deducted, bonus)


def _spent_bonus(member_id: UUID) -> int:
    """Bonus money of top-ups not yet returned that is gone by paying: neither there, nor lapsed, nor given back."""
    transfers = TopUp.objects.filter(member_id=member_id, returned_at=None, bonus_minor__gt=0)
    lots = Entry.objects.filter(
        transfer_id__in=transfers.values("transfer_id"), account="member", asset="bonus", lot_id__isnull=False
    )
    moved = Entry.objects.filter(lot_id__in=lots.values("lot_id"), account="member").exclude(
        transfer__kind__in=("top_up", "expire")
    )
    return -(moved.aggregate(total=Sum("amount"))["total"] or 0)


def _return_transfer(member_id: UUID, plan: ReturnPlan) -> NewTransfer:
    entries: list[NewEntry] = []
    for asset in ("stored_value", "bonus"):
        entries += [
            NewEntry("member", asset, -lot.free, lot.id, {"card": "returned"})
            for lot in open_lots_of(member_id, asset)
            if lot.free
        ]
    debts = _debts(member_id)
    left = plan.deducted_minor
    settled = min(debts.get("stored_value", 0), left)
    if settled:
        entries.append(NewEntry("member", "stored_value", settled, None, {"card": "debt_settled"}))
    left -= settled
    forgiven = min(debts.get("bonus", 0), left)
    if forgiven:
        # Paid for with principal below, so the bonus money owed is owed no longer.
        entries.append(NewEntry("member", "bonus", forgiven, None, {"card": "debt_settled"}))
    if left:
        entries.append(NewEntry("bonus", "stored_value", left, None, {"card": "spent_bonus_deducted"}))
    if plan.paid_minor:
        entries.append(NewEntry("paid_out", "stored_value", plan.paid_minor, None, None))
    if plan.forfeited_minor != forgiven:
        entries.append(NewEntry("bonus", "bonus", plan.forfeited_minor - forgiven, None, None))
    return NewTransfer(uuid7(), "reversal", tuple(entries), ())


def stored_value_of(member_id: UUID, now: datetime) -> dict[str, Any]:
    """Principal and bonus money now, what of the bonus is still to come, and the top-ups, newest first."""
    in_force = programme_in_force(now)
    active = {"stored_value": 0, "bonus": 0}
    coming: list[dict[str, Any]] = []
    for asset in active:
        for lot in open_lots_of(member_id, asset):
            if lot.is_usable(now):
                active[asset] += lot.free
            elif lot.active_at > now:
                coming.append(
                    {"amount_minor": lot.free, "usable_from": lot.active_at, "expires_at": lot.expires_at}
                )
    rows = TopUp.objects.filter(member_id=member_id).order_by("-occurred_at", "-id")[:50]
    return {
        "currency": in_force.programme.currency,
        "principal_minor": active["stored_value"],
        "bonus_minor": active["bonus"],
        "coming": sorted(coming, key=lambda each: each["usable_from"]),
        "owed_minor": sum(_debts(member_id).values()),
        "top_ups": [{**row, "store": row.pop("store__code")} for row in rows.values(*_TOP_UP_FIELDS)],
    }
