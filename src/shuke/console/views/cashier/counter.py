"""The counter: which store sells under which rules, and the page that every step of the desk draws again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from shuke.catalog.models import Store
from shuke.console import scope
from shuke.console.access import requires, staff_of
from shuke.console.views.cashier.cart import Cart, open_cart, remember
from shuke.console.views.cashier.coupons import coupon_views
from shuke.console.views.cashier.exchange import back_context
from shuke.console.views.cashier.reading import Says, picture
from shuke.core.errors import NotFound
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.loyalty.models import Standing
from shuke.loyalty.queries import InForce, programme_at, version_by_id
from shuke.loyalty.words import tier_name
from shuke.members.values import Candidate


class Counter:
    """Where and under which rules this request sells."""

    def __init__(self, store: Store, in_force: InForce, now: datetime) -> None:
        self.store = store
        self.in_force = in_force
        self.now = now

    @property
    def currency(self) -> str:
        return self.in_force.programme.currency


def counter_of(request: HttpRequest) -> Counter | None:
    """The store chosen in the top bar, or the person's only one, with the programme in force; None when one is missing."""
    now = clock.now()
    in_force = programme_at(now)
    store = scope.chosen_store(request)
    if store is None:
        mine = [each for each in scope.stores_of(staff_of(request)) if each.is_open]
        store = mine[0] if len(mine) == 1 else None
    return Counter(store, in_force, now) if store and in_force else None


def step(view: Callable[[HttpRequest, Counter], HttpResponse]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A POST of the desk: it needs a store and a programme, else the page itself says what is missing."""

    @wraps(view)
    def stepped(request: HttpRequest) -> HttpResponseBase:
        counter = counter_of(request)
        if counter is None:
            return go(request, reverse("console:cashier"))
        answer = view(request, counter)
        remember(request, answer)
        return answer

    return requires(Permission.CHECKOUT_USE)(require_POST(stepped))


def go(request: HttpRequest, address: str) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


def context_of(request: HttpRequest, counter: Counter, cart: Cart, says: Says, **more: Any) -> dict[str, Any]:
    try:
        drawn = picture(staff_of(request), counter.store, cart, counter.in_force, counter.now, says)
    except NotFound:
        # The member was erased while standing in the cart.
        with open_cart(request) as cart:
            cart.swap = None
            take_member(cart, None)
        drawn = picture(staff_of(request), counter.store, cart, counter.in_force, counter.now, says)
    return {
        **drawn,
        **back_context(request, cart, drawn),
        "coupons": coupon_views(drawn["quote"]["coupons"]) if drawn["quote"] else [],
        "may_refund": staff_of(request).may(Permission.CHECKOUT_REFUND),
        "may_register": staff_of(request).may(Permission.MEMBERS_WRITE),
        "found": [],
        "people": [],
        "form": None,
        **more,
    }


def draw(
    request: HttpRequest,
    counter: Counter,
    cart: Cart,
    says: Says,
    *,
    focus: str = "",
    into: str = "scan",
    text: str = "",
    toast: str = "",
    people: Iterable[Candidate] = (),
    **more: Any,
) -> HttpResponse:
    """The desk after a step. 422 when something was refused; the messages stand at their fields."""
    context = context_of(request, counter, cart, says, people=_with_tiers(people, counter), **more)
    status = 422 if says else 200
    if not request.headers.get("HX-Request"):
        return render(request, "console/cashier.html", context, status=status)
    answer = render(request, "console/cashier_parts.html", {**context, "oob": True}, status=status)
    events: dict[str, Any] = {"desk": {"focus": focus, "into": into, "text": text}}
    if toast:
        events["toast"] = {"kind": "ok", "text": toast}
    answer["HX-Trigger-After-Swap"] = json.dumps(events)
    return answer


def _with_tiers(people: Iterable[Candidate], counter: Counter) -> list[dict[str, Any]]:
    listed = list(people)
    if not listed:
        return []
    document = version_by_id(counter.in_force.version_id).document
    tiers = counter.in_force.programme.tiers
    held = dict(
        Standing.objects.filter(member_id__in=[each.member_id for each in listed]).values_list(
            "member_id", "tier"
        )
    )
    levels = [tiers.level(held.get(each.member_id, "")) for each in listed]
    return [
        {"who": each, "tier": tier_name(document, level.code), "level": min(level.rank, 4)}
        for each, level in zip(listed, levels, strict=True)
    ]


def take_member(cart: Cart, member_id: UUID | None) -> None:
    if member_id != cart.member_id and not (cart.swap and cart.swap.is_of_member):
        cart.member_id, cart.points, cart.stored, cart.coupons = member_id, 0, 0, []
