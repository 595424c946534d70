"""The programme's rewards, compiled to what the catalogue below understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shuke.kit.clock import start_of_day
from shuke.kit.money import to_minor
from shuke.rewards.catalogue.values import Offer, Price


def compile_rewards(raw: Iterable[Mapping[str, Any]], currency: str, zone: ZoneInfo) -> Mapping[str, Offer]:
    """Code → offer, in the order of the document."""
    return {each["code"]: _offer(each, currency, zone) for each in raw}


def _offer(raw: Mapping[str, Any], currency: str, zone: ZoneInfo) -> Offer:
    dates, limit = raw.get("dates", {}), raw.get("limit", {})
    opens, last = dates.get("from"), dates.get("to")
    return Offer(
        code=raw["code"],
        names=raw["name"],
        kind=raw["kind"],
        price=_price(raw, currency),
        fulfilment=raw["fulfilment"],
        tier_prices={each["tier"]: _price(each, currency) for each in raw.get("tier_prices", ())},
        tiers=frozenset(raw.get("tiers", ())),
        stores=frozenset(raw.get("stores", ())),
        opens=start_of_day(date.fromisoformat(opens), zone) if opens else None,
        ends=start_of_day(date.fromisoformat(last) + timedelta(days=1), zone) if last else None,
        stock=raw.get("stock"),
        member_limit=limit.get("member"),
        limit_per=limit.get("per", "total"),
        collect_days=raw.get("collect_days", 0),
        returns_uncollected=raw.get("uncollected", "return") == "return",
        coupon=raw.get("coupon", ""),
        bonus_minor=to_minor(raw["bonus"], currency) if "bonus" in raw else 0,
        tier=raw.get("tier", ""),
        tier_months=raw.get("months", 0),
    )


def _price(raw: Mapping[str, Any], currency: str) -> Price:
    return Price(raw["points"], to_minor(raw.get("cash", "0"), currency))
