"""Paid plans in the console: how each goes, and selling, renewing and paying them back at the counter with a member.

What tier and plans entitle a member to is handed out on the same page. Each form books once, however often it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from shuke.catalog.models import Store
from shuke.checkout.errors import RefundNeedsApproval
from shuke.checkout.queries import plan_discounts
from shuke.checkout.refunds.approval import beyond_cashier
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of
from shuke.console.member_access import open_member
from shuke.console.once import new_token, once
from shuke.console.prepaid_words import tender_choices
from shuke.console.scope import place_of
from shuke.core.errors import InvalidInput
from shuke.core.models import Staff
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.plans.entitlements import (
    EntitlementState,
    entitlements_of,
    recent_uses,
    redeem_entitlement,
    undo_entitlement,
)
from shuke.loyalty.plans.errors import UnknownUse
from shuke.loyalty.plans.gifts import redeem_plan_code
from shuke.loyalty.plans.models import EntitlementUse, PlanState, TermCause
from shuke.loyalty.plans.queries import PlanOfMember, plan_figures, plan_history, plan_totals, plans_of
from shuke.loyalty.plans.refunds import quote_plan_refund, refund_plan
from shuke.loyalty.plans.renewals import cancel_auto_renew, start_auto_renew
from shuke.loyalty.plans.rows import Sale
from shuke.loyalty.plans.selling import buy_plan, quote_upgrade, renew_plan, start_trial, upgrade_plan
from shuke.loyalty.plans.values import Duration, Plan
from shuke.loyalty.queries import InForce, programme_at, version_by_id
from shuke.loyalty.words import localized, plan_name, tier_name

SPAN_DAYS = 30
HISTORY = 20
USES = 10
STATE_KINDS = {"trial": "info", "active": "ok", "grace": "warn", "ended": ""}
EVENTS = {
    "plan_bought": gettext_lazy("Bought"),
    "plan_trial_started": gettext_lazy("Trial begun"),
    "plan_renewed": gettext_lazy("Renewed"),
    "plan_upgraded": gettext_lazy("Upgraded"),
    "plan_refunded": gettext_lazy("Paid back"),
    "plan_gift_issued": gettext_lazy("Bought as a gift"),
    "plan_gift_redeemed": gettext_lazy("Gift code redeemed"),
    "plan_gift_taken_back": gettext_lazy("Gift paid back"),
    "plan_gifts_ordered": gettext_lazy("Gift codes sold"),
    "plan_gifts_taken_back": gettext_lazy("Gift codes paid back"),
    "plan_auto_renew_started": gettext_lazy("Renews itself from now on"),
    "plan_auto_renew_cancelled": gettext_lazy("Does not renew itself any more"),
    "plan_charge_failed": gettext_lazy("A renewal could not be charged"),
    "plan_renewal_given_up": gettext_lazy("Renewing was given up"),
    "plan_in_grace": gettext_lazy("Days of grace began"),
    "plan_ended": gettext_lazy("Ended"),
}
PERIODS = {
    "day": gettext_lazy("per day"),
    "week": gettext_lazy("per week"),
    "month": gettext_lazy("per month"),
    "quarter": gettext_lazy("per quarter"),
    "year": gettext_lazy("per year"),
    "term": gettext_lazy("per term"),
}


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def plans(request: HttpRequest) -> HttpResponse:
    """Every plan of the programme, and those that were sold before: holders, sales and money of the last days."""
    now = clock.now()
    in_force = programme_at(now)
    rows: list[dict[str, Any]] = []
    if in_force is not None:
        programme = in_force.programme
        found = {
            each.plan: each
            for each in plan_figures(
                begin=now - timedelta(days=SPAN_DAYS), end=now, now=now, time_zone=str(programme.zone)
            )
        }
        for code in [*programme.plans, *(code for code in found if code not in programme.plans)]:
            plan = programme.plans.get(code)
            rows.append(
                {
                    "code": code,
                    "name": localized(plan.name) if plan else code,
                    "plan": plan,
                    "lasts": lasts(plan.duration) if plan else "",
                    "figures": found.get(code),
                }
            )
    context = {
        "rows": rows,
        "currency": in_force.programme.currency if in_force else "CNY",
        "days": SPAN_DAYS,
        "totals": plan_totals(now, str(in_force.programme.zone)) if in_force and rows else None,
    }
    return render(request, "console/plans.html", context)


@requires(Permission.CHECKOUT_USE)
@require_http_methods(["GET", "POST"])
@never_cache
def member_plans(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """What the member holds and is entitled to, with a form for each act that is possible now."""
    member, now = open_member(request, member_id), clock.now()
    store, in_force = place_of(request), programme_at(now)
    problem = ""
    if request.method == "POST":
        act = ACTS.get(request.POST.get("act", ""))
        if act is None:
            raise PermissionDenied
        work, said = act
        if work in (_refund, _undo) and not staff_of(request).may(Permission.CHECKOUT_REFUND):
            raise PermissionDenied
        desk = Counter(staff_of(request), member_id, store, request.POST, now)
        try:
            once(request, desk.sent, lambda: work(desk))
        except ShukeError as error:
            problem = str(error)
        else:
            messages.success(request, str(said))
            return redirect("console:member_plans", member_id)
    context = {
        "member": member,
        "name": member.name or member.number,
        "store": store,
        "problem": problem,
        "token": new_token(),
        "tenders": tender_choices(),
        "may_refund": staff_of(request).may(Permission.CHECKOUT_REFUND),
        **(_shown(request, in_force, member_id, now) if in_force else {}),
    }
    return render(request, "console/member_plans.html", context, status=422 if problem else 200)


# What a form asks for ----------------------------------------------------------------------------------


class Counter:
    """One form sent at the counter: who acts, for whom, where, and what was typed."""

    FIELDS = (
        "act",
        "plan",
        "target",
        "tender",
        "reference",
        "code",
        "entitlement",
        "use",
        "reason",
        "expected",
    )

    def __init__(
        self,
        staff: Staff,
        member_id: UUID,
        store: Store | None,
        posted: Mapping[str, str],
        now: datetime,
    ) -> None:
        self.actor, self.member_id, self.store, self.now = staff.as_actor(), member_id, store, now
        self.approves = staff.may(Permission.CHECKOUT_APPROVE)
        self.sent = {
            name: " ".join(posted.get(name, "").replace("\x00", "").split())[:300] for name in self.FIELDS
        }

    @property
    def who(self) -> dict[str, Any]:
        """What every operation is told."""
        return {"actor": self.actor, "member_id": self.member_id, "now": self.now}

    @property
    def plan(self) -> dict[str, Any]:
        """The same, with the plan."""
        return {**self.who, "plan": self.sent["plan"]}

    @property
    def sale(self) -> Sale:
        """How it is paid, here."""
        return Sale(self.sent["tender"], self.sent["reference"], self.store, "console")


def _buy(desk: Counter) -> str:
    return str(buy_plan(**desk.plan, sale=desk.sale).id)


def _try(desk: Counter) -> str:
    return str(start_trial(**desk.plan).id)


def _renew(desk: Counter) -> str:
    return str(renew_plan(**desk.plan, sale=desk.sale).id)


def _redeem_code(desk: Counter) -> str:
    return str(redeem_plan_code(**desk.who, code=desk.sent["code"]).id)


def _upgrade(desk: Counter) -> str:
    target, expected = desk.sent["target"], _expected(desk)
    quote = quote_upgrade(
        member_id=desk.member_id, plan=desk.sent["plan"], target=target, now=desk.now, enjoyed=plan_discounts
    )
    if expected is None:
        expected = quote["to_pay_minor"] - quote["paid_back_minor"]
    _within_limit(desk, max(quote["paid_back_minor"], -expected))
    made = upgrade_plan(
        **desk.plan,
        target=target,
        sale=desk.sale,
        enjoyed=plan_discounts,
        expected_minor=expected,
    )
    return str(made.id)


def _expected(desk: Counter) -> int | None:
    """The amount that the page showed."""
    text = desk.sent["expected"]
    return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text) else None


def _within_limit(desk: Counter, given_back_minor: int) -> None:
    """It comes out of the same till as what a sale pays back, so the same limit holds."""
    if not desk.approves and beyond_cashier(given_back_minor=given_back_minor, sold_at=None, now=desk.now):
        raise RefundNeedsApproval(field="plan")


def _refund(desk: Counter) -> str:
    due = quote_plan_refund(
        member_id=desk.member_id, plan=desk.sent["plan"], now=desk.now, enjoyed=plan_discounts
    )["refund_minor"]
    expected = _expected(desk)
    _within_limit(desk, max(due, expected or 0))
    made = refund_plan(
        **desk.plan,
        sale=desk.sale,
        reason=desk.sent["reason"],
        enjoyed=plan_discounts,
        expected_minor=due if expected is None else expected,
    )
    return str(made.id)


def _auto_renew(desk: Counter) -> str:
    return str(start_auto_renew(**desk.plan).id)


def _cancel_auto_renew(desk: Counter) -> str:
    return str(cancel_auto_renew(**desk.plan).id)


def _hand_out(desk: Counter) -> str:
    if desk.store is None:
        raise NoPlace(field="store")
    made = redeem_entitlement(**desk.who, entitlement=desk.sent["entitlement"], store=desk.store)
    return str(made.id)


def _undo(desk: Counter) -> str:
    try:
        use_id = UUID(desk.sent["use"])
    except ValueError as error:
        raise PermissionDenied from error
    if not EntitlementUse.objects.filter(id=use_id, member_id=desk.member_id).exists():
        raise UnknownUse(field="use")  # another member's file was opened, or none
    return str(undo_entitlement(actor=desk.actor, use_id=use_id, reason=desk.sent["reason"], now=desk.now).id)


class NoPlace(ShukeError):
    """Something is handed out somewhere: the page has to know where."""

    code, status = "store_missing", 422
    message = gettext_lazy("Choose the store where you are in the bar above.")


ACTS: dict[str, tuple[Callable[[Counter], str], Any]] = {
    "buy": (_buy, gettext_lazy("The plan is sold.")),
    "try": (_try, gettext_lazy("The trial has begun.")),
    "renew": (_renew, gettext_lazy("The plan is renewed.")),
    "upgrade": (_upgrade, gettext_lazy("The plan is upgraded.")),
    "code": (_redeem_code, gettext_lazy("The gift code is redeemed.")),
    "refund": (_refund, gettext_lazy("The plan has ended. Give the money back.")),
    "auto_renew": (_auto_renew, gettext_lazy("The plan renews itself from now on.")),
    "cancel_auto_renew": (_cancel_auto_renew, gettext_lazy("The plan ends with its last term.")),
    "hand_out": (_hand_out, gettext_lazy("Handed out.")),
    "undo": (_undo, gettext_lazy("Taken back: the member may have it again.")),
}


# What the page shows -----------------------------------------------------------------------------------


def _shown(request: HttpRequest, in_force: InForce, member_id: UUID, now: datetime) -> dict[str, Any]:
    programme = in_force.programme
    document = version_by_id(in_force.version_id).document
    found = plans_of(member_id=member_id, now=now)
    held = {each.holding.plan for each in found if each.held}
    trying = {each.holding.plan for each in found if each.held and each.holding.state == PlanState.TRIAL}
    had = {each.holding.plan for each in found}
    cursor = request.GET.get("cursor", "")
    try:
        page = plan_history(member_id=member_id, limit=HISTORY, cursor=cursor or None)
    except InvalidInput:
        cursor, page = "", plan_history(member_id=member_id, limit=HISTORY)
    people = people_of(event.actor for event in page.events)
    address = reverse("console:member_plans", args=[member_id])
    return {
        "currency": programme.currency,
        "holdings": [
            _holding(each, programme.plans.get(each.holding.plan), member_id, document, now)
            | {"upgrades": _upgrades(each, programme.plans, held, member_id, now)}
            for each in found
        ],
        "offers": [
            {
                "plan": plan,
                "name": localized(plan.name),
                "lasts": lasts(plan.duration),
                "told": told_benefits(plan),
                "trial": lasts(plan.trial) if plan.trial and plan.code not in had else "",
            }
            for plan in programme.plans.values()
            if plan.on_sale and (plan.code not in held or plan.code in trying)
        ],
        "entitlements": [
            _entitlement(each, document) for each in entitlements_of(member_id=member_id, now=now)
        ],
        "uses": recent_uses(member_id=member_id, limit=USES),
        "history": [
            {
                "event": event,
                "plan": plan_name(document, event.plan),
                "kind": EVENTS.get(event.kind, event.kind),
                "who": people.get(event.actor, ""),
                "paid": event.data.get("refund_minor", event.data.get("paid_minor")),
            }
            for event in page.events
        ],
        "first_page": address if cursor else "",
        "next_page": f"{address}?cursor={page.next_cursor}" if page.next_cursor else "",
    }


def _upgrades(
    each: PlanOfMember, plans: Mapping[str, Plan], held: Collection[str], member_id: UUID, now: datetime
) -> list[dict[str, Any]]:
    """Better plans that this one can be given up for now, each with what that costs."""
    plan = plans.get(each.holding.plan)
    if plan is None or not each.held:
        return []
    found = []
    for target in (plans[code] for code in plan.upgrade_to if code in plans):
        if not target.on_sale or target.code in held:
            continue
        quote = quote_upgrade(
            member_id=member_id, plan=plan.code, target=target.code, now=now, enjoyed=plan_discounts
        )
        found.append(
            {
                "plan": target,
                "name": localized(target.name),
                "lasts": lasts(target.duration),
                "told": told_benefits(target),
                "quote": quote,
                "expected": str(quote["to_pay_minor"] - quote["paid_back_minor"]),
            }
        )
    return found


def _holding(
    each: PlanOfMember, plan: Plan | None, member_id: UUID, document: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    holding = each.holding
    quote = None
    if each.held and plan is not None:
        quote = quote_plan_refund(member_id=member_id, plan=plan.code, now=now, enjoyed=plan_discounts)
    ahead = timedelta(days=plan.renewal.ahead_days) if plan else timedelta()
    return {
        "holding": holding,
        "name": plan_name(document, holding.plan),
        "held": each.held,
        "state": PlanState(holding.state).label if each.held else PlanState.ENDED.label,
        "kind": STATE_KINDS[holding.state] if each.held else "",
        "last_day": holding.until - timedelta(seconds=1),
        "told": told_benefits(plan) if plan else "",
        "price": plan.price if plan else 0,
        "may_renew": plan is not None and each.held and plan.renewal.manual and holding.until - now <= ahead,
        "may_auto": plan is not None and each.held and plan.renewal.auto and holding.mandate_id is None,
        "quote": quote if quote and quote["paid_minor"] else None,
        "terms": [
            {
                "term": term,
                "cause": TermCause(term.cause).label,
                "last_day": term.ends_at - timedelta(seconds=1),
            }
            for term in each.terms
        ],
    }


def _entitlement(each: EntitlementState, document: Mapping[str, Any]) -> dict[str, Any]:
    spec = each.allowance.entitlement
    names = []
    for source in each.allowance.sources:
        kind, _colon, code = source.partition(":")
        names.append((plan_name if kind == "plan" else tier_name)(document, code))
    return {
        "each": each,
        "code": spec.code,
        "name": localized(spec.name),
        "period": PERIODS[spec.period],
        "through": " · ".join(names),
        "stores": sorted(spec.stores),
    }


def lasts(duration: Duration) -> str:
    """ "12 months", "7 days"."""
    parts = []
    if duration.months:
        parts.append(
            ngettext("%(count)d month", "%(count)d months", duration.months) % {"count": duration.months}
        )
    if duration.days:
        parts.append(ngettext("%(count)d day", "%(count)d days", duration.days) % {"count": duration.days})
    return " ".join(parts)


def told_benefits(plan: Plan) -> str:
    """A plan's benefits in one line."""
    benefit, parts = plan.benefit, []
    if benefit.discount:
        parts.append(formats.discount(100 - Decimal(benefit.discount) / 1000))
    if benefit.multiplier != 1000:
        parts.append(_("points ×%s") % f"{Decimal(benefit.multiplier) / 1000:f}".rstrip("0").rstrip("."))
    if benefit.free_shipping_from is not None:
        parts.append(_("free shipping"))
    if benefit.priority_service:
        parts.append(_("priority service"))
    if benefit.packs:
        parts.append(_("coupon packs"))
    if benefit.birthday:
        parts.append(_("birthday gift"))
    parts += [localized(each.name) for each in benefit.entitlements.values()]
    return " · ".join(str(part) for part in parts)
