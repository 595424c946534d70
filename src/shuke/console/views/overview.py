"""The overview: how the membership is doing, over a range of days and some of the person's stores.

The whole choice is in the address, so a view can be kept, shared and walked back to; htmx only saves loading the frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from shuke.analytics import queries
from shuke.analytics.logic import RECENCY_LIMITS, Cell, Metric, Period
from shuke.analytics.values import Freshness, Overview, RfmGrid, StorePage, TierCount
from shuke.analytics.zone import reporting_currency, reporting_zone
from shuke.catalog.models import Store
from shuke.console import charts, formats, navigation, scope
from shuke.console.access import requires, staff_of
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.money import exponent
from shuke.loyalty.words import localized

RANGES = (7, 30, 90, 365)
DEFAULT_DAYS = 30
LONGEST_DAYS = 3 * 366
STORES_A_PAGE = 6
LATE = timedelta(minutes=15)
"""The worker refreshes every minute; figures older than this mean that it does not run."""
WIDEST_AMOUNT = 10**7
FIRST_STEPS = ("stores", "products", "programme", "members", "cashier")
"""What a new shop does before its first sale, in order: the programme speaks of stores and of what is sold."""

COLUMNS: tuple[tuple[str, str | Promise], ...] = (
    ("sales", gettext_lazy("Member sales")),
    ("orders", pgettext_lazy("store comparison", "Orders")),
    ("members", pgettext_lazy("store comparison", "Active")),
    ("basket", pgettext_lazy("store comparison", "Basket")),
    ("points_in", pgettext_lazy("store comparison", "Pts in")),
    ("points_out", pgettext_lazy("store comparison", "Pts out")),
)
SORTS = ("name", "change", *(key for key, _label in COLUMNS))


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for. `days` is None for a range of dates; `store_ids` None for all stores of everybody."""

    period: Period
    days: int | None
    store_ids: Sequence[UUID] | None
    codes: Sequence[str]
    regions: Sequence[str]
    sort: str
    page: int
    fixed_store: Store | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def query(self) -> dict[str, Any]:
        """The choice as an address keeps it."""
        if self.days is not None:
            dates: dict[str, Any] = {"days": self.days}
        else:
            dates = {"from": self.period.first.isoformat(), "to": self.period.last.isoformat()}
        return {**dates, "region": list(self.regions), "store": list(self.codes), "sort": self.sort}

    def href(self, **changes: Any) -> str:
        """The address of this choice with some parts changed; None drops a part."""
        address = QueryDict(mutable=True)
        for key, value in {**self.query, **changes}.items():
            values = value if isinstance(value, list) else [value]
            address.setlist(key, [str(each) for each in values if each is not None])
        return f"?{address.urlencode()}"


@requires(Permission.OVERVIEW_VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    """The page people land on after signing in; only its changing part when htmx asks for that."""
    now = clock.now()
    stores = scope.stores_of(staff_of(request))
    choice = read_choice(request, stores, clock.local_date(now, reporting_zone(now)))
    current = queries.freshness()
    context = {"choice": choice, "figures": None, **_frame(choice, stores, current, now)}
    if queries.first_sale_day(_covered(request, stores)):
        context |= _figures(request, choice, current, now)
    else:
        context["first_steps"] = navigation.links_to(FIRST_STEPS, staff_of(request))
    part = request.headers.get("HX-Target") == "overview"
    answer = render(request, "console/overview_body.html" if part else "console/overview.html", context)
    patch_vary_headers(answer, ["HX-Target"])
    return answer


def read_choice(request: HttpRequest, stores: Sequence[Store], today: date) -> Choice:
    """The choice in an address; whatever cannot be used is left out and said in `problems`."""
    asked, problems = request.GET, list[str]()
    days: int | None = next((each for each in RANGES if asked.get("days") == str(each)), DEFAULT_DAYS)
    period = Period.last_days(days or DEFAULT_DAYS, today)
    if asked.get("from") or asked.get("to"):
        try:
            first, last = date.fromisoformat(asked.get("from", "")), date.fromisoformat(asked.get("to", ""))
        except ValueError:
            problems.append(_("The dates could not be read, so the last 30 days are shown."))
        else:
            first, last = min(first, last), min(max(first, last), today)
            if first > today or (last - first).days >= LONGEST_DAYS:
                problems.append(
                    _("A range covers at most three years and no future days; the last 30 days are shown.")
                )
            else:
                days, period = None, Period(first, last)
    fixed = scope.chosen_store(request)
    regions = sorted({store.region for store in stores if store.region} & set(asked.getlist("region")))
    codes = sorted({store.code for store in stores} & set(asked.getlist("store")))
    if fixed:
        store_ids: Sequence[UUID] | None = [fixed.id]
        regions, codes = [], []
    elif regions or codes:
        store_ids = [store.id for store in stores if store.region in regions or store.code in codes]
    else:
        store_ids = _covered(request, stores)
        if asked.getlist("store") or asked.getlist("region"):
            problems.append(_("None of these stores is one of yours, so all your stores are shown."))
    sort = asked.get("sort", "")
    page = asked.get("page", "1")
    return Choice(
        period=period,
        days=days,
        store_ids=store_ids,
        codes=codes,
        regions=regions,
        sort=sort if sort.removeprefix("-") in SORTS else "-sales",
        page=min(max(int(page), 1), 10_000) if page.isdecimal() and len(page) < 6 else 1,
        fixed_store=fixed,
        problems=problems,
    )


def _covered(request: HttpRequest, stores: Iterable[Store]) -> list[UUID] | None:
    """All that the person covers; None when that is everything, also what belongs to no store."""
    return None if staff_of(request).all_stores else [store.id for store in stores]


def _frame(choice: Choice, stores: Sequence[Store], current: Freshness, now: datetime) -> dict[str, Any]:
    """The head of the page: ranges, stores, and how current the figures are."""
    regions = sorted({store.region for store in stores if store.region})
    return {
        "current": current,
        "is_late": current.as_of is not None and now - current.as_of > LATE,
        "ranges": [
            (days, _range_label(days), choice.href(days=days, **{"from": None, "to": None}))
            for days in RANGES
        ],
        "today": clock.local_date(now, reporting_zone(now)),
        "hidden": [
            (key, value) for key, value in choice.query.items() if key in ("days", "from", "to", "sort")
        ],
        "hidden_stores": [("region", each) for each in choice.regions]
        + [("store", each) for each in choice.codes],
        "regions": [(region, region in choice.regions) for region in regions],
        "filter_stores": []
        if choice.fixed_store
        else [(store, store.code in choice.codes) for store in stores],
        "filter_label": _filter_label(choice, stores, everywhere=choice.store_ids is None),
        "clear_stores": choice.href(store=None, region=None),
    }


def _figures(request: HttpRequest, choice: Choice, current: Freshness, now: datetime) -> dict[str, Any]:
    currency = reporting_currency(now)
    today = clock.local_date(now, reporting_zone(now))
    found = queries.overview(period=choice.period, stores=choice.store_ids)
    # Against a period that began before the first sale everything would seem to soar.
    began = queries.first_sale_day(choice.store_ids)
    is_comparable = began is not None and began <= choice.period.previous.first
    sort = choice.sort.removeprefix("-")
    page = queries.compare_stores(
        period=choice.period,
        stores=choice.store_ids,
        sort=sort,
        descending=choice.sort.startswith("-"),
        limit=STORES_A_PAGE,
        offset=(choice.page - 1) * STORES_A_PAGE,
    )
    grid = queries.rfm_grid(current=current, stores=choice.store_ids)
    return {
        "figures": found,
        "currency": currency,
        "is_comparable": is_comparable,
        "tiles": _tiles(found, currency, today, is_comparable),
        "trend": _trend(found, currency, today),
        "sales_today": found.member_sales.series[-1] if _is_under_way(found, today) else None,
        "tiers": _share(queries.tier_counts(now=now, stores=choice.store_ids)),
        "heat": _heat(grid, choice, navigation.address_of("members", staff_of(request))),
        "grid": grid,
        **_comparison(page, choice),
    }


def _tiles(found: Overview, currency: str, today: date, is_comparable: bool) -> list[dict[str, Any]]:
    whole = _whole_steps(found, today)

    def tile(label: str, icon: str, metric: Metric, value: str, *, neutral: bool = False) -> dict[str, Any]:
        return {
            "label": label,
            "icon": icon,
            "value": value,
            **_change(metric if is_comparable else replace(metric, previous=0), neutral=neutral),
            "spark": metric.series[whole] if any(metric.series) else None,
        }

    def counted(label: str, icon: str, metric: Metric, *, neutral: bool = False) -> dict[str, Any]:
        short = abs(metric.value) >= WIDEST_AMOUNT
        value = formats.number_short(metric.value) if short else formats.number(metric.value)
        return tile(label, icon, metric, value, neutral=neutral)

    sales = found.member_sales
    short = abs(sales.value) >= WIDEST_AMOUNT * 10 ** exponent(currency)
    amount = (
        formats.money_short(sales.value, currency)
        if short
        else formats.money(sales.value, currency, whole=True)
    )
    return [
        tile(_("Member sales"), "wallet", sales, amount),
        counted(_("Active members"), "activity", found.active_members),
        counted(_("New members"), "user-plus", found.new_members),
        counted(_("Points in"), "coins", found.points_in),
        counted(_("Points out"), "gift", found.points_out),
        counted(_("Points outstanding"), "scale", found.points_outstanding, neutral=True),
    ]


def _change(metric: Metric, *, neutral: bool = False) -> dict[str, str]:
    """The change against the period before, as text; what rounds to nothing points nowhere."""
    if metric.change is None:
        return {"delta": "", "direction": "", "tone": "flat"}
    delta = formats.percent(abs(metric.change))
    if delta == formats.percent(0):
        return {"delta": delta, "direction": "", "tone": "flat"}
    rises = metric.change > 0
    tone = "flat" if neutral else "good" if rises else "bad"
    return {"delta": delta, "direction": "up" if rises else "down", "tone": tone}


def _trend(found: Overview, currency: str, today: date) -> charts.Trend:
    """The line leaves out a day under way and a short first week: both would look like a collapse."""
    labels = [
        formats.day_short(step.first)
        if step.days == 1
        else f"{formats.day_short(step.first)} – {formats.day_short(step.last)}"
        for step in found.steps
    ]
    sales = charts.Series.of_money(_("Member sales"), found.member_sales.series, currency, area=True)
    shown = range(len(found.steps))[_whole_steps(found, today)]
    sales = replace(sales, values=[value if n in shown else None for n, value in enumerate(sales.values)])
    active = charts.Series.of_counts(
        _("Active members"), found.active_members.series, kind="bar", axis=1, colour=2
    )
    return charts.Trend(labels, [sales, active])


def _is_under_way(found: Overview, today: date) -> bool:
    return found.steps[-1] == Period(today, today)


def _whole_steps(found: Overview, today: date) -> slice:
    """The steps that are as long as the others."""
    steps = found.steps
    if len(steps) < 4:
        return slice(None)
    return slice(int(steps[0].days < steps[-1].days), len(steps) - int(_is_under_way(found, today)))


def _share(tiers: Sequence[TierCount]) -> charts.Share | None:
    parts = [charts.Part(localized(tier.names), tier.members, min(tier.rank, 4)) for tier in tiers]
    return charts.Share(parts, _("Members")) if any(part.value for part in parts) else None


def _heat(grid: RfmGrid, choice: Choice, members_address: str) -> charts.HeatGrid:
    """Each field leads to the members in it, for those who may see members."""

    def href(recency: int, frequency: int) -> str:
        if not members_address or not grid.counts[recency][frequency]:
            return ""
        address = QueryDict(mutable=True)
        address["rfm"] = Cell(recency, frequency).code
        address.setlist("region", list(choice.regions))
        address.setlist("store", list(choice.codes))
        return f"{members_address}?{address.urlencode()}"

    starts = grid.frequency_starts
    ends = [start - 1 for start in starts[1:]]
    ages = [0, *(limit + 1 for limit in RECENCY_LIMITS[:-1])]
    return charts.HeatGrid(
        columns=[
            pgettext("orders in a year", "%(range)s") % {"range": each}
            for each in [*map(_span, starts, ends), f"{starts[-1]}+"]
        ],
        row_labels=[
            _("%(range)s d") % {"range": each}
            for each in [*map(_span, ages, RECENCY_LIMITS[:-1]), f"{ages[-1]}+"]
        ],
        values=grid.counts,
        hrefs=[[href(r, f) for f in range(len(starts))] for r in range(len(RECENCY_LIMITS))],
    )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _comparison(page: StorePage, choice: Choice) -> dict[str, Any]:
    sort, descending = choice.sort.removeprefix("-"), choice.sort.startswith("-")

    def column(key: str, label: str | Promise) -> dict[str, Any]:
        state = ("descending" if descending else "ascending") if key == sort else "none"
        # A figure is first asked for from its top, a name from its beginning.
        nearest, other = (key, f"-{key}") if key == "name" else (f"-{key}", key)
        return {
            "key": key,
            "label": label,
            "state": state,
            "icon": {"none": "selector", "ascending": "chevron-up", "descending": "chevron-down"}[state],
            "href": choice.href(sort=other if choice.sort == nearest else nearest),
        }

    first = (choice.page - 1) * STORES_A_PAGE
    return {
        "columns": [column("name", _("Store")), *(column(key, label) for key, label in COLUMNS)],
        "rows": [
            {"store": row, **_change(Metric(row.sales_minor, row.previous_sales_minor, ()))}
            for row in page.rows
        ],
        "stores_note": f"{formats.number(first + 1)}–{formats.number(first + len(page.rows))} / {formats.number(page.total)}",
        "previous_page": choice.href(page=choice.page - 1) if choice.page > 1 else "",
        "next_page": choice.href(page=choice.page + 1) if first + STORES_A_PAGE < page.total else "",
    }


def _range_label(days: int) -> str:
    if days == 365:
        return _("1 year")
    return _("%(days)d days") % {"days": days}


def _filter_label(choice: Choice, stores: Sequence[Store], *, everywhere: bool) -> str:
    if choice.fixed_store:
        return choice.fixed_store.name
    if not choice.codes and not choice.regions:
        return _("All stores") if everywhere else _("Your stores")
    if len(choice.codes) + len(choice.regions) == 1:
        return next((store.name for store in stores if store.code in choice.codes), "") or choice.regions[0]
    return _("%(number)d stores") % {"number": len(choice.store_ids or ())}
