"""What the database knows about a sale, read in one round trip and turned into values for pricing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shuke.checkout.earning_facts import NO_EARNING_FACTS, EarningFacts
from shuke.checkout.errors import (
    AmountOutOfRange,
    BadQuantity,
    CurrencyMismatch,
    EmptyCart,
    IdempotencyConflict,
    MemberNotActive,
    PriceMissing,
    ProductInactive,
    StoreClosed,
    StoreOutOfScope,
    TooManyTenders,
    UnknownChannel,
    UnknownMember,
    UnknownProduct,
    UnknownStore,
)
from shuke.checkout.funds import EMPTY_PURSE, Purse, assets_to_read
from shuke.checkout.logic import Cart, CartLine, MemberFacts, TrackFacts
from shuke.checkout.tender_logic import Tender
from shuke.checkout.track_facts import qualifying_of, read_tracks
from shuke.checkout.values import (
    MAX_LINES,
    MAX_QUANTITY,
    MAX_TENDERS,
    Answer,
    LineRequest,
    MemberRef,
    SaleRequest,
)
from shuke.core.idempotency import find_answer
from shuke.core.keyset import keyset
from shuke.core.values import Actor
from shuke.kit.connection import on_live_connection
from shuke.kit.errors import ShukeError
from shuke.kit.money import MAX_MINOR, divide
from shuke.kit.prepared import Statement
from shuke.ledger.logic import OpenLot
from shuke.loyalty.programme import Programme
from shuke.loyalty.tier_logic import TierState, window_start
from shuke.loyalty.tier_rows import lowest, state_of
from shuke.members.identifiers import blind, normalise, normalise_system
from shuke.members.profile import open_profile

_FACTS = Statement("shuke_facts", "SELECT * FROM checkout_facts($1::jsonb)", "t")

_WHO = Statement(
    "shuke_who",
    "SELECT id FROM members_member WHERE id = coalesce($1::uuid,"
    " (SELECT id FROM members_member WHERE number = $2::text),"
    " (SELECT member_id FROM members_identifier WHERE blind = $3::bytea AND kind = $4::text AND system = $5::text))",
    "ttbtt",
)

_encoder = msgspec.json.Encoder()

_lots = msgspec.json.Decoder(list[tuple[str, UUID, int, datetime, datetime, datetime | None, int]])


@dataclass(frozen=True, slots=True)
class MemberAccount:
    """The member's side of a sale as stored: `balances` are (balance, debt) per asset."""

    id: UUID
    tier: TierState
    birthday: tuple[int, int] | None
    revision: int
    balances: dict[str, tuple[int, int]]
    qualifying: int
    """The tier metric in the window that ends now, before this sale."""
    tracks: tuple[TrackFacts, ...] = ()

    def is_due(self, at: datetime) -> bool:
        """Has a tier to be looked at before a sale at this instant?"""
        if self.tier.review_at is not None and self.tier.review_at <= at:
            return True
        return any(t.state.review_at is not None and t.state.review_at <= at for t in self.tracks)

    def debt(self, asset: str) -> int:
        return self.balances.get(asset, (0, 0))[1]

    def balance(self, asset: str) -> int:
        return self.balances.get(asset, (0, 0))[0]


@dataclass(frozen=True, slots=True)
class ProductFact:
    sku: str
    id: str
    category: str
    price_minor: int | None
    currency: str
    is_active: bool
    name: str


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """`answer` is set when this call was made before; then nothing else counts. `purse` holds the lots that were asked for."""

    answer: Answer | None
    member: MemberAccount | None
    store_id: UUID | None
    products: dict[str, ProductFact]
    purse: Purse = EMPTY_PURSE


@dataclass(frozen=True, slots=True)
class Asked:
    """One sale that facts are read for. `at` is when it happens; `key` and `input_hash` find an earlier identical call.

    A quote looks at all of the member's points and money, so that the till can offer what is there.
    """

    actor: Actor
    sale: SaleRequest
    at: datetime
    key: str | None = None
    input_hash: bytes = b""
    is_quote: bool = False


def read_facts(
    programme: Programme,
    actor: Actor,
    sale: SaleRequest,
    now: datetime,
    *,
    key: str | None,
    input_hash: bytes,
    is_quote: bool = False,
) -> SaleFacts:
    """Read and check everything a sale names. Raises the precise refusal for what is unknown or not allowed."""
    found = read_facts_of(programme, [Asked(actor, sale, now, key, input_hash, is_quote)])[0]
    if isinstance(found, ShukeError):
        raise found
    return found


def read_facts_of(programme: Programme, asked: Sequence[Asked]) -> list[SaleFacts | ShukeError]:
    """The facts of each sale, or the refusal of what it names, in one round trip for all of them."""
    found: list[SaleFacts | ShukeError | None] = [None] * len(asked)
    sales: list[dict[str, Any]] = []
    places: list[int] = []
    skus: set[str] = set()
    for place, one in enumerate(asked):
        try:
            sales.append(_question(programme, one))
        except ShukeError as refusal:
            found[place] = refusal
        else:
            places.append(place)
            skus.update(line.sku for line in one.sale.lines)
    if sales:
        question = {
            "sales": sales,
            "skus": list(skus),
            "metric": programme.tiers.metric if has_one_window(programme) else "none",
            "profile": programme.uses_birthday,
        }
        text = _encoder.encode(question).decode()
        # Often the first statement of a request: here a connection that broke since the last one is replaced.
        rows = on_live_connection(lambda: _FACTS.rows([text]))
        products: dict[str, ProductFact] = {}
        for row in rows:
            for product in _json(row[17]) or ():
                products[product[0]] = ProductFact(*product)
        for row in rows:
            place = places[row[18] - 1]
            try:
                found[place] = _facts(programme, asked[place], row, products)
            except ShukeError as refusal:
                found[place] = refusal
    return [one for one in found if one is not None]


def _question(programme: Programme, asked: Asked) -> dict[str, Any]:
    """What `checkout_facts` is asked for one sale."""
    sale = asked.sale
    if not 1 <= len(sale.lines) <= MAX_LINES:
        raise EmptyCart(field="lines", most=MAX_LINES)
    return {
        "caller": asked.actor.id,
        "key": asked.key,
        **_lookup(sale.member),
        "store": sale.store,
        "channel": sale.channel,
        "since": window_start(programme.tiers, asked.at) if has_one_window(programme) else asked.at,
        "at": asked.at,
        "assets": _assets(programme, asked),
    }


def _assets(programme: Programme, asked: Asked) -> list[str] | None:
    """The assets of the member that the sale can spend, or that a quote tells about."""
    sale = asked.sale
    if sale.member is None:
        return None
    if asked.is_quote:
        return ["points", *(("stored_value", "bonus") if programme.stored_value else ())]
    return assets_to_read(sale.tenders, with_points=sale.points_to_use > 0) or None


def _facts(
    programme: Programme, asked: Asked, row: tuple[Any, ...], products: dict[str, ProductFact]
) -> SaleFacts:
    """A row of `checkout_facts`, checked. Raises the precise refusal."""
    sale = asked.sale
    if row[0] is not None:
        if bytes(row[0]) != asked.input_hash:
            raise IdempotencyConflict(field="Idempotency-Key")
        return SaleFacts(Answer(row[1], bytes(row[2]), replayed=True), None, None, {})
    if sale.currency != programme.currency:
        raise CurrencyMismatch(field="currency", expected=programme.currency, given=sale.currency)
    store_id, is_open, channel = row[14], row[15], row[16]
    if store_id is None:
        raise UnknownStore(field="store", code=sale.store)
    if not asked.actor.may_touch_store(store_id):
        raise StoreOutOfScope(field="store", code=sale.store)
    if not is_open:
        raise StoreClosed(field="store", code=sale.store)
    if channel is None:
        raise UnknownChannel(field="channel", code=sale.channel)
    member = None
    if sale.member is not None:
        if row[3] is None:
            raise UnknownMember(field="member")
        if row[4] != "active":
            raise MemberNotActive(field="member")
        member = _member(programme, row, asked.at)
    return SaleFacts(None, member, store_id, products, _purse(row[20]) if row[20] else EMPTY_PURSE)


def _purse(lots: str) -> Purse:
    by_asset: dict[str, list[OpenLot]] = {}
    for asset, id_, remaining, earned_at, active_at, expires_at, held in _lots.decode(lots):
        lot = OpenLot(id_, remaining, earned_at, active_at, expires_at, held)
        by_asset.setdefault(asset, []).append(lot)
    return Purse(by_asset)


def read_answer(actor: Actor, key: str | None, input_hash: bytes) -> Answer | None:
    """The stored answer of an identical earlier call. Raises IdempotencyConflict when the earlier one asked otherwise."""
    stored = find_answer(actor.id, key) if key and actor.id else None
    if stored is None:
        return None
    if stored.input_hash != input_hash:
        raise IdempotencyConflict(field="Idempotency-Key")
    return Answer(stored.status, stored.body, replayed=True)


def _lookup(ref: MemberRef | None) -> dict[str, Any]:
    """The one way of the three that names the member: id, number, or blind index with its kind and system."""
    if ref is None:
        return {}
    if ref.kind == "id":
        try:
            return {"id": UUID(ref.value)}
        except ValueError as error:
            raise UnknownMember(field="member/value") from error
    if ref.kind == "number":
        return {"number": ref.value}
    normalised = normalise(ref.kind, ref.value, ref.system)
    system = normalise_system(ref.system) if ref.kind == "external" else ""
    return {"blind": blind(keyset(), ref.kind, normalised), "kind": ref.kind, "of": system}


def find_member(ref: MemberRef | None) -> UUID | None:
    """The id of the member that a sale names; None when it names none, or nobody."""
    if ref is None:
        return None
    known = _lookup(ref)
    found = _WHO.row([known.get(name) for name in ("id", "number", "blind", "kind", "of")])
    return found[0] if found else None


def has_one_window(programme: Programme) -> bool:
    """True when the tier counts the same time for all members, so that the total is read with the other facts."""
    return programme.tiers.window != "anniversary"


def _member(programme: Programme, row: tuple[Any, ...], now: datetime) -> MemberAccount:
    joined: datetime = row[5]
    tier = state_of(row[8], row[9], row[10], row[19], joined) if row[8] else lowest(programme.tiers, joined)
    qualifying, tracks = int(row[13]), tuple[TrackFacts, ...]()
    if not has_one_window(programme):
        qualifying = qualifying_of(programme.tiers, row[3], joined, now)
    if programme.tracks:
        tracks = read_tracks(programme, row[3], joined, now)
    birthday = None
    if row[6] is not None:
        born = open_profile(row[3], keyset().unwrap(row[6], row[3].bytes), row[7]).birthday
        birthday = (born.month, born.day) if born else None
    balances = {asset: (pair[0], pair[1]) for asset, pair in (_json(row[12]) or {}).items()}
    return MemberAccount(row[3], tier, birthday, row[11], balances, qualifying, tracks)


def _json(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str) else value


def build_cart(sale: SaleRequest, products: dict[str, ProductFact], tenders: Sequence[Tender] = ()) -> Cart:
    """The cart with list prices filled in. Raises for unknown or retired products and for impossible figures."""
    if sale.tenders:
        if len(sale.tenders) > MAX_TENDERS:
            raise TooManyTenders(field="tenders", most=MAX_TENDERS)
        for index, tender in enumerate(sale.tenders):
            if tender.amount_minor is not None and not 0 <= tender.amount_minor <= MAX_MINOR:
                raise AmountOutOfRange(field=f"tenders/{index}/amount_minor")
    lines = []
    for index, line in enumerate(sale.lines):
        product = products.get(line.sku)
        if product is None:
            raise UnknownProduct(field=f"lines/{index}/sku", sku=line.sku)
        if not product.is_active:
            raise ProductInactive(field=f"lines/{index}/sku", sku=line.sku)
        full = _list_price(line, product, sale, index)
        lines.append(
            CartLine(
                product.id, line.sku, product.category or "", line.quantity, full, line.discounts, line.tax
            )
        )
    return Cart(tuple(lines), sale.store, sale.channel, sale.settled, sale.points_to_use, tenders)


def _list_price(line: LineRequest, product: ProductFact, sale: SaleRequest, index: int) -> int:
    """The line's price before discounts: stated, or unit price × quantity rounded half up."""
    if not 0 < line.quantity <= MAX_QUANTITY:
        raise BadQuantity(field=f"lines/{index}/quantity")
    amounts = [line.list_minor, line.unit_price_minor, *(minor for _, minor in line.discounts)]
    if any(amount is not None and not 0 <= amount <= MAX_MINOR for amount in amounts):
        raise AmountOutOfRange(field=f"lines/{index}")
    if line.list_minor is not None:
        return line.list_minor
    unit = line.unit_price_minor
    if unit is None:
        unit = product.price_minor
        if unit is None or product.currency != sale.currency:
            raise PriceMissing(field=f"lines/{index}/unit_price_minor", sku=line.sku)
    full = divide(unit * line.quantity, 1000, "half_up")
    if full > MAX_MINOR:
        raise AmountOutOfRange(field=f"lines/{index}")
    return full


def member_facts(
    member: MemberAccount, usable_points: int, earning: EarningFacts = NO_EARNING_FACTS
) -> MemberFacts:
    """The member as pricing wants to see them."""
    return MemberFacts(
        member.tier,
        member.birthday,
        usable_points,
        member.qualifying,
        earning.traits,
        earning.room,
        member.debt("points"),
        member.tracks,
    )
