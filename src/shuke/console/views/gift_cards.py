"""Gift cards: check one at the counter, sell them, make them, see what became of each, and block one that was lost."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from shuke.checkout.gift_card_queries import (
    CardPage,
    CardView,
    cards_by_code,
    list_gift_cards,
)
from shuke.checkout.gift_cards import (
    MAX_CARDS,
    activate_gift_cards,
    block_gift_card,
    codes_of,
    issue_gift_cards,
)
from shuke.checkout.models import GiftCard, GiftCardStatus
from shuke.checkout.words import explain_entry, kind_of
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.book_words import people_of
from shuke.console.member_access import visible_stores
from shuke.console.once import new_token, once
from shuke.console.prepaid_words import CARD_STATES, refusal_words, tender_choices
from shuke.console.scope import place_of
from shuke.console.views.cashier import typed
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.console.views.gift_card_return import find_card, is_returnable
from shuke.core.errors import InvalidInput
from shuke.core.text import clean_text
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.ledger.queries import list_entries
from shuke.loyalty.programme import Programme
from shuke.loyalty.queries import programme_at
from shuke.members.queries import candidates_exactly, find_member, get_candidate

ROWS = 30
MOST_AT_ONCE = 50
_LINE = {"autocomplete": "off"}
_FOUR = re.compile(r"[0-9A-Za-z]{4}", re.ASCII)


class MakeForm(forms.Form):
    """How many cards of which value."""

    face = forms.CharField(
        label=gettext_lazy("Value of each card"),
        max_length=typed.MAX_TYPED,
        widget=forms.TextInput(attrs={**_LINE, "inputmode": "decimal"}),
    )
    count = forms.IntegerField(label=gettext_lazy("How many"), min_value=1, max_value=MAX_CARDS, initial=10)


class SellForm(forms.Form):
    """Which cards, how they are paid, and who buys where the law wants to know."""

    codes = forms.CharField(
        label=gettext_lazy("Codes of the cards"),
        max_length=MOST_AT_ONCE * 42,
        help_text=gettext_lazy("One a line; a scanner moves on by itself."),
        widget=forms.Textarea(attrs={**_LINE, "rows": 4, "spellcheck": "false", "autofocus": True}),
    )
    tender = forms.ChoiceField(label=gettext_lazy("Paid by"))
    reference = forms.CharField(
        label=gettext_lazy("Number of the payment"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs=_LINE),
    )
    buyer = forms.CharField(
        label=gettext_lazy("Buyer, if a member"),
        max_length=254,
        required=False,
        help_text=gettext_lazy("The whole member number, phone, e-mail or card number."),
        widget=forms.TextInput(attrs=_LINE),
    )
    organisation = forms.BooleanField(label=gettext_lazy("A company pays"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tender"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = tender_choices()

    @property
    def listed(self) -> list[str]:
        """The codes, one after the other."""
        return [line.strip() for line in self.cleaned_data["codes"].splitlines() if line.strip()]


@requires(Permission.CHECKOUT_USE)
@never_cache
@require_http_methods(["GET", "POST"])
def gift_cards(request: HttpRequest) -> HttpResponse:
    """Check a card by its code; where the person manages cards, all of them."""
    now, staff = clock.now(), staff_of(request)
    programme = _programme()
    found: CardView | None = None
    problem, wrong = "", ""
    if request.method == "POST":
        # By POST: the code of a card is money, and an address stands in logs.
        try:
            found = cards_by_code([request.POST.get("code", "")[:40]], asker=staff.as_actor(), now=now)[0]
        except ShukeError as error:
            problem = str(error)
    may_manage = staff.may(Permission.CARDS_MANAGE)
    status, four = request.GET.get("status", ""), request.GET.get("four", "").strip()[:8]
    page = CardPage([], None)
    if may_manage:
        try:
            page = list_gift_cards(
                now=now,
                status=status if status in CARD_STATES else "",
                last_four=four if _FOUR.fullmatch(four) else "",
                store_ids=visible_stores(request),
                cursor=request.GET.get("cursor") or None,
                limit=ROWS,
            )
        except InvalidInput as error:
            wrong = str(error)
    query = f"status={status if status in CARD_STATES else ''}&four={four if _FOUR.fullmatch(four) else ''}"
    address = reverse("console:gift_cards")
    context = {
        "offered": programme is not None and programme.gift_cards is not None,
        "found": _row(found) if found else None,
        "may_return": found is not None
        and is_returnable(found, programme_at(now))
        and staff.may(Permission.CHECKOUT_REFUND),
        "problem": problem,
        "wrong": wrong,
        "may_manage": may_manage,
        "rows": [_row(each) for each in page.cards],
        "states": [("", _("All")), *((code, str(words)) for code, (words, _kind) in CARD_STATES.items())],
        "status": status,
        "four": four,
        "first_page": f"{address}?{query}" if request.GET.get("cursor") else "",
        "next_page": f"{address}?{query}&cursor={page.next_cursor}" if page.next_cursor else "",
    }
    return render(request, "console/gift_cards.html", context, status=422 if problem or wrong else 200)


@requires(Permission.CARDS_MANAGE)
@never_cache
@require_http_methods(["GET", "POST"])
def gift_cards_new(request: HttpRequest) -> HttpResponse:
    """Make cards. Their codes stand on the answer, once: they are kept nowhere."""
    programme = _programme()
    form = MakeForm(request.POST if request.method == "POST" else None)
    cards: list[GiftCard] = []
    if request.method == "POST" and form.is_valid() and programme:
        try:
            face = typed.amount(form.cleaned_data["face"], programme.currency)
            sent = {name: str(form.data.get(name, "")) for name in form.fields}
            batch = once(request, sent, lambda: _made(request, face, form.cleaned_data["count"]))
            # A form sent twice is told the same codes again, as long as none of them was sold.
            cards = list(GiftCard.objects.filter(batch_id=UUID(batch)).order_by("id"))
        except ShukeError as error:
            at = {"face_minor": "face", "stored": "face"}.get(error.field or "", error.field)
            form.add_error(at if at in form.fields else None, refusal_words(error, programme.currency))
    unsold = [card for card in cards if card.status == GiftCardStatus.ISSUED]
    context = {
        "form": form,
        "currency": programme.currency if programme else "CNY",
        "offered": programme is not None and programme.gift_cards is not None,
        "codes": codes_of([card.id for card in unsold]),
        "made": cards,
        "token": request.POST.get("token", "")[:60] if form.errors else new_token(),
    }
    return render(request, "console/gift_cards_new.html", context, status=422 if form.errors else 200)


def _made(request: HttpRequest, face: int, count: int) -> str:
    made = issue_gift_cards(actor=staff_of(request).as_actor(), face_minor=face, count=count, now=clock.now())
    return str(made[0].batch_id)


@requires(Permission.CHECKOUT_USE)
@never_cache
@require_http_methods(["GET", "POST"])
def gift_cards_sell(request: HttpRequest) -> HttpResponse:
    """Sell cards: first what they come to, then once."""
    programme, store = _programme(), place_of(request)
    form = SellForm(request.POST if request.method == "POST" else None, initial={"tender": "cash"})
    quoted: list[CardView] = []
    if request.method == "POST" and form.is_valid() and programme and store:
        try:
            codes = form.listed
            if not 1 <= len(codes) <= MOST_AT_ONCE:
                raise InvalidInput(
                    field="codes",
                    reason=_("Between one and %(most)d cards at a time.") % {"most": MOST_AT_ONCE},
                )
            if request.POST.get("act") == "do":
                sent = {name: str(form.data.get(name, "")) for name in form.fields}
                said = once(request, sent, lambda: _sold(request, form, codes, store.code))
                messages.success(request, said)
                return redirect("console:gift_cards")
            quoted = cards_by_code(codes, asker=staff_of(request).as_actor(), now=clock.now())
            _check_unsold(quoted)
            _buyer(form.cleaned_data["buyer"])
        except ShukeError as error:
            _refuse(form, error, programme.currency)
            quoted = []
    context = {
        "form": form,
        "store": store,
        "currency": programme.currency if programme else "CNY",
        "offered": programme is not None and programme.gift_cards is not None,
        "quoted": [_row(each) for each in quoted],
        "total": sum(each.card.face_minor for each in quoted),
        "token": request.POST.get("token", "")[:60] if form.is_bound else new_token(),
    }
    return render(request, "console/gift_cards_sell.html", context, status=422 if form.errors else 200)


def _check_unsold(cards: list[CardView]) -> None:
    for index, each in enumerate(cards):
        if each.card.status != GiftCardStatus.ISSUED:
            raise InvalidInput(
                field=f"codes/{index}", reason=_("It was sold before, or it is blocked: take it out.")
            )


def _sold(request: HttpRequest, form: SellForm, codes: list[str], store: str) -> str:
    data = form.cleaned_data
    cards = activate_gift_cards(
        actor=staff_of(request).as_actor(),
        codes=codes,
        store=store,
        tender=data["tender"],
        reference=data["reference"],
        buyer_id=_buyer(data["buyer"]),
        organisation=data["organisation"],
        now=clock.now(),
    )
    total = formats.money(sum(card.face_minor for card in cards), cards[0].currency)
    return _("Sold: %(cards)d gift cards for %(total)s.") % {"cards": len(cards), "total": total}


def _buyer(text: str) -> UUID | None:
    """The one member with this whole identifier; None when nobody was named. Raises InvalidInput."""
    text = text.strip()
    if not text:
        return None
    numbered = find_member("number", text)
    if numbered is not None:
        return numbered.id
    found = candidates_exactly(text)
    if len(found) != 1:
        raise InvalidInput(field="buyer", reason=_("No member found by this."))
    return found[0].member_id


def _refuse(form: SellForm, error: ShukeError, currency: str) -> None:
    """Put a refusal at its field; one of the codes says which line it means."""
    head, _slash, index = (error.field or "").partition("/")
    words = refusal_words(error, currency)
    if head == "codes" and index.isdecimal():
        words = _("Line %(line)d: %(words)s") % {"line": int(index) + 1, "words": words}
    form.add_error(head if head in form.fields else None, words)


@requires(Permission.CARDS_MANAGE)
@never_cache
@require_GET
def gift_card(request: HttpRequest, card_id: UUID) -> HttpResponse:
    """One card: what it is worth, what happened to it, and the ways to block it and to pay it back."""
    view = find_card(request, card_id)
    now, card = clock.now(), view.card
    wrong = ""
    try:
        page = list_entries(card.id, cursor=request.GET.get("cursor") or None, limit=ROWS)
    except InvalidInput as error:
        page, wrong = list_entries(card.id, limit=ROWS), str(error)
    people = people_of([card.actor, *(entry.actor for entry in page.entries)])
    address = reverse("console:gift_card", args=[card.id])
    context = {
        **_row(view),
        "wrong": wrong,
        "maker": people.get(card.actor, card.actor.partition(":")[2]),
        "tender": TENDER_NAMES.get(card.tender, card.tender),
        "buyer": _buyer_of(card, staff_of(request).may(Permission.MEMBERS_VIEW)),
        "entries": [
            {
                "entry": entry,
                "kind": kind_of(entry.kind),
                "words": explain_entry(entry),
                "who": people.get(entry.actor, entry.actor.partition(":")[2]),
            }
            for entry in page.entries
        ],
        "is_lapsed": card.expires_at is not None and card.expires_at <= now,
        "first_page": address if request.GET.get("cursor") else "",
        "next_page": f"{address}?cursor={page.next_cursor}" if page.next_cursor else "",
        "may_return": is_returnable(view, programme_at(now))
        and staff_of(request).may(Permission.CHECKOUT_REFUND),
    }
    return render(request, "console/gift_card.html", context, status=422 if wrong else 200)


def _buyer_of(card: GiftCard, may_see: bool) -> Any:
    return get_candidate(card.buyer_id) if card.buyer_id and may_see else None


@requires(Permission.CARDS_MANAGE)
@require_POST
def gift_card_block(request: HttpRequest, card_id: UUID) -> HttpResponse:
    """Stop a card from paying, or let it pay again."""
    view = find_card(request, card_id)
    blocked = request.POST.get("act") != "unblock"
    try:
        block_gift_card(
            actor=staff_of(request).as_actor(),
            code=codes_of([view.card.id])[0],
            reason=clean_text("reason", request.POST.get("reason", ""), 300),
            blocked=blocked,
            now=clock.now(),
        )
        messages.success(request, _("The card is blocked.") if blocked else _("The card pays again."))
    except ShukeError as error:
        messages.error(request, str(error))
    return redirect("console:gift_card", card_id)


def _programme() -> Programme | None:
    in_force = programme_at(clock.now())
    return in_force.programme if in_force else None


def _row(view: CardView) -> dict[str, Any]:
    words, kind = CARD_STATES[view.card.status]
    return {"card": view.card, "left": view.left_minor, "state": words, "state_kind": kind}
