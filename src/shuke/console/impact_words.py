"""The impact of a draft as the check page shows it, in the active language; nothing is computed anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from shuke.checkout.impact.logic import VIEWS, headline
from shuke.console import formats
from shuke.loyalty.words import Document, tier_name, track_name


@dataclass(frozen=True, slots=True)
class ToldStep:
    """From one level to another: members at once and in time. `direction`: up, down or unchanged."""

    before: str
    after: str
    direction: str
    at_once: str
    in_time: str


@dataclass(frozen=True, slots=True)
class ToldTrack:
    """A track: its name ("" where there is only the main one), the steps, and the totals as (label, at once, in time)."""

    name: str
    steps: list[ToldStep]
    totals: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class ToldImpact:
    """All of a report. `sentence` is the sum of it; `costs` are (label, at once, in time)."""

    sentence: str
    method: str
    tracks: list[ToldTrack]
    costs: list[tuple[str, str, str]]
    notes: list[str]


def tell_impact(report: Mapping[str, Any], documents: tuple[Document, Document]) -> ToldImpact:
    """The report of `documents` (what stands, the draft)."""
    up, down, cost = headline(report)
    currency = report["currency"]
    if cost > 0:
        words = _("%(up)s up, %(down)s down, costs %(amount)s a month")
    elif cost < 0:
        words = _("%(up)s up, %(down)s down, saves %(amount)s a month")
    else:
        words = _("%(up)s up, %(down)s down, costs nothing")
    amount = formats.money(abs(cost), currency)
    return ToldImpact(
        sentence=words % {"up": formats.number(up), "down": formats.number(down), "amount": amount},
        method=_(
            "%(members)s members as they stand now; cost by what %(buyers)s of them bought in the last %(days)s days, for a"
            " month of 30 days."
        )
        % {
            "members": formats.number(report["members"]),
            "buyers": formats.number(report["buyers"]),
            "days": report["days"],
        },
        tracks=[_track(told, documents, named=len(report["tracks"]) > 1) for told in report["tracks"]],
        costs=_costs(report, currency),
        notes=[_note(note, report) for note in report["notes"]],
    )


def _track(told: Mapping[str, Any], documents: tuple[Document, Document], *, named: bool) -> ToldTrack:
    counts: dict[tuple[str, str], dict[str, Any]] = {}
    for view in VIEWS:
        for move in told[view]["moves"]:
            row = counts.setdefault((move["from"], move["to"]), {"direction": move["direction"]})
            row[view] = move["members"]
    return ToldTrack(
        _track_name(documents, told["track"]) if named else "",
        [
            ToldStep(
                _level(documents, before),
                _level(documents, after),
                row["direction"],
                *(formats.number(row.get(view, 0)) for view in VIEWS),
            )
            for (before, after), row in counts.items()
        ],
        [
            (label, formats.number(told["at_once"][which]), formats.number(told["in_time"][which]))
            for which, label in (
                ("up", pgettext("impact", "Up")),
                ("down", pgettext("impact", "Down")),
                ("unchanged", pgettext("impact", "Unchanged")),
            )
        ],
    )


def _level(documents: tuple[Document, Document], code: str) -> str:
    if not code:
        return _("not on this track")
    found = tier_name(documents[1], code)
    return found if found != code else tier_name(documents[0], code)


def _track_name(documents: tuple[Document, Document], code: str) -> str:
    found = track_name(documents[1], code)
    return found if found != code else track_name(documents[0], code)


def _costs(report: Mapping[str, Any], currency: str) -> list[tuple[str, str, str]]:
    rows = [
        (pgettext("impact", "Discounts"), "discount_minor"),
        (_("Points, at their cash value"), "points_minor"),
        (_("Together"), "total_minor"),
    ]
    cost = report["cost"]
    return [
        (
            label,
            formats.money(cost["at_once"][name], currency, signed=True),
            formats.money(cost["in_time"][name], currency, signed=True),
        )
        for label, name in rows
    ]


def _note(note: str, report: Mapping[str, Any]) -> str:
    if note == "final_prices":
        return _(
            "%(final)s of the %(sales)s sales looked at had final prices set by the till: a discount changes nothing of them,"
            " so the cost of discounts leaves them out. The cost is lower than if all sales were priced here."
        ) % {"final": formats.number(report["final_sales"]), "sales": formats.number(report["sales"])}
    if note == "points_without_worth":
        return _("Points have no worth at the till, so the multipliers' points cost nothing here.")
    return _("Free shipping, packs, gifts and entitlements are not in the cost.")
