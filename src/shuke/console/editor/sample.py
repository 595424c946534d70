"""The sample cart beside the editor's forms: what is bought, by whom and where, and what the draft makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from shuke.catalog.models import Product
from shuke.catalog.queries import list_channels, list_stores, missing_goods, products_by_sku
from shuke.checkout.coupon_logic import MAX_COUPONS
from shuke.checkout.coupon_words import why_not
from shuke.checkout.errors import error_of
from shuke.checkout.logic import Priced
from shuke.checkout.simulate.preview import Sample, SampleLine, preview
from shuke.checkout.values import OUTSIDE_TENDERS, PricingRefusal
from shuke.console import formats
from shuke.console.editor.known import STORES_MOST
from shuke.console.views.cashier.receipt import TENDER_NAMES
from shuke.kit import clock
from shuke.kit.money import BadAmount, to_minor, to_text
from shuke.loyalty import queries
from shuke.loyalty.assets import MONEY_KINDS
from shuke.loyalty.document import validate
from shuke.loyalty.programme import Programme, compile_programme
from shuke.loyalty.words import (
    asset_name,
    asset_word,
    coupon_name,
    explain_earning,
    localized,
    plan_name,
    tier_name,
)
from shuke.rewards.values import Reason

LINES = 3
REWARDS_MOST = 20
PREFIX = "try"
_START = {"price1": "38", "quantity1": "2", "price2": "12.5", "quantity2": "1"}
_TILL = "pos"

Posted = QueryDict | Mapping[str, str]
Choices = list[tuple[str, str]]


def sample_form(posted: Posted, tree: Mapping[str, Any], now: datetime) -> SampleForm:
    """The sample as it was sent; one to begin with where none was. `now` is local to the draft.

    Offered is what the draft knows and what is in force, so that one sees what somebody loses whose plan the draft drops.
    """
    given: Posted = posted
    if not any(str(name).startswith(f"{PREFIX}-") for name in posted):
        start = {**_START, "time": f"{now:%H:%M}"}
        given = {f"{PREFIX}-{name}": value for name, value in start.items()}
    in_force = queries.programme_at(clock.now())
    standing = queries.version_by_id(in_force.version_id).document if in_force else {}
    offers = Offers(
        _joined(_levels(tree), _levels(standing)),
        _joined(_named(tree.get("plans")), _named(standing.get("plans"))),
        _joined(_named(tree.get("coupons")), _named(standing.get("coupons"))),
    )
    return SampleForm(_brought_up(given, offers), offers=offers, currency=tree.get("currency"), now=now)


@dataclass(frozen=True, slots=True)
class Offers:
    """What the sample can be tried with, as (code, name)."""

    tiers: Choices
    plans: Choices
    coupons: Choices


def _joined(draft: Choices, standing: Choices) -> Choices:
    known = dict(draft)
    only = pgettext("sample cart", "%(name)s (only in force)")
    return [*draft, *((code, only % {"name": name}) for code, name in standing if code not in known)]


def _brought_up(given: Posted, offers: Offers) -> QueryDict:
    """What was sent, less what nobody knows any more, with a tick at each coupon that is new since the boxes were drawn."""
    data = QueryDict(mutable=True)
    for name in given:
        data.setlist(name, given.getlist(name) if isinstance(given, QueryDict) else [given[name]])
    for name, known in (("tier", offers.tiers), ("plan", offers.plans)):
        if data.get(f"{PREFIX}-{name}") not in dict(known):
            data[f"{PREFIX}-{name}"] = ""
    drawn = set(data.get(f"{PREFIX}-drawn", "").splitlines())
    codes = [code for code, _name in offers.coupons[:MAX_COUPONS]]
    ticked = [each for each in data.getlist(f"{PREFIX}-coupons") if each in codes]
    data.setlist(f"{PREFIX}-coupons", [*ticked, *(code for code in codes if code not in drawn)])
    return data


class _Number(forms.TextInput):
    """A whole number as text: a browser keeps the caret of a text where it stood when the page is brought up to date."""

    def __init__(self) -> None:
        super().__init__(attrs={"inputmode": "numeric", "autocomplete": "off"})


class SampleForm(forms.Form):
    """A small cart to try the draft on."""

    tier = forms.ChoiceField(label=gettext_lazy("Tier"), required=False)
    plan = forms.ChoiceField(label=gettext_lazy("Plan"), required=False)
    points = forms.IntegerField(
        label=gettext_lazy("Points to use"), required=False, min_value=0, max_value=10**9, widget=_Number
    )
    weekday = forms.ChoiceField(label=gettext_lazy("Day"), required=False)
    time = forms.TimeField(
        label=gettext_lazy("Time of day"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    store = forms.ChoiceField(label=gettext_lazy("Store"), required=False)
    channel = forms.ChoiceField(label=gettext_lazy("Channel"), required=False)
    tender = forms.ChoiceField(label=pgettext_lazy("sample cart", "Paid by"), required=False)
    is_birthday = forms.BooleanField(label=gettext_lazy("It is the member's birthday"), required=False)
    is_first = forms.BooleanField(label=gettext_lazy("It is the first purchase"), required=False)
    coupons = forms.MultipleChoiceField(
        label=pgettext_lazy("sample cart", "Coupons that the member holds"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox"}),
    )

    def __init__(self, data: QueryDict, *, offers: Offers, currency: Any, now: datetime) -> None:
        super().__init__(data, prefix=PREFIX)
        self.now = now
        self.more_coupons = max(len(offers.coupons) - MAX_COUPONS, 0)
        self._currency = currency if isinstance(currency, str) else ""
        for index in range(1, LINES + 1):
            self.fields[f"goods{index}"] = forms.CharField(
                label=gettext_lazy("Product or category"),
                required=False,
                max_length=240,
                widget=forms.TextInput(attrs={"list": "known-goods"}),
            )
            self.fields[f"price{index}"] = forms.CharField(
                label=gettext_lazy("Price"), required=False, max_length=20
            )
            self.fields[f"quantity{index}"] = forms.IntegerField(
                label=gettext_lazy("Quantity"), required=False, min_value=1, max_value=1000, widget=_Number
            )
        channels = [(each.code, each.name) for each in list_channels()]
        self._choose("tier", offers.tiers or [("", "–")])
        self._choose("plan", [("", _("No plan")), *offers.plans])
        self._choose("weekday", _days(now))
        self._choose(
            "store",
            [("", pgettext("sample cart", "Any")), *((s.code, s.name) for s in list_stores()[:STORES_MOST])],
        )
        self._choose("channel", sorted(channels, key=lambda each: each[0] != _TILL) or [(_TILL, _TILL)])
        tenders = [(kind, str(words)) for kind, words in TENDER_NAMES.items() if kind in OUTSIDE_TENDERS]
        self._choose("tender", [("", pgettext("sample cart", "Any")), *tenders])
        self._choose("coupons", offers.coupons[:MAX_COUPONS])

    def _choose(self, name: str, choices: Choices) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def rows(self) -> list[tuple[Any, Any, Any]]:
        """The fields of each line of the cart."""
        return [(self[f"goods{i}"], self[f"price{i}"], self[f"quantity{i}"]) for i in range(1, LINES + 1)]

    @property
    def drawn(self) -> str:
        """The codes of the coupons that have a box: those that come later begin with a tick."""
        return "\n".join(str(code) for code, _words in self.fields["coupons"].choices)  # type: ignore[attr-defined]

    def moment(self) -> datetime:
        """When the sample is bought; where no time is given, at the present one."""
        data = self.cleaned_data
        day = self.now.date() + timedelta(days=int(data["weekday"] or 0))
        return datetime.combine(day, data["time"] or self.now.time(), self.now.tzinfo).astimezone(UTC)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for index in range(1, LINES + 1):
            if not _is_price(data.get(f"price{index}", ""), self._currency):
                self.add_error(f"price{index}", _("Write prices as a number such as 12.90."))
        return data

    def sample(self) -> tuple[Sample, list[str]]:
        """The cart, of the lines that have a price or a product that has one; and what is to be said of the others."""
        data = self.cleaned_data
        named = [data[f"goods{i}"].strip().strip("/") for i in range(1, LINES + 1)]
        products = products_by_sku(filter(None, named))
        _skus, unknown = missing_goods(skus=(), categories={each for each in named if each not in products})
        lines, notes = list[SampleLine](), list[str]()
        for i, goods in enumerate(named, 1):
            product = products.get(goods)
            line = _line(i, product, goods, data[f"quantity{i}"] or 1, data[f"price{i}"], self._currency)
            if line.unit_price:
                lines.append(line)
            elif goods:
                notes.append(_("%(goods)s has no price: type one.") % {"goods": goods})
            if product is not None and not product.is_active:
                notes.append(_("%(goods)s is no longer sold.") % {"goods": goods})
            elif goods and goods in unknown:
                notes.append(_("The shop has no product and no category “%(goods)s” yet.") % {"goods": goods})
        sample = Sample(
            lines or [SampleLine("sample-1", "", 1, "0")],
            data["tier"],
            data["points"] or 0,
            store=data["store"],
            channel=data["channel"] or self.fields["channel"].choices[0][0],  # type: ignore[attr-defined]
            is_birthday=data["is_birthday"],
            is_first=data["is_first"],
            plan=data["plan"],
            tender=data["tender"],
            coupons=data["coupons"],
        )
        return sample, notes


def _line(
    place: int, product: Product | None, goods: str, quantity: int, unit_price: str, currency: str
) -> SampleLine:
    """A line of a product of the catalogue, at its own price where none is typed; else of something of that category."""
    if product is None:
        return SampleLine(goods or f"sample-{place}", goods, quantity, unit_price)
    if not unit_price and product.price_minor is not None and product.currency == currency:
        unit_price = to_text(product.price_minor, currency)
    return SampleLine(product.sku, product.category_id or "", quantity, unit_price, product.brand)


def _is_price(text: str, currency: str) -> bool:
    try:
        return not text or (text[0] not in "+-" and to_minor(text, currency) >= 0)
    except BadAmount:
        return False


def _days(now: datetime) -> Choices:
    days = [(now + timedelta(days=ahead)).date() for ahead in range(7)]
    return [
        (str(ahead), formats.day_short(day) + " " + date_format(day, "D")) for ahead, day in enumerate(days)
    ]


def _levels(tree: Mapping[str, Any]) -> Choices:
    tiers = tree.get("tiers")
    return _named(tiers.get("levels") if isinstance(tiers, dict) else None)


def _named(items: Any) -> Choices:
    """(code, name) of what a draft lists; it may be unfinished, so nothing about it is certain."""
    found: dict[str, str] = {}
    for each in items if isinstance(items, list) else ():
        code = each.get("code") if isinstance(each, dict) else None
        if isinstance(code, str) and code.strip():
            names = each.get("name")
            name = localized(names) if isinstance(names, dict) and names else ""
            found[code] = name if name and isinstance(name, str) else code
    return list(found.items())


def tried(text: str, form: SampleForm) -> dict[str, Any]:
    """The sample under a draft that has no problems and under what stands, or why it cannot be told."""
    if not form.is_valid():
        return {"refusal": _("Some of the sample's fields cannot be read.")}
    document = validate(text)
    programme = compile_programme(document)
    at, (sample, notes) = form.moment(), form.sample()
    try:
        draft = preview(programme, sample, at)
    except PricingRefusal as refusal:
        return {"refusal": str(error_of(refusal, document))}
    before = _in_force(document["currency"], sample, at, notes)
    if sample.tier and sample.tier not in programme.tiers.by_code:
        notes.append(_("The draft has no such tier: its lowest one counts."))
    columns = [_figures(draft, programme, document)] + ([before] if before else [])
    return {
        "rows": _rows(columns),
        "currency": document["currency"],
        "has_before": before is not None,
        "notes": notes,
        "earned": [
            explain_earning({"rules": each.parts}, document, each.asset)
            for each in draft.earned
            if len(each.parts) > 1
        ],
        "refused": _not_counting(draft, programme, document),
        "rewards": [
            (localized(each.names), each.price_for(draft.tier), not each.tiers or draft.tier in each.tiers)
            for each in list(programme.rewards.values())[:REWARDS_MOST]
        ],
        "more_rewards": max(len(programme.rewards) - REWARDS_MOST, 0),
    }


def _in_force(currency: str, sample: Sample, at: datetime, notes: list[str]) -> Figures | None:
    """The sample under what stands; None where it cannot be compared. Why not, and what is not the same, goes into `notes`."""
    in_force = queries.programme_at(clock.now())
    if in_force is None or in_force.programme.currency != currency:
        return None
    programme = in_force.programme
    try:
        priced = preview(programme, sample, at)
    except PricingRefusal:
        notes.append(_("What is in force would refuse this sale."))
        return None
    if sample.tier and sample.tier not in programme.tiers.by_code:
        notes.append(_("What is in force has no such tier: its lowest one counts."))
    return _figures(priced, programme, queries.version_by_id(in_force.version_id).document)


_NAMES = {"tier": tier_name, "plan": plan_name, "coupon": coupon_name}
Figures = dict[tuple[str, str], tuple[str, int]]
"""(kind of row, what of) → (label, figure), in the order in which they are shown."""
_ORDER = ("list", "discount", "coupon", "by_points", "tax", "payable", "shipping", "points", "asset", "money")


def _figures(priced: Priced, programme: Programme, document: Mapping[str, Any]) -> Figures:
    points = asset_word(document, "points")
    found: Figures = {("list", ""): (pgettext("sample cart", "Goods"), priced.list_minor)}
    for line in priced.lines:
        for part in line.detail or ():
            kind, code = part["kind"], part["code"]
            key = ("coupon" if kind == "coupon" else "discount", f"{kind}:{code}")
            label, so_far = found.get(key, (_NAMES[kind](document, code), 0))
            found[key] = (label, so_far - part["minor"])
    if priced.points_minor:
        label = pgettext("sample cart", "Paid with %(points_name)s") % {"points_name": points}
        found["by_points", ""] = (label, -priced.points_minor)
    if priced.tax_added_minor:
        found["tax", ""] = (pgettext("sample cart", "Tax on top"), priced.tax_added_minor)
    found["payable", ""] = (pgettext("sample cart", "To pay"), priced.payable_minor)
    if priced.free_shipping:
        found["shipping", ""] = (pgettext("sample cart", "Free delivery"), 1)
    title = points[:1].upper() + points[1:]
    words = pgettext("sample cart", "%(points_title)s earned")
    found["points", ""] = (words % {"points_title": title}, priced.earned_of("points"))
    for each in priced.earned:
        if each.asset != "points":
            kind = "money" if programme.assets[each.asset].kind in MONEY_KINDS else "asset"
            label = words % {"points_title": asset_name(document, each.asset)}
            found[kind, each.asset] = (label, each.total)
    return found


def _rows(columns: list[Figures]) -> list[dict[str, Any]]:
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = []
    for key in sorted(keys, key=lambda each: _ORDER.index(each[0])):
        label = next(column[key][0] for column in columns if key in column)
        rows.append(
            {
                "kind": key[0],
                "label": label,
                "values": [column[key][1] if key in column else None for column in columns],
            }
        )
    return rows


def _not_counting(priced: Priced, programme: Programme, document: Mapping[str, Any]) -> Choices:
    """The coupons of the sample that do not count, and why."""
    if priced.coupons is None:
        return []
    refused = {**{code: Reason("not_chosen") for code in priced.coupons.adds}, **priced.coupons.refused}
    return [(coupon_name(document, code), why_not(reason, programme)) for code, reason in refused.items()]


def not_priced_yet(problems: Iterable[dict[str, str]]) -> dict[str, Any]:
    """What is told while the draft has problems."""
    listed = list(problems)
    words = _("The sample is priced as soon as the draft has no problems.")
    return {"refusal": words, "first": listed[0], "others": len(listed) - 1}
