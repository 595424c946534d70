"""Paid plans: sell, try, renew, upgrade, give away, pay back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
from ninja import Router

from shuke.api.contracts.plans import (
    AutoRenewIn,
    BuyIn,
    ChargeOut,
    ChargeReport,
    GiftList,
    HistoryQuery,
    MemberPlan,
    MemberPlans,
    PlanCodeIn,
    PlanGiftIn,
    PlanHistory,
    PlanList,
    PlanRefundIn,
    PlanRefundOut,
    PlanRefundQuote,
    RenewIn,
    TakeBackIn,
    TakenBack,
    TermOut,
    TrialIn,
    UpgradeIn,
    UpgradeQuery,
    UpgradeQuote,
)
from shuke.api.cursors import BY_TIME, checked_cursor
from shuke.api.endpoint import Call, Reply, endpoint
from shuke.catalog.errors import UnknownStore
from shuke.catalog.models import Store
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.core.errors import InvalidInput, NotFound, TooManyWrongCodes
from shuke.core.idempotency import run_once
from shuke.core.values import Scope
from shuke.kit.errors import ShukeError
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.plans import errors
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code, take_back_gift
from shuke.loyalty.plans.models import PlanCharge, PlanGift, PlanTerm
from shuke.loyalty.plans.queries import PlanOfMember, plan_history, plans_of
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.renewals import cancel_auto_renew, confirm_charge, start_auto_renew
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan, quote_upgrade, renew_plan, start_trial, upgrade_plan
from shuke.loyalty.plans.values import Duration
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.words import localized, plan_name
from shuke.members.queries import get_candidate

router = Router()
_json = msgspec.json.Encoder()
_PLACE: tuple[type[ShukeError], ...] = (NoProgramme, NotFound, InvalidInput, UnknownStore, errors.UnknownPlan)
_SOLD = (errors.PlanNotOnSale, errors.PlanLimitReached, errors.PlanSoldOut, errors.PlanSaleExists)


@endpoint(
    router,
    "GET",
    "/plans",
    scope=Scope.PROGRAMME_READ,
    answers={200: PlanList},
    tag="plans",
    refusals=(NoProgramme,),
)
def plans(call: Call) -> tuple[int, dict[str, Any]]:
    """List the plans of the programme in force."""
    in_force = programme_at(call.now)
    if in_force is None:
        raise NoProgramme
    currency = in_force.programme.currency
    rows = [
        {
            "code": plan.code,
            "name": localized(plan.name, call.language),
            "price_minor": plan.price,
            "currency": currency,
            "duration": _duration(plan.duration),
            "trial": _duration(plan.trial) if plan.trial else None,
            "grace_days": plan.grace_days,
            "on_sale": plan.on_sale,
            "renews_by_hand": plan.renewal.manual,
            "renews_itself": plan.renewal.auto,
            "upgrade_to": list(plan.upgrade_to),
        }
        for plan in in_force.programme.plans.values()
    ]
    return 200, {"plans": rows}


@endpoint(
    router,
    "GET",
    "/members/{member_id}/plans",
    scope=Scope.MEMBERS_READ,
    answers={200: MemberPlans},
    tag="plans",
    refusals=(NotFound,),
)
def member_plans(call: Call, member_id: UUID) -> tuple[int, dict[str, Any]]:
    """List the plans that a member has or had, with their terms."""
    covered_member(call, member_id)
    return 200, {"plans": [_told(call, each) for each in plans_of(member_id=member_id, now=call.now)]}


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans",
    scope=Scope.CHECKOUT_WRITE,
    body=BuyIn,
    answers={201: TermOut},
    tag="plans",
    keyed="once",
    refusals=(*_PLACE, *_SOLD, errors.PlanHeld),
)
def buy(call: Call, member_id: UUID, body: BuyIn) -> tuple[int, dict[str, Any]]:
    """Sell a plan.

    It begins now, or when the trial ends that the member is in. The money is taken outside and kept as a fact.
    """
    covered_member(call, member_id)
    term = buy_plan(
        actor=call.caller.as_actor(),
        member_id=member_id,
        plan=body.plan,
        sale=sale_of(call, body.tender, body.reference, body.store, body.number),
        now=call.now,
    )
    return 201, _term(term)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/trial",
    scope=Scope.CHECKOUT_WRITE,
    body=TrialIn,
    answers={201: TermOut},
    tag="plans",
    keyed="once",
    refusals=(*_PLACE, *_SOLD[:3], errors.NoTrial, errors.TrialUsed),
)
def begin_trial(call: Call, member_id: UUID, body: TrialIn) -> tuple[int, dict[str, Any]]:
    """Let a member try a plan.

    Once, and only who never had it.
    """
    covered_member(call, member_id)
    term = start_trial(actor=call.caller.as_actor(), member_id=member_id, plan=body.plan, now=call.now)
    return 201, _term(term)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/redeem",
    scope=Scope.CHECKOUT_WRITE,
    body=PlanCodeIn,
    answers={201: TermOut},
    tag="plans",
    keyed="once",
    refusals=(
        *_PLACE,
        errors.BadPlanCode,
        errors.UnknownPlanCode,
        TooManyWrongCodes,
        errors.PlanCodeUsed,
        errors.PlanCodeExpired,
        errors.PlanLimitReached,
        errors.PlanSoldOut,
    ),
)
def redeem_code(call: Call, member_id: UUID, body: PlanCodeIn) -> tuple[int, dict[str, Any]]:
    """Redeem a gift code.

    The plan begins now, or follows what the member holds of it.
    """
    covered_member(call, member_id)
    term = redeem_plan_code(actor=call.caller.as_actor(), member_id=member_id, code=body.code, now=call.now)
    return 201, _term(term)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/{plan}/renew",
    scope=Scope.CHECKOUT_WRITE,
    body=RenewIn,
    answers={201: TermOut},
    tag="plans",
    keyed="once",
    refusals=(
        *_PLACE,
        errors.RenewalNotOffered,
        errors.RenewalTooEarly,
        errors.PlanNotHeld,
        errors.PlanLimitReached,
        errors.PlanSaleExists,
    ),
)
def renew(call: Call, member_id: UUID, plan: str, body: RenewIn) -> tuple[int, dict[str, Any]]:
    """Sell the next term.

    It follows the last one without a gap, also out of the grace days.
    """
    covered_member(call, member_id)
    term = renew_plan(
        actor=call.caller.as_actor(),
        member_id=member_id,
        plan=plan,
        sale=sale_of(call, body.tender, body.reference, body.store, body.number),
        now=call.now,
    )
    return 201, _term(term)


_UPGRADE = (errors.NotAnUpgrade, errors.PlanNotHeld, errors.PlanHeld)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/plans/{plan}/upgrade-quote",
    scope=Scope.CHECKOUT_READ,
    query=UpgradeQuery,
    answers={200: UpgradeQuote},
    tag="plans",
    refusals=(*_PLACE, *_UPGRADE),
)
def upgrade_quote(call: Call, member_id: UUID, plan: str, query: UpgradeQuery) -> tuple[int, dict[str, Any]]:
    """See what an upgrade costs.

    Writes nothing.
    """
    covered_member(call, member_id)
    return 200, quote_upgrade(
        member_id=member_id, plan=plan, target=query.target, now=call.now, enjoyed=enjoyed_on_sales
    )


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/{plan}/upgrade",
    scope=Scope.CHECKOUT_WRITE,
    body=UpgradeIn,
    answers={201: TermOut},
    tag="plans",
    keyed="once",
    refusals=(*_PLACE, *_SOLD, *_UPGRADE, errors.PlanUpgradeChanged),
)
def upgrade(call: Call, member_id: UUID, plan: str, body: UpgradeIn) -> tuple[int, dict[str, Any]]:
    """Upgrade to a better plan.

    It begins now; what time and use have left of the former one pays for it. Terms that were a gift pay nothing.
    """
    covered_member(call, member_id)
    term = upgrade_plan(
        actor=call.caller.as_actor(),
        member_id=member_id,
        plan=plan,
        target=body.target,
        expected_minor=body.expected_minor,
        sale=sale_of(call, body.tender, body.reference, body.store, body.number),
        now=call.now,
        enjoyed=enjoyed_on_sales,
    )
    return 201, _term(term)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/plans/{plan}/refund-quote",
    scope=Scope.CHECKOUT_READ,
    answers={200: PlanRefundQuote},
    tag="plans",
    refusals=(*_PLACE, errors.PlanNotHeld),
)
def plan_refund_quote(call: Call, member_id: UUID, plan: str) -> tuple[int, dict[str, Any]]:
    """See what giving up a plan pays back.

    What it has given counts against what is left of it. Writes nothing.
    """
    covered_member(call, member_id)
    return 200, quote_plan_refund(member_id=member_id, plan=plan, now=call.now, enjoyed=enjoyed_on_sales)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/{plan}/refund",
    scope=Scope.CHECKOUT_WRITE,
    body=PlanRefundIn,
    answers={201: PlanRefundOut},
    tag="plans",
    keyed="once",
    refusals=(*_PLACE, errors.PlanNotHeld, errors.NothingPaid, errors.PlanRefundChanged),
)
def refund_a_plan(call: Call, member_id: UUID, plan: str, body: PlanRefundIn) -> tuple[int, dict[str, Any]]:
    """Pay a plan back.

    It ends now. Give the money back outside.
    """
    covered_member(call, member_id)
    made = refund_plan(
        actor=call.caller.as_actor(),
        member_id=member_id,
        plan=plan,
        sale=sale_of(call, body.tender, body.reference, body.store),
        reason=body.reason,
        expected_minor=body.expected_minor,
        enjoyed=enjoyed_on_sales,
        now=call.now,
    )
    return 201, {
        "id": made.id,
        "plan": plan,
        "refund_minor": made.refund_minor,
        "currency": made.currency,
        "tender": made.tender,
        "occurred_at": made.occurred_at,
        "sums": made.sums,
    }


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/{plan}/auto-renew",
    scope=Scope.CHECKOUT_WRITE,
    body=AutoRenewIn,
    answers={200: MemberPlan},
    tag="plans",
    keyed="once",
    refusals=(*_PLACE, errors.AutoRenewNotOffered, errors.PlanNotHeld),
)
def auto_renew(call: Call, member_id: UUID, plan: str, body: AutoRenewIn) -> tuple[int, dict[str, Any]]:
    """Let a plan renew itself.

    Each renewal is charged to the member's agreement with the payment provider, some days ahead of the end.
    """
    covered_member(call, member_id)
    start_auto_renew(
        actor=call.caller.as_actor(),
        member_id=member_id,
        plan=plan,
        provider=body.provider,
        token=body.token,
        now=call.now,
    )
    return 200, _one(call, member_id, plan)


@endpoint(
    router,
    "POST",
    "/members/{member_id}/plans/{plan}/auto-renew/cancel",
    scope=Scope.CHECKOUT_WRITE,
    answers={200: MemberPlan},
    tag="plans",
    keyed="once",
    refusals=(NotFound, errors.PlanNotHeld),
)
def auto_renew_cancelled(call: Call, member_id: UUID, plan: str) -> tuple[int, dict[str, Any]]:
    """Let a plan end with its last term.

    As easily withdrawn as given; what is paid stays. Doing it twice changes nothing.
    """
    covered_member(call, member_id)
    cancel_auto_renew(actor=call.caller.as_actor(), member_id=member_id, plan=plan, now=call.now)
    return 200, _one(call, member_id, plan)


@endpoint(
    router,
    "GET",
    "/members/{member_id}/plan-history",
    scope=Scope.MEMBERS_READ,
    query=HistoryQuery,
    answers={200: PlanHistory},
    tag="plans",
    refusals=(NotFound, InvalidInput),
)
def member_plan_history(call: Call, member_id: UUID, query: HistoryQuery) -> tuple[int, dict[str, Any]]:
    """List what happened to a member's plans, newest first."""
    covered_member(call, member_id)
    page = plan_history(member_id=member_id, limit=query.limit, cursor=checked_cursor(query.cursor, BY_TIME))
    rows = [
        {"id": e.id, "plan": e.plan, "kind": e.kind, "occurred_at": e.occurred_at, "data": e.data}
        for e in page.events
    ]
    return 200, {"events": rows, "next_cursor": page.next_cursor}


# Gifts -------------------------------------------------------------------------------------------------


@endpoint(
    router,
    "POST",
    "/plan-gifts",
    scope=Scope.CHECKOUT_WRITE,
    body=PlanGiftIn,
    answers={201: GiftList},
    tag="plans",
    keyed="own",
    refusals=(*_PLACE, errors.PlanNotOnSale),
)
def sell_gifts(call: Call, body: PlanGiftIn) -> Reply:
    """Sell gift codes for a plan.

    A repeated call gets the same codes again, although they are stored nowhere.
    """
    if body.buyer_id is not None:
        covered_member(call, body.buyer_id)

    def work() -> tuple[int, bytes]:
        made = gift_plan(
            actor=call.caller.as_actor(),
            plan=body.plan,
            count=body.count,
            buyer_id=body.buyer_id,
            sale=sale_of(call, body.tender, body.reference, body.store),
            now=call.now,
        )
        rows = [
            {
                "id": gift.id,
                "code": "",
                "price_minor": gift.price_minor,
                "currency": gift.currency,
                "expires_at": gift.expires_at,
            }
            for gift in made
        ]
        return 201, _json.encode({"plan": body.plan, "gifts": rows})

    assert call.key is not None
    answer = run_once(
        caller_id=call.caller.id, key=call.key, input_hash=call.input_hash, now=call.now, work=work
    )
    stored = msgspec.json.decode(answer.body)
    by_id = {
        str(gift.id): gift for gift in PlanGift.objects.filter(id__in=[g["id"] for g in stored["gifts"]])
    }
    codes = codes_of([by_id[each["id"]] for each in stored["gifts"]])
    told = [{**each, "code": code} for each, code in zip(stored["gifts"], codes, strict=True)]
    return Reply(answer.status, _json.encode({**stored, "gifts": told}), answer.replayed)


@endpoint(
    router,
    "POST",
    "/plan-gifts/{gift_id}/take-back",
    scope=Scope.CHECKOUT_WRITE,
    body=TakeBackIn,
    answers={200: TakenBack},
    tag="plans",
    keyed="once",
    refusals=(InvalidInput, UnknownStore, errors.UnknownPlanCode, errors.PlanCodeUsed),
)
def gift_taken_back(call: Call, gift_id: UUID, body: TakeBackIn) -> tuple[int, dict[str, Any]]:
    """Pay back a gift that nobody has redeemed.

    Its code is void from now on.
    """
    _own(call, PlanGift.objects.filter(id=gift_id).values_list("buyer_id", flat=True), errors.UnknownPlanCode)
    made = take_back_gift(
        actor=call.caller.as_actor(),
        gift_id=gift_id,
        sale=sale_of(call, body.tender, body.reference, body.store),
        reason=body.reason,
        now=call.now,
    )
    return 200, {"id": gift_id, "refund_minor": made.refund_minor, "currency": made.currency}


@endpoint(
    router,
    "POST",
    "/plan-charges/{reference}/report",
    scope=Scope.CHECKOUT_WRITE,
    body=ChargeReport,
    answers={200: ChargeOut},
    tag="plans",
    keyed="once",
    refusals=(errors.UnknownCharge,),
)
def charge_reported(call: Call, reference: str, body: ChargeReport) -> tuple[int, dict[str, Any]]:
    """Report what became of a charge.

    For payment providers that answer later. The same answer again changes nothing.
    """
    held = PlanCharge.objects.filter(reference=reference).values_list("holding__member_id", flat=True)
    _own(call, held, errors.UnknownCharge)
    charge = confirm_charge(reference=reference, outcome=body.outcome, reason=body.reason, now=call.now)
    return 200, {
        "reference": charge.reference,
        "state": charge.state,
        "amount_minor": charge.amount_minor,
        "currency": charge.currency,
    }


# Shared ------------------------------------------------------------------------------------------------


def covered_member(call: Call, member_id: UUID) -> None:
    """Raises NotFound for a stranger, and for one who joined at a store that the key does not cover."""
    if not call.covers(get_candidate(member_id).join_store_id):
        raise NotFound


def _own(call: Call, members: Iterable[UUID | None], refusal: type[ShukeError]) -> None:
    """What belongs to a member whom the key does not cover is unknown to it."""
    for member_id in members:
        if member_id is not None and not call.covers(get_candidate(member_id).join_store_id):
            raise refusal


def store_of(call: Call, code: str) -> Store | None:
    """Raises UnknownStore for one that the key does not cover."""
    if not code:
        return None
    store = Store.objects.filter(code=code).first() if "\x00" not in code else None
    if store is None or not call.covers(store.id):
        raise UnknownStore(field="store", code=code)
    return store


def sale_of(call: Call, tender: str, reference: str, store: str, number: str = "") -> Sale:
    """(system, number) makes a sale once; the system is the key that reports it."""
    return Sale(tender, reference, store_of(call, store), f"key:{call.caller.id.hex[-12:]}", number or None)


def _duration(duration: Duration) -> dict[str, int]:
    return {"months": duration.months, "days": duration.days}


def _one(call: Call, member_id: UUID, plan: str) -> dict[str, Any]:
    found = plans_of(member_id=member_id, now=call.now)
    return next(_told(call, each) for each in found if each.holding.plan == plan)


def _told(call: Call, each: PlanOfMember) -> dict[str, Any]:
    in_force = programme_at(call.now)
    document = version_by_id(in_force.version_id).document if in_force else {}
    holding = each.holding
    return {
        "plan": holding.plan,
        "name": plan_name(document, holding.plan),
        "state": holding.state,
        "held": each.held,
        "since": holding.since,
        "until": holding.until,
        "grace_until": holding.grace_until,
        "renews_itself": holding.mandate_id is not None,
        "charge_at": holding.charge_at,
        "terms": [_term(term) for term in each.terms],
    }


def _term(term: PlanTerm) -> dict[str, Any]:
    return {
        "id": term.id,
        "plan": term.plan,
        "cause": term.cause,
        "starts_at": term.starts_at,
        "ends_at": term.ends_at,
        "price_minor": term.price_minor,
        "paid_minor": term.paid_minor,
        "credit_minor": term.credit_minor,
        "currency": term.currency,
        "tender": term.tender,
        "sold_at": term.occurred_at,
        "closed_at": term.closed_at,
        "refunded_minor": term.refunded_minor,
    }
