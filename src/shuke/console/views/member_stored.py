"""A member's prepaid money at the counter: top it up, return the card. Both are worked out first and then done once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from shuke.catalog.models import Store
from shuke.checkout.errors import NothingToReturn
from shuke.checkout.models import StoredValueReturn
from shuke.checkout.refunds.approval import Beyond, Subject, carry_out
from shuke.checkout.stored_value import (
    quote_return,
    quote_top_up,
    return_stored_value,
    stored_value_of,
    top_up,
)
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.member_access import may_open
from shuke.console.once import new_token, once
from shuke.console.prepaid_words import refusal_words, tender_choices
from shuke.console.scope import place_of
from shuke.console.views.cashier import signing, typed
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.console.views.cashier.serving import serve_member
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at
from shuke.loyalty.words import localized

RETURNS = 20
_LINE = {"autocomplete": "off"}


class Prepaid(forms.Form):
    """How money comes or goes, and the payment's number outside."""

    tender = forms.ChoiceField(label=gettext_lazy("Paid by"))
    reference = forms.CharField(
        label=gettext_lazy("Number of the payment"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs=_LINE),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tender"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = tender_choices()

    @property
    def sent(self) -> dict[str, str]:
        """What was typed, for the key of the act."""
        return {name: str(self.data.get(name, "")) for name in self.fields}


class TopUpForm(Prepaid):
    """Money that the member pays in advance."""

    amount = forms.CharField(
        label=pgettext_lazy("money", "Amount"),
        max_length=typed.MAX_TYPED,
        widget=forms.TextInput(attrs={**_LINE, "inputmode": "decimal"}),
    )
    organisation = forms.BooleanField(label=gettext_lazy("A company pays"), required=False)
    field_order = ("amount", "tender", "reference", "organisation")


class ReturnForm(Prepaid):
    """The card comes back: all principal is paid out."""

    tender = forms.ChoiceField(label=gettext_lazy("Paid back by"))
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.TextInput(attrs=_LINE)
    )


@requires(Permission.CHECKOUT_USE)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters(signing.PASSWORD)
def member_stored(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """What the member holds, a form to top it up, and where the person may refund a form to return the card."""
    member, now = serve_member(request, member_id), clock.now()
    in_force, store = programme_at(now), place_of(request)
    shown = {
        "member": member,
        "name": member.name or member.number,
        "may_open": may_open(request, member),
    }
    if in_force is None or in_force.programme.stored_value is None:
        return render(request, "console/member_stored.html", shown)
    programme = in_force.programme
    desk = _Desk(request, member_id, store, programme, now)
    part = request.POST.get("part", "") if request.method == "POST" else ""
    said = desk.top_up() if part == "top_up" else desk.give_back() if part == "return" else ""
    if said:
        messages.success(request, said)
        return redirect("console:member_stored", member_id)
    status = 422 if desk.refused else 200
    context = {**shown, **desk.context(part)}
    return render(request, "console/member_stored.html", context, status=status)


class _Desk:
    """One request at the counter: the two forms, what was worked out, and what was refused."""

    def __init__(
        self,
        request: HttpRequest,
        member_id: UUID,
        store: Store | None,
        programme: Programme,
        now: datetime,
    ) -> None:
        self.request, self.member_id, self.now = request, member_id, now
        self.store, self.programme = store, programme
        self.actor = staff_of(request).as_actor()
        self.is_sure = request.POST.get("act") == "do"
        self.top_up_form = TopUpForm(auto_id="top_up_%s", initial={"tender": "cash"})
        self.return_form = ReturnForm(auto_id="return_%s", initial={"tender": "cash"})
        self.quoted: dict[str, Any] | None = None
        self.refused = False
        self.approver_error = ""

    def top_up(self) -> str:
        """Work a top-up out, or do it; returns what to say when it was done."""
        form = self.top_up_form = TopUpForm(self.request.POST, auto_id="top_up_%s")
        self.refused = not form.is_valid()
        if self.refused or self.store is None:
            return ""
        try:
            amount = typed.amount(form.cleaned_data["amount"], self.programme.currency)
            asked: dict[str, Any] = {
                "actor": self.actor,
                "member_id": self.member_id,
                "store": self.store.code,
                "amount_minor": amount,
                "tender": form.cleaned_data["tender"],
                "reference": form.cleaned_data["reference"],
                "organisation": form.cleaned_data["organisation"],
                "system": "desk",
                "now": self.now,
            }
            if not self.is_sure:
                self.quoted = quote_top_up(**asked)
                return ""
            return once(self.request, form.sent, lambda: self._topped_up(top_up(**asked)))
        except ShukeError as error:
            at = {"amount_minor": "amount", "stored": "amount"}.get(error.field or "", error.field)
            form.add_error(at if at in form.fields else None, refusal_words(error, self.programme.currency))
            self.refused = True
            return ""

    def _topped_up(self, told: dict[str, Any]) -> str:
        if str(told["bonus_minor"]) != self.request.POST.get("seen"):
            raise InvalidInput(field="seen", reason=_("The bonus has changed. Look at it again."))
        amount = formats.money(told["amount_minor"], self.programme.currency)
        if not told["bonus_minor"]:
            return _("%(amount)s topped up.") % {"amount": amount}
        bonus = formats.money(told["bonus_minor"], self.programme.currency)
        return _("%(amount)s topped up, with a bonus of %(bonus)s.") % {"amount": amount, "bonus": bonus}

    def give_back(self) -> str:
        """Return the card; what it comes to stands on the page already."""
        form = self.return_form = ReturnForm(self.request.POST, auto_id="return_%s")
        quote = self._return_quote()
        self.refused = not form.is_valid()
        if self.refused or self.store is None or quote is None:
            return ""
        store, need = self.store, self._need(quote)

        def work() -> str:
            fresh = quote_return(member_id=self.member_id, now=self.now)
            if str(fresh["paid_minor"]) != self.request.POST.get("seen"):
                raise InvalidInput(
                    field="seen", reason=_("What is on the card has changed. Look at it again.")
                )
            done = carry_out(
                lambda: return_stored_value(
                    actor=self.actor,
                    member_id=self.member_id,
                    store=store.code,
                    tender=form.cleaned_data["tender"],
                    reason=form.cleaned_data["reason"],
                    reference=form.cleaned_data["reference"],
                    now=self.now,
                ),
                actor=self.actor,
                approver=approver,
                subject=Subject("member", self.member_id, store),
                now=self.now,
            )
            paid = formats.money(done["paid_minor"], self.programme.currency)
            return _("The card is returned: pay out %(amount)s.") % {"amount": paid}

        try:
            approver = signing.signer(self.request, need)
            return once(self.request, form.sent, work)
        except ShukeError as error:
            words = refusal_words(error, self.programme.currency)
            if error.field == signing.NAME:
                self.approver_error = words
            else:
                form.add_error(error.field if error.field in form.fields else None, words)
            self.refused = True
            return ""

    def _need(self, quote: dict[str, Any]) -> Beyond:
        return signing.beyond(self.request, given_back_minor=quote["paid_minor"], now=self.now)

    def _return_quote(self) -> dict[str, Any] | None:
        rules = self.programme.stored_value
        if (
            rules is None
            or not rules.returnable
            or not staff_of(self.request).may(Permission.CHECKOUT_REFUND)
        ):
            return None
        try:
            quote = quote_return(member_id=self.member_id, now=self.now)
        except NothingToReturn:
            return None
        except ShukeError:
            return None  # a member who is not active: the page says so
        return quote if quote["principal_minor"] or quote["forfeited_minor"] else None

    def context(self, part: str) -> dict[str, Any]:
        """What the page draws."""
        held = stored_value_of(self.member_id, self.now)
        quote = self._return_quote()
        need = self._need(quote) if quote else ""
        rules = self.programme.stored_value
        assert rules is not None
        returns = StoredValueReturn.objects.filter(member_id=self.member_id).select_related("store")
        return {
            "held": held,
            "currency": self.programme.currency,
            "store": self.store,
            "top_up_form": self.top_up_form,
            "return_form": self.return_form,
            "quoted": self.quoted,
            "rule": self._rule_name(),
            "return_quote": quote,
            "is_return": part == "return",
            "need": signing.words_of_need(need, self.now),
            "approver": self.request.POST.get(signing.NAME, "")[:64],
            "approver_error": self.approver_error,
            "token": self.request.POST.get("token", "")[:60] if self.refused or self.quoted else new_token(),
            "return_token": new_token(),
            "bonuses": [
                {"name": localized(rule.name), "least": rule.least, "parts": rule.instalments}
                for rule in sorted(rules.bonuses, key=lambda each: each.least)
            ],
            "top_ups": [
                {**each, "tender": TENDER_NAMES.get(each["tender"], each["tender"])}
                for each in held["top_ups"]
            ],
            "returns": [
                {"each": each, "tender": TENDER_NAMES.get(each.tender, each.tender)}
                for each in returns.order_by("-occurred_at")[:RETURNS]
            ],
        }

    def _rule_name(self) -> str:
        rules = self.programme.stored_value
        reached = self.quoted["rule"] if self.quoted else ""
        return next(
            (localized(rule.name) for rule in (rules.bonuses if rules else ()) if rule.id == reached), ""
        )
