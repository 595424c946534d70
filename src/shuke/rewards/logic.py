"""Coupons on a sale: which ones may be used, together with which others, and what each takes off. No ORM, no clock, no I/O.

A sale asks in three steps. `prepare` looks at each coupon alone: is it valid here and now, are its goods there, is enough
spent? What a coupon asks of spending is asked of the goods before any coupon, so that no order of coupons can lose one
another's threshold. `Case` then knows which of the ready ones go together. `apply` takes them off one after the other, by
priority, each from what the ones before it have left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shuke.rewards.offers import Shelf, Sold, Taken, after, ceiling, give, matches, matches_any, pieces_of
from shuke.rewards.values import (
    COUPON_TYPES,
    Candidate,
    CouponTemplate,
    Line,
    Occasion,
    Reason,
)

_STAGE = {kind: place for place, kind in enumerate(COUPON_TYPES)}


@dataclass(frozen=True, slots=True)
class Ready:
    """A coupon that this sale may use: the lines it is `about`, those that are `got`, what it gives `alone`, and the `most`
    that it gives in any company."""

    candidate: Candidate
    about: tuple[int, ...]
    got: tuple[int, ...]
    alone: Taken
    most: int

    @property
    def template(self) -> CouponTemplate:
        return self.candidate.template

    @property
    def is_shipping(self) -> bool:
        return self.template.type == "free_shipping"


@dataclass(frozen=True, slots=True)
class Case:
    """One sale's coupons: the `ready` ones in the order in which they are taken off, and why each other one is not."""

    sold: Sold
    ready: tuple[Ready, ...]
    refused: Mapping[str, Reason]


@dataclass(frozen=True, slots=True)
class Used:
    """A coupon that counts, and what it takes off each line."""

    candidate: Candidate
    taken: Taken

    @property
    def minor(self) -> int:
        return self.taken.minor


@dataclass(frozen=True, slots=True)
class Applied:
    """Coupons taken off together. `refused`: why one that was ready does not count in this company."""

    used: tuple[Used, ...]
    left: tuple[int, ...]
    refused: Mapping[str, Reason] = field(default_factory=dict)

    @property
    def minor(self) -> int:
        return sum(each.minor for each in self.used)

    @property
    def ships_free(self) -> bool:
        return any(each.candidate.template.type == "free_shipping" for each in self.used)


def prepare(
    candidates: Iterable[Candidate], lines: Sequence[Line], amounts: Sequence[int], occasion: Occasion
) -> Case:
    """Look at each coupon alone. `amounts` are the lines in minor units before coupons."""
    sold = Sold(tuple(amounts), tuple(line.quantity for line in lines))
    shelf = sold.shelf()
    ready: list[Ready] = []
    refused: dict[str, Reason] = {}
    for candidate in candidates:
        found = _look(candidate, lines, sold, shelf, occasion)
        if isinstance(found, Reason):
            refused[candidate.id] = found
        else:
            ready.append(found)
    return Case(sold, tuple(sorted(ready, key=_turn)), refused)


def _turn(each: Ready) -> tuple[int, int, str, bool, datetime | None, str]:
    """Priority first, then pieces before sums; of equal ones the one that ends sooner."""
    until = each.candidate.valid_until
    template = each.template
    return (
        -template.stacking.priority,
        _STAGE[template.type],
        template.code,
        until is None,
        until,
        each.candidate.id,
    )


def _look(
    candidate: Candidate, lines: Sequence[Line], sold: Sold, shelf: Shelf, occasion: Occasion
) -> Ready | Reason:
    template = candidate.template
    reason = candidate.unusable or _not_now(candidate, occasion) or _no_room(candidate)
    if reason:
        return reason
    scope = template.scope
    about = tuple(
        i
        for i, line in enumerate(lines)
        if matches(scope.goods, line) and not matches_any(scope.exclude, line)
    )
    got: tuple[int, ...] = ()
    if template.get_goods:
        got = tuple(i for i, line in enumerate(lines) if matches(template.get_goods, line))
        if template.type in ("gift_item", "free_shipping"):
            # Neither a gift nor the shipping fee brings itself.
            about = tuple(i for i in about if i not in got)
    reason = _too_little(template, sold, about, got)
    if reason:
        return reason
    taken = give(template, sold, about, got, shelf)
    if not taken.minor and template.type != "free_shipping":
        return Reason("gives_nothing")
    if candidate.room.minor is not None and taken.minor > candidate.room.minor:
        return Reason("budget_spent", {"left": candidate.room.minor, "needed": taken.minor})
    return Ready(candidate, about, got, taken, ceiling(template, about, got, shelf, taken.minor))


def _not_now(candidate: Candidate, occasion: Occasion) -> Reason | None:
    """What speaks against the coupon whatever is in the cart."""
    at, scope = occasion.at, candidate.template.scope
    if candidate.valid_from is not None and at < candidate.valid_from:
        return Reason("not_yet_valid", {"from": candidate.valid_from})
    if candidate.valid_until is not None and at >= candidate.valid_until:
        return Reason("expired", {"until": candidate.valid_until})
    if scope.stores and occasion.store not in scope.stores:
        return Reason("wrong_store", {"stores": sorted(scope.stores)})
    if scope.channels and occasion.channel not in scope.channels:
        return Reason("wrong_channel", {"channels": sorted(scope.channels)})
    if scope.weekdays and at.weekday() not in scope.weekdays:
        return Reason("wrong_weekday", {"weekdays": sorted(scope.weekdays)})
    if scope.day_parts and not any(part.holds(at.hour * 60 + at.minute) for part in scope.day_parts):
        return Reason("wrong_time", {"hours": [_hours(part.start, part.end) for part in scope.day_parts]})
    if scope.tenders and scope.tenders.isdisjoint(occasion.tenders):
        return Reason("wrong_tender", {"tenders": sorted(scope.tenders)})
    return None


def _hours(start: int, end: int) -> str:
    return f"{start // 60:02d}:{start % 60:02d}–{end // 60:02d}:{end % 60:02d}"


def _no_room(candidate: Candidate) -> Reason | None:
    room, limits = candidate.room, candidate.template.limits
    if room.uses is not None and room.uses <= 0:
        return Reason("used_up")
    if room.member_uses is not None and room.member_uses <= 0:
        return Reason("member_limit", {"most": limits.per_member, "period": limits.per_member_per})
    return None


def _too_little(
    template: CouponTemplate, sold: Sold, about: Sequence[int], got: Sequence[int]
) -> Reason | None:
    """What is missing in the cart."""
    if not about:
        return Reason("no_goods")
    spend = sum(sold.base[i] for i in about)
    least = template.minimum_spend
    if template.type == "threshold":
        least = max(least, min(step.least for step in template.steps))
    if spend < least:
        return Reason("minimum_spend", {"least": least, "spend": spend, "missing": least - spend})
    count = sum(pieces_of(sold.quantities[i]) for i in about)
    if count < template.minimum_quantity:
        missing = template.minimum_quantity - count
        return Reason("minimum_quantity", {"least": template.minimum_quantity, "missing": missing})
    if template.get_goods and not got and template.type in ("gift_item", "buy_x_get_y"):
        return Reason("put_in_cart", {"goods": _told(template)})
    needed = pieces_needed(template)
    if count < needed:
        return Reason("too_few_pieces", {"least": needed, "missing": needed - count})
    return None


def pieces_needed(template: CouponTemplate) -> int:
    """The fewest pieces of its goods that the offer works with."""
    match template.type:
        case "nth_item":
            return template.nth
        case "buy_x_get_y":
            return template.buy if template.get_goods else template.buy + 1
        case "fixed_price" | "cheapest_free":
            return max(template.buy, 1)
        case _:
            return 1


def _told(template: CouponTemplate) -> list[str]:
    """What is got, as codes a till can show."""
    goods = template.get_goods
    return sorted(goods.skus) or [*goods.categories] or sorted(goods.brands)


def go_together(one: CouponTemplate, other: CouponTemplate) -> bool:
    """True when coupons of these templates may be used in one sale."""
    if one.code == other.code:
        return one.limits.per_order > 1
    a, b = one.stacking, other.stacking
    if a.exclusive or b.exclusive or (a.group and a.group == b.group):
        return False
    return (a.allows is None or b.group in a.allows) and (b.allows is None or a.group in b.allows)


def most_of(each: Ready) -> int:
    """How many coupons of its template one sale may use."""
    room = each.candidate.room
    limits = [each.template.limits.per_order, room.uses, room.member_uses]
    return min(limit for limit in limits if limit is not None)


def apply(case: Case, chosen: Sequence[Ready]) -> Applied:
    """Take these off, in turn. Of two that do not go together the one that comes first in `chosen` counts."""
    refused: dict[str, Reason] = {}
    kept: list[Ready] = []
    many: Counter[str] = Counter()
    for each in chosen:
        rival = next((k for k in kept if not go_together(k.template, each.template)), None)
        code = each.template.code
        if rival is not None:
            refused[each.candidate.id] = Reason("not_with", {"coupon": rival.template.code})
        elif many[code] >= most_of(each):
            refused[each.candidate.id] = Reason("too_many", {"most": most_of(each)})
        else:
            kept.append(each)
            many[code] += 1
    shelf = case.sold.shelf()
    used: list[Used] = []
    given: Counter[str] = Counter()
    ships_free = False
    for each in sorted(kept, key=_turn):
        taken, code = step(case, each, shelf), each.template.code
        if not taken.minor and (ships_free or not each.is_shipping):
            refused[each.candidate.id] = Reason("nothing_left")
            continue
        room = each.candidate.room.minor
        if room is not None and given[code] + taken.minor > room:
            refused[each.candidate.id] = Reason(
                "budget_spent", {"left": room - given[code], "needed": taken.minor}
            )
            continue
        given[code] += taken.minor
        ships_free = ships_free or each.is_shipping
        used.append(Used(each.candidate, taken))
        shelf = after(shelf, taken)
    return Applied(tuple(used), shelf.left, refused)


def step(case: Case, each: Ready, shelf: Shelf) -> Taken:
    """What the coupon takes off what is left."""
    return give(each.template, case.sold, each.about, each.got, shelf)
