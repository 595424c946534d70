"""Where a balance, a tier or the price of an order came from, as of any past instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from shuke.catalog.queries import store_names
from shuke.checkout import words
from shuke.checkout.errors import OrderNotFound
from shuke.checkout.explain import (
    LotStory,
    OrderRef,
    TierExplained,
    explain_balance,
    explain_order,
    explain_tier,
)
from shuke.checkout.models import OrderStatus
from shuke.checkout.queries import get_order
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.days import EARLIEST_DAY
from shuke.console.member_access import open_member, visible_stores
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.ledger.as_of import Cut
from shuke.ledger.queries import EntryView
from shuke.loyalty.queries import asset_names_at, programme_at, unit_currency_at, version_by_id
from shuke.loyalty.words import tier_name

LOT_TONES = {"usable": "ok", "pending": "info", "lapsed": "warn", "empty": ""}
POINTS = "points"
LOTS, ORDERS, MOVES = 30, 50, 12
"""What a page shows of a long history; the API tells all."""


class Instant:
    """The instant a page is asked for. What cannot be read, and the future, count as now, with a word about it."""

    def __init__(self, request: HttpRequest) -> None:
        self.now = clock.now()
        self.given = request.GET.get("as_of", "").strip()[:32]
        self.problem = ""
        read = _read(self.given)
        if self.given and read is None:
            self.problem = _("This instant could not be read, so the page shows now.")
        elif read is not None and read > self.now:
            self.problem = _("This instant has not come yet, so the page shows now.")
            read = None
        self.is_now = read is None
        self.as_of = read or self.now

    @property
    def field(self) -> str:
        """The instant as the browser's field writes it."""
        return timezone.localtime(self.as_of).strftime("%Y-%m-%dT%H:%M")

    @property
    def latest(self) -> str:
        """The last instant that can be asked for."""
        return timezone.localtime(self.now).strftime("%Y-%m-%dT%H:%M")

    @property
    def query(self) -> str:
        """What the links of the page carry on."""
        return "" if self.is_now else f"?as_of={self.field}"


def _read(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    if read.date() < EARLIEST_DAY or read.year > 2199:
        return None
    # A minute is asked for; what happened within it belongs to it.
    read = read.replace(second=59, microsecond=999_999) if len(text) <= 16 else read
    return timezone.make_aware(read) if read.tzinfo is None else read


@requires(Permission.MEMBERS_VIEW)
@never_cache
def balance(request: HttpRequest, member_id: UUID, asset: str) -> HttpResponse:
    """One balance of a member: what moved it, and the lots it lies in with the rules that gave them."""
    instant = Instant(request)
    member = open_member(request, member_id)
    names = asset_names_at(instant.as_of)
    told = explain_balance(
        member_id=member_id, asset=asset, cut=Cut(instant.as_of), store_ids=visible_stores(request)
    )
    in_force = programme_at(instant.now)
    if not told.flows and (in_force is None or asset not in in_force.programme.assets):
        raise Http404
    at = told.at
    stores = dict(store_names().values()) if told.lots else {}
    figures = [
        (_("Usable"), at.in_state("usable"), "ok"),
        (_("Not usable yet"), at.in_state("pending"), "info"),
        (_("Lapsed, being written off"), at.in_state("lapsed"), "warn"),
        (_("Held"), at.promised, "info"),
        (_("Owed"), -at.debt, "bad"),
    ]
    context = {
        "member": member,
        "instant": instant,
        "asset": asset,
        "name": names(asset),
        "unit": unit_currency_at(instant.as_of)(asset),
        "told": told,
        "figures": [(label, amount, tone) for label, amount, tone in figures if amount],
        "flows": [(flow, words.kind_of(flow.kind)) for flow in told.flows],
        "lots": [_lot(story, stores) for story in told.lots[:LOTS]],
        "more_lots": max(told.lots_total - LOTS, 0),
        "debts": [_entry(entry) for entry in reversed(told.debts[-MOVES:])],
        "assets": [
            (code, names(code), reverse("console:member_balance", args=[member_id, code]) + instant.query)
            for code in sorted(in_force.programme.assets if in_force else (), key=lambda code: code != POINTS)
        ],
    }
    return render(request, "console/explain_balance.html", context)


def _lot(story: LotStory, stores: dict[str, str]) -> dict[str, Any]:
    lot = story.lot
    return {
        "lot": lot,
        "state": words.lot_state(lot.state),
        "tone": LOT_TONES[lot.state],
        "words": words.explain_entry(story.made_by) if story.made_by else "",
        "version": story.programme_version,
        "order": story.order,
        "order_href": _order_href(story.order),
        "store": stores.get(story.order.store or "", "") if story.order else "",
        "last_day": lot.expires_at - timedelta(microseconds=1) if lot.expires_at else None,
        "waits": lot.state == "pending",
        "moves": [_entry(entry) for entry in story.moves[:MOVES]],
        "more_moves": len(story.moves) - MOVES if len(story.moves) > MOVES else 0,
    }


def _entry(entry: EntryView) -> dict[str, Any]:
    kind = words.kind_of(entry.kind)
    return {"entry": entry, "kind": kind.name, "tone": kind.tone, "words": words.explain_entry(entry)}


def _order_href(order: OrderRef | None) -> str:
    return reverse("console:order_why", args=[order.id]) if order and order.number else ""


@requires(Permission.MEMBERS_VIEW)
@never_cache
def tier(request: HttpRequest, member_id: UUID) -> HttpResponse:
    """The tier of a member: the change that brought it, and the orders that counted in the window."""
    instant = Instant(request)
    member = open_member(request, member_id)
    told = explain_tier(
        member_id=member_id,
        as_of=instant.as_of,
        joined_at=member.joined_at,
        store_ids=visible_stores(request),
    )
    context: dict[str, Any] = {"member": member, "instant": instant, "told": told}
    if told is not None:
        context |= _tier(told)
    return render(request, "console/explain_tier.html", context)


def _tier(told: TierExplained) -> dict[str, Any]:
    programme = told.programme
    in_force = programme_at(told.as_of)
    assert in_force is not None
    document = version_by_id(in_force.version_id).document
    by_spend = programme.tiers.metric == "spend"
    stores = dict(store_names().values())

    def shown(figure: int | None) -> str:
        if figure is None:
            return ""
        return formats.money(figure, programme.currency) if by_spend else formats.number(figure)

    above = told.next_level
    return {
        "name": tier_name(document, told.level.code),
        "rank": min(told.level.rank, 4),
        "cause": words.tier_step(told.cause, told.grant),
        "by_spend": by_spend,
        "metric": shown(None if told.grant else told.metric),
        "again": shown(told.metric_again),
        "agrees": told.metric == told.metric_again,
        "total": shown(told.total),
        "elsewhere": shown(told.elsewhere_total),
        "next": tier_name(document, above.code) if above else "",
        "next_threshold": shown(above.threshold) if above else "",
        "missing": shown(max(above.threshold - told.total, 0)) if above else "",
        "value": min(told.total, above.threshold) if above else 1,
        "max": above.threshold if above else 1,
        "order_href": _order_href(told.order),
        "more_orders": max(told.orders_total - ORDERS, 0),
        "orders": [
            {
                "row": each,
                "href": _order_href(each.order),
                "store": stores.get(each.order.store or "", ""),
                "qualifying": shown(each.qualifying),
                "counted": shown(each.counted),
                "less": each.counted != each.qualifying,
            }
            for each in told.orders[:ORDERS]
        ],
    }


@requires(Permission.MEMBERS_VIEW)
@never_cache
def order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """An order: every discount, cent and point by line and unit, and what has become of its points."""
    instant = Instant(request)
    scope = visible_stores(request)
    try:
        try:
            told = explain_order(order_id=order_id, as_of=instant.as_of, store_ids=scope)
        except InvalidInput:
            instant.problem = _("The order was made after this instant, so the page shows now.")
            instant.as_of, instant.is_now = max(instant.now, _made_at(order_id, scope)), True
            told = explain_order(order_id=order_id, as_of=instant.as_of, store_ids=scope)
    except OrderNotFound as error:
        raise Http404 from error
    head = told.order
    in_force = programme_at(head["occurred_at"])
    document = version_by_id(in_force.version_id).document if in_force else None
    names, unit = asset_names_at(head["occurred_at"]), unit_currency_at(head["occurred_at"])
    context = {
        "instant": instant,
        "told": told,
        "priced_again": words.explain_repriced(told.repriced),
        "order": head,
        "may_refund": instant.is_now
        and head["status"] == OrderStatus.COMMITTED
        and staff_of(request).may(Permission.CHECKOUT_REFUND),
        "tier": tier_name(document, head["tier"]) if document and head["tier"] else "",
        "lines": [
            {
                "line": each.line,
                "units": each.units if sum(units.count for units in each.units) > 1 else (),
                "discounts": [
                    (words.explain_discount(detail, head["programme_version"]), detail["minor"])
                    for detail in each.line["discounts"]
                ],
            }
            for each in told.lines
        ],
        "earnings": [
            {
                "name": names(each.asset),
                "unit": unit(each.asset),
                "total": each.total,
                "words": words.explain_entry(each.entry),
            }
            for each in told.earnings
        ],
        "entries": [
            {**_entry(entry), "asset": names(entry.asset), "unit": unit(entry.asset)}
            for entry in told.entries
        ],
        "lots": [
            {
                "lot": lot,
                "asset": names(lot.asset),
                "unit": unit(lot.asset),
                "state": words.lot_state(lot.state),
                "tone": LOT_TONES[lot.state],
                "last_day": lot.expires_at - timedelta(microseconds=1) if lot.expires_at else None,
            }
            for lot in told.lots.values()
        ],
        "changes": [
            {
                "change": change,
                "before": tier_name(document, change.from_tier) if document else change.from_tier,
                "after": tier_name(document, change.to_tier) if document else change.to_tier,
                "cause": words.tier_cause(change.cause),
            }
            for change in told.tier_changes
        ],
    }
    return render(request, "console/explain_order.html", context)


def _made_at(order_id: UUID, scope: frozenset[UUID] | None) -> datetime:
    """When the sale happened: a till's clock may run ahead of ours."""
    made: datetime = get_order(order_id=order_id, store_ids=scope)["occurred_at"]
    return made
