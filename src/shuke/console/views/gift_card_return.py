"""Paying a gift card back at the counter: what is left on it goes out, with a reason, signed beyond a cashier's limit."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from shuke.checkout.errors import UnknownGiftCard
from shuke.checkout.gift_card_queries import CardView, get_gift_card
from shuke.checkout.gift_card_returns import return_gift_card
from shuke.checkout.gift_cards import codes_of
from shuke.checkout.models import GiftCardStatus
from shuke.checkout.refunds.approval import Beyond, Subject, carry_out
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.member_access import visible_stores
from shuke.console.once import new_token, once
from shuke.console.prepaid_words import refusal_words
from shuke.console.scope import place_of
from shuke.console.views.cashier import signing
from shuke.console.views.member_stored import ReturnForm
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.queries import InForce, programme_at


class CardReturn:
    """The form, and what became of it when it was sent."""

    def __init__(self, request: HttpRequest, card_id: UUID) -> None:
        self.request = request
        self.card_id = card_id
        self.now = clock.now()
        self.store = place_of(request)
        self.form = ReturnForm(auto_id="return_%s")
        self.approver_error = ""
        self.is_refused = False

    def pay_back(self, view: CardView) -> str:
        """Pay out; the words for the person, or "" when it was refused and the form says why."""
        form = self.form = ReturnForm(self.request.POST, auto_id="return_%s")
        self.is_refused = True
        if not form.is_valid() or self.store is None:
            return ""
        actor, store = staff_of(self.request).as_actor(), self.store

        def work() -> str:
            done = carry_out(
                lambda: self._return(store.code),
                actor=actor,
                approver=approver,
                subject=Subject("gift_card", self.card_id, store),
                now=self.now,
            )
            amount = formats.money(done["paid_minor"], view.card.currency)
            return _("The card is paid back: pay out %(amount)s.") % {"amount": amount}

        sent = {name: str(form.data.get(name, "")) for name in (*form.fields, "seen")}
        try:
            approver = signing.signer(self.request, self._need(view))
            said = once(self.request, sent, work)
        except ShukeError as error:
            words = refusal_words(error, view.card.currency)
            if error.field == signing.NAME:
                self.approver_error = words
            else:
                form.add_error(error.field if error.field in form.fields else None, words)
            return ""
        self.is_refused = False
        return said

    def _return(self, store: str) -> dict[str, Any]:
        data = self.form.cleaned_data
        done = return_gift_card(
            actor=staff_of(self.request).as_actor(),
            code=codes_of([self.card_id])[0],
            store=store,
            tender=data["tender"],
            reference=data["reference"],
            reason=data["reason"],
            now=self.now,
        )
        if str(done["paid_minor"]) != self.request.POST.get("seen"):
            raise InvalidInput(field="seen", reason=_("What is on the card has changed. Look at it again."))
        return done

    def _need(self, view: CardView) -> Beyond:
        return signing.beyond(self.request, given_back_minor=view.usable_minor, now=self.now)

    def context(self, view: CardView) -> dict[str, Any]:
        """What the page draws."""
        return {
            "card": view.card,
            "usable": view.usable_minor,
            "is_open": is_returnable(view, programme_at(self.now)),
            "store": self.store,
            "form": self.form,
            "token": self.request.POST.get("token", "")[:60] if self.is_refused else new_token(),
            "need": signing.words_of_need(self._need(view), self.now),
            "approver": self.request.POST.get(signing.NAME, "")[:64],
            "approver_error": self.approver_error,
            "may_manage": staff_of(self.request).may(Permission.CARDS_MANAGE),
        }


def find_card(request: HttpRequest, card_id: UUID) -> CardView:
    """A card that this person may see: not sold yet, or sold in their stores. Raises Http404."""
    try:
        return get_gift_card(card_id, now=clock.now(), store_ids=visible_stores(request))
    except UnknownGiftCard as error:
        raise Http404 from error


def is_returnable(view: CardView, in_force: InForce | None) -> bool:
    """Whether anything of the card can be paid back now."""
    rules = in_force.programme.gift_cards if in_force else None
    return (
        rules is not None
        and rules.returnable
        and view.usable_minor > 0
        and view.card.status in (GiftCardStatus.ACTIVE, GiftCardStatus.RETURNED)
    )


@requires(Permission.CHECKOUT_REFUND)
@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters(signing.PASSWORD)
def gift_card_return(request: HttpRequest, card_id: UUID) -> HttpResponse:
    """What would be paid out, and with a reason, do it; the card then pays no more."""
    view, returned = find_card(request, card_id), CardReturn(request, card_id)
    said = returned.pay_back(view) if request.method == "POST" else ""
    if said:
        messages.success(request, said)
        may_manage = staff_of(request).may(Permission.CARDS_MANAGE)
        return redirect("console:gift_card", card_id) if may_manage else redirect("console:gift_cards")
    status = 422 if returned.is_refused else 200
    return render(request, "console/gift_card_return.html", returned.context(view), status=status)
