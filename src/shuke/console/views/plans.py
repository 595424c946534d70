"""Paid plans in the console: how each goes, and selling, renewing and paying them back at the counter with a member.

What tier and plans entitle a member to is handed out on the same page. Each form books once, however often it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from shuke.checkout.plan_use import enjoyed_on_sales
from shuke.checkout.refunds.approval import Beyond
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.benefit_words import PERIODS, told_benefits
from shuke.console.book_words import people_of
from shuke.console.member_access import may_open
from shuke.console.offer_words import lasts
from shuke.console.once import new_token, once
from shuke.console.prepaid_words import tender_choices
from shuke.console.scope import place_of, stores_of
from shuke.console.views.cashier import signing
from shuke.console.views.cashier.serving import serve_member
from shuke.console.views.plan_counter import ACTS, NEEDS_REFUND, WITH_SLIP, Counter, need_of
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.plans.entitlements import EntitlementState, entitlements_of, recent_uses
from shuke.loyalty.plans.gifts import find_plan_code
from shuke.loyalty.plans.models import PlanState, TermCause
from shuke.loyalty.plans.queries import PlanOfMember, plan_figures, plan_history, plan_totals, plans_of
from shuke.loyalty.plans.receipts import WITH_RECEIPT, plan_event_of
from shuke.loyalty.plans.refunds import quote_plan_refund
from shuke.loyalty.plans.selling import quote_upgrade
from shuke.loyalty.plans.values import Plan, brings_nothing_beyond
from shuke.loyalty.programme import Programme
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


@sensitive_post_parameters(signing.PASSWORD)
@requires(Permission.CHECKOUT_USE)
@require_http_methods(["GET", "POST"])
@never_cache
def member_plans(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """What the member holds and is entitled to, with a form for each act that is possible now."""
    member, now = serve_member(request, member_id), clock.now()
    store, in_force = place_of(request), programme_at(now)
    desk = Counter(staff_of(request), member_id, store, request.POST, now)
    problem, wrong_signer, gift = "", "", None
    if request.method == "POST":
        act = ACTS.get(desk.sent["act"])
        if act is None:
            raise PermissionDenied
        work, said = act
        if desk.sent["act"] in NEEDS_REFUND and not staff_of(request).may(Permission.CHECKOUT_REFUND):
            raise PermissionDenied
        try:
            if desk.sent["act"] == "code" and desk.sent["sure"] != "yes":
                gift = _gift(desk, in_force)
            else:
                desk.approver = signing.signer(request, _need(desk))
                made = once(request, desk.sent, lambda: work(desk))
                return _done(request, desk, made, str(said))
        except ShukeError as error:
            problem = str(error)
            wrong_signer = problem if error.field == signing.NAME else ""
    context = {
        # What was typed, where a form is shown again.
        "sent": desk.sent if problem else {},
        "approver": request.POST.get(signing.NAME, "")[:64],
        "approver_error": wrong_signer,
        "gift": gift,
        "member": member,
        "may_open": may_open(request, member),
        "name": member.name or member.number,
        "store": store,
        "problem": problem,
        "token": new_token(),
        "tenders": tender_choices(),
        "may_refund": staff_of(request).may(Permission.CHECKOUT_REFUND),
        **(_shown(request, in_force, desk) if in_force else {}),
    }
    return render(request, "console/member_plans.html", context, status=422 if problem else 200)


# What the page shows -----------------------------------------------------------------------------------


def _done(request: HttpRequest, desk: Counter, made: str, said: str) -> HttpResponse:
    """Where money moved the slip comes next, also to a form that was sent twice; else the page says what was done."""
    if desk.sent["act"] in WITH_SLIP:
        event = plan_event_of(member_id=desk.member_id, made_id=UUID(made))
        if event is not None:
            return redirect("console:plan_receipt", event)
    messages.success(request, said)
    return redirect("console:member_plans", desk.member_id)


def _need(desk: Counter) -> Beyond:
    """Why somebody has to sign. What cannot be done at all is refused by the act, or told again to a form sent twice."""
    try:
        return need_of(desk)
    except ShukeError:
        return ""


def _gift(desk: Counter, in_force: InForce | None) -> dict[str, Any]:
    """What a gift code stands for, before it is redeemed. Raises what redeeming it would."""
    found = find_plan_code(actor=desk.actor, code=desk.sent["code"], now=desk.now)
    plan = in_force.programme.plans.get(found.plan) if in_force else None
    return {
        "code": desk.sent["code"],
        "name": localized(plan.name) if plan else found.plan,
        "lasts": lasts(plan.duration) if plan else "",
        "told": told_benefits(plan) if plan else "",
        "row": found,
        "last": found.expires_at - timedelta(microseconds=1) if found.expires_at else None,
    }


def _shown(request: HttpRequest, in_force: InForce, desk: Counter) -> dict[str, Any]:
    programme, member_id, now = in_force.programme, desk.member_id, desk.now
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
    my_stores = {None, *(each.code for each in stores_of(staff_of(request)))}
    return {
        "currency": programme.currency,
        "holdings": [
            _holding(each, programme.plans.get(each.holding.plan), desk, document)
            | {"upgrades": _upgrades(each, programme, held, desk)}
            for each in found
        ],
        "offers": [
            {
                "plan": plan,
                "name": localized(plan.name),
                "lasts": lasts(plan.duration),
                "told": told_benefits(plan),
                "trial": lasts(plan.trial) if plan.trial and plan.code not in had else "",
                "better": _better(plan, held - {plan.code}, programme),
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
                "has_slip": event.kind in WITH_RECEIPT and event.data.get("store") in my_stores,
            }
            for event in page.events
        ],
        "first_page": address if cursor else "",
        "next_page": f"{address}?cursor={page.next_cursor}" if page.next_cursor else "",
    }


def _upgrades(
    each: PlanOfMember, programme: Programme, held: Collection[str], desk: Counter
) -> list[dict[str, Any]]:
    """Better plans that this one can be given up for now, each with what that costs, and what it has less of."""
    plans, member_id, now = programme.plans, desk.member_id, desk.now
    plan = plans.get(each.holding.plan)
    if plan is None or not each.held:
        return []
    found = []
    for target in (plans[code] for code in plan.upgrade_to if code in plans):
        if not target.on_sale or target.code in held:
            continue
        quote = quote_upgrade(
            member_id=member_id, plan=plan.code, target=target.code, now=now, enjoyed=enjoyed_on_sales
        )
        found.append(
            {
                "plan": target,
                "name": localized(target.name),
                "lasts": lasts(target.duration),
                "told": told_benefits(target),
                "quote": quote,
                "expected": str(quote["to_pay_minor"] - quote["paid_back_minor"]),
                "less": _less(plan, target, programme, desk.now),
                "need": desk.words_of_need(quote["paid_back_minor"]),
            }
        )
    return found


def _better(plan: Plan, held: Collection[str], programme: Programme) -> str:
    """The plan that the member holds beside which this one would bring nothing; "" when it brings something."""
    tiers = programme.tiers
    for other in (programme.plans[code] for code in held if code in programme.plans):
        if brings_nothing_beyond(plan, other, tiers):
            return localized(other.name)
    return ""


def _less(plan: Plan, target: Plan, programme: Programme, now: datetime) -> list[str]:
    """What an upgrade would take from the member, in words."""
    lost, tiers = [], programme.tiers
    if plan.tier and tiers.level(target.tier).rank < tiers.level(plan.tier).rank:
        in_force = programme_at(now)
        document = version_by_id(in_force.version_id).document if in_force else {}
        lost.append(_("The level %(level)s ends with it.") % {"level": tier_name(document, plan.tier)})
    if target.benefit.discount < plan.benefit.discount:
        now_off, then_off = (
            formats.discount(100 - Decimal(p.benefit.discount) / 1000) for p in (plan, target)
        )
        lost.append(
            _("The discount of %(now)s ends; the new one is %(then)s.") % {"now": now_off, "then": then_off}
            if target.benefit.discount
            else _("The discount of %(now)s ends.") % {"now": now_off}
        )
    return lost


def _holding(
    each: PlanOfMember, plan: Plan | None, desk: Counter, document: Mapping[str, Any]
) -> dict[str, Any]:
    holding, member_id, now = each.holding, desk.member_id, desk.now
    quote = None
    if each.held:  # also what no version sells any more: it can be given up
        quote = quote_plan_refund(member_id=member_id, plan=holding.plan, now=now, enjoyed=enjoyed_on_sales)
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
        "need": desk.words_of_need(quote["refund_minor"]) if quote else "",
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
        "after": max(each.allowance.quota - each.used - 1, 0),
        "code": spec.code,
        "name": localized(spec.name),
        "period": PERIODS[spec.period],
        "through": " · ".join(names),
        "stores": sorted(spec.stores),
    }
