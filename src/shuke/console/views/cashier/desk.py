"""Selling. Every step is one small POST whose answer redraws the desk; only the commit writes outside the cart."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET

from shuke.catalog.models import Product
from shuke.catalog.queries import products_by_sku, suggest_products
from shuke.checkout.errors import OrderExists, OrderNotFound
from shuke.checkout.operations import commit_order
from shuke.checkout.queries import get_order
from shuke.console import formats, scope
from shuke.console.access import requires, staff_of
from shuke.console.book_words import points_counted
from shuke.console.member_access import remember_found
from shuke.console.views.cashier import signing, typed
from shuke.console.views.cashier.cart import (
    MAX_LINES,
    Cart,
    CartLine,
    fingerprint,
    new_number,
    open_cart,
    read_cart,
)
from shuke.console.views.cashier.counter import Counter, context_of, counter_of, draw, go, step, take_member
from shuke.console.views.cashier.coupons import choose, counting
from shuke.console.views.cashier.exchange import carry_out_exchange
from shuke.console.views.cashier.gift_cards import looks_like_card, take_card
from shuke.console.views.cashier.pricing import quote_cart
from shuke.console.views.cashier.reading import PREPAID, Says, place, words_of
from shuke.console.views.cashier.receipt import receipt_context
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.idempotency import find_answer
from shuke.core.text import storable
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.queries import programme_at
from shuke.members.operations import register_member
from shuke.members.profile import Profile
from shuke.members.qr import looks_like_qr
from shuke.members.queries import get_candidate, identify
from shuke.members.values import Candidate

RESULTS = 8
_LAST_FOUR = re.compile(r"\d{4}")
MAX_TEXT = 200
SIGNED = ("reason", signing.NAME)


@requires(Permission.CHECKOUT_USE)
@require_GET
def desk(request: HttpRequest) -> HttpResponse:
    """The page with the cart as it stands, or what has to be chosen first."""
    counter = counter_of(request)
    if counter is None:
        stores = [each for each in scope.stores_of(staff_of(request)) if each.is_open]
        return render(
            request,
            "console/cashier_closed.html",
            {"stores": stores, "has_programme": programme_at(clock.now()) is not None},
        )
    return render(request, "console/cashier.html", context_of(request, counter, read_cart(request), Says()))


@step
def scan(request: HttpRequest, counter: Counter) -> HttpResponse:
    """What the scanner or the cashier typed: a SKU goes into the cart, a member code finds the member, words search."""
    text = request.POST.get("text", "")[:MAX_TEXT].strip()
    if looks_like_qr(text):
        return _find_member(request, counter, text)
    if looks_like_card(text) and counter.in_force.programme.gift_cards and not products_by_sku([text]):
        return _take_card(request, counter, text)
    says, found, focus = Says(), list[Product](), "scan"
    try:
        amount, wanted = typed.times(text)
        product = products_by_sku([wanted]).get(storable(wanted)) if wanted else None
        if product is not None:
            return _add(request, counter, product, amount)
        found = suggest_products(wanted, limit=RESULTS)
    except ShukeError as error:
        says.places["scan"] = words_of(error)
    else:
        if found:
            focus = "found-1"
        elif wanted:
            says.places["scan"] = _("Nothing found for “%(text)s”. Check the code, or search by name.") % {
                "text": wanted[:40]
            }
    return draw(
        request,
        counter,
        read_cart(request),
        says,
        focus=focus,
        text=text if says else "",
        found=found,
        sought=text,
    )


@step
def add_product(request: HttpRequest, counter: Counter) -> HttpResponse:
    """One of the products found goes into the cart."""
    sku = request.POST.get("sku", "")[:MAX_TEXT]
    product = products_by_sku([sku]).get(storable(sku))
    if product is None:
        says = Says({"scan": _("This product no longer exists.")})
        return draw(request, counter, read_cart(request), says, focus="scan")
    return _add(request, counter, product, 1000)


@step
def change_line(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Another quantity or unit price; quantity 0 or the remove button takes the line away."""
    sku, says, focus = request.POST.get("sku", ""), Says(), ""
    with open_cart(request) as cart:
        line = cart.line(sku)
        if line is None:
            says.places["scan"] = _("This line is no longer in the cart.")
        elif "remove" in request.POST:
            cart.lines.remove(line)
            focus = "scan"
        else:
            try:
                if "quantity" in request.POST:
                    line.quantity = typed.quantity(request.POST["quantity"])
                if "price" in request.POST:
                    line.unit_price_minor = typed.price(request.POST["price"], counter.currency)
            except ShukeError as error:
                says.lines[sku] = (error.field or "quantity", words_of(error))
            if line.quantity == 0:
                cart.lines.remove(line)
                focus = "scan"
    return draw(request, counter, cart, says, focus=focus)


@step
def find_member(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Anything that names a member: code, number, phone, last four digits, card, name, pinyin."""
    return _find_member(request, counter, request.POST.get("text", ""))


@step
def pick_member(request: HttpRequest, counter: Counter) -> HttpResponse:
    """This member, or, without one, a customer who is none."""
    wanted, says = request.POST.get("member", ""), Says()
    chosen: UUID | None = None
    if wanted:
        try:
            chosen = get_candidate(UUID(wanted)).member_id
        except (ValueError, NotFound):
            says.places["member"] = _("This member no longer exists.")
    with open_cart(request) as cart:
        if not says:
            take_member(cart, chosen)
    return draw(request, counter, cart, says, focus="member" if says or not wanted else "scan")


@step
def register(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Show the form for a new member, or register one with name, phone and birthday and take them to the desk."""
    if not staff_of(request).may(Permission.MEMBERS_WRITE):
        raise PermissionDenied
    name, phone = request.POST.get("name", ""), request.POST.get("phone", "")
    birthday = request.POST.get("birthday", "")
    form, says = {"name": name[:120], "phone": phone[:40], "birthday": birthday[:10]}, Says()
    if "save" not in request.POST:
        cart = read_cart(request)
        return draw(request, counter, cart, says, focus="new-phone" if name else "new-name", form=form)
    if not phone.strip():
        says.places["phone"] = _("Type the phone number: the member is found by it next time.")
    else:
        try:
            member = register_member(
                actor=staff_of(request).as_actor(),
                now=counter.now,
                profile=Profile(name=name[:MAX_TEXT], phone=phone[:MAX_TEXT], birthday=_birthday(birthday)),
                join_store_id=counter.store.id,
                join_staff_id=staff_of(request).id,
            )
        except ShukeError as error:
            at = (error.field or "").rpartition(".")[2]
            says.places[at if at in ("name", "birthday") else "phone"] = words_of(error)
    if says:
        focus = next((f"new-{at}" for at in ("name", "birthday") if says.at(at)), "new-phone")
        return draw(request, counter, read_cart(request), says, focus=focus, form=form)
    with open_cart(request) as cart:
        take_member(cart, member.id)
    return draw(
        request,
        counter,
        cart,
        says,
        focus="scan",
        toast=_("Registered. The member number is %(number)s.") % {"number": member.number},
    )


def _birthday(typed_day: str) -> date | None:
    """Raises InvalidInput for what is no day."""
    try:
        return date.fromisoformat(typed_day) if typed_day else None
    except ValueError as error:
        raise InvalidInput(field="birthday", reason=_("A birthday lies between 1900 and today.")) from error


@step
def use_points(request: HttpRequest, counter: Counter) -> HttpResponse:
    """How many points pay a part. What cannot be used is said and not kept."""
    says = Says()
    asked = request.POST.get("most") or request.POST.get("points", "")
    with open_cart(request) as cart:
        try:
            cart.points = typed.points(asked)
            if cart.points:
                sale = cart.sale(counter.store.code, counter.currency)
                quote = quote_cart(staff_of(request), cart, sale, counter.now)
                if quote["points_used"] < cart.points:
                    _say_fewer(says, cart.points, quote, counter)
                    cart.points = quote["points_used"]
        except ShukeError as error:
            cart.points = 0
            if error.field in ("points", "points_to_use"):
                says.places["points"] = words_of(error)
            else:
                place(says, error, cart)
    focus = "points" if says.at("points") else ""
    return draw(
        request, counter, cart, says, focus=focus, points_text=asked if says and not cart.points else None
    )


def _say_fewer(says: Says, asked: int, quote: dict[str, Any], counter: Counter) -> None:
    """Fewer pay than were typed: calmly how many and why; only when none can is it something to mend."""
    used, limit, rule = quote["points_used"], quote["points_limit"], counter.in_force.programme.redemption
    told = {
        "used": points_counted(used, counter.now),
        "worth": formats.money(quote["points_minor"], counter.currency),
        "least": points_counted(max(rule.minimum, rule.step), counter.now) if rule else "",
        "step": formats.points(rule.step) if rule else "",
    }
    if not limit:
        says.places["points"] = _("None can be used for this sale.")
    elif not used:
        says.places["points"] = _("Too few: they are used from %(least)s on.") % told
    elif asked > limit:
        says.notes["points"] = _("%(used)s are used for %(worth)s, the most for this sale.") % told
    else:
        says.notes["points"] = _("%(used)s are used for %(worth)s: they go in steps of %(step)s.") % told


@step
def use_stored_value(request: HttpRequest, counter: Counter) -> HttpResponse:
    """How much stored value pays a part. What cannot be used is said and not kept."""
    says = Says()
    asked = request.POST.get("most") or request.POST.get("stored", "")
    with open_cart(request) as cart:
        try:
            cart.stored = typed.amount(asked, counter.currency)
            if cart.stored:
                sale = cart.sale(counter.store.code, counter.currency)
                quote = quote_cart(staff_of(request), cart, sale, counter.now)
                used = sum(paid["amount_minor"] for paid in quote["tenders"] if paid["kind"] in PREPAID)
                if used < cart.stored:
                    if used:
                        shown = formats.money(used, counter.currency)
                        says.notes["stored"] = _("%(used)s is used: no more can be taken for this sale.") % {
                            "used": shown
                        }
                    else:
                        says.places["stored"] = _("None can be used for this sale.")
                    cart.stored = used
        except ShukeError as error:
            cart.stored = 0
            if error.field in ("stored", f"tenders/{len(cart.cards)}"):
                says.places["stored"] = words_of(error)
            else:
                place(says, error, cart)
    focus = "stored" if says.at("stored") else ""
    return draw(
        request, counter, cart, says, focus=focus, stored_text=asked if says and not cart.stored else None
    )


@step
def use_gift_card(request: HttpRequest, counter: Counter) -> HttpResponse:
    """A gift card pays what it can; or one that was named is taken out again."""
    dropped = request.POST.get("drop", "")
    if not dropped:
        return _take_card(request, counter, request.POST.get("gift", "")[:MAX_TEXT].strip())
    with open_cart(request) as cart:
        cart.cards = [(card_id, four) for card_id, four in cart.cards if str(card_id) != dropped]
    return draw(request, counter, cart, Says(), focus="gift")


@step
def use_coupon(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Choose a coupon, take one off again, or have the best ones chosen."""
    asked = {name: request.POST.get(name, "") for name in ("text", "add", "drop")}
    with open_cart(request) as cart:
        says = choose(asked, cart, staff_of(request), counter.store, counter.currency, counter.now)
    return draw(request, counter, cart, says, focus="coupon", coupon_text=asked["text"] if says else "")


@step
def clear_cart(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Everything out: the customer left."""
    with open_cart(request) as cart:
        was_exchange = cart.swap is not None
        cart.empty()
    if was_exchange:
        return go(request, reverse("console:cashier"))
    return draw(request, counter, cart, Says(), focus="member")


@step
def drop_exchange(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Nothing comes back after all; the cart and its member stay."""
    with open_cart(request) as cart:
        cart.swap = None
    return go(request, reverse("console:cashier"))


@step
@sensitive_post_parameters(signing.PASSWORD)
def commit(request: HttpRequest, counter: Counter) -> HttpResponse:
    """Sell, once. The key was made with the cart; `seen` is the amount that stood on the button."""
    cart = read_cart(request)
    key = request.POST.get("key", "")
    if key in cart.done:
        return go(request, _receipt_of(cart.done[key]))
    if key != cart.key:
        says = Says({"pay": _("The cart was changed elsewhere. Check it and confirm again.")})
        return draw(request, counter, cart, says)
    if ("reason" in request.POST) != (cart.swap is not None):
        # An exchange was begun or left elsewhere: this page no longer shows what would be booked.
        return go(request, reverse("console:cashier"))
    refused = _refuse_untaken(request, counter, cart)
    if refused is not None:
        return refused
    staff = staff_of(request)
    sale = cart.sale(counter.store.code, counter.currency)
    sold, seen = sale, request.POST.get("seen", "")
    says = Says()
    try:
        quote = quote_cart(staff, cart, sale, counter.now)
        payable, sold = quote["balance_minor"], counting(sale, quote["coupons"])
        # Without this, points, stored value or a tier that changed elsewhere would change the amount behind the cashier's
        # back. An earlier twin of this very commit may have caused it; that one is answered from the store below.
        if seen != str(payable) and not _was_sold(staff.id, cart.key):
            words = _(
                "The total is now %(amount)s, because something changed meanwhile. Check it and confirm again."
            )
            says.places["pay"] = words % {"amount": formats.money(payable, counter.currency)}
            return draw(request, counter, cart, says)
    except ShukeError as error:
        if not _was_sold(staff.id, cart.key):
            place(says, error, cart)
            return draw(request, counter, cart, says)
    try:
        if cart.swap:
            order_id = json.loads(carry_out_exchange(request, cart, sale, sold).body)["id"]
        else:
            answer = commit_order(
                actor=staff.as_actor(), sale=sold, now=counter.now, key=cart.key, input_hash=fingerprint(sale)
            )
            order_id = json.loads(answer.body)["id"]
    except OrderExists:
        with open_cart(request) as fresh:
            fresh.number = new_number(counter.now.date())
        says.places["pay"] = _("Nothing was sold yet. Confirm again.")
        return draw(request, counter, fresh, says)
    except ShukeError as error:
        if error.code == "idempotency_conflict":
            return _already_sold(request, counter, staff.id)
        place(says, error, cart)
        return draw(request, counter, cart, says, focus=next((at for at in SIGNED if says.at(at)), ""))
    with open_cart(request) as kept:
        if kept.key == cart.key:
            kept.finish(order_id)
    return go(request, _receipt_of(order_id))


@requires(Permission.CHECKOUT_USE)
@require_GET
def receipt(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """A sale on paper and on the screen, again whenever it is asked for."""
    staff = staff_of(request)
    try:
        order = get_order(
            order_id=order_id, store_ids=None if staff.all_stores else frozenset(staff.store_ids)
        )
    except OrderNotFound:
        return render(request, "console/cashier_unknown.html", status=404)
    context = {**receipt_context(order, clock.now()), "may_refund": staff.may(Permission.CHECKOUT_REFUND)}
    return render(request, "console/cashier_receipt.html", context)


def _find_member(request: HttpRequest, counter: Counter, text: str) -> HttpResponse:
    says, people, focus = Says(), list[Candidate](), "member"
    text = text.strip()
    try:
        people = identify(text, counter.now, limit=RESULTS) if text else []
    except ShukeError as error:
        says.places["member"] = words_of(error)
    else:
        if text and not people:
            says.places["member"] = _("No member found. Check what you typed, or register them (F6).")
    # Whom they found by a whole identifier they may also top up, or redeem for.
    remember_found(request, [each.member_id for each in people if each.matched_by != "search"])
    # Four digits that fit one member only are as good as a number: the card shows whom they found. Words of a name that
    # fit one member are not, because others may bear it who are no members.
    if len(people) == 1 and (people[0].matched_by != "search" or _LAST_FOUR.fullmatch(text)):
        with open_cart(request) as cart:
            take_member(cart, people[0].member_id)
        return draw(request, counter, cart, says, focus="scan")
    return draw(
        request,
        counter,
        read_cart(request),
        says,
        focus="pick-1" if people else focus,
        into="member",
        text="" if looks_like_qr(text) or people else text,
        people=people,
        wanted=text,
    )


def _take_card(request: HttpRequest, counter: Counter, code: str) -> HttpResponse:
    says = Says()
    with open_cart(request) as cart:
        try:
            if code:
                take_card(cart, code, staff_of(request).as_actor(), counter.now)
        except ShukeError as error:
            says.places["gift"] = words_of(error)
    focus = "gift" if says else "" if not code else "commit" if cart.lines else "scan"
    return draw(request, counter, cart, says, focus=focus, gift_text=code if says else "")


def _add(request: HttpRequest, counter: Counter, product: Product, amount: int) -> HttpResponse:
    says, focus = Says(), "scan"
    with open_cart(request) as cart:
        line = cart.line(product.sku)
        if not product.is_active:
            says.places["scan"] = _("“%(name)s” is no longer sold.") % {"name": product.name}
        elif line is None and len(cart.lines) >= MAX_LINES:
            says.places["scan"] = _(
                "A sale at the desk holds up to %(most)s different products. Confirm this one first."
            ) % {"most": MAX_LINES}
        elif line is None and amount:
            line = CartLine(product.sku, amount)
            cart.lines.append(line)
        elif line is not None:
            try:
                line.quantity = typed.quantity(f"{Decimal(line.quantity + amount) / 1000:.3f}")
            except ShukeError as error:
                says.lines[product.sku] = ("quantity", words_of(error))
        if (
            line
            and line.unit_price_minor is None
            and (product.price_minor is None or product.currency != counter.currency)
        ):
            focus = f"price-{cart.lines.index(line) + 1}"
    return draw(request, counter, cart, says, focus=focus, fresh=product.sku)


def _untaken(request: HttpRequest, *fields: str) -> str:
    """What still stands in one of these fields, or was searched there without a choice: the customer holds that too."""
    texts = (request.POST.get(name, "")[:MAX_TEXT].strip() for name in fields)
    return next((text for text in texts if text), "")


def _refuse_untaken(request: HttpRequest, counter: Counter, cart: Cart) -> HttpResponse | None:
    """The desk with what was left in the scanner's field or in the member's; None when nothing was."""
    text = _untaken(request, "text", "sought")
    if text:
        return _refuse_sought(request, counter, cart, text)
    text = _untaken(request, "who", "wanted")
    if not text:
        return None
    words = _(
        "Not sold yet: nobody was taken for “%(text)s”. Find them with Enter, or leave it out with Esc, then confirm."
    )
    says = Says({"member": words % {"text": text[:40]}})
    return draw(request, counter, cart, says, focus="member", into="member", text=text)


def _refuse_sought(request: HttpRequest, counter: Counter, cart: Cart, text: str) -> HttpResponse:
    words = _(
        "Not sold yet: “%(text)s” is not in the cart. Take it with Enter, or leave it out with Esc, then confirm."
    )
    says, found = Says({"scan": words % {"text": text[:40]}}), list[Product]()
    if not request.POST.get("text", "").strip():
        found = suggest_products(text, limit=RESULTS)  # the list that was open stays open
    return draw(
        request,
        counter,
        cart,
        says,
        focus="found-1" if found else "scan",
        text="" if found else text,
        found=found,
        sought=text,
    )


def _was_sold(caller_id: UUID, key: str) -> bool:
    return find_answer(caller_id, key) is not None


def _already_sold(request: HttpRequest, counter: Counter, caller_id: UUID) -> HttpResponse:
    """The cart was sold, the answer got lost, and the cart changed since: never sell it a second time unasked."""
    with open_cart(request) as cart:
        earlier = find_answer(caller_id, cart.key)
        if earlier is not None:
            lines, member_id = cart.lines, cart.member_id
            order = json.loads(earlier.body)
            cart.finish(order["id"])
            cart.lines, cart.member_id = lines, member_id
    words = _("This cart was already sold before it was changed. Look at the receipt before you sell again.")
    return draw(request, counter, cart, Says({"pay": words}), sold=order["id"] if earlier else "")


def _receipt_of(order_id: str) -> str:
    return reverse("console:receipt", args=[order_id])
