"""The programme document: YAML in, a complete and typed document out, or everything that is wrong with it.

The result holds only JSON values and every default spelt out, so that a published version means the same for ever, even
when a later release chooses other defaults. Numbers with decimals stay text: nothing here is ever a float.
`loyalty.programme.compile_programme` reads exactly these keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.utils.translation import gettext_lazy as _

from shuke.loyalty import earning_document, source
from shuke.loyalty.asset_document import ADJUSTMENTS_DEFAULT, adjustments, assets, transfers
from shuke.loyalty.benefit_document import check_benefits
from shuke.loyalty.coupon_document import read_coupons
from shuke.loyalty.errors import InvalidProgramme, Problem
from shuke.loyalty.plan_document import read_plans
from shuke.loyalty.probes import ScalarProbe, Shape, describe
from shuke.loyalty.readers import (
    Key,
    Notes,
    amount,
    boolean,
    choice,
    decimal,
    did_you_mean,
    mapping,
    names,
    scalar,
    shown,
    slug,
    whole,
)
from shuke.loyalty.reward_document import read_rewards
from shuke.loyalty.source import Node, child
from shuke.loyalty.tender_document import (
    check_giving,
    read_card_limits,
    read_gift_cards,
    read_offline,
    read_stored_value,
    read_taxes,
)
from shuke.loyalty.tier_document import check_tracks, read_tiers, read_tracks

SCHEMA = 1

# ISO 4217, the currencies in circulation.
# fmt: off
CURRENCIES = frozenset({
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND",
    "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE",
    "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD",
    "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY",
    "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD",
    "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
    "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF",
    "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
    "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VES", "VND", "VUV",
    "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
})
# fmt: on


def validate(document: str | bytes) -> dict[str, Any]:
    """The checked document of a YAML source (JSON is YAML, too).

    :raises InvalidProgramme: with every problem, each with code, path, line and message.
    """
    root = source.read(document)
    notes = Notes()
    result = _programme(notes, root)
    if notes.problems:
        raise InvalidProgramme(sorted(notes.problems, key=lambda problem: problem.line))
    return result


def described() -> Shape:
    """What a source may hold, told by the readers."""
    return describe(_programme, Notes)


def problems_of(document: str | bytes) -> tuple[Problem, ...]:
    """Everything that is wrong with a source; empty when it can be published."""
    try:
        validate(document)
    except InvalidProgramme as error:
        return error.problems
    return ()


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the checked document: equal for sources that mean the same, whatever their layout."""
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _programme(notes: Notes, root: Node, path: str = "") -> dict[str, Any]:
    # What others refer to is read first: the currency, the assets, the tiers.
    keys = {
        "shuke": Key(_schema, required=True),
        "code": Key(slug(longest=40), required=True),
        "name": Key(names, required=True),
        "currency": Key(_currency, required=True),
        "time_zone": Key(_time_zone, required=True),
        "assets": Key(assets, required=True),
        "tiers": Key(read_tiers, required=True),
        "tracks": Key(read_tracks, default=[]),
        "budgets": Key(earning_document.budgets),
        "earning": Key(earning_document.earning, default=[]),
        "multipliers": Key(earning_document.multipliers, default=[]),
        "accruals": Key(earning_document.accruals),
        "redemption": Key(_redemption),
        "taxes": Key(read_taxes),
        "stored_value": Key(read_stored_value),
        "gift_cards": Key(read_gift_cards),
        "card_limits": Key(read_card_limits),
        "offline": Key(read_offline),
        "coupons": Key(read_coupons),
        "rewards": Key(read_rewards),
        "plans": Key(read_plans),
        "adjustments": Key(adjustments, default=ADJUSTMENTS_DEFAULT),
        "transfers": Key(transfers, default={}),
        "policies": Key(mapping(_POLICIES), default=_USUAL_POLICIES),
    }
    found: dict[str, Any] = mapping(keys)(notes, root, path) or {}
    if isinstance(root, source.Mapping) and "tracks" in root.items:
        check_tracks(notes, found, root.items["tracks"].line)
    if isinstance(root, source.Mapping) and "budgets" in root.items:
        earning_document.check_budgets(notes, found, root.items["budgets"].line)
    check_benefits(notes, root, found)
    check_giving(notes, root, found)
    return found


def _schema(notes: Notes, node: Node, path: str) -> int | None:
    if isinstance(node, ScalarProbe):
        node.told.append({"enum": [SCHEMA, str(SCHEMA)]})
    found = scalar(notes, node, path)
    if found is not None and found.text != str(SCHEMA):
        notes.add(
            "unknown_schema",
            path,
            node.line,
            _("this release reads documents of schema %(schema)d"),
            schema=SCHEMA,
        )
        return None
    return SCHEMA


def _currency(notes: Notes, node: Node, path: str) -> str | None:
    if isinstance(node, ScalarProbe):
        node.told.append({"enum": sorted(CURRENCIES)})
    found = scalar(notes, node, path)
    if found is None:
        return None
    if found.text not in CURRENCIES:
        notes.add(
            "unknown_currency",
            path,
            node.line,
            _("“%(value)s” is no currency code such as CNY (ISO 4217)"),
            value=shown(found.text),
        )
        return None
    notes.currency = found.text
    return found.text


@cache
def _time_zones() -> frozenset[str]:
    # "localtime" is whatever the machine says, so a document would mean something else on each.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def _time_zone(notes: Notes, node: Node, path: str) -> str | None:
    found = scalar(notes, node, path)
    if found is None or found.text in _time_zones():
        return found.text if found else None
    guess = did_you_mean(found.text, sorted(_time_zones())) or "Asia/Shanghai"
    notes.add(
        "unknown_time_zone",
        path,
        node.line,
        _("“%(value)s” is no time zone; did you mean “%(guess)s”?"),
        value=shown(found.text),
        guess=guess,
    )
    return None


# Redemption, policies -------------------------------------------------------------------------


def _line_of(node: Node, key: str) -> int:
    return node.items[key].line if isinstance(node, source.Mapping) and key in node.items else node.line


def _redemption(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = mapping(
        {
            "points": Key(whole(1, 1_000_000_000), required=True),
            "worth": Key(amount(above_zero=True), required=True),
            "step": Key(whole(1, 1_000_000_000)),
            "minimum": Key(whole(0, 1_000_000_000), default=0),
            "max_percent": Key(decimal("0.001", "100"), default="100"),
        }
    )(notes, node, path)
    if found and "points" in found:
        found.setdefault("step", found["points"])
        minor = int(str(found.get("worth", "0")).replace(".", ""))
        if found["step"] * minor % found["points"]:
            notes.add(
                "step_not_exact",
                child(path, "step"),
                _line_of(node, "step"),
                _("%(step)d points are not a whole number of the smallest coin; choose another step"),
                step=found["step"],
            )
        if found.get("minimum", 0) % found["step"]:
            notes.add(
                "minimum_not_steps",
                child(path, "minimum"),
                _line_of(node, "minimum"),
                _("must be a multiple of the step, %(step)d"),
                step=found["step"],
            )
    return found


_POLICIES = {
    "points_paid_earn": Key(boolean, default=False),
    "spend_own_points": Key(boolean, default=False),
    "return_window_days": Key(whole(0, 366), default=7),
    "refund_spent_points": Key(choice("return", "keep"), default="return"),
    "refund_earned_points": Key(choice("claw_back", "keep"), default="claw_back"),
    "refund_shortfall": Key(choice("debt", "cash_value", "write_off"), default="debt"),
    # Optional, so that the digest of an older document does not change.
    "cashier_refund_most": Key(amount(above_zero=False)),
    "tier_on_refund": Key(choice("at_once", "period_end"), default="at_once"),
    "refund_coupon": Key(choice("restore", "void"), default="restore"),
    "attach_days": Key(whole(0, 366), default=7),
    "multiplier_stacking": Key(choice("add", "best", "multiply"), default="add"),
    "multiplier_rounding": Key(choice("floor", "half_up", "ceil"), default="floor"),
    "benefit_stacking": Key(choice("best", "add"), default="best"),
}
_USUAL_POLICIES = {name: key.default for name, key in _POLICIES.items() if key.default is not None}
