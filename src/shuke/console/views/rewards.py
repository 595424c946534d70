"""The reward catalogue: what there is and how it goes, what waits to be collected, and redeeming for a member.

The counter finds a redemption by its pick-up code and hands it over; each form books once, however often it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from shuke.catalog.queries import list_stores
from shuke.checkout.errors import RefundNeedsApproval
from shuke.checkout.refunds.approval import Beyond, Subject, carry_out
from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of, points_word
from shuke.console.member_access import open_member, visible_stores
from shuke.console.once import new_token, once
from shuke.console.scope import chosen_store, place_of
from shuke.console.views.cashier import signing
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.ledger.errors import NotEnough
from shuke.ledger.queries import balances_of
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.queries import programme_at, version_by_id
from shuke.loyalty.redemptions import Shelf, cancel_redemption, redeem_reward, shelf
from shuke.loyalty.words import localized, tier_name
from shuke.members.models import Member
from shuke.members.queries.reading import candidates
from shuke.rewards.catalogue.errors import BadQuantity, UnknownRedemption, UnknownReward
from shuke.rewards.catalogue.models import OPEN, Redemption, RedemptionStatus
from shuke.rewards.catalogue.operations import TENDERS, code_of, hand_over, mark_ready
from shuke.rewards.catalogue.queries import (
    RedemptionPage,
    figures_of,
    find_by_code,
    get_redemption,
    list_redemptions,
)
from shuke.rewards.catalogue.values import MAX_QUANTITY, Price

ROWS = 30
WAITING, ALL = "waiting", "all"
KINDS = {
    "goods": gettext_lazy("Goods"),
    "coupon": gettext_lazy("Coupon"),
    "bonus": gettext_lazy("Bonus money"),
    "tier": gettext_lazy("Tier upgrade"),
    "activity": gettext_lazy("Activity"),
}
WAYS = {
    "at_once": gettext_lazy("At once"),
    "pick_up": gettext_lazy("Picked up"),
    "delivery": gettext_lazy("Delivered"),
}
MISSING = {
    "dates": gettext_lazy("Not at this time"),
    "stock": gettext_lazy("Sold out"),
    "tier": gettext_lazy("For other tiers"),
    "limit": gettext_lazy("Had as many as allowed"),
    "points": gettext_lazy("Not enough %(points)s"),
}
STATE_KINDS = {"placed": "info", "ready": "warn", "done": "ok"}


@requires(Permission.PROGRAMME_VIEW)
@never_cache
def rewards(request: HttpRequest) -> HttpResponse:
    """Every reward of the programme in force: its price, what is left, and what became of it."""
    now = clock.now()
    offers = _shelf(now)
    figures = figures_of(each.offer.code for each in offers)
    in_force = programme_at(now)
    document = version_by_id(in_force.version_id).document if in_force else None
    points = points_word(now)
    rows = [
        {
            **_row(each, points),
            "figures": figures.get(each.offer.code),
            "tiers": _tiers(document, each.offer.tiers) if document else [],
        }
        for each in offers
    ]
    context = {"rows": rows, "currency": in_force.programme.currency if in_force else "CNY"}
    return render(request, "console/rewards.html", context)


@requires(Permission.CHECKOUT_USE)
@never_cache
def redemptions(request: HttpRequest) -> HttpResponse:
    """What waits to be handed over, or everything; and the field for a pick-up code."""
    stores, problem, typed = visible_stores(request), "", ""
    if request.method == "POST":
        typed = request.POST.get("code", "")[:40]
        try:
            found = find_by_code(typed, asker=staff_of(request).as_actor(), stores=stores)
        except ShukeError as error:
            problem = str(error)
        else:
            return redirect("console:redemption", found.id)
    shown = ALL if request.GET.get("show") == ALL else WAITING
    pages: list[RedemptionPage] = []
    try:
        pages = [
            list_redemptions(
                stores=stores,
                open_only=shown == WAITING,
                cursor=request.GET.get("cursor") or None,
                limit=ROWS,
            )
        ]
    except InvalidInput as error:
        problem = str(error)
    page = pages[0] if pages else RedemptionPage([], None)
    address = reverse("console:redemptions")
    context = {
        "rows": _told(page.redemptions),
        "problem": problem,
        "typed": typed,
        "shown": shown,
        "tabs": [(WAITING, pgettext("reward", "Waiting"), address), (ALL, _("All"), f"{address}?show={ALL}")],
        "first_page": f"{address}?show={shown}" if request.GET.get("cursor") else "",
        "next_page": f"{address}?show={shown}&cursor={page.next_cursor}" if page.next_cursor else "",
    }
    return render(request, "console/redemptions.html", context, status=422 if problem else 200)


@requires(Permission.CHECKOUT_USE)
@never_cache
def redemption(request: HttpRequest, redemption_id: UUID) -> HttpResponse:
    """One redemption: what it is, whose, what happened to it, and what can be done now."""
    each = _get(request, redemption_id)
    steps = list(each.steps.order_by("at", "id"))
    people = people_of(step.actor for step in steps)
    is_open = each.status in OPEN and (each.collect_by is None or clock.now() < each.collect_by)
    context = {
        **_told([each])[0],
        "code": _spaced(code_of(each)) if each.status in OPEN else "",
        "is_open": is_open,
        "may_cancel": is_open or (each.status == RedemptionStatus.DONE and each.kind in ("coupon", "bonus")),
        "need": signing.words_of_need(_need(request, each, clock.now()), clock.now()),
        "way": WAYS[each.fulfilment],
        "paid_by": TENDER_NAMES.get(each.tender, each.tender),
        "steps": [
            {
                "each": step,
                "status": RedemptionStatus(step.status).label,
                "who": people.get(step.actor, step.actor.partition(":")[2]),
            }
            for step in steps
        ],
    }
    return render(request, "console/redemption.html", context)


@requires(Permission.CHECKOUT_USE)
@require_POST
def redemption_act(request: HttpRequest, redemption_id: UUID) -> HttpResponse:
    """Make ready, hand over, or cancel."""
    each = _get(request, redemption_id)
    by: dict[str, Any] = {
        "actor": staff_of(request).as_actor(),
        "redemption_id": each.id,
        "now": clock.now(),
    }
    try:
        act = request.POST.get("act")
        if act == "ready":
            mark_ready(**by, tracking=request.POST.get("tracking", ""))
            messages.success(request, _("It is ready."))
        elif act == "hand_over":
            hand_over(**by, store=chosen_store(request))
            messages.success(request, _("Handed over."))
        elif act == "cancel":
            reason = " ".join(request.POST.get("reason", "").replace("\x00", "").split())
            _cancel(request, each, reason, by)
            said = _("Cancelled: the %(points)s went back to their lots.") % {
                "points": points_word(by["now"])
            }
            messages.success(request, said)
    except ShukeError as error:
        messages.error(request, str(error))
    return redirect("console:redemption", each.id)


def _need(request: HttpRequest, each: Redemption, now: datetime) -> Beyond:
    """Why cancelling asks for a second person: money is paid out, as in a refund."""
    if not each.cash_minor:
        return ""
    return signing.beyond(request, given_back_minor=each.cash_minor, sold_at=each.placed_at, now=now)


def _cancel(request: HttpRequest, each: Redemption, reason: str, by: dict[str, Any]) -> None:
    """Cancel it, signed where a refund of the same money would be."""
    approver = signing.signer(request, _need(request, each, by["now"]))
    place = each.store or each.pick_up_store or place_of(request)
    if approver is None:
        cancel_redemption(**by, reason=reason)
        return
    if place is None:
        raise RefundNeedsApproval  # whoever signs answers for a store; without one, they cancel it themselves
    carry_out(
        lambda: {"id": cancel_redemption(**by, reason=reason).id},
        actor=by["actor"],
        approver=approver,
        subject=Subject("member", each.member_id, place),
        now=by["now"],
    )


@requires(Permission.CHECKOUT_USE)
@never_cache
def member_rewards(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The shelf as this member sees it, a form for each reward, and what the member redeemed."""
    member, now = open_member(request, member_id), clock.now()
    store = place_of(request)
    usable = next((b.usable for b in balances_of(member_id, now) if b.asset == "points"), 0)
    found = _shelf(now, member_id, usable)
    problem, asked = "", None
    if request.method == "POST":
        sent = _typed(request)
        try:
            if request.POST.get("sure") != "yes":
                asked = _to_confirm(sent, found, usable)
            else:
                made = _redeem(request, sent, member_id, store.code if store else "")
                messages.success(request, _("Redeemed."))
                return redirect("console:redemption", made)
        except ShukeError as error:
            problem = str(error)
    in_force = programme_at(now)
    page = list_redemptions(member_id=member_id, limit=ROWS)
    context = {
        "member": member,
        "name": member.name or member.number,
        "usable": usable,
        "store": store,
        "places": list_stores(open_only=True) if found else [],
        "rows": [_row(each, points_word(now)) for each in found],
        "asked": asked,
        "currency": in_force.programme.currency if in_force else "CNY",
        "redemptions": _told(page.redemptions),
        "tenders": [(kind, TENDER_NAMES[kind]) for kind in TENDERS],
        "problem": problem,
        "token": new_token(),
    }
    return render(request, "console/member_rewards.html", context, status=422 if problem else 200)


def _typed(request: HttpRequest) -> dict[str, str]:
    """What a form of the shelf asks for."""
    fields = ("reward", "quantity", "pick_up_store", "tender", "points", "cash")
    return {name: " ".join(request.POST.get(name, "").replace("\x00", "").split())[:80] for name in fields}


def _total(sent: Mapping[str, str]) -> Price:
    """What the pieces cost by the prices that the form showed."""
    pieces = _whole(sent["quantity"])
    return Price(_whole(sent["points"]) * pieces, _whole(sent["cash"]) * pieces)


def _to_confirm(sent: dict[str, str], found: Sequence[Shelf], usable: int) -> dict[str, Any]:
    """What is told before anything is booked. Raises UnknownReward, BadQuantity, NotEnough."""
    each = next((each for each in found if each.offer.code == sent["reward"]), None)
    if each is None:
        raise UnknownReward(field="reward")
    pieces, total = _whole(sent["quantity"]), _total(sent)
    if not 1 <= pieces <= MAX_QUANTITY:
        raise BadQuantity(field="quantity", most=MAX_QUANTITY)
    if total.points > usable:
        raise NotEnough(field="points", asset="points", usable=usable, asked=total.points)
    return {
        "name": localized(each.offer.names),
        "picked_up": each.offer.fulfilment == "pick_up",
        "way": WAYS[each.offer.fulfilment],
        "pieces": pieces,
        "total": total,
        "after": usable - total.points,
        "tender": TENDER_NAMES.get(sent["tender"], "") if total.cash_minor else "",
        "sent": sent,
    }


def _redeem(request: HttpRequest, sent: Mapping[str, str], member_id: UUID, store: str) -> UUID:
    """Redeem what the form asks, once for its token. Returns the redemption's id."""

    def work() -> str:
        made = redeem_reward(
            actor=staff_of(request).as_actor(),
            member_id=member_id,
            reward=sent["reward"],
            quantity=_whole(sent["quantity"]),
            store=store,
            pick_up_store=sent["pick_up_store"],
            tender=sent["tender"],
            expected=_total(sent),
            now=clock.now(),
        )
        return str(made.id)

    return UUID(once(request, sent, work))


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def _shelf(now: Any, member_id: UUID | None = None, usable: int = 0) -> list[Shelf]:
    try:
        return shelf(now=now, member_id=member_id, usable=usable)
    except NoProgramme:
        return []


def _tiers(document: Mapping[str, Any], codes: Collection[str]) -> list[str]:
    """The names of some levels, the lowest first."""
    ranks = {level["code"]: rank for rank, level in enumerate(document["tiers"]["levels"])}
    return [tier_name(document, code) for code in sorted(codes, key=lambda code: ranks.get(code, len(ranks)))]


def _row(each: Shelf, points: str) -> dict[str, Any]:
    """A reward as the tables show it; `points` is the word for them."""
    return {
        "each": each,
        "offer": each.offer,
        "name": localized(each.offer.names),
        "kind": KINDS[each.offer.kind],
        "way": WAYS[each.offer.fulfilment],
        "most": MAX_QUANTITY if each.left is None else min(each.left, MAX_QUANTITY),
        "missing": MISSING[each.missing] % {"points": points} if each.missing else "",
    }


def _get(request: HttpRequest, redemption_id: UUID) -> Redemption:
    try:
        return get_redemption(redemption_id, stores=visible_stores(request))
    except UnknownRedemption as error:
        raise Http404 from error


def _told(found: Sequence[Redemption]) -> list[dict[str, Any]]:
    ids = {each.member_id for each in found}
    members = {each.member_id: each for each in candidates(Member.objects.filter(id__in=ids))}
    return [
        {
            "each": each,
            "name": localized(each.names),
            "kind": KINDS[each.kind],
            "status": RedemptionStatus(each.status).label,
            "state": STATE_KINDS.get(each.status, ""),
            "member": members.get(each.member_id),
        }
        for each in found
    ]


def _spaced(code: str) -> str:
    """Two groups of four, as it is read aloud."""
    return f"{code[:4]} {code[4:]}" if code else ""
