"""The coupons that a sale names, found and made ready for pricing; then what is written of them and told of them.

Only a sale that asks for coupons comes here: it costs one more round trip (two, where a piece's template could not be known
beforehand). What a piece gives is what its template said when it was handed out; how often it counts and with what it goes
together is what the programme in force says, as long as it knows the template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import structs

from shuke.catalog.queries import brands_of
from shuke.checkout.coupon_logic import MAX_COUPONS, Coupons
from shuke.checkout.coupon_words import why_not
from shuke.checkout.earning_facts import with_brands
from shuke.checkout.errors import CouponNotUsable, TooManyCoupons
from shuke.checkout.logic import Cart, Priced
from shuke.checkout.values import BEST, SaleRequest
from shuke.core.values import Actor
from shuke.kit.clock import local_date
from shuke.kit.ids import uuid7
from shuke.loyalty.queries import InForce, version_by_id
from shuke.loyalty.words import localized
from shuke.rewards.codes import read_public_code, read_unique_code
from shuke.rewards.operations.holding import period_start
from shuke.rewards.queries import CouponFacts, Drawn, FoundCode, HeldCoupon, coupon_facts
from shuke.rewards.terms import fixed_terms
from shuke.rewards.values import Candidate, CouponTemplate, Reason, Room

MOST_HELD = 100
"""Pieces of one member that are looked at, soonest ending first."""
MOST_LIMITED = 50
"""Templates whose counters are read unasked; a programme with more is asked again for those that are needed."""
_UUID_CHARS = 36


@dataclass(frozen=True, slots=True)
class Found:
    """A coupon of the sale. `asked`: its place among the coupons named. `shown`: its id or code, a unique code's last four
    only. Without a candidate nobody knows it (`reason`). `blind` and `last_four`: a unique code that has no piece yet."""

    asked: int | None
    shown: str
    candidate: Candidate | None = None
    reason: Reason | None = None
    blind: bytes | None = None
    last_four: str = ""

    @property
    def is_public(self) -> bool:
        """A code that many use, not a piece."""
        return self.candidate is not None and self.candidate.coupon_id is None and self.blind is None


@dataclass(frozen=True, slots=True)
class SaleCoupons:
    """All coupons that the sale names or may choose from, in the order in which they are told."""

    found: Sequence[Found]
    coupons: Coupons
    in_force: InForce

    def on(self, cart: Cart) -> Cart:
        """The cart with its coupons, and with brands where one of them looks at brands."""
        if any(each.template.uses_brands for each in self.coupons.candidates):
            cart = with_brands(cart, brands_of({line.sku for line in cart.lines}))
        return structs.replace(cart, coupons=self.coupons)

    def check(self, priced: Priced) -> None:
        """Refuse a sale that names a coupon which does not count: the customer was promised it. Raises CouponNotUsable."""
        if self.coupons.best:
            return
        told = {each["asked"]: each for each in self.told(priced) if each["asked"] is not None}
        for place in sorted(told):
            if told[place]["status"] != "used":
                raise CouponNotUsable(
                    field=f"coupons/{place}",
                    coupon=told[place]["coupon"],
                    cause=told[place]["reason"],
                    reason=told[place]["message"],
                )

    def told(self, priced: Priced) -> list[dict[str, Any]]:
        """Each coupon with what it gives, what it would give, or why it gives nothing."""
        taken = priced.coupons
        assert taken is not None
        used = {each.candidate.id: each.minor for each in taken.used}
        rows = []
        for each in self.found:
            name = each.candidate.id if each.candidate else ""
            reason = each.reason or taken.refused.get(name)
            status, minor = "refused", 0
            if name in used:
                status, minor, reason = "used", used[name], None
            elif name in taken.adds:
                status, minor, reason = "usable", taken.adds[name], None
            elif reason is None:
                reason = Reason("not_chosen")
            rows.append(self._row(each, status, minor, reason))
        return rows

    def _row(self, each: Found, status: str, minor: int, reason: Reason | None) -> dict[str, Any]:
        candidate, programme = each.candidate, self.in_force.programme
        template = candidate.template if candidate else None
        return {
            "coupon": each.shown,
            "asked": each.asked,
            "coupon_id": candidate.coupon_id if candidate else None,
            "template": template.code if template else None,
            "type": template.type if template else None,
            "name": localized(template.name) if template else "",
            "status": status,
            "minor": minor,
            "valid_until": candidate.valid_until if candidate else None,
            "reason": reason.code if reason else None,
            "message": why_not(reason, programme) if reason else "",
        }

    def used_rows(self, priced: Priced) -> list[dict[str, Any]]:
        """What an order keeps in its answer: the coupons that count."""
        return [row for row in self.told(priced) if row["status"] == "used"]

    def document(
        self, priced: Priced, order_id: UUID, member_id: UUID | None, actor: Actor, at: datetime
    ) -> dict[str, Any]:
        """What `rewards_use` writes; empty when no coupon counts."""
        taken = priced.coupons
        if taken is None or not taken.used:
            return {}
        day = local_date(at, self.in_force.programme.zone)
        by_id = {each.candidate.id: each for each in self.found if each.candidate}
        return {
            "coupons": {
                "order_id": order_id,
                "member_id": member_id,
                "at": at,
                "day": day,
                "actor": actor.reference,
                "uses": [_use(by_id[each.candidate.id], each.minor, day) for each in taken.used],
            }
        }


def read_coupons(
    in_force: InForce, sale: SaleRequest, member_id: UUID | None, at: datetime, *, is_quote: bool = False
) -> SaleCoupons | None:
    """The coupons that a sale names, and with `BEST` all that the member holds; None when it asks for none.

    Raises TooManyCoupons.
    """
    everything = is_quote and sale.all_coupons
    if not sale.coupons and not everything:
        return None
    named = [(place, text.strip()) for place, text in enumerate(sale.coupons) if text.strip().lower() != BEST]
    if len(named) > MAX_COUPONS:
        raise TooManyCoupons(field="coupons", most=MAX_COUPONS)
    best = len(named) < len(sale.coupons)
    programme, day = in_force.programme, local_date(at, in_force.programme.zone)
    public = {each.public_code: each for each in programme.coupons.values() if each.public_code}
    ids = {text: coupon_id for _place, text in named if (coupon_id := _id(text))}
    unique = [text for _place, text in named if text not in ids and read_public_code(text) not in public]
    limited = [each for each in programme.coupons.values() if _is_limited(each)]
    since = _since(limited, day) if len(limited) <= MOST_LIMITED else {}
    facts = coupon_facts(
        member_id=member_id,
        coupon_ids=list(ids.values()),
        codes=unique,
        all_held=member_id is not None and (best or everything),
        since=since,
    )
    finder = _Finder(in_force, member_id, facts, public, ids, is_quote=is_quote)
    found = [finder.named(place, text) for place, text in named]
    found += finder.held({each.candidate.coupon_id for each in found if each.candidate})
    found = finder.with_room(found, since, day)
    candidates = tuple(each.candidate for each in found if each.candidate)
    asked = tuple(each.candidate.id for each in found if each.candidate and each.asked is not None)
    return SaleCoupons(found, Coupons(candidates, asked, best, tells_all=is_quote), in_force)


class _Finder:
    """Turns what was named, and what is held, into candidates."""

    def __init__(
        self,
        in_force: InForce,
        member_id: UUID | None,
        facts: CouponFacts,
        public: Mapping[str, CouponTemplate],
        ids: Mapping[str, UUID],
        *,
        is_quote: bool,
    ) -> None:
        self.in_force = in_force
        self.member_id = member_id
        self.facts = facts
        self.public = public
        self.ids = ids
        self.is_quote = is_quote
        self.seen: set[str] = set()

    def named(self, place: int, text: str) -> Found:
        """One coupon as the till named it."""
        if text in self.ids:
            piece = self.facts.coupons.get(self.ids[text])
            found = self._piece(piece, place, str(piece.id)) if piece else None
        elif (code := read_public_code(text)) in self.public:
            found = self._public(self.public[code], code, place)
        else:
            plain = read_unique_code(text)
            known = self.facts.codes.get(plain) if plain else None
            found = self._unique(known, place) if known else None
        if found is None:
            return Found(place, _masked(text), reason=Reason("unknown"))
        assert found.candidate is not None
        if found.candidate.id in self.seen:
            return Found(place, found.shown, reason=Reason("named_twice"))
        self.seen.add(found.candidate.id)
        return found

    def held(self, without: set[UUID | None]) -> list[Found]:
        """The member's other pieces, soonest ending first."""
        pieces = [
            each
            for each in self.facts.coupons.values()
            if each.member_id == self.member_id and each.state == "held" and each.id not in without
        ]
        pieces.sort(key=lambda each: (each.valid_until is None, each.valid_until or each.valid_from, each.id))
        found = [self._piece(each, None, str(each.id)) for each in pieces[:MOST_HELD]]
        return [each for each in found if each is not None]

    def with_room(self, found: list[Found], since: Mapping[str, date], day: date) -> list[Found]:
        """Each with what the limits of its template leave."""
        limited = {each.candidate.template.code: each.candidate.template for each in found if each.candidate}
        missing = [each for code, each in limited.items() if code not in since and _is_limited(each)]
        uses, drawn = dict(self.facts.member_uses), dict(self.facts.drawn)
        if missing:
            more = coupon_facts(member_id=self.member_id, since=_since(missing, day))
            uses.update(more.member_uses)
            drawn.update(more.drawn)
        return [
            replace(each, candidate=self._within(each, each.candidate, uses, drawn))
            if each.candidate
            else each
            for each in found
        ]

    def _within(
        self, found: Found, candidate: Candidate, uses: Mapping[str, int], drawn: Mapping[str, Drawn]
    ) -> Candidate:
        template = candidate.template
        if not _is_limited(template):
            return candidate
        if template.limits.per_member is not None and self.member_id is None:
            unusable = candidate.unusable or Reason("member_needed")
            return replace(candidate, unusable=unusable)
        taken = drawn.get(template.code, Drawn())
        room = _room(template, taken, uses.get(template.code, 0), is_public=found.is_public)
        return replace(candidate, room=room)

    def _public(self, template: CouponTemplate, code: str, place: int) -> Found:
        begins, ends = fixed_terms(template.validity, self.in_force.programme.zone)
        candidate = Candidate(code, template, self.in_force.version_id, valid_from=begins, valid_until=ends)
        return Found(place, code, candidate)

    def _piece(self, piece: HeldCoupon, place: int | None, shown: str, last_four: str = "") -> Found | None:
        template = _template(self.in_force, piece.version_id, piece.template)
        if template is None:
            return None
        candidate = Candidate(
            str(piece.id),
            template,
            piece.version_id,
            piece.id,
            piece.valid_from,
            piece.valid_until,
            unusable=_unusable(piece, self.member_id),
        )
        return Found(place, shown, candidate, last_four=last_four)

    def _unique(self, code: FoundCode, place: int) -> Found | None:
        shown = f"…{code.last_four}"
        if code.coupon is not None:
            return self._piece(code.coupon, place, shown, code.last_four)
        template = _template(self.in_force, code.version_id, code.template)
        if template is None:
            return None
        reason = None if code.state == "issued" else _ended(code.state, code.valid_until)
        candidate = Candidate(
            code.code,
            template,
            code.version_id,
            # The sale makes the piece; a quote makes nothing that could be named.
            None if self.is_quote else uuid7(),
            code.valid_from,
            code.valid_until,
            unusable=reason,
        )
        return Found(place, shown, candidate, blind=code.blind, last_four=code.last_four)


def _id(text: str) -> UUID | None:
    if len(text) != _UUID_CHARS:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _masked(text: str) -> str:
    """What is told of a text that names nothing: it may be a mistyped unique code."""
    return text if len(text) <= 4 or _id(text) else f"…{text[-4:]}"


def _is_limited(template: CouponTemplate) -> bool:
    limits = template.limits
    return (
        limits.per_member is not None
        or limits.budget_count is not None
        or limits.budget_minor is not None
        or (limits.stock is not None and bool(template.public_code))
    )


def _since(templates: Iterable[CouponTemplate], day: date) -> dict[str, date]:
    return {each.code: period_start(each.limits.per_member_per, day) for each in templates}


def _room(template: CouponTemplate, taken: Drawn, member_uses: int, *, is_public: bool) -> Room:
    limits = template.limits
    uses = [limits.budget_count - taken.used] if limits.budget_count is not None else []
    if is_public and limits.stock is not None:
        uses.append(limits.stock - taken.issued)
    return Room(
        uses=min(uses) if uses else None,
        minor=limits.budget_minor - taken.given_minor if limits.budget_minor is not None else None,
        member_uses=limits.per_member - member_uses if limits.per_member is not None else None,
    )


def _template(in_force: InForce, version_id: UUID, code: str) -> CouponTemplate | None:
    """The template as it was promised, within today's limits; None when neither version knows it."""
    current = in_force.programme.coupons.get(code)
    if version_id == in_force.version_id:
        return current
    promised = version_by_id(version_id).programme.coupons.get(code)
    if promised is None or current is None:
        return promised or current
    return replace(promised, limits=current.limits, stacking=current.stacking)


def _unusable(piece: HeldCoupon, member_id: UUID | None) -> Reason | None:
    if piece.member_id is not None and piece.member_id != member_id:
        return Reason("member_needed" if member_id is None else "other_member")
    return None if piece.state in ("issued", "held") else _ended(piece.state, piece.valid_until)


def _ended(state: str, until: datetime | None) -> Reason:
    if state == "expired":
        return Reason("expired", {"until": until})
    return Reason("used_before" if state == "used" else "void")


def _use(found: Found, minor: int, day: date) -> dict[str, Any]:
    """One use as `rewards_use` takes it; only the limits that there are."""
    candidate = found.candidate
    assert candidate is not None
    template, limits = candidate.template, candidate.template.limits
    use: dict[str, Any] = {"t": template.code, "v": minor, "w": candidate.version_id}
    if found.blind is not None:
        use |= {
            "b": found.blind.hex(),
            "i": candidate.coupon_id,
            "f": found.last_four,
            "e": candidate.valid_until,
        }
    elif candidate.coupon_id is not None:
        use["c"] = candidate.coupon_id
    bounds = {
        "s": limits.stock,
        "q": limits.budget_count,
        "m": limits.budget_minor,
        "a": limits.alarm_percent,
    }
    use |= {key: bound for key, bound in bounds.items() if bound is not None}
    if limits.per_member is not None:
        use |= {"l": limits.per_member, "d": period_start(limits.per_member_per, day)}
    return use
