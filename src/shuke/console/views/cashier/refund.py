"""Giving back: find the sale, see what goes back and what is taken back, give a reason, confirm; or void it, or forgive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from shuke.checkout.errors import AlreadyRefunded, OrderNotFound, RefundedMeanwhile
from shuke.checkout.models import OrderStatus, Refund
from shuke.checkout.queries import OrderFilters, find_orders, get_order, list_orders, tenders_back
from shuke.checkout.refunds import (
    forgivable,
    quote_refund,
    quote_void,
    refund_order,
    void_order,
    write_off_debt,
)
from shuke.checkout.refunds.approval import Beyond, Subject, carry_out
from shuke.checkout.refunds.operations import find_order as find_row
from shuke.checkout.refunds.values import ALL_THAT_IS_LEFT, LineBack, RefundRequest
from shuke.console.access import requires, staff_of
from shuke.console.book_words import points_counted
from shuke.console.views.cashier import signing
from shuke.console.views.cashier.reading import words_of
from shuke.console.views.cashier.receipt import receipt_context
from shuke.console.views.cashier.typed import MAX_TYPED, amount, quantity
from shuke.console.views.plan_receipt import may_see
from shuke.core.errors import InvalidInput
from shuke.core.models import Staff
from shuke.core.text import clean_text
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.clock import local_date
from shuke.kit.errors import ShukeError
from shuke.loyalty.plans.receipts import find_plan_event, find_plan_receipt
from shuke.loyalty.queries import programme_at, version_by_number
from shuke.loyalty.words import coupon_name
from shuke.members.queries import get_candidate, identify
from shuke.members.values import Candidate

MAX_TEXT = 200
MAX_REASON = 300
LAST_ORDERS = 10
RESULTS = 8
COUPON_BACK = {
    "held": gettext_lazy("back to the member"),
    "issued": gettext_lazy("can be used again"),
    "free": gettext_lazy("can be used again"),
    "expired": gettext_lazy("not back: it has lapsed"),
    "void": gettext_lazy("not back: the programme keeps it"),
}
PURSES = {
    "stored_value": gettext_lazy("Back to the stored value"),
    "bonus": gettext_lazy("Back to the bonus money"),
    "gift_card": gettext_lazy("Back to the gift card"),
}
"""What goes back where it came from; all else is paid out to the customer."""
_AT_A_FIELD = ("reason", signing.NAME)


def stores_in_scope(staff: Staff) -> frozenset[UUID] | None:
    """The stores whose orders this person may see; None for all."""
    return None if staff.all_stores else frozenset(staff.store_ids)


@requires(Permission.CHECKOUT_REFUND)
@require_GET
def find_order(request: HttpRequest) -> HttpResponse:
    """Orders by number or id, or the last ones of a member; the slip of a paid plan by its number."""
    staff, now = staff_of(request), clock.now()
    text = request.GET.get("q", "")[:MAX_TEXT].strip()
    context: dict[str, Any] = {
        "q": text,
        "people": [],
        "orders": None,
        "who": None,
        "error": "",
        "may_sell": staff.may(Permission.CHECKOUT_USE),
    }
    try:
        if member := _member(request.GET.get("member", "")):
            context["who"] = member
        elif text:
            if slip := _plan_slip(request, text):
                return HttpResponseRedirect(reverse("console:plan_receipt", args=[slip]))
            context["orders"] = find_orders(text, store_ids=stores_in_scope(staff)) or None
            if not context["orders"]:
                people = identify(text, now, limit=RESULTS)
                context["people"] = people
                context["who"] = people[0] if len(people) == 1 else None
                if not people:
                    context["error"] = _(
                        "No order and no member found. Only orders of your stores are shown."
                    )
        if context["who"]:
            filters = OrderFilters(member_id=context["who"].member_id, store_ids=stores_in_scope(staff))
            context["orders"] = list_orders(filters, limit=LAST_ORDERS).orders
            context["people"] = []
    except ShukeError as error:
        context["error"] = words_of(error)
    if context["orders"] and len(context["orders"]) == 1 and text:
        return HttpResponseRedirect(reverse("console:refund", args=[context["orders"][0]["id"]]))
    return render(request, "console/cashier_refunds.html", context, status=422 if context["error"] else 200)


def _plan_slip(request: HttpRequest, text: str) -> UUID | None:
    """A paid plan's slip by its number, where this person may see it: what a customer brings along is found here."""
    event = find_plan_event(text) if staff_of(request).may(Permission.CHECKOUT_USE) else None
    found = find_plan_receipt(event) if event else None
    return found.event.id if found and may_see(request, found) else None


@dataclass(slots=True)
class Page:
    """One drawing of the page: what was asked, what it would do, and what was refused where."""

    order: dict[str, Any]
    now: datetime
    is_void: bool
    asked: QueryDict
    part: RefundRequest = ALL_THAT_IS_LEFT
    plan: dict[str, Any] | None = None
    need: Beyond = ""
    errors: dict[str, str] | None = None
    """Refusals by field: "reason", "approver", "" for the part itself."""

    @property
    def is_open(self) -> bool:
        """Whether anything of the order is left."""
        return bool(self.order["status"] == OrderStatus.COMMITTED)

    @property
    def is_rest(self) -> bool:
        """Whether it is about all that is left, because no part was typed."""
        return self.part == ALL_THAT_IS_LEFT

    @property
    def is_chosen(self) -> bool:
        """Whether somebody said what comes back."""
        return self.is_void or not self.is_rest or "rest" in self.asked

    @property
    def focus(self) -> str:
        """Where the cursor stands: what was booked leads away, what was chosen asks why, and before that comes the choice."""
        if "done" in self.asked or not self.is_open:
            return "away"
        return "reason" if self.plan and (self.is_chosen or self.errors) else "part"

    def refuse(self, refusal: ShukeError) -> None:
        """Keep a refusal where the page shows it."""
        at = refusal.field if refusal.field in _AT_A_FIELD else ""
        self.errors = {**(self.errors or {}), at or "": words_of(refusal)}


@requires(Permission.CHECKOUT_REFUND)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters(signing.PASSWORD)
def refund(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """What a refund of the chosen part would do; with a reason, do it. What was done before is shown as well.

    The part is chosen by the address (how many or how much of each line, or an amount of the whole), so that a page can
    be loaded again; the confirmation sends it along with what of the order was left when the page was drawn. Once a part
    was given back, the rest is worked out only when somebody asks for it.
    """
    return _give_back(request, order_id, is_void=False)


@requires(Permission.CHECKOUT_REFUND)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters(signing.PASSWORD)
def void(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Undo a sale of today as if it had not been made."""
    return _give_back(request, order_id, is_void=True)


def _give_back(request: HttpRequest, order_id: UUID, *, is_void: bool) -> HttpResponse:
    staff, now = staff_of(request), clock.now()
    try:
        order = get_order(order_id=order_id, store_ids=stores_in_scope(staff))
    except OrderNotFound:
        return render(request, "console/cashier_unknown.html", status=404)
    asked = request.POST if request.method == "POST" else request.GET
    page = Page(order, now, is_void, asked)
    try:
        page.part = ALL_THAT_IS_LEFT if is_void else part_of(asked, order)
        if page.is_open and (request.method == "POST" or page.is_chosen or not order["refunds"]):
            page.plan = _plan(request, page)
        if request.method == "POST":
            if page.plan is not None and asked.get("seen", _seen(order)) == _seen(order):
                _carry_out(request, page)
                return HttpResponseRedirect(f"{reverse('console:refund', args=[order_id])}?done=1")
            # After a second click, or a colleague: the page shows what stands.
            return HttpResponseRedirect(reverse("console:refund", args=[order_id]))
    except (AlreadyRefunded, RefundedMeanwhile):
        return HttpResponseRedirect(reverse("console:refund", args=[order_id]))
    except ShukeError as refusal:
        page.refuse(refusal)
    return render(
        request, "console/cashier_refund.html", _context(staff, page), status=422 if page.errors else 200
    )


def _plan(request: HttpRequest, page: Page) -> dict[str, Any]:
    """The figures of this act, and whether it needs a second person. Raises the refusals of the refund."""
    actor, order = staff_of(request).as_actor(), page.order
    if page.is_void:
        plan = quote_void(actor=actor, order_id=order["id"], now=page.now)
    else:
        plan = quote_refund(actor=actor, order_id=order["id"], now=page.now, request=page.part)
    page.need = needed(request, order, plan, page.now)
    return plan


def needed(request: HttpRequest, order: dict[str, Any], plan: dict[str, Any], now: datetime) -> Beyond:
    """Whether giving this much of the order back asks for a second person; earlier parts count."""
    before = sum(each["payable_minor"] for each in order["refunds"])
    total = before + int(plan["payable_minor"])
    return signing.beyond(request, given_back_minor=total, sold_at=order["occurred_at"], now=now)


def reason_of(request: HttpRequest) -> str:
    """The reason that was typed. Raises InvalidInput when there is none."""
    reason = clean_text("reason", request.POST.get("reason", ""), MAX_REASON)
    if not reason:
        raise InvalidInput(field="reason", reason=_("Say why: the reason stays with the refund."))
    return reason


def _carry_out(request: HttpRequest, page: Page) -> None:
    reason = reason_of(request)
    actor, order_id, now = staff_of(request).as_actor(), page.order["id"], page.now

    def act() -> dict[str, Any]:
        if page.is_void:
            return void_order(actor=actor, order_id=order_id, reason=reason, now=now)
        # What this person may give back alone, and a second click, were judged by these refunds.
        seen = len(page.order["refunds"])
        return refund_order(
            actor=actor, order_id=order_id, reason=reason, now=now, request=page.part, seen=seen
        )

    row = find_row(actor, order_id)
    carry_out(
        act,
        actor=actor,
        approver=signing.signer(request, page.need),
        subject=Subject("order", order_id, row.store),
        now=now,
    )


@requires(Permission.CHECKOUT_APPROVE)
@require_POST
def write_off(request: HttpRequest, refund_id: UUID) -> HttpResponse:
    """Forgive what a refund left owed. Whoever refunded cannot."""
    staff = staff_of(request)
    found = Refund.objects.filter(id=refund_id, order__isnull=False).select_related("order").first()
    if found is None or not staff.as_actor().may_touch_store(found.order.store_id):
        return render(request, "console/cashier_unknown.html", status=404)
    now = clock.now()
    try:
        done = write_off_debt(actor=staff.as_actor(), refund_id=refund_id, reason=reason_of(request), now=now)
        forgiven = points_counted(done["points_written_off"], now)
        messages.success(request, _("Written off: %(points)s.") % {"points": forgiven})
    except ShukeError as error:
        messages.error(request, words_of(error))
    return HttpResponseRedirect(reverse("console:refund", args=[found.order_id]))


def _context(staff: Staff, page: Page) -> dict[str, Any]:
    order, plan, errors = page.order, page.plan, page.errors or {}
    lines = [_shown(line, page.asked) for line in order["lines"]]
    given_back = sum(each["payable_minor"] for each in order["refunds"])
    return {
        **receipt_context(order, page.now),
        "plan": plan,
        "plan_coupons": coupons_back(plan["coupons"], order["programme_version"]) if plan else [],
        "is_void": page.is_void,
        "plan_ways": ways_back(plan["tenders"], plan["deducted_minor"]) if plan else [],
        "to_collect": -plan["money_back_minor"] if plan and plan["money_back_minor"] < 0 else 0,
        "is_open": page.is_open,
        "is_rest": page.is_rest,
        "rest_chosen": "rest" in page.asked,
        "given_back_minor": given_back,
        "left_minor": order["payable_minor"] - given_back,
        "focus": page.focus,
        "lines": lines,
        "first": next((line["line_no"] for line in lines if line["is_left"]), None),
        "amount": page.asked.get("amount", "")[:MAX_TYPED],
        "seen": _seen(order),
        "may_sell": staff.may(Permission.CHECKOUT_USE),
        "may_exchange": page.is_open and not page.is_void and staff.may(Permission.CHECKOUT_USE),
        "may_void": page.is_open and not page.is_void and _is_voidable(order, page.now),
        "error": errors.get("reason", ""),
        "wrong": errors.get("", ""),
        "approver_error": errors.get(signing.NAME, ""),
        "approver": page.asked.get(signing.NAME, "")[:64],
        "need": signing.words_of_need(page.need, page.now),
        "reason": page.asked.get("reason", "")[:MAX_REASON],
        "refunds": _refunds(staff, order),
    }


def _refunds(staff: Staff, order: dict[str, Any]) -> list[dict[str, Any]]:
    """What was given back so far; where points are owed, whether this person may forgive them."""
    owed: dict[UUID, int] = {}
    mine: set[UUID] = set()
    if staff.may(Permission.CHECKOUT_APPROVE) and any(each["debt_created"] for each in order["refunds"]):
        owed = forgivable(find_row(staff.as_actor(), order["id"]))
        by_me = Refund.objects.filter(id__in=owed, actor=staff.as_actor().reference)
        mine = set(by_me.values_list("id", flat=True))
    tenders = tenders_back(order["id"]) if order["refunds"] else {}
    return [
        {
            **each,
            "forgivable": owed.get(each["id"], 0),
            "is_mine": each["id"] in mine,
            "ways": ways_back(tenders.get(each["id"], []), each["deducted_minor"], done=True),
        }
        for each in order["refunds"]
    ]


def ways_back(
    tenders: list[dict[str, Any]], deducted_minor: int, *, done: bool = False
) -> list[tuple[str, int]]:
    """Where the money of a refund goes, whole or in part: each purse that gets some back, and what the customer is paid."""
    purses = dict.fromkeys(PURSES, 0)
    paid_out = -deducted_minor
    for each in tenders:
        if each["kind"] in purses:
            purses[each["kind"]] += each["amount_minor"]
        else:
            paid_out += each["amount_minor"]
    ways = [(str(PURSES[kind]), minor) for kind, minor in purses.items() if minor]
    if paid_out > 0:
        ways.append((_("Paid out to the customer") if done else _("To pay out"), paid_out))
    return ways


def coupons_back(rows: list[dict[str, Any]], version: int | None) -> list[dict[str, str]]:
    """What becomes of the coupons that the sale used."""
    document = version_by_number(version).document if version else None
    return [
        {
            "name": coupon_name(document, row["template"]) if document else row["template"],
            "words": str(COUPON_BACK[row["state"]]),
        }
        for row in rows
    ]


def _is_voidable(order: dict[str, Any], now: datetime) -> bool:
    in_force = programme_at(now)
    if in_force is None or order["refunds"]:
        return False
    zone = in_force.programme.zone
    return local_date(order["occurred_at"], zone) == local_date(now, zone)


def _seen(order: dict[str, Any]) -> str:
    """How many refunds the page was drawn after: a confirmation of an older page is not carried out twice."""
    return str(len(order["refunds"]))


def part_of(asked: QueryDict, order: dict[str, Any]) -> RefundRequest:
    """The part that was typed; nothing typed is everything that is left. Raises InvalidInput."""
    lines = []
    for line in order["lines"]:
        number = line["line_no"]
        goods, value = asked.get(f"goods{number}", "").strip(), asked.get(f"value{number}", "").strip()
        if goods or value:
            lines.append(
                LineBack(
                    number,
                    quantity(goods) if goods else None,
                    amount(value, order["currency"]) if value else None,
                )
            )
    whole = asked.get("amount", "").strip()
    return RefundRequest(tuple(lines), amount(whole, order["currency"]) if whole else None)


def _shown(line: dict[str, Any], asked: QueryDict) -> dict[str, Any]:
    """A line with what is left of it and what was typed."""
    number = line["line_no"]
    left = Decimal(line["quantity"]) - Decimal(line["returned_quantity"])
    value = line["list_minor"] - line["discount_minor"] - line["refunded_sales_minor"]
    return {
        **line,
        "left": f"{left.normalize():f}",
        "value_left": value,
        "is_left": bool(left or value),
        "goods": asked.get(f"goods{number}", "")[:MAX_TYPED],
        "value": asked.get(f"value{number}", "")[:MAX_TYPED],
    }


def _member(raw: str) -> Candidate | None:
    try:
        return get_candidate(UUID(raw)) if raw else None
    except ValueError:
        return None
