"""Explain any balance, tier or price, as of any past instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.utils.translation import gettext_lazy as _
from ninja import Router

from shuke.api.contracts.explain import (
    AsOfQuery,
    BalanceExplanation,
    BalancesQuery,
    OrderExplanation,
    TierExplanation,
)
from shuke.api.contracts.members import Balances
from shuke.api.endpoint import Call, endpoint
from shuke.checkout import words
from shuke.checkout.errors import OrderNotFound
from shuke.checkout.explain import (
    LotStory,
    OrderExplained,
    TierExplained,
    explain_balance,
    explain_order,
    explain_tier,
)
from shuke.core.errors import InvalidInput, NotFound
from shuke.core.values import Scope
from shuke.ledger.as_of import Cut, balances_at
from shuke.ledger.queries import EntryView, balances_of
from shuke.loyalty.queries import programme_at, version_by_number
from shuke.loyalty.tiers import Level
from shuke.loyalty.words import tier_name
from shuke.members.queries import get_candidate
from shuke.members.values import Candidate

router = Router()


@endpoint(
    router,
    "GET",
    "/members/{member_id}/balances",
    scope=Scope.LEDGER_READ,
    query=BalancesQuery,
    answers={200: Balances},
    tag="members",
    refusals=(NotFound, InvalidInput),
)
def member_balances(call: Call, member_id: UUID, query: BalancesQuery) -> tuple[int, dict[str, Any]]:
    """Read a member's balances.

    For each asset: what is there, usable, pending, owed, and what lapses soon. With `as_of`, the balances of that
    instant, added up from the entries.
    """
    _covered(call, member_id)
    if isinstance(query.as_of, msgspec.UnsetType) and isinstance(query.known_at, msgspec.UnsetType):
        return 200, {"member_id": member_id, "balances": balances_of(member_id, call.now)}
    return 200, {"member_id": member_id, "balances": balances_at(member_id, _cut(call, query))}


@endpoint(
    router,
    "GET",
    "/members/{member_id}/balances/{asset}/explanation",
    scope=Scope.LEDGER_READ,
    query=BalancesQuery,
    answers={200: BalanceExplanation},
    tag="members",
    refusals=(NotFound, InvalidInput),
)
def balance_explanation(
    call: Call, member_id: UUID, asset: str, query: BalancesQuery
) -> tuple[int, dict[str, Any]]:
    """Explain a balance.

    The movements that add up to it, the lots it lies in with the rules that gave them, and what is owed and why.
    """
    _covered(call, member_id)
    cut = _cut(call, query)
    told = explain_balance(member_id=member_id, asset=asset, cut=cut, store_ids=call.stores)
    in_force = programme_at(call.now)
    if not told.flows and (in_force is None or asset not in in_force.programme.expiry):
        raise NotFound
    at = told.at
    return 200, {
        "member_id": member_id,
        "asset": asset,
        "as_of": cut.as_of,
        "known_at": cut.known_at,
        "balance": at.balance,
        "usable": at.in_state("usable"),
        "pending": at.in_state("pending"),
        "lapsed": at.in_state("lapsed"),
        "held": at.promised,
        "debt": at.debt,
        "adds_up": told.adds_up,
        "flows": [{**_fields(flow), "name": str(words.kind_of(flow.kind).name)} for flow in told.flows],
        "lots": [_lot(story) for story in told.lots],
        "lots_total": told.lots_total,
        "debts": [_entry(entry) for entry in told.debts],
    }


@endpoint(
    router,
    "GET",
    "/members/{member_id}/tier/explanation",
    scope=Scope.LEDGER_READ,
    query=AsOfQuery,
    answers={200: TierExplanation},
    tag="members",
    refusals=(NotFound, InvalidInput),
)
def tier_explanation(call: Call, member_id: UUID, query: AsOfQuery) -> tuple[int, dict[str, Any]]:
    """Explain a tier.

    The change that brought it, the version that decided, and the orders that counted in the window.
    """
    member = _covered(call, member_id)
    told = explain_tier(
        member_id=member_id,
        as_of=_past(call, query.as_of),
        joined_at=member.joined_at,
        store_ids=call.stores,
    )
    if told is None:
        raise NotFound
    return 200, {
        **{
            name: getattr(told, name)
            for name in (
                "member_id", "as_of", "since", "review_at", "cause", "metric", "metric_again", "order", "changed_under",
                "programme_version", "window_start", "total", "orders", "orders_total", "elsewhere", "elsewhere_total",
            )
        },
        "tier": _level(told, told.level),
        "next": _level(told, told.next_level) if told.next_level else None,
        "measured_by": told.programme.tiers.metric,
        "explanation": words.tier_step(told.cause, told.grant),
    }  # fmt: skip


@endpoint(
    router,
    "GET",
    "/orders/{order_id}/explanation",
    scope=Scope.CHECKOUT_READ,
    query=AsOfQuery,
    answers={200: OrderExplanation},
    tag="checkout",
    refusals=(OrderNotFound, InvalidInput),
)
def order_explanation(call: Call, order_id: UUID, query: AsOfQuery) -> tuple[int, dict[str, Any]]:
    """Explain an order.

    Every discount, cent and point by line and unit, the rules and the version that gave them, and what had become of
    its points by the instant.
    """
    told = explain_order(order_id=order_id, as_of=_past(call, query.as_of), store_ids=call.stores)
    return 200, _order(told)


def _order(told: OrderExplained) -> dict[str, Any]:
    order = told.order
    version = order["programme_version"]
    return {
        **{
            name: order[name]
            for name in (
                "id", "number", "store", "occurred_at", "recorded_at", "member_id", "currency", "list_minor", "discount_minor",
                "sales_minor", "points_minor", "payable_minor", "points_used", "points_earned", "growth_earned", "tier",
                "status", "programme_version",
            )
        },
        "as_of": told.as_of,
        "adds_up": told.adds_up,
        "priced_again": {
            "is_same": told.repriced.is_same,
            "explanation": words.explain_repriced(told.repriced),
            "differences": [asdict(each) for each in told.repriced.differences],
        },
        "lines": [
            {
                **{name: value for name, value in each.line.items() if name != "discounts"},
                "discounts": [
                    {
                        "explanation": words.explain_discount(detail, version),
                        "minor": detail["minor"],
                        "detail": detail,
                    }
                    for detail in each.line["discounts"]
                ],
                "units": each.units,
            }
            for each in told.lines
        ],
        "earnings": [
            {
                "asset": each.asset,
                "total": each.total,
                "rules": each.rules,
                "by_line": each.by_line,
                "explanation": words.explain_entry(each.entry),
            }
            for each in told.earnings
        ],
        "entries": [_entry(entry) for entry in told.entries],
        "lots": [
            {name: getattr(lot, name) for name in ("id", "asset", "amount", "remaining", "state", "expires_at")}
            for lot in told.lots.values()
        ],
        "tier_changes": [
            {
                "occurred_at": change.occurred_at,
                "from_tier": change.from_tier,
                "to_tier": change.to_tier,
                "cause": change.cause,
                "explanation": words.tier_cause(change.cause),
                "metric": change.metric,
            }
            for change in told.tier_changes
        ],
    }  # fmt: skip


def _lot(story: LotStory) -> dict[str, Any]:
    told = story.made_by.explain if story.made_by else None
    lot = _fields(story.lot)
    del lot["asset"], lot["order_id"]
    return {
        **lot,
        "programme_version": story.programme_version,
        "rules": (told or {}).get("rules", []),
        "explanation": words.explain_entry(story.made_by) if story.made_by else "",
        "order": story.order,
        "moves": [_entry(entry) for entry in story.moves],
    }


def _entry(entry: EntryView) -> dict[str, Any]:
    return {**_fields(entry), "explanation": words.explain_entry(entry)}


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in type(row).__slots__}


def _level(told: TierExplained, level: Level) -> Mapping[str, Any]:
    document = version_by_number(told.programme_version).document
    return {"code": level.code, "name": tier_name(document, level.code), "threshold": level.threshold}


def _covered(call: Call, member_id: UUID) -> Candidate:
    """The member, masked. Raises NotFound, also for one who joined at a store that the key does not cover."""
    candidate = get_candidate(member_id)
    if not call.covers(candidate.join_store_id):
        raise NotFound
    return candidate


def _cut(call: Call, query: BalancesQuery) -> Cut:
    known = query.known_at
    return Cut(_past(call, query.as_of), None if isinstance(known, msgspec.UnsetType) else known)


def _past(call: Call, as_of: datetime | msgspec.UnsetType) -> datetime:
    """The instant asked for, or now. Raises InvalidInput for the future, of which nothing is known."""
    if isinstance(as_of, msgspec.UnsetType):
        return call.now
    if as_of > call.now:
        raise InvalidInput(field="as_of", reason=_("What has not happened yet cannot be explained."))
    return as_of
