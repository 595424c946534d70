"""A simulation's report as a page shows it: tiles, charts and tables in the active language, nothing computed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from shuke.checkout.simulate.tally import STEPS_MINOR
from shuke.console import formats
from shuke.console.charts import Series, Trend
from shuke.loyalty.words import Document, plan_name, rule_name, tier_name, track_name

ROWS = 20
Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: under the draft, under what stands, and the difference (tone: who gains by it)."""

    label: str
    value: str
    before: str
    difference: str
    direction: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A table of both sides: rows are (label, current, draft, difference); those of a long one beyond `ROWS` are asked for.

    `rest_words` offers the others, by what they are: `%(count)s` of them.
    """

    title: str
    all_rows: list[tuple[str, str, str, str]]
    rest_words: str

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Those that are shown."""
        return self.all_rows[:ROWS]

    @property
    def more(self) -> list[tuple[str, str, str, str]]:
        """The rest."""
        return self.all_rows[ROWS:]

    @property
    def rest(self) -> str:
        """How many more there are, of what."""
        return self.rest_words % {"count": formats.number(len(self.more))}


@dataclass(frozen=True, slots=True)
class ToldTrack:
    """Where members stand at the end on one track; `id` is a name for its chart."""

    id: str
    title: str
    sentence: str
    levels: Trend


@dataclass(frozen=True, slots=True)
class ToldReport:
    """All of a report; winners and losers are (difference, orders, sales, tier, tier under the draft)."""

    tiles: list[Tile]
    notes: list[str]
    months: Trend
    classes: Trend | None
    sentence: str
    tracks: list[ToldTrack]
    tables: list[Figures]
    winners: list[tuple[str, str, str, str, str]]
    losers: list[tuple[str, str, str, str, str]]


def tell_report(
    report: Report, documents: tuple[Document, Document], *, stores: Mapping[str, str], with_margin: bool
) -> ToldReport:
    """The report of `documents` (what stands, the draft). Margins only for those who may see what goods cost.

    `stores`: names by code.
    """
    currency = report["currency"]
    members = report["members"]
    counts = {key: formats.number(members[key]) for key in ("counted", "better", "worse", "same")}
    money = {
        "gained": formats.money(members["gained_minor"], currency),
        "lost": formats.money(members["lost_minor"], currency),
    }
    sentence = _(
        "Of %(counted)s members %(better)s would have got more, %(gained)s in all; %(worse)s less, %(lost)s in all; for"
        " %(same)s nothing changes."
    )
    return ToldReport(
        tiles=_tiles(report, with_margin=with_margin),
        notes=[
            words for note in report["notes"] if (words := _note(note, currency, with_margin=with_margin))
        ],
        months=_months(report),
        classes=_classes(report),
        sentence=sentence % {**counts, **money},
        tracks=_tracks(report, documents),
        tables=_tables(report, documents, stores),
        winners=[_listed(each, currency, documents) for each in members["winners"]],
        losers=[_listed(each, currency, documents) for each in members["losers"]],
    )


def without_margin(report: Report) -> Report:
    """The report for people who may not see what goods cost the house."""
    hidden = ("margin_minor", "costed_minor")

    def told(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: told(each) for name, each in value.items() if name not in hidden}
        return [told(each) for each in value] if isinstance(value, list) else value

    shown: Report = told(report)
    notes = [note for note in shown["notes"] if not note["code"].endswith("_cost_prices")]
    return {**shown, "notes": notes}


def _tiles(report: Report, *, with_margin: bool) -> list[Tile]:
    currency = report["currency"]

    def money(label: str, *path: str) -> Tile:
        values = [_at(report[side], path) for side in ("current", "draft", "difference")]
        return Tile(
            label,
            formats.money(values[1], currency),
            formats.money(values[0], currency),
            formats.money(values[2], currency, signed=True) if values[2] else _("no change"),
            "up" if values[2] > 0 else "down" if values[2] < 0 else "",
        )

    tiles = [
        money(_("Cost of points and discounts"), "cost", "total_minor"),
        money(_("Points issued, at their cash value"), "cost", "points_issued_minor"),
        money(pgettext("simulation", "Discounts"), "cost", "discount_minor"),
        money(_("Liability at the end"), "liability", "minor"),
        money(_("Paid by members"), "payable_minor"),
    ]
    if with_margin and report["current"]["costed_minor"]:
        tiles.append(money(_("Margin where cost is known"), "margin_minor"))
    return tiles


def _at(side: Mapping[str, Any], path: Sequence[str]) -> int:
    value: Any = side
    for key in path:
        value = value[key]
    return int(value)


def _note(note: Mapping[str, Any], currency: str, *, with_margin: bool) -> str:
    match note["code"]:
        case "coupons_kept":
            words = ngettext(
                "%(times)s sale used coupons. They stay worth what they were, %(amount)s: who would hold which coupon under"
                " the draft cannot be known.",
                "%(times)s sales used coupons. They stay worth what they were, %(amount)s: who would hold which coupon"
                " under the draft cannot be known.",
                note["orders"],
            )
            return words % {
                "times": formats.number(note["orders"]),
                "amount": formats.money(note["minor"], currency),
            }
        case "plans_kept":
            words = ngettext(
                "%(members)s member held a paid plan. It stays held for as long as it was, with the benefits that each"
                " programme gives it; who would have bought another, and what plans are paid for, is left out.",
                "%(members)s members held paid plans. They stay held for as long as they were, with the benefits that each"
                " programme gives them; who would have bought another, and what plans are paid for, is left out.",
                note["members"],
            )
            return words % {"members": formats.number(note["members"])}
        case "grants_kept":
            words = ngettext(
                "%(members)s member held a level that was given by hand, for points or by a plan. It came and ended when it"
                " did, under both programmes.",
                "%(members)s members held a level that was given by hand, for points or by a plan. It came and ended when it"
                " did, under both programmes.",
                note["members"],
            )
            return words % {"members": formats.number(note["members"])}
        case "tracks_kept":  # in reports that an earlier release made
            return _(
                "Levels on the tracks beside the main one are those that members held then, with the benefits that each"
                " programme gives them; only the main track is replayed."
            )
        case "moves_kept":
            return _(
                "%(points)s points came or went by gifts, rewards, adjustments and refunds of older sales. They are the same"
                " on both sides."
            ) % {"points": formats.number(note["points"], signed=True)}
        case "unplayed":
            words = ngettext(
                "%(times)s sale or refund could not be replayed and is left out.",
                "%(times)s sales or refunds could not be replayed and are left out.",
                note["times"],
            )
            return words % {"times": formats.number(note["times"])}
        case "no_sales":
            return _(
                "No member bought anything in this time, so nothing can be compared. Choose another period."
            )
        case "no_cost_prices":
            return _("No product sold has a cost price, so margins are not known.") if with_margin else ""
        case _:
            if not with_margin:
                return ""
            return _("Margins count only what has a cost price: %(part)s of %(whole)s that was paid.") % {
                "part": formats.money(note["minor"], currency),
                "whole": formats.money(note["of_minor"], currency),
            }


def _months(report: Report) -> Trend:
    currency, months = report["currency"], report["months"]

    def side(name: str, which: str, **look: Any) -> Series:
        return Series.of_money(name, [each[which]["cost_minor"] for each in months], currency, **look)

    return Trend(
        [each["month"] for each in months],
        [
            side(_("In force"), "current", kind="bar", colour=8),
            side(_("Draft"), "draft", kind="bar", colour=1),
        ],
        _("Month"),
    )


def _classes(report: Report) -> Trend | None:
    """Members by how much they gain or lose; those for whom nothing changes are told in words."""
    classes = [each for each in report["members"]["classes"] if each["from_minor"]]
    if not classes:
        return None
    currency = report["currency"]

    def label(minor: int) -> str:
        least, second = STEPS_MINOR[:2]
        words = (
            _("under %(amount)s") % {"amount": formats.money(second, currency)}
            if abs(minor) == least
            else _("from %(amount)s") % {"amount": formats.money(abs(minor), currency)}
        )
        return f"{'+' if minor > 0 else '−'} {words}"

    return Trend(
        [label(each["from_minor"]) for each in classes],
        [Series.of_counts(_("Members"), [each["members"] for each in classes], kind="bar")],
        _("Difference"),
    )


def _tracks(report: Report, documents: tuple[Document, Document]) -> list[ToldTrack]:
    """The main track first; reports that an earlier release made tell of no other."""
    sentence = _("At the end %(up)s members stand higher under the draft, %(down)s lower.")
    titles = [_("Tiers at the end")]
    titles += [
        _("%(track)s at the end") % {"track": _track(documents, each["track"])}
        for each in report.get("tracks", ())
    ]
    return [
        ToldTrack(
            f"tiers{place or ''}",
            title,
            sentence % {"up": formats.number(each["up"]), "down": formats.number(each["down"])},
            _levels(each, documents),
        )
        for place, (title, each) in enumerate(
            zip(titles, [report["tiers"], *report.get("tracks", ())], strict=True)
        )
    ]


def _levels(track: Mapping[str, Any], documents: tuple[Document, Document]) -> Trend:
    counts = [{each["code"]: each["members"] for each in track[side]} for side in ("current", "draft")]
    codes = list(dict.fromkeys([*counts[0], *counts[1]]))
    return Trend(
        [_tier(documents, code) for code in codes],
        [
            Series.of_counts(_("In force"), [counts[0].get(c, 0) for c in codes], kind="bar", colour=8),
            Series.of_counts(_("Draft"), [counts[1].get(c, 0) for c in codes], kind="bar", colour=1),
        ],
        _("Tier"),
    )


def _track(documents: tuple[Document, Document], code: str) -> str:
    found = track_name(documents[1], code)
    return found if found != code else track_name(documents[0], code)


def _tier(documents: tuple[Document, Document], code: str) -> str:
    found = tier_name(documents[1], code)
    return found if found != code else tier_name(documents[0], code)


def _holder(documents: tuple[Document, Document], kind: str, code: str) -> str:
    if kind != "plan":
        return _tier(documents, code)
    found = plan_name(documents[1], code)
    return found if found != code else plan_name(documents[0], code)


def _tables(report: Report, documents: tuple[Document, Document], stores: Mapping[str, str]) -> list[Figures]:
    currency = report["currency"]
    places = [
        (each["store"], each["current"]["cost_minor"], each["draft"]["cost_minor"])
        for each in report["stores"]
    ]
    places.sort(key=lambda place: (-abs(place[2] - place[1]), place[0]))
    found = [
        Figures(
            _("By store"),
            [(stores.get(code, code), *_three(current, draft, currency)) for code, current, draft in places],
            _("and %(count)s stores more"),
        )
    ]
    rules = [
        {each["id"]: each["units"] for each in report[side]["by_rule"].get("points", ())}
        for side in ("current", "draft")
    ]
    rows = [
        (_rule(documents, code), *_three(rules[0].get(code, 0), rules[1].get(code, 0), ""))
        for code in dict.fromkeys([*rules[0], *rules[1]])
    ]
    found.insert(0, Figures(_("Points by rule"), rows, _("and %(count)s rules more")))
    discounts = [
        {(each["kind"], each["code"]): each["minor"] for each in report[side]["discounts"]}
        for side in ("current", "draft")
    ]
    rows = [
        (_holder(documents, *key), *_three(discounts[0].get(key, 0), discounts[1].get(key, 0), currency))
        for key in dict.fromkeys([*discounts[0], *discounts[1]])
    ]
    if rows:
        found.insert(
            1, Figures(_("Discounts by tier and plan"), rows, _("and %(count)s tiers and plans more"))
        )
    return [table for table in found if table.all_rows]


def _rule(documents: tuple[Document, Document], code: str) -> str:
    found = rule_name(documents[1], code)
    if found == code:
        found = rule_name(documents[0], code)
    by_holding = {"tier": _("Multiplier of the tier"), "plan": _("Multiplier of the plan")}
    return by_holding.get(found, found)


def _three(current: int, draft: int, currency: str) -> tuple[str, str, str]:
    if currency:
        shown = (formats.money(current, currency), formats.money(draft, currency))
        change = formats.money(draft - current, currency, signed=True)
    else:
        shown, change = (
            (formats.number(current), formats.number(draft)),
            formats.number(draft - current, signed=True),
        )
    return (*shown, change if draft != current else "–")


def _listed(
    each: Mapping[str, Any], currency: str, documents: tuple[Document, Document]
) -> tuple[str, str, str, str, str]:
    return (
        formats.money(each["difference_minor"], currency, signed=True),
        formats.number(each["orders"]),
        formats.money(each["sales_minor"], currency),
        _tier(documents, each["tier"]),
        _tier(documents, each["draft_tier"]),
    )
