"""What each type of coupon takes off the lines that it is about. Pure integers; one function per kind of offer.

An offer on pieces looks at single pieces, dearest first: a line of 3 for 1000 holds one piece of 334 and two of 333. A line
sold by weight is one piece. Pieces are handled as runs of equal ones, so a line of a million costs no more than one of two.
A piece that one such offer made cheaper is closed to the next, so that two vouchers take two cups. What an offer takes off
is rounded once and spread over the lines it touches by largest remainder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shuke.kit.money import allocate, divide
from shuke.rewards.values import CouponTemplate, Goods, Line

WHOLE = 100_000
"""A hundred percent."""

Run = tuple[int, int, int]
"""(value of one piece, line, how many of them)."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What earlier coupons leave of the goods, by line: `left` to pay, and of that the `open_minor` of `open_pieces`."""

    left: tuple[int, ...]
    open_minor: tuple[int, ...]
    open_pieces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sold:
    """The goods before any coupon: what each line costs and its quantity in thousandths."""

    base: tuple[int, ...]
    quantities: tuple[int, ...]

    def shelf(self) -> Shelf:
        """The shelf that the first coupon finds."""
        return Shelf(self.base, self.base, tuple(pieces_of(quantity) for quantity in self.quantities))


@dataclass(frozen=True, slots=True)
class Taken:
    """What a coupon takes `off` each line, and the pieces it closes: line → (how many, what they cost before)."""

    off: Mapping[int, int]
    closed: Mapping[int, tuple[int, int]]

    @property
    def minor(self) -> int:
        return sum(self.off.values())


NOTHING = Taken({}, {})


def pieces_of(quantity: int) -> int:
    """How many pieces a quantity in thousandths is: 2000 → 2; 1350 (weighed) → 1."""
    return quantity // 1000 if quantity % 1000 == 0 else 1


def matches(goods: Goods, line: Line) -> bool:
    """True when the line matches one of every kind that is given."""
    return (
        (not goods.categories or _in_category(goods.categories, line.category))
        and (not goods.skus or line.sku in goods.skus)
        and (not goods.brands or line.brand in goods.brands)
    )


def matches_any(goods: Goods, line: Line) -> bool:
    """True when the line matches one of any kind."""
    return (
        line.sku in goods.skus or line.brand in goods.brands or _in_category(goods.categories, line.category)
    )


def _in_category(categories: Iterable[str], path: str) -> bool:
    return any(path == c or path.startswith(c + "/") for c in categories)


def give(
    template: CouponTemplate, sold: Sold, about: Sequence[int], got: Sequence[int], shelf: Shelf
) -> Taken:
    """What the coupon takes off. `about` are the lines of its scope, `got` those of `get_goods`."""
    match template.type:
        case "amount_off" if template.each_unit:
            taken = _each_piece(template, shelf, about)
        case "amount_off":
            taken = _sum_off(template, sold, shelf, about, template.amount)
        case "threshold":
            taken = _sum_off(
                template, sold, shelf, about, step_off(template, sum(sold.base[i] for i in about))
            )
        case "percent_off":
            share = divide(sum(shelf.left[i] for i in about) * template.percent, WHOLE, "half_up")
            taken = _sum_off(template, sold, shelf, about, share)
        case "free_shipping":
            taken = Taken({i: shelf.left[i] for i in got}, {})
        case "fixed_price":
            taken = _sets(_runs(shelf, about), max(template.buy, 1), template.price, template.times)
        case "exchange":
            taken = _sets(_runs(shelf, about), 1, template.price, max(template.get, 1))
        case "nth_item":
            pieces = _every_nth(_runs(shelf, about), template.nth, template.times)
            taken = _cheaper(pieces, template.percent)
        case "cheapest_free":
            taken = _cheaper(_cheapest_free(template, shelf, about), template.percent)
        case "buy_x_get_y":
            taken = _cheaper(_buy_get(template, shelf, about, got), template.percent)
        case "gift_item":
            taken = _cheaper(_cheapest(_runs(shelf, got), max(template.get, 1)), WHOLE)
    if template.cap is not None and taken.minor > template.cap:
        off = dict(zip(taken.off, allocate(template.cap, list(taken.off.values())), strict=True))
        taken = Taken(off, taken.closed)
    return taken if taken.minor else NOTHING


def ceiling(
    template: CouponTemplate, about: Sequence[int], got: Sequence[int], shelf: Shelf, alone: int
) -> int:
    """The most that the coupon can give in any company, when it gives `alone` on the full shelf.

    Less is left for most coupons when others come first. One that looks for the cheapest piece may find that piece closed
    and take a dearer one: it gives at most what the dearest pieces are worth.
    """
    lines, count = about, sum(shelf.open_pieces[i] for i in about)
    match template.type:
        case "cheapest_free":
            most = count // max(template.buy, 1) * max(template.get, 1)
        case "nth_item":
            most = count // template.nth
        case "buy_x_get_y" if template.get_goods:
            lines, most = got, count // template.buy * template.get
        case "buy_x_get_y":
            most = free_of(template, count)
        case "gift_item":
            lines, most = got, max(template.get, 1)
        case _:
            return alone
    if template.times is not None:
        most = min(most, template.times * max(template.get, 1))
    percent = WHOLE if template.type == "gift_item" else template.percent
    dearest = _cheapest(_runs(shelf, lines)[::-1], most)
    minor = divide(sum(value * many for value, _line, many in dearest) * percent, WHOLE, "half_up")
    return minor if template.cap is None else min(minor, template.cap)


def after(shelf: Shelf, taken: Taken) -> Shelf:
    """What is left once the coupon has taken its part."""
    left = list(shelf.left)
    if not taken.closed and shelf.open_minor is shelf.left:  # no piece is closed yet, as in most sales
        for i, off in taken.off.items():
            left[i] -= off
        rest = tuple(left)
        return Shelf(rest, rest, shelf.open_pieces)
    minor, pieces = list(shelf.open_minor), list(shelf.open_pieces)
    for i, off in taken.off.items():
        if i not in taken.closed and minor[i] != left[i]:
            # Closed pieces bear their part of what is off the line as a whole.
            minor[i] -= _share(off, minor[i], left[i] - minor[i])
        elif i not in taken.closed:
            minor[i] -= off
        left[i] -= off
    for i, (count, value) in taken.closed.items():
        pieces[i] -= count
        minor[i] -= value
    return Shelf(tuple(left), tuple(minor), tuple(pieces))


def _share(total: int, part: int, rest: int) -> int:
    """What of a total falls on the first of two parts: `allocate(total, [part, rest])[0]`, where it is needed most."""
    whole = part + rest
    share, over = divmod(total * part, whole)
    other, under = divmod(total * rest, whole)
    return share + (share + other < total and over >= under)


def step_off(template: CouponTemplate, spend: int) -> int:
    """What a threshold coupon takes off this spend: its highest step reached, once or each time."""
    reached = [step for step in template.steps if spend >= step.least]
    if not reached:
        return 0
    step = max(reached, key=lambda each: each.least)
    return step.off * (spend // step.least) if template.repeat else step.off


def free_of(template: CouponTemplate, count: int) -> int:
    """How many of `count` pieces of one pool are got: every `buy` bring `get`; what is left over may bring a part."""
    group = template.buy + template.get
    free = count // group * template.get + max(count % group - template.buy, 0)
    return free if template.times is None else min(free, template.times * template.get)


def _each_piece(template: CouponTemplate, shelf: Shelf, about: Sequence[int]) -> Taken:
    off: dict[int, int] = {}
    for value, line, count in _runs(shelf, about):
        off[line] = off.get(line, 0) + min(value, template.amount) * count
    return Taken(off, {})


def _sum_off(template: CouponTemplate, sold: Sold, shelf: Shelf, about: Sequence[int], total: int) -> Taken:
    """An amount over the lines, by what they cost or by quantity; no line gives more than is left of it."""
    have = [shelf.left[i] for i in about]
    if template.cap is not None:
        total = min(total, template.cap)
    total = min(total, sum(have))
    if not total:
        return NOTHING
    if template.spread == "amount":
        return Taken(dict(zip(about, allocate(total, have), strict=True)), {})
    off = [0] * len(about)
    while total:
        # A line that is used up passes the rest on to the others.
        weights = [
            sold.quantities[i] if full > part else 0 for i, full, part in zip(about, have, off, strict=True)
        ]
        shares = zip(allocate(total, weights), have, off, strict=True)
        parts = [min(share, full - part) for share, full, part in shares]
        off = [a + b for a, b in zip(off, parts, strict=True)]
        total -= sum(parts)
    return Taken(dict(zip(about, off, strict=True)), {})


def _runs(shelf: Shelf, lines: Sequence[int]) -> list[Run]:
    """The open pieces of these lines as runs, dearest first; equal ones in the order of the sale."""
    runs: list[Run] = []
    for i in lines:
        count = shelf.open_pieces[i]
        if not count:
            continue
        value, extra = divmod(shelf.open_minor[i], count)
        if extra:
            runs.append((value + 1, i, extra))
        runs.append((value, i, count - extra))
    runs.sort(key=lambda run: (-run[0], run[1]))
    return runs


def _count(runs: Iterable[Run]) -> int:
    return sum(many for _value, _line, many in runs)


def _cheapest(runs: Sequence[Run], count: int) -> list[Run]:
    """The `count` cheapest pieces; of equal ones the later in the sale."""
    taken: list[Run] = []
    for value, line, many in reversed(runs):
        part = min(many, count)
        if not part:
            break
        taken.append((value, line, part))
        count -= part
    return taken


def _every_nth(runs: Sequence[Run], nth: int, times: int | None) -> list[Run]:
    """Of the pieces in a row, dearest first, every nth: 2 → the second, the fourth, and so on."""
    taken: list[Run] = []
    end = 0
    for value, line, many in runs:
        start, end = end, end + many
        last = end if times is None else min(end, times * nth)
        part = last // nth - start // nth
        if part > 0:
            taken.append((value, line, part))
    return taken


def _cheapest_free(template: CouponTemplate, shelf: Shelf, about: Sequence[int]) -> list[Run]:
    runs = _runs(shelf, about)
    count = _count(runs)
    fits = count // max(template.buy, 1)
    if template.times is not None:
        fits = min(fits, template.times)
    return _cheapest(runs, min(max(template.get, 1) * fits, count))


def _buy_get(template: CouponTemplate, shelf: Shelf, about: Sequence[int], got: Sequence[int]) -> list[Run]:
    """The pieces that are got: the cheapest. A piece cannot be both bought and got."""
    if not template.get_goods:
        runs = _runs(shelf, about)
        return _cheapest(runs, free_of(template, _count(runs)))
    bought = set(about)
    count = sum(shelf.open_pieces[i] for i in about)
    # Of pieces that cost the same, those that cannot count as bought are got first.
    runs = sorted(_runs(shelf, got), key=lambda run: (-run[0], run[1] not in bought, run[1]))
    high = _count(runs)
    if template.times is not None:
        high = min(high, template.times * template.get)
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        overlap = _count(run for run in _cheapest(runs, middle) if run[1] in bought)
        if count - overlap >= template.buy * -(-middle // template.get):
            low = middle
        else:
            high = middle - 1
    return _cheapest(runs, low)


def _sets(runs: list[Run], size: int, price: int, times: int | None) -> Taken:
    """`size` pieces for `price`, in sets from the dearest piece down; a set that costs no more than that stays as it is."""
    rest = list(runs)
    at, total = 0, 0
    taken: list[Run] = []
    while at < len(rest) and times != 0:
        value, line, many = rest[at]
        sets = many // size if times is None else min(many // size, times)
        if sets:
            chosen = [(value, line, sets * size)]
            rest[at] = (value, line, many - sets * size)
            at += many == sets * size
        else:
            sets, missing, chosen = 1, size, []
            while missing and at < len(rest):
                value, line, many = rest[at]
                part = min(many, missing)
                chosen.append((value, line, part))
                rest[at] = (value, line, many - part)
                missing -= part
                at += part == many
            if missing:
                break
        saved = sum(value * many for value, _line, many in chosen) - price * sets
        if saved <= 0:
            break  # the pieces that follow are cheaper still
        total += saved
        taken += chosen
        times = None if times is None else times - sets
    return _closing(taken, total)


def _cheaper(taken: Sequence[Run], percent: int) -> Taken:
    """A percentage off these pieces, rounded once."""
    whole = sum(value * many for value, _line, many in taken)
    return _closing(taken, divide(whole * percent, WHOLE, "half_up"))


def _closing(taken: Sequence[Run], total: int) -> Taken:
    """`total` off these pieces, by what they cost."""
    closed: dict[int, tuple[int, int]] = {}
    for value, line, many in sorted(taken, key=lambda run: run[1]):
        count, worth = closed.get(line, (0, 0))
        closed[line] = (count + many, worth + value * many)
    if not total:
        return NOTHING
    parts = allocate(total, [worth for _count, worth in closed.values()])
    return Taken(dict(zip(closed, parts, strict=True)), closed)
