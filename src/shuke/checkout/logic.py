"""The one pure function that prices a sale. A quote, a commit and an import all run it; only the writing differs.

Order of application (the law that docs/concepts states in prose): item prices → discounts already given by the selling
system → tier and plan discounts → coupons → points-as-cash → taxes → tenders → earning. Every figure is an integer and is
spread over the lines by largest remainder, so that lines always add up to the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shuke.checkout.coupon_logic import Coupons, CouponsTaken
from shuke.checkout.tax_logic import LineTax, TaxedLine, TaxTotal, tax_lines, tax_totals
from shuke.checkout.tender_logic import NO_FUNDS, Funds, Paid, Tender, settle, stored_value_shares
from shuke.checkout.values import PRODUCT_RESERVED, PricingRefusal
from shuke.kit.money import MAX_MINOR, allocate, divide
from shuke.loyalty.benefits import (
    WHOLE_PERCENT,
    Discount,
    Held,
    discounts_of,
    reserved_for,
    ships_free,
)
from shuke.loyalty.conditions import NO_TRAITS, MemberTraits, SaleContext
from shuke.loyalty.earning import NO_ROOM, Earned, Room, Use
from shuke.loyalty.logic import earn, usable_at_once
from shuke.loyalty.programme import Programme
from shuke.loyalty.tenders import Taxes
from shuke.loyalty.tier_logic import TierMove, TierState, beside_plans, qualify
from shuke.loyalty.tiers import MAIN, Metric
from shuke.rewards.values import Occasion


class CartLine(Struct, frozen=True, gc=False):
    """`quantity` in thousandths of a unit; `list_minor` for the whole line; `given` are discounts made by the till."""

    product_id: UUID | str
    sku: str
    category: str
    quantity: int
    list_minor: int
    given: tuple[tuple[str, int], ...] = ()
    tax: str | None = None
    brand: str = ""
    """Filled in when a rule of the programme looks at brands."""


class Cart(Struct, frozen=True):
    """What is being sold, where. `settled`: the selling system has fixed the prices, so the tier discount stays out."""

    lines: Sequence[CartLine]
    store: str
    channel: str
    settled: bool
    points_to_use: int = 0
    tenders: Sequence[Tender] = ()
    coupons: Coupons | None = None


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What a member holds on a track beside the main one, and its metric in the window that ends now, before this sale."""

    track: str
    state: TierState
    qualifying: int


class MemberFacts(Struct, frozen=True):
    """What pricing knows of the member. `qualifying` is the tier metric in the window that ends now, before this sale."""

    tier: TierState
    birthday: tuple[int, int] | None
    usable_points: int
    qualifying: int
    traits: MemberTraits = NO_TRAITS
    room: Room = NO_ROOM
    """`traits` and `room` are read when the programme looks at them (`Programme.needs`)."""
    points_debt: int = 0
    tracks: tuple[TrackFacts, ...] = ()
    """One for each of the programme's further tracks; most programmes have none."""

    @property
    def levels(self) -> dict[str, str]:
        """The levels held on the further tracks."""
        return {each.track: each.state.tier for each in self.tracks}


class PricedLine(Struct, frozen=True, gc=False):
    list_minor: int
    discount_minor: int
    points_minor: int
    payable_minor: int
    points: int
    growth: int
    detail: list[dict[str, Any]] | None
    tax: LineTax | None = None


class Priced(Struct, frozen=True):
    """A priced sale. Sums over `lines` equal the header. payable = sales − points + `tax_added_minor`: prices that contain
    their tax add none. `paid` is what the tenders pay of it, `due_minor` what is left to pay outside.
    """

    lines: list[PricedLine]
    list_minor: int
    discount_minor: int
    sales_minor: int
    points_minor: int
    payable_minor: int
    qualifying_minor: int
    points_used: int
    points_limit: int
    earned: list[Earned]
    tier: str
    move: TierMove | None
    taxes: Sequence[TaxTotal] = ()
    tax_minor: int = 0
    tax_added_minor: int = 0
    paid: Sequence[Paid] = ()
    due_minor: int = 0
    held: Sequence[Held] = ()
    """The tier and plans whose benefits counted."""
    free_shipping: bool = False
    """By a benefit or by a coupon."""
    coupons: CouponsTaken | None = None
    track_moves: Mapping[str, TierMove] = {}
    """Moves on the tracks beside the main one."""

    @property
    def moves(self) -> dict[str, TierMove]:
        """All tier moves of the sale, by track."""
        return {**({MAIN: self.move} if self.move else {}), **self.track_moves}

    def earned_of(self, asset: str) -> int:
        """Units of an asset that the sale earns."""
        return sum(e.total for e in self.earned if e.asset == asset)

    @property
    def uses(self) -> list[Use]:
        """What the sale takes of caps and budgets."""
        return [use for earned in self.earned for use in earned.uses]


def price(
    programme: Programme, cart: Cart, member: MemberFacts | None, now: datetime, funds: Funds = NO_FUNDS
) -> Priced:
    """Price a cart for a member (or nobody) at an instant, paid from `funds` as the cart asks. Raises PricingRefusal.

    The member's tier must already be reviewed up to `now` (`loyalty.logic.lapse`).
    """
    if member is None or programme.redemption is None or not programme.policies.spend_own_points:
        return _price(programme, cart, member, now, funds)
    # The order may spend what it earns, and earns less the more it spends: price it as if all that is asked were there,
    # then see whether it is.
    asked = cart.points_to_use
    priced = _price(
        programme, cart, replace(member, usable_points=max(member.usable_points, asked)), now, funds
    )
    own = usable_at_once(programme, priced.earned, "points", member.points_debt, now)
    if asked > member.usable_points + own:
        raise PricingRefusal(
            "not_enough_points", "points_to_use", asked=asked, usable=max(member.usable_points + own, 0)
        )
    return replace(priced, points_limit=_limit_with_own(programme, cart, member, priced.sales_minor, now))


def _limit_with_own(
    programme: Programme, cart: Cart, member: MemberFacts, sales_minor: int, now: datetime
) -> int:
    """The most points that a sale which may spend its own is sure to be able to take, by halving."""
    rule = programme.redemption
    least = points_limit(programme, member, sales_minor)
    if cart.tenders or rule is None:
        return (
            least  # what tenders do to earning is known once they are settled: promise no more than is there
        )
    low = least // rule.step
    high = points_limit(programme, replace(member, usable_points=MAX_MINOR), sales_minor) // rule.step
    while low < high:
        middle = (low + high + 1) // 2
        points = middle * rule.step
        tried = _price(
            programme,
            replace(cart, points_to_use=points),
            replace(member, usable_points=points),
            now,
            NO_FUNDS,
        )
        own = usable_at_once(programme, tried.earned, "points", member.points_debt, now)
        if points <= member.usable_points + own:
            low = middle
        else:
            high = middle - 1
    most = low * rule.step
    return most if most >= rule.minimum else 0


def _price(
    programme: Programme, cart: Cart, member: MemberFacts | None, now: datetime, funds: Funds
) -> Priced:
    lists = [line.list_minor for line in cart.lines]
    given = [sum([minor for _, minor in line.given]) if line.given else 0 for line in cart.lines]
    if sum(lists) > MAX_MINOR:
        raise PricingRefusal("amount_too_large", "lines")
    for index, (full, off) in enumerate(zip(lists, given, strict=True)):
        if off > full:
            raise PricingRefusal(
                "discount_exceeds_price", f"lines/{index}/discounts", price=full, discount=off
            )
    nets = [full - off for full, off in zip(lists, given, strict=True)]
    tiers = programme.tiers
    level = tiers.level(beside_plans(tiers, member.tier).tier) if member else tiers.levels[0]
    held = programme.held(level.code, member.traits.plans, member.levels) if member else []
    if programme.reserved and not cart.settled:
        _check_reserved(programme, cart, held, now)

    tier_off = [0] * len(nets)
    discounts: tuple[Discount, ...] = ()
    if member and not cart.settled:
        discounts = discounts_of(held, programme.policies.benefit_stacking)
        percent = min(sum(each.percent for each in discounts), WHOLE_PERCENT)
        if percent:
            tier_off = allocate(divide(sum(nets) * percent, WHOLE_PERCENT, "half_up"), nets)
            nets = [net - off for net, off in zip(nets, tier_off, strict=True)]

    coupons = _take_coupons(programme, cart, nets, now)
    if coupons:
        nets = list(coupons.left)

    sales = sum(nets)
    limit = points_limit(programme, member, sales)
    points_used, points_minor = _points_as_cash(programme, member, cart.points_to_use, limit)
    by_points = allocate(points_minor, nets) if points_minor else [0] * len(nets)
    payable = [net - paid for net, paid in zip(nets, by_points, strict=True)]
    amounts = nets if programme.policies.points_paid_earn else payable
    taxed: list[LineTax | None] = []
    added = 0
    if programme.taxes is not None:
        taxed, payable, amounts = _with_taxes(programme.taxes, cart, nets, payable, amounts)
        added = sum(payable) - (sales - points_minor)
    elif any(line.tax is not None for line in cart.lines):
        raise PricingRefusal("unknown_tax_rate", "lines")
    due = sales - points_minor + added
    paid: list[Paid] = []
    if cart.tenders:
        paid = settle(programme, cart.tenders, funds, due, has_member=member is not None)
        silent = stored_value_shares(programme, paid)
        if silent:
            off = divide(silent * sum(amounts), due, "half_up")
            amounts = [a - part for a, part in zip(amounts, allocate(off, amounts), strict=True)]

    earned: list[Earned] = []
    move, track_moves = None, dict[str, TierMove]()
    if member:
        context = SaleContext(
            now.astimezone(programme.zone),
            cart.store,
            cart.channel,
            held[0].code,
            member.birthday,
            frozenset(each.kind for each in paid if each.amount_minor),
            member.traits,
            frozenset(each.state.tier for each in member.tracks),
        )
        earned = earn(programme, context, amounts, cart.lines, member.room, held)
        gained = _gained(programme.tiers.metric, amounts, earned)
        move = qualify(programme.tiers, member.tier, member.qualifying + gained, now)
        track_moves = _track_moves(programme, member, amounts, earned, now) if member.tracks else {}
    zeros = [0] * len(nets)
    points = next((e.by_line for e in earned if e.asset == "points"), zeros)
    growth = next((e.by_line for e in earned if e.asset == "growth"), zeros)
    lines = []
    for i, line in enumerate(cart.lines):
        detail: list[dict[str, Any]] | None = None
        if line.given or tier_off[i]:
            detail = [{"kind": "given", "code": code, "minor": minor} for code, minor in line.given]
            if tier_off[i]:
                detail += _told_discounts(discounts, tier_off[i])
        off = given[i] + tier_off[i]
        if coupons:
            for told in _coupon_details(coupons, i):
                detail = [*(detail or ()), told]
                off += told["minor"]
        tax = taxed[i] if taxed else None
        lines.append(PricedLine(lists[i], off, by_points[i], payable[i], points[i], growth[i], detail, tax))
    return Priced(
        lines=lines,
        list_minor=sum(lists),
        discount_minor=sum(given) + sum(tier_off) + (coupons.minor if coupons else 0),
        sales_minor=sales,
        points_minor=points_minor,
        payable_minor=due,
        qualifying_minor=sum(amounts),
        points_used=points_used,
        points_limit=limit,
        earned=earned,
        tier=level.code if member else "",
        move=move,
        taxes=tax_totals(taxed, [line.discount_minor for line in lines]) if taxed else (),
        tax_minor=sum(tax.tax_minor for tax in taxed if tax),
        tax_added_minor=added,
        paid=paid,
        due_minor=due - sum(each.amount_minor for each in paid if each.is_inside),
        held=held,
        free_shipping=ships_free(held, sales) or (coupons is not None and coupons.ships_free),
        coupons=coupons,
        track_moves=track_moves,
    )


def _check_reserved(programme: Programme, cart: Cart, held: Sequence[Held], now: datetime) -> None:
    """Goods for holders of some tiers and plans only. Prices that the till has fixed are sales that have happened."""
    day = now.astimezone(programme.zone).date()
    for index, line in enumerate(cart.lines):
        holders = reserved_for(programme.reserved, line, day, held)
        if holders:
            who = ",".join(f"{kind}:{code}" for kind, code in holders)
            raise PricingRefusal(PRODUCT_RESERVED, f"lines/{index}/sku", sku=line.sku, holders=who)


def _told_discounts(discounts: Sequence[Discount], off: int) -> list[dict[str, Any]]:
    """A line's share of what tier and plan take off, each with its own part."""
    parts = allocate(off, [each.percent for each in discounts])
    return [
        {"kind": each.kind, "code": each.code, "percent": each.percent, "minor": part}
        for each, part in zip(discounts, parts, strict=True)
        if part
    ]


def _take_coupons(
    programme: Programme, cart: Cart, nets: Sequence[int], now: datetime
) -> CouponsTaken | None:
    """What coupons take off; None for a sale that asks for none. A tender counts when it shall pay something."""
    if cart.coupons is None:
        return None
    occasion = Occasion(
        now.astimezone(programme.zone),
        cart.store,
        cart.channel,
        frozenset(each.kind for each in cart.tenders if each.asked != 0),
    )
    return cart.coupons.take(cart.lines, nets, occasion, settled=cart.settled)


def _coupon_details(coupons: CouponsTaken, line: int) -> list[dict[str, Any]]:
    """What each coupon takes off one line. A piece is named; a public code is known by its template."""
    return [
        {
            "kind": "coupon",
            "code": used.candidate.template.code,
            "minor": used.taken.off[line],
            **({"coupon": str(used.candidate.coupon_id)} if used.candidate.coupon_id else {}),
        }
        for used in coupons.used
        if used.taken.off.get(line)
    ]


def _gained(metric: Metric, amounts: Sequence[int], earned: Sequence[Earned]) -> int:
    """What a sale adds to the metric of a track."""
    match metric:
        case "spend":
            return sum(amounts)
        case "orders":
            return 1
        case "none":
            return 0
        case asset:
            return sum(e.total for e in earned if e.asset == asset)


def _track_moves(
    programme: Programme,
    member: MemberFacts,
    amounts: Sequence[int],
    earned: Sequence[Earned],
    now: datetime,
) -> dict[str, TierMove]:
    moves = {}
    for each in member.tracks:
        tiers = programme.tracks.get(each.track)
        if tiers is None:
            continue
        total = each.qualifying + _gained(tiers.metric, amounts, earned)
        move = qualify(tiers, each.state, total, now)
        if move:
            moves[each.track] = move
    return moves


def _with_taxes(
    taxes: Taxes, cart: Cart, nets: list[int], payable: list[int], amounts: list[int]
) -> tuple[list[LineTax | None], list[int], list[int]]:
    """(tax of each line, what is to be paid with added tax, what earns)."""
    base = payable if taxes.points_reduce else nets
    taxed = tax_lines(
        taxes,
        [
            TaxedLine(line.sku, line.category, line.tax, amount)
            for line, amount in zip(cart.lines, base, strict=True)
        ],
    )
    by_line = [tax.tax_minor if tax else 0 for tax in taxed]
    if not taxes.included:
        payable = [amount + tax for amount, tax in zip(payable, by_line, strict=True)]
        if taxes.earn_on_tax:
            amounts = [amount + tax for amount, tax in zip(amounts, by_line, strict=True)]
    elif not taxes.earn_on_tax:
        # Points that leave the tax as it was can pay more than the rest of a line: it then earns nothing.
        amounts = [max(amount - tax, 0) for amount, tax in zip(amounts, by_line, strict=True)]
    return taxed, payable, amounts


def points_limit(programme: Programme, member: MemberFacts | None, sales_minor: int) -> int:
    """The most points this sale may take: by share of the sale, in whole steps, and by what the member has."""
    rule = programme.redemption
    if member is None or rule is None:
        return 0
    cap_minor = sales_minor * rule.max_percent // 100_000
    most = min(cap_minor * rule.points // rule.worth, max(member.usable_points, 0))
    most -= most % rule.step
    return most if most >= rule.minimum else 0


def _points_as_cash(
    programme: Programme, member: MemberFacts | None, asked: int, limit: int
) -> tuple[int, int]:
    """(points, minor units) that pay. More than the member has is refused; limits of the programme cap quietly."""
    if asked == 0:
        return 0, 0
    if member is None:
        raise PricingRefusal("points_need_member", "points_to_use")
    rule = programme.redemption
    if rule is None:
        raise PricingRefusal("points_not_accepted", "points_to_use")
    if asked > member.usable_points:
        raise PricingRefusal(
            "not_enough_points", "points_to_use", asked=asked, usable=max(member.usable_points, 0)
        )
    points = min(asked, limit)
    points -= points % rule.step
    if points < rule.minimum:
        return 0, 0
    return points, points * rule.worth // rule.points
