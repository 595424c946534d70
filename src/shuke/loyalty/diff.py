"""What changes between two programme documents, in sentences that a shop owner understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy

from shuke.loyalty.earning_words import (
    CAUSES,
    describe_accrual,
    describe_budget,
    describe_caps,
    describe_conditions,
    describe_earning,
    describe_multiplier,
    gives,
)
from shuke.loyalty.money_diff import changed_places, whole_offers, whole_sections
from shuke.loyalty.words import (
    CHOICES,
    KINDS,
    Document,
    asset_name,
    describe_expiry,
    describe_pending,
    grouped,
    localized,
)

Kind = Literal["added", "removed", "changed"]
Show = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` is its place in the newer document (in the older one when removed); `text` says it."""

    kind: Kind
    path: str
    text: str


def diff_documents(old: Document, new: Document) -> list[Change]:
    """Every difference in meaning between two checked documents, in the active language; empty when there is none."""
    return [
        *_fields("", "", old, new, _HEADER),
        *_assets(old, new),
        *_rules(
            "earning",
            old,
            new,
            _EARNING,
            pgettext_lazy("programme", "New rule"),
            pgettext_lazy("programme", "Rule ended"),
            describe_earning,
        ),
        *_rules(
            "multipliers",
            old,
            new,
            _MULTIPLIER,
            pgettext_lazy("programme", "New multiplier"),
            pgettext_lazy("programme", "Multiplier ended"),
            describe_multiplier,
        ),
        *_rules(
            "accruals",
            old,
            new,
            _ACCRUAL,
            pgettext_lazy("programme", "New accrual"),
            pgettext_lazy("programme", "Accrual ended"),
            describe_accrual,
        ),
        *_rules(
            "budgets",
            old,
            new,
            _BUDGET,
            pgettext_lazy("programme", "New budget"),
            pgettext_lazy("programme", "Budget ended"),
            describe_budget,
        ),
        *_fields("tiers", pgettext("programme", "Tiers"), old["tiers"], new["tiers"], _TIERS),
        *_levels("tiers.levels", old["tiers"], new["tiers"]),
        *_tracks(old, new),
        *_redemption(old, new),
        *_by_asset("adjustments", pgettext("programme", "Adjustments"), old, new, _ADJUSTMENT),
        *_by_asset("transfers", pgettext("programme", "Transfers between members"), old, new, _TRANSFER),
        *(
            Change(
                kind,
                path,
                pgettext("programme", "%(what)s %(field)s") % {"what": what, "field": localized(name)},
            )
            for kind, path, what, name in whole_offers(old, new)
        ),
        *(
            Change(kind, path, _said(_BECAME[kind], name, text))
            for kind, path, name, text in whole_sections(old, new)
        ),
        *(
            Change("changed", path, _changed(name, place, before, after))
            for path, name, place, before, after in changed_places(old, new)
        ),
        *_fields("policies", pgettext("programme", "Policy:"), old["policies"], new["policies"], _POLICIES),
    ]


_BECAME = {"added": pgettext_lazy("programme", "New"), "removed": pgettext_lazy("programme", "Ended")}


def _word(value: Any) -> str:
    return str(CHOICES[value])


def _named(value: str | None) -> str:
    return value or pgettext("programme", "none")


def _kind(value: str) -> str:
    return str(KINDS[value])


def _cause(value: str) -> str:
    return str(CAUSES[value])


def _percent(value: str) -> str:
    return f"{value}%"


def _factor(value: str) -> str:
    return f"×{value}"


def _months(value: int) -> str:
    return pgettext("programme", "%(count)d months") % {"count": value}


def _days(value: int) -> str:
    return pgettext("programme", "%(count)d days") % {"count": value}


def _notices(value: Sequence[int]) -> str:
    return _listed([_days(count) for count in value]) if value else str(CHOICES["never"])


def _limits(value: Mapping[str, int]) -> str:
    return _listed([f"{role} {grouped(most)}" for role, most in value.items()]) if value else "–"


def _overrides(value: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for role, limit in value.items():
        words = [
            *([_days(limit["days"])] if "days" in limit else []),
            *([pgettext("programme", "up to %s") % limit["up_to"]] if "up_to" in limit else []),
        ]
        parts.append(f"{role} ({_listed(words)})" if words else role)
    return _listed(parts) if parts else "–"


def _listed(parts: Sequence[str]) -> str:
    return pgettext("programme", ", ").join(parts)


Fields = Sequence[tuple[str, str | Promise, Show]]

_HEADER: Fields = (
    ("name", pgettext_lazy("programme", "Programme name"), localized),
    ("code", pgettext_lazy("programme", "Programme code"), str),
    ("currency", pgettext_lazy("programme", "Currency"), str),
    ("time_zone", pgettext_lazy("programme", "Time zone"), str),
)
_ASSET: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("expiry", pgettext_lazy("programme", "expire"), describe_expiry),
    ("kind", pgettext_lazy("programme", "kind"), _kind),
    ("pending", pgettext_lazy("programme", "usable"), describe_pending),
    ("decimals", pgettext_lazy("programme", "decimals"), str),
    ("notice_days", pgettext_lazy("programme", "notice before they expire"), _notices),
)
_ADJUSTMENT: Fields = (
    ("limits", pgettext_lazy("programme", "limits"), _limits),
    ("four_eyes_above", pgettext_lazy("programme", "a second person approves above"), grouped),
    ("below_zero", pgettext_lazy("programme", "more than there is:"), _word),
    ("request_days", pgettext_lazy("programme", "requests lapse after"), _days),
)
_TRANSFER: Fields = (
    ("allowed", pgettext_lazy("programme", "allowed"), _word),
    ("minimum", pgettext_lazy("programme", "minimum"), grouped),
    ("maximum", pgettext_lazy("programme", "maximum"), grouped),
    ("per_day", pgettext_lazy("programme", "at most a day"), grouped),
    ("fee_percent", pgettext_lazy("programme", "fee"), _percent),
)
_TERMS: Fields = (
    ("stacking", pgettext_lazy("programme", "counts"), _word),
    ("priority", pgettext_lazy("programme", "priority"), str),
    ("multiplied", pgettext_lazy("programme", "is multiplied:"), _word),
    ("caps", pgettext_lazy("programme", "limit"), describe_caps),
    ("budget", pgettext_lazy("programme", "budget"), _named),
    ("expiry", pgettext_lazy("programme", "expire"), describe_expiry),
    ("pending", pgettext_lazy("programme", "usable"), describe_pending),
)
_SILENT: dict[str, Any] = {
    "stacking": "stackable",
    "priority": 0,
    "multiplied": True,
    "caps": None,
    "budget": None,
    "refund_coupon": "restore",
    "benefit_stacking": "best",
    "window": "rolling",
    "on_change": "keep",
    "warn_days": [],
    "overrides": {},
}
"""What a rule means where it says nothing: an optional key, or one that an earlier release did not know."""
_ABSENT = object()
_EFFECT = frozenset({"give", "per", "rounding", "round_per", "fixed", "fixed_per"})
_EARNING: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("asset", pgettext_lazy("programme", "asset"), str),
    ("give", pgettext_lazy("programme", "gives"), grouped),
    ("per", pgettext_lazy("programme", "for every"), grouped),
    ("rounding", pgettext_lazy("programme", "rounding"), _word),
    ("round_per", pgettext_lazy("programme", "rounding"), _word),
    ("fixed", pgettext_lazy("programme", "gives"), grouped),
    ("fixed_per", pgettext_lazy("programme", "gives"), _word),
    *_TERMS,
)
_MULTIPLIER: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("asset", pgettext_lazy("programme", "asset"), str),
    ("factor", pgettext_lazy("programme", "factor"), _factor),
    *_TERMS,
)
_ACCRUAL: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("kind", pgettext_lazy("programme", "is given"), _cause),
    ("asset", pgettext_lazy("programme", "asset"), str),
    ("give", pgettext_lazy("programme", "gives"), grouped),
    *_TERMS,
)
_BUDGET: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("asset", pgettext_lazy("programme", "asset"), str),
    ("limit", pgettext_lazy("programme", "limit"), grouped),
    ("period", pgettext_lazy("programme", "is counted"), _word),
    ("covers", pgettext_lazy("programme", "is for"), _word),
    ("when_short", pgettext_lazy("programme", "when less is left:"), _word),
)
_TIERS: Fields = (
    ("metric", pgettext_lazy("programme", "are reached"), _word),
    ("window_months", pgettext_lazy("programme", "count the last"), _months),
    ("valid_months", pgettext_lazy("programme", "last for"), _months),
    ("grace_days", pgettext_lazy("programme", "grace"), _days),
    ("downgrade", pgettext_lazy("programme", "downgrade"), _word),
    ("window", pgettext_lazy("programme", "count"), _word),
    ("on_change", pgettext_lazy("programme", "when a version begins:"), _word),
    ("warn_days", pgettext_lazy("programme", "warning before a downgrade"), _notices),
    ("overrides", pgettext_lazy("programme", "may be set by hand by"), _overrides),
)
_TRACK: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("discount", pgettext_lazy("programme", "discount beside the main tier:"), _word),
    ("multiplier", pgettext_lazy("programme", "multiplier beside the main tier:"), _word),
    *_TIERS,
)
_LEVEL: Fields = (
    ("name", pgettext_lazy("programme", "name"), localized),
    ("threshold", pgettext_lazy("programme", "threshold"), grouped),
    ("discount_percent", pgettext_lazy("programme", "discount"), _percent),
    ("multiplier", pgettext_lazy("programme", "multiplier"), _factor),
)
_REDEMPTION: Fields = (
    ("step", pgettext_lazy("programme", "step"), grouped),
    ("minimum", pgettext_lazy("programme", "minimum"), grouped),
    ("max_percent", pgettext_lazy("programme", "largest share of an order"), _percent),
)
_POLICIES: Fields = (
    ("points_paid_earn", pgettext_lazy("programme", "amounts paid by points earn:"), _word),
    ("spend_own_points", pgettext_lazy("programme", "an order may spend the points it earns:"), _word),
    ("return_window_days", pgettext_lazy("programme", "return window:"), _days),
    ("refund_spent_points", pgettext_lazy("programme", "spent points at a refund:"), _word),
    ("refund_earned_points", pgettext_lazy("programme", "earned points at a refund:"), _word),
    ("refund_shortfall", pgettext_lazy("programme", "points missing at a refund:"), _word),
    ("refund_coupon", pgettext_lazy("programme", "coupons at a full refund:"), _word),
    ("cashier_refund_most", pgettext_lazy("programme", "a cashier refunds alone up to:"), grouped),
    ("attach_days", pgettext_lazy("programme", "sales attached later, by receipt, within:"), _days),
    ("tier_on_refund", pgettext_lazy("programme", "tier after a refund:"), _word),
    ("multiplier_stacking", pgettext_lazy("programme", "several multipliers:"), _word),
    ("multiplier_rounding", pgettext_lazy("programme", "rounding of multipliers:"), _word),
    ("benefit_stacking", pgettext_lazy("programme", "benefits of tier and plan:"), _word),
)


def _fields(path: str, what: str, old: Document, new: Document, fields: Fields) -> list[Change]:
    """One sentence for each field that differs; one that a side lacks (optional, or unknown to its release) is a dash."""
    changes = []
    for key, label, show in fields:
        earlier, later = (side.get(key, _SILENT.get(key, _ABSENT)) for side in (old, new))
        if earlier != later:
            here = f"{path}.{key}" if path else key
            before, after = (show(found) if found is not _ABSENT else "–" for found in (earlier, later))
            if before == after:  # only another language's name differs
                before, after = ", ".join(old[key].values()), ", ".join(new[key].values())
            changes.append(Change("changed", here, _changed(what, str(label), before, after)))
    return changes


def _changed(what: str, field: str, old: str, new: str) -> str:
    subject = pgettext("programme", "%(what)s %(field)s") % {"what": what, "field": field} if what else field
    return pgettext("programme", "%(subject)s %(old)s → %(new)s") % {
        "subject": subject,
        "old": old,
        "new": new,
    }


def _said(head: str | Promise, name: str, text: str = "") -> str:
    if not text:
        return pgettext("programme", "%(head)s: %(name)s") % {"head": head, "name": name}
    return pgettext("programme", "%(head)s: %(name)s (%(text)s)") % {"head": head, "name": name, "text": text}


def _assets(old: Document, new: Document) -> list[Change]:
    changes = []
    before, after = old["assets"], new["assets"]
    for code in sorted(set(before) | set(after)):
        path = f"assets.{code}"
        if code not in before:
            text = pgettext("programme", "expires: %s") % describe_expiry(after[code]["expiry"])
            changes.append(
                Change("added", path, _said(pgettext("programme", "New asset"), asset_name(new, code), text))
            )
        elif code not in after:
            changes.append(
                Change("removed", path, _said(pgettext("programme", "Asset ended"), asset_name(old, code)))
            )
        else:
            name = asset_name(new, code)
            changes += _fields(path, name, before[code], after[code], _ASSET)
    return changes


def _by_asset(section: str, head: str, old: Document, new: Document, fields: Fields) -> list[Change]:
    """A section whose keys are assets; documents of an earlier release lack it."""
    before, after = old.get(section, {}), new.get(section, {})
    changes = []
    for code in sorted(set(before) | set(after)):
        path = f"{section}.{code}"
        if code not in before:
            changes.append(Change("added", path, _said(head, asset_name(new, code))))
        elif code not in after:
            changes.append(
                Change(
                    "removed", path, _said(pgettext("programme", "%s ended") % head, asset_name(old, code))
                )
            )
        else:
            what = pgettext("programme", "%(what)s %(field)s") % {
                "what": head,
                "field": asset_name(new, code),
            }
            changes += _fields(path, what, before[code], after[code], fields)
    return changes


def _rules(
    section: str,
    old: Document,
    new: Document,
    fields: Fields,
    added: Promise,
    ended: Promise,
    describe: Callable[[Mapping[str, Any], Document], str],
) -> list[Change]:
    """Rules are matched by their id; those that are in both keep their place out of the comparison."""
    changes = []
    before = {rule["id"]: rule for rule in old.get(section, ())}
    for index, rule in enumerate(new.get(section, ())):
        path, name = f"{section}[{index}]", localized(rule["name"])
        former = before.pop(rule["id"], None)
        if former is None:
            changes.append(Change("added", path, _said(added, name, describe(rule, new))))
            continue
        what = pgettext("programme", "“%s”") % name
        if ("fixed" in former) != ("fixed" in rule):
            text = _changed(what, pgettext("programme", "gives"), gives(former, old), gives(rule, new))
            changes.append(Change("changed", path, text))
            # By amount and by number have no keys in common: the sentence above says it all.
            own = [field for field in fields if field[0] not in _EFFECT]
            changes += _fields(path, what, former, rule, own)
        else:
            changes += _fields(path, what, former, rule, fields)
        if former.get("when") != rule.get("when"):
            applied, applies = (
                describe_conditions(former.get("when"), old),
                describe_conditions(rule.get("when"), new),
            )
            changes.append(
                Change(
                    "changed",
                    f"{path}.when",
                    _changed(what, pgettext("programme", "applies"), applied, applies),
                )
            )
    for index, rule in enumerate(old.get(section, ())):
        if rule["id"] in before:
            text = _said(ended, localized(rule["name"]), describe(rule, old))
            changes.append(Change("removed", f"{section}[{index}]", text))
    return changes


def _levels(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    changes = []
    ended = pgettext("programme", "Tier ended")
    before = {level["code"]: level for level in old["levels"]}
    for index, level in enumerate(new["levels"]):
        path, name = f"{place}[{index}]", localized(level["name"])
        former = before.pop(level["code"], None)
        if former is None:
            text = ""
            if "threshold" in level:
                text = pgettext("programme", "threshold %s") % grouped(level["threshold"])
            changes.append(Change("added", path, _said(pgettext("programme", "New tier"), name, text)))
        else:
            changes += _fields(path, localized(former["name"]), former, level, _LEVEL)
    for index, level in enumerate(old["levels"]):
        if level["code"] in before:
            changes.append(Change("removed", f"{place}[{index}]", _said(ended, localized(level["name"]))))
    return changes


def _tracks(old: Document, new: Document) -> list[Change]:
    """Tracks are matched by their code."""
    changes = []
    before = {track["code"]: track for track in old.get("tracks", ())}
    for index, track in enumerate(new.get("tracks", ())):
        path, name = f"tracks[{index}]", localized(track["name"])
        former = before.pop(track["code"], None)
        if former is None:
            levels = _listed([localized(level["name"]) for level in track["levels"]])
            changes.append(Change("added", path, _said(pgettext("programme", "New track"), name, levels)))
        else:
            what = pgettext("programme", "Track “%s”") % name
            changes += _fields(path, what, former, track, _TRACK)
            changes += _levels(f"{path}.levels", former, track)
    for index, track in enumerate(old.get("tracks", ())):
        if track["code"] in before:
            text = _said(pgettext("programme", "Track ended"), localized(track["name"]))
            changes.append(Change("removed", f"tracks[{index}]", text))
    return changes


def _redemption(old: Document, new: Document) -> list[Change]:
    before, after = old.get("redemption"), new.get("redemption")
    what = pgettext("programme", "Points as cash")
    if before is None and after is None:
        return []
    if before is None:
        return [
            Change("added", "redemption", _said(pgettext("programme", "New"), what, _rate(after or {}, new)))
        ]
    if after is None:
        return [
            Change("removed", "redemption", _said(pgettext("programme", "Ended"), what, _rate(before, old)))
        ]
    changes = []
    if (before["points"], before["worth"]) != (after["points"], after["worth"]):
        text = _changed(what, pgettext("programme", "rate"), _rate(before, old), _rate(after, new))
        changes.append(Change("changed", "redemption.worth", text))
    return [*changes, *_fields("redemption", what, before, after, _REDEMPTION)]


def _rate(redemption: Mapping[str, Any], document: Document) -> str:
    return pgettext("programme", "%(points)s = %(worth)s %(currency)s") % {
        "points": grouped(redemption["points"]),
        "worth": grouped(redemption["worth"]),
        "currency": document["currency"],
    }
