"""Steps of paid plans and entitlements: sold, tried, given away, renewed, paid back; had at the counter; and their jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shuke.catalog.models import Store
from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.registry import Act, step
from shuke.kit.clock import local_date
from shuke.loyalty.plans.dues import end_plans, remind_holders
from shuke.loyalty.plans.entitlements import entitlements_of, redeem_entitlement, undo_entitlement
from shuke.loyalty.plans.gifts import codes_of, gift_plan, redeem_plan_code, take_back_gift
from shuke.loyalty.plans.giving import give_birthday_gifts, give_plan_packs, give_tier_packs
from shuke.loyalty.plans.levels import align_levels
from shuke.loyalty.plans.models import LocalAccount, PlanGift, PlanTerm
from shuke.loyalty.plans.payments import BEHAVIOURS
from shuke.loyalty.plans.queries import plans_of, verify_plans
from shuke.loyalty.plans.refunds import refund_plan
from shuke.loyalty.plans.renewals import cancel_auto_renew, charge_due, start_auto_renew
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan, renew_plan, start_trial, upgrade_plan
from shuke.loyalty.queries import programme_at
from shuke.loyalty.readers import Key, choice

_NAME = Key(words.name, required=True)
_MEMBER = Key(words.thing("member"), required=True)
_PLAN = Key(words.thing("plan"), required=True)
_GIFT = Key(words.thing("plan_gift"), required=True)
_STORE = Key(words.thing("store"), default="S1")
_WHOSE: Mapping[str, Key] = {"member": _MEMBER, "plan": _PLAN}
_PAID: Mapping[str, Key] = {"tender": Key(words.name, default="cash"), "number": Key(words.name)}


def _sale(act: Act) -> Sale:
    return Sale(act.given["tender"], system="till", number=act.given.get("number"))


@step("buy_plan", {**_WHOSE, **_PAID}, makes="plan_term")
def buy(act: Act) -> Mapping[str, Any]:
    """Sell a plan."""
    return _term(
        buy_plan(
            actor=act.actor,
            member_id=act.ref("member", "member"),
            plan=act.given["plan"],
            sale=_sale(act),
            now=act.now,
        )
    )


@step("try_plan", _WHOSE, makes="plan_term")
def trial(act: Act) -> Mapping[str, Any]:
    """Begin a plan's trial."""
    return _term(
        start_trial(
            actor=act.actor, member_id=act.ref("member", "member"), plan=act.given["plan"], now=act.now
        )
    )


@step("renew_plan", {**_WHOSE, **_PAID}, makes="plan_term")
def renew(act: Act) -> Mapping[str, Any]:
    """Sell the next term by hand."""
    return _term(
        renew_plan(
            actor=act.actor,
            member_id=act.ref("member", "member"),
            plan=act.given["plan"],
            sale=_sale(act),
            now=act.now,
        )
    )


@step("upgrade_plan", {**_WHOSE, **_PAID, "to": _PLAN}, makes="plan_term")
def upgrade(act: Act) -> Mapping[str, Any]:
    """Give a plan up for a better one."""
    return _term(
        upgrade_plan(
            actor=act.actor,
            member_id=act.ref("member", "member"),
            plan=act.given["plan"],
            target=act.given["to"],
            sale=_sale(act),
            now=act.now,
            enjoyed=enjoyed_on_sales,
        )
    )


@step("refund_plan", {**_WHOSE, **_PAID, "reason": Key(words.words, default="scenario")})
def refund(act: Act) -> Mapping[str, Any]:
    """Give a plan up for money."""
    made = refund_plan(
        actor=act.actor,
        member_id=act.ref("member", "member"),
        plan=act.given["plan"],
        sale=_sale(act),
        reason=act.given["reason"],
        now=act.now,
        enjoyed=enjoyed_on_sales,
    )
    return {"id": made.id, **made.sums}


@step(
    "auto_renew",
    {**_WHOSE, "charges": Key(words.list_of(choice(*BEHAVIOURS)), default=[])},
)
def auto_renew(act: Act) -> Mapping[str, Any]:
    """Let a plan renew itself. `charges`: how the local payment provider answers the next ones; afterwards it approves."""
    holding = start_auto_renew(
        actor=act.actor, member_id=act.ref("member", "member"), plan=act.given["plan"], now=act.now
    )
    if holding.mandate is not None:
        LocalAccount.objects.filter(token=holding.mandate.token).update(script=act.given["charges"])
    return {"charge_at": holding.charge_at}


@step("cancel_auto_renew", _WHOSE)
def cancel(act: Act) -> Mapping[str, Any]:
    """Let a plan end with its last term."""
    holding = cancel_auto_renew(
        actor=act.actor, member_id=act.ref("member", "member"), plan=act.given["plan"], now=act.now
    )
    return {"charge_at": holding.charge_at}


@step("gift_plan", {"plan": _PLAN, "buyer": Key(words.thing("member")), **_PAID}, makes="plan_gift")
def gift(act: Act) -> Mapping[str, Any]:
    """Sell a code for a plan."""
    (made,) = gift_plan(
        actor=act.actor,
        plan=act.given["plan"],
        buyer_id=act.maybe_ref("buyer", "member"),
        sale=_sale(act),
        now=act.now,
    )
    return {"id": made.id, "price_minor": made.price_minor, "expires_at": made.expires_at}


@step("redeem_plan_code", {"member": _MEMBER, "gift": _GIFT}, makes="plan_term")
def redeem_code(act: Act) -> Mapping[str, Any]:
    """Redeem the code of a gift."""
    (code,) = codes_of([PlanGift.objects.get(id=act.ref("gift", "plan_gift"))])
    return _term(
        redeem_plan_code(actor=act.actor, member_id=act.ref("member", "member"), code=code, now=act.now)
    )


@step("take_back_gift", {"gift": _GIFT, **_PAID, "reason": Key(words.words, default="scenario")})
def take_back(act: Act) -> Mapping[str, Any]:
    """Pay an unredeemed gift back."""
    made = take_back_gift(
        actor=act.actor,
        gift_id=act.ref("gift", "plan_gift"),
        sale=_sale(act),
        reason=act.given["reason"],
        now=act.now,
    )
    return {"refund_minor": made.refund_minor}


@step(
    "redeem_entitlement",
    {"member": _MEMBER, "entitlement": _NAME, "store": _STORE},
    makes="entitlement_use",
)
def use(act: Act) -> Mapping[str, Any]:
    """Hand out one of what the member is entitled to."""
    made = redeem_entitlement(
        actor=act.actor,
        member_id=act.ref("member", "member"),
        entitlement=act.given["entitlement"],
        store=Store.objects.get(code=act.given["store"]),
        now=act.now,
    )
    return {"id": made.id, "sources": made.sources, "period": made.period}


@step(
    "undo_entitlement",
    words.short_or(
        "use",
        {
            "use": Key(words.thing("entitlement_use"), required=True),
            "reason": Key(words.words, default="scenario"),
        },
    ),
)
def undo(act: Act) -> Mapping[str, Any]:
    """Take a use back."""
    undo_entitlement(
        actor=act.actor,
        use_id=act.ref("use", "entitlement_use"),
        reason=act.given["reason"],
        now=act.now,
    )
    return {}


@step("run_plan_jobs", {})
def run_jobs(act: Act) -> Mapping[str, Any]:
    """The jobs of plans and benefits: renewals are charged, ends and reminders told, packs and birthday gifts given."""
    done = {
        "charged": _all(charge_due, act.now),
        "changed": _all(end_plans, act.now),
        "aligned": _all(align_levels, act.now),
        "reminded": _all(remind_holders, act.now),
    }
    for give in (give_plan_packs, give_tier_packs, give_birthday_gifts):
        _all(give, act.now)
    return done


@step("verify_plans", {})
def verify(act: Act) -> Mapping[str, Any]:
    """Prove plans against their own rows."""
    return {"differences": len(verify_plans(now=act.now))}


def _all(job: Callable[..., int], now: datetime) -> int:
    total = 0
    while done := job(now=now):
        total += done
    return total


def plan_figures_of(member_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """The plans that the member has or had, held ones first; `last_day` is the last local day that is paid for."""
    in_force = programme_at(now)
    found = []
    for each in plans_of(member_id=member_id, now=now):
        holding, last = each.holding, each.holding.until - timedelta(seconds=1)
        found.append(
            {
                "name": holding.plan,
                "held": each.held,
                "state": holding.state,
                "since": holding.since,
                "until": holding.until,
                "last_day": local_date(last, in_force.programme.zone) if in_force else None,
                "terms": len(each.terms),
                "renews_itself": holding.mandate_id is not None,
                "charge_at": holding.charge_at,
            }
        )
    return found


def entitlement_figures(member_id: UUID, now: datetime) -> list[dict[str, Any]]:
    """What the member is entitled to now."""
    return [
        {
            "name": each.allowance.entitlement.code,
            "quota": each.allowance.quota,
            "used": each.used,
            "left": each.left,
        }
        for each in entitlements_of(member_id=member_id, now=now)
    ]


def _term(term: PlanTerm) -> dict[str, Any]:
    return {
        "id": term.id,
        "cause": term.cause,
        "starts_at": term.starts_at,
        "ends_at": term.ends_at,
        "paid_minor": term.paid_minor,
        "credit_minor": term.credit_minor,
    }
