"""The accountant's pages: what is owed to members, and what stores owe each other; each also as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from shuke.analytics.errors import NeedsAllStores
from shuke.analytics.exports import age_text, liability_csv, settlement_csv, store_text
from shuke.analytics.queries import liability as liability_of
from shuke.analytics.queries import settlement as settlement_of
from shuke.analytics.queries.liability import AssetLiability, Liability
from shuke.analytics.queries.settlement import Settlement
from shuke.catalog.queries import store_names
from shuke.checkout import words
from shuke.console import scope
from shuke.console.access import requires, staff_of
from shuke.console.days import end_of, read_day, start_of
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.loyalty.queries import asset_names_at, unit_currency_at

LONGEST = timedelta(days=366)
PAIRS = 50
"""Stores and pairs of stores that the page lists; the CSV has all pairs."""
STATE_TONES = {"usable": "ok", "pending": "info", "lapsed": "warn"}


@dataclass(frozen=True, slots=True)
class Period:
    """Two days of the programme's zone, both included."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        """The first instant."""
        return start_of(self.first)

    @property
    def until(self) -> datetime:
        """The first instant after it."""
        return end_of(self.last)

    @property
    def query(self) -> str:
        """The period as an address keeps it."""
        return f"?from={self.first}&to={self.last}"


def _period(request: HttpRequest, problems: list[str], *, longest: timedelta | None = None) -> Period:
    """The days asked for; the running month, and a word about it, where they cannot be."""
    today = timezone.localdate(clock.now())
    asked = {name: request.GET.get(name, "") for name in ("from", "to")}
    first, last = read_day(asked["from"]), read_day(asked["to"])
    if (asked["from"] and not first) or (asked["to"] and not last):
        problems.append(_("A date could not be read, so it was left out."))
    last = min(last or today, today)
    first = first or last.replace(day=1)
    if first > last:
        problems.append(_("The period begins after its end."))
        first = last.replace(day=1)
    if longest and last - first > longest:
        problems.append(_("A period has a year at most."))
        first = last - longest
    return Period(first, last)


@requires(Permission.FINANCE_VIEW)
@never_cache
def liability(request: HttpRequest) -> HttpResponse:
    """The frame of the report. Adding up the whole book takes a moment, so the figures come by themselves."""
    if not staff_of(request).all_stores:
        return render(request, "console/liability.html", {"closed": str(NeedsAllStores())}, status=403)
    problems: list[str] = []
    period = _period(request, problems)
    context: dict[str, Any] = {
        "period": period,
        "problems": problems,
        "today": timezone.localdate(clock.now()),
        "csv": reverse("console:liability_csv") + period.query,
        "figures": reverse("console:liability_figures") + period.query,
    }
    return render(request, "console/liability.html", context)


@requires(Permission.FINANCE_VIEW)
@never_cache
def liability_figures(request: HttpRequest) -> HttpResponse:
    """The figures, as a part of the page."""
    _all_stores(request)
    report = _liability(request)
    names = asset_names_at(report.as_of)
    priced = [asset for asset in report.assets if asset.cash_rate is not None]
    context = {
        "report": report,
        "assets": [_asset(report, asset, names(asset.asset)) for asset in report.assets],
        "has_prices": bool(priced),
    }
    template = "console/liability_figures.html"
    if not request.headers.get("HX-Request"):
        context["part"] = template
        template = "console/liability_alone.html"
    return render(request, template, context)


@requires(Permission.FINANCE_VIEW)
@never_cache
def liability_file(request: HttpRequest) -> HttpResponse:
    """The report as CSV."""
    _all_stores(request)
    report = _liability(request)
    day = timezone.localdate(report.as_of)
    return _file(liability_csv(report, asset_names_at(report.as_of)), f"liability-{day}.csv")


def _liability(request: HttpRequest) -> Liability:
    period = _period(request, [])
    as_of = min(period.until - timedelta(microseconds=1), clock.now())
    return liability_of(as_of=as_of, since=period.since)


def _all_stores(request: HttpRequest) -> None:
    if not staff_of(request).all_stores:
        raise PermissionDenied(str(NeedsAllStores()))


def _asset(report: Liability, asset: AssetLiability, name: str) -> dict[str, Any]:
    return {
        "asset": asset,
        "name": name,
        "is_points": asset.asset == "points",
        "priced": asset.cash_rate is not None,
        "unit": unit_currency_at(report.as_of)(asset.asset),
        "rows": [
            {
                "row": row,
                "age": age_text(row.age),
                "state": words.lot_state(row.state),
                "tone": STATE_TONES.get(row.state, ""),
            }
            for row in asset.rows
        ],
        "lots": sum(row.lots for row in asset.rows),
        "flows": [(words.kind_of(flow.kind), flow.units) for flow in asset.flows],
    }


@requires(Permission.FINANCE_VIEW)
@never_cache
def settlement(request: HttpRequest) -> HttpResponse:
    """What stores owe each other for points and stored value given at one and accepted at another."""
    problems: list[str] = []
    period = _period(request, problems, longest=LONGEST)
    statement = _settlement(request, period)
    names, stores = asset_names_at(statement.until), store_names()
    unit = unit_currency_at(statement.until)
    across = [row for row in statement.rows if not row.is_own]
    # Who is owed most comes first; of a long list, both ends are what matters.
    owed = sorted(
        (each for each in statement.positions if each.receivable or each.payable), key=lambda each: -each.net
    )
    shown = owed if len(owed) <= PAIRS else owed[: PAIRS // 2] + owed[-PAIRS // 2 :]
    context: dict[str, Any] = {
        "period": period,
        "problems": problems,
        "today": timezone.localdate(clock.now()),
        "statement": statement,
        "fixed_store": scope.chosen_store(request),
        "csv": reverse("console:settlement_csv") + period.query,
        "pairs": [
            {
                "row": row,
                "issuer": store_text(stores, row.issuer),
                "user": store_text(stores, row.user),
                "asset": names(row.asset),
                "unit": unit(row.asset),
            }
            for row in across[:PAIRS]
        ],
        "more_pairs": max(len(across) - PAIRS, 0),
        "own_minor": statement.value_minor - statement.across_minor,
        "positions": [{"position": each, "store": store_text(stores, each.store)} for each in shown],
        "more_positions": len(owed) - len(shown),
    }
    return render(request, "console/settlement.html", context)


@requires(Permission.FINANCE_VIEW)
@never_cache
def settlement_file(request: HttpRequest) -> HttpResponse:
    """The statement as CSV, with every pair of stores."""
    period = _period(request, [], longest=LONGEST)
    statement = _settlement(request, period)
    text = settlement_csv(statement, store_names(), asset_names_at(statement.until))
    return _file(text, f"settlement-{period.first}-{period.last}.csv")


def _settlement(request: HttpRequest, period: Period) -> Settlement:
    """The statement of the stores this person covers, narrowed to the one chosen in the top bar."""
    staff = staff_of(request)
    chosen = scope.chosen_store(request)
    stores = [chosen.id] if chosen else None if staff.all_stores else list(staff.store_ids)
    return settlement_of(since=period.since, until=period.until, stores=stores)


def _file(text: str, name: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
