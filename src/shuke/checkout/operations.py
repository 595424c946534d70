"""Quote and commit. A commit prices outside any lock, then writes in one statement that checks the member's revision.

If a rival changed the member's book meanwhile, nothing is written and the price is made again from fresh facts; after a
few such losses the book is taken first, so that a busy member is served in turn and never starves.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError, OperationalError, connection, transaction

from shuke.checkout.answers import order_body, priced_body
from shuke.checkout.earning_facts import NO_EARNING_FACTS, read_earning_facts, with_brands
from shuke.checkout.errors import PRICING_REFUSALS, BadInstant, NoProgramme, OrderExists
from shuke.checkout.facts import (
    MemberAccount,
    SaleFacts,
    build_cart,
    member_facts,
    read_answer,
    read_facts,
    read_lots,
)
from shuke.checkout.funds import EMPTY_PURSE, Purse, assets_to_read, card_blinds, read_purse, tenders_of
from shuke.checkout.logic import Cart, Priced, price
from shuke.checkout.posting import (
    NewTransfer,
    advance,
    earn_transfer,
    event_payload,
    own_lots,
    pay_transfers,
    redeem_transfer,
)
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.tender_logic import NO_FUNDS, Tender, stored_value_limit
from shuke.checkout.trust import NO_TRUST, Trust, trust_of
from shuke.checkout.values import Answer, PricingRefusal, SaleRequest
from shuke.core.values import Actor
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.kit.prepared import Statement
from shuke.loyalty.logic import TierMove
from shuke.loyalty.operations import review_member
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.rule_facts import uses_document

OPTIMISTIC_TRIES = 3
OLDEST_LIVE_SALE = timedelta(hours=24)
CLOCK_SKEW = timedelta(minutes=5)

_COMMIT = Statement("shuke_commit", "SELECT checkout_commit($1::jsonb, $2::bytea, $3::bytea)", "tbb")

_json = msgspec.json.Encoder()


def programme_in_force(now: datetime) -> InForce:
    """The programme that prices a sale at `now`. Raises NoProgramme."""
    in_force = programme_at(now)
    if in_force is None:
        raise NoProgramme
    return in_force


def quote_order(*, actor: Actor, sale: SaleRequest, now: datetime) -> dict[str, Any]:
    """Price a cart. A commit of the same cart gives the same figures unless facts changed.

    Writes nothing, save a tier review that has fallen due: the quote must see the tier that the commit will see.
    """
    in_force = programme_in_force(now)
    facts, purse = _reviewed_facts(in_force, actor, sale, now, key=None, input_hash=b"", is_quote=True)
    cart = build_cart(sale, facts.products, _tenders(sale, purse))
    usable = purse.usable("points", now)
    priced = _price(in_force, cart, facts.member, purse, now)
    funds = purse.funds(now)
    body = priced_body(in_force.programme, in_force.number, cart, priced, facts.products, facts.member)
    return {
        **body,
        "points_usable": usable,
        "points_limit": priced.points_limit,
        "stored_value_usable": funds.principal,
        "bonus_usable": funds.bonus,
        "stored_value_limit": stored_value_limit(in_force.programme, funds, priced.payable_minor),
    }


def commit_order(
    *,
    actor: Actor,
    sale: SaleRequest,
    now: datetime,
    key: str | None = None,
    input_hash: bytes = b"",
    occurred_at: datetime | None = None,
    oldest: timedelta = OLDEST_LIVE_SALE,
) -> Answer:
    """Sell: price, write order, ledger and tier in one durable transaction, and answer 201 with the order as JSON.

    With `key`, an identical earlier call is answered from the store (`replayed`), another input under it is refused.
    `occurred_at` places the sale up to `oldest` back. Raises the refusals of `checkout.errors`.
    """
    happened = occurred_at or now
    if not now - oldest <= happened <= now + CLOCK_SKEW:
        # A till that was cut off asks again when the sale is too old by now: what was sold is still told.
        answer = read_answer(actor, key, input_hash)
        if answer is None:
            raise BadInstant(field="occurred_at")
        return answer
    in_force = programme_in_force(happened)
    for attempt in count():
        try:
            if attempt < OPTIMISTIC_TRIES:
                answer = _try_commit(in_force, actor, sale, happened, now, key, input_hash)
            else:
                # Rivals won every time: queue for the member's book, then price under it.
                with transaction.atomic():
                    _take_book(in_force, actor, sale, happened)
                    answer = _try_commit(in_force, actor, sale, happened, now, key, input_hash)
        except _NumberTaken as taken:
            # By a twin of this very call (its answer is ours), or by another order (refused).
            answer = read_facts(
                in_force.programme, actor, sale, happened, key=key, input_hash=input_hash
            ).answer
            if answer is None:
                raise OrderExists(field="number", system=sale.system, number=taken.number) from taken
        except _KeyTaken:
            continue  # a twin with this key was first: the next look finds its answer
        except ShukeError:
            # A twin may have sold it between our look at the key and our look at the points it then spent.
            answer = read_answer(actor, key, input_hash)
            if answer is None:
                raise
        if answer:
            return answer
    raise AssertionError("unreachable: the loop ends by returning or raising")


class _KeyTaken(Exception):
    """The idempotency key was stored by a rival after we looked."""


class _NumberTaken(Exception):
    """The order number was stored by a rival after we looked, or long ago."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.number = number


def _take_book(in_force: InForce, actor: Actor, sale: SaleRequest, at: datetime) -> None:
    """Wait for the books of the member and of the gift cards, and hold them until the transaction ends."""
    facts = read_facts(in_force.programme, actor, sale, at, key=None, input_hash=b"")
    holders = [facts.member.id] if facts.member else []
    blinds = card_blinds(sale.tenders)
    if blinds:
        holders += [card.id for card in read_purse(None, [], list(blinds.values())).cards.values()]
    if holders:
        with connection.cursor() as cursor:
            # In the order of ids, as everybody takes several books, so that no two wait for each other.
            cursor.execute(
                "SELECT count(ledger_take_book(h.id, NULL)) FROM"
                " (SELECT id FROM unnest(%s::uuid[]) AS u(id) ORDER BY id) AS h",
                [holders],
            )


def _try_commit(
    in_force: InForce,
    actor: Actor,
    sale: SaleRequest,
    happened: datetime,
    now: datetime,
    key: str | None,
    input_hash: bytes,
) -> Answer | None:
    """One attempt: the answer, or None when the member's book moved in between, or a budget shrank."""
    facts, purse = _reviewed_facts(in_force, actor, sale, happened, key=key, input_hash=input_hash)
    if facts.answer:
        return facts.answer
    cart = build_cart(sale, facts.products, _tenders(sale, purse))
    trust = NO_TRUST
    if sale.allowance:
        trust = trust_of(sale.allowance, facts.member.id if facts.member else None, happened)
    priced = _price(in_force, cart, facts.member, purse, happened, trust)
    order_id = uuid7()
    number = sale.number or str(order_id)
    body = _json.encode(
        order_body(
            order_id,
            sale.system,
            number,
            happened,
            priced_body(in_force.programme, in_force.number, cart, priced, facts.products, facts.member),
        )
    )
    debts = (
        {asset: debt for asset, (_, debt) in facts.member.balances.items() if debt} if facts.member else {}
    )
    on_trust = trust is not NO_TRUST
    credit: NewTransfer | None = None
    if on_trust:
        # What the sale leaves the member owing, it settles first from what it gives.
        credit, purse, owed = advance(priced, purse, trust.allowance_id, happened)
        debts = {asset: debts.get(asset, 0) + owed.get(asset, 0) for asset in {*debts, *owed}}
    earned = earn_transfer(in_force.programme, priced, debts, happened)
    spends_own = in_force.programme.policies.spend_own_points and not on_trust
    lots = [*purse.of("points"), *own_lots(earned)] if spends_own else purse.of("points")
    transfers = [
        t
        for t in (
            credit,
            earned if spends_own else None,
            redeem_transfer(in_force.programme, priced, lots, happened),
            *(pay_transfers(in_force.programme, priced, purse, happened) if priced.paid else ()),
            None if spends_own else earned,
        )
        if t
    ]
    document = _document(
        in_force, actor, sale, cart, priced, facts, purse, transfers, order_id, number, happened, now, key
    )
    if on_trust:
        document["allowance"] = trust.used_by(priced)
    try:
        with _contained():
            written = _COMMIT.row([_json.encode(document).decode(), body if key else None, input_hash])[0]
    except OperationalError as error:
        # A budget holds less than the price was made with: a rival was first, the price is made again.
        if getattr(error.__cause__, "sqlstate", None) != "40001":
            raise
        return None
    except IntegrityError as error:
        if "core_idempotentcall" in str(error):
            raise _KeyTaken from error
        if "checkout_order_once" in str(error):
            raise _NumberTaken(number) from error
        raise
    return Answer(201, body, replayed=False) if written else None


def _contained() -> AbstractContextManager[Any]:
    """Inside a caller's transaction a refusal of the database must not break it; alone, this costs no round trip."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _reviewed_facts(
    in_force: InForce,
    actor: Actor,
    sale: SaleRequest,
    at: datetime,
    *,
    key: str | None,
    input_hash: bytes,
    is_quote: bool = False,
) -> tuple[SaleFacts, Purse]:
    """Facts with the member's tier reviewed up to `at`, and the lots that this sale can touch.

    A quote looks at all of the member's money, so that the till can offer what is there.
    """
    facts = read_facts(in_force.programme, actor, sale, at, key=key, input_hash=input_hash)
    member = facts.member
    if facts.answer:
        return facts, EMPTY_PURSE
    if member is not None and member.tier.review_at is not None and member.tier.review_at <= at:
        review_member(member_id=member.id, now=at, qualifying=qualifying_totals)
        facts = read_facts(in_force.programme, actor, sale, at, key=key, input_hash=input_hash)
    if is_quote and member is not None:
        assets = ["points", *(("stored_value", "bonus") if in_force.programme.stored_value else ())]
    else:
        assets = assets_to_read(sale.tenders, with_points=sale.points_to_use > 0) if member else []
    blinds = card_blinds(sale.tenders) if sale.tenders else {}
    if not assets and not blinds:
        return facts, EMPTY_PURSE
    if member and assets == ["points"] and not blinds:
        return facts, Purse({"points": read_lots(member.id, "points")})
    return facts, read_purse(member.id if member else None, assets, list(blinds.values()))


def _tenders(sale: SaleRequest, purse: Purse) -> list[Tender]:
    """The tenders as pricing takes them, each gift card found."""
    return tenders_of(sale.tenders, card_blinds(sale.tenders), purse) if sale.tenders else []


def _price(
    in_force: InForce,
    cart: Cart,
    member: MemberAccount | None,
    purse: Purse,
    at: datetime,
    trust: Trust = NO_TRUST,
) -> Priced:
    facts = None
    if member:
        earning = NO_EARNING_FACTS
        if not in_force.programme.needs.nothing:
            earning = read_earning_facts(in_force.programme, member.id, cart, at)
            cart = with_brands(cart, earning.brands)
        facts = member_facts(member, max(purse.usable("points", at), trust.points), earning)
    try:
        return price(
            in_force.programme, cart, facts, at, trust.added_to(purse.funds(at)) if cart.tenders else NO_FUNDS
        )
    except PricingRefusal as refusal:
        raise PRICING_REFUSALS[refusal.code](field=refusal.field, **refusal.params) from refusal


def _document(
    in_force: InForce,
    actor: Actor,
    sale: SaleRequest,
    cart: Cart,
    priced: Priced,
    facts: SaleFacts,
    purse: Purse,
    transfers: list[NewTransfer],
    order_id: UUID,
    number: str,
    happened: datetime,
    now: datetime,
    key: str | None,
) -> dict[str, Any]:
    """All rows of the sale as the one argument of `checkout_commit`."""
    member = facts.member
    header = {
        "member_id": member.id if member else None,
        "occurred_at": happened,
        "recorded_at": now,
        "store_id": facts.store_id,
        "programme_version_id": in_force.version_id,
        "actor": actor.reference,
    }
    lines = zip(cart.lines, priced.lines, strict=True)
    return {
        **header,
        "id": order_id,
        "revision": member.revision if member else None,
        "caller_id": actor.id,
        "key": key,
        "channel": sale.channel,
        "system": sale.system,
        "number": number,
        "currency": sale.currency,
        "list_minor": priced.list_minor,
        "discount_minor": priced.discount_minor,
        "sales_minor": priced.sales_minor,
        "points_minor": priced.points_minor,
        **(tax_document(priced) if priced.taxes else {}),
        "payable_minor": priced.payable_minor,
        "qualifying_minor": priced.qualifying_minor,
        "points_used": priced.points_used,
        "points_earned": priced.earned_of("points"),
        "growth_earned": priced.earned_of("growth"),
        "tier": priced.tier,
        "facts": sale.facts,
        "lines": [
            {
                "n": n,
                "p": line.product_id,
                "q": f"{line.quantity // 1000}.{line.quantity % 1000:03d}",
                "a": out.list_minor,
                "d": out.discount_minor,
                "c": out.points_minor,
                "m": out.payable_minor,
                "e": out.points,
                "g": out.growth,
                "x": out.detail,
            }
            for n, (line, out) in enumerate(lines, 1)
        ],
        "transfers": [
            transfer_document(
                t, {**header, "order_id": order_id, **({"member_id": t.holder} if t.holder else {})}
            )
            for t in transfers
        ],
        **(tender_document(priced, purse, member) if priced.paid else {}),
        **({"uses": uses_document(in_force.programme, uses, happened)} if (uses := priced.uses) else {}),
        **({"move": move_document(priced.move, in_force.version_id)} if priced.move else {}),
        "event": event_payload(order_id, cart, priced),
    }


def tax_document(priced: Priced) -> dict[str, Any]:
    """The taxes of a sale as `checkout_commit` takes them."""
    return {
        "tax_minor": priced.tax_minor,
        "tax_added_minor": priced.tax_added_minor,
        "taxes": [
            {"n": n, "k": tax.code, "p": tax.percent, "b": tax.taxable_minor, "t": tax.tax_minor}
            for n, tax in enumerate((line.tax for line in priced.lines), 1)
            if tax is not None
        ],
    }


def tender_document(priced: Priced, purse: Purse, member: MemberAccount | None) -> dict[str, Any]:
    """The tenders as `checkout_commit` takes them; `books` only when gift cards pay, all holders in one list."""
    holder = member.id if member else None
    cards = [purse.card(each.holder) for each in priced.paid if each.holder]
    books = [{"id": card.id, "revision": card.revision} for card in cards]
    if books and member:
        books.append({"id": member.id, "revision": member.revision})
    return {
        "tenders": [
            {
                "n": n,
                "k": each.kind,
                "a": each.amount_minor,
                "h": (each.holder or holder) if each.is_inside else None,
                "r": each.reference,
            }
            for n, each in enumerate(priced.paid, 1)
        ],
        **({"books": books} if books else {}),
    }


def transfer_document(transfer: NewTransfer, header: dict[str, Any]) -> dict[str, Any]:
    """A transfer as `ledger_post` takes it."""
    return {
        **header,
        "id": transfer.id,
        "kind": transfer.kind,
        "entries": [
            {
                "seq": seq,
                "account": e.account,
                "asset": e.asset,
                "amount": e.amount,
                "lot_id": e.lot_id,
                "explain": e.explain,
            }
            for seq, e in enumerate(transfer.entries, 1)
        ],
        "lots": [
            {
                "id": lot.id,
                "asset": lot.asset,
                "amount": lot.amount,
                "active_at": lot.active_at,
                "expires_at": lot.expires_at,
                **({"waits_for": lot.waits_for} if lot.waits_for else {}),
                **({"slides": True} if lot.slides else {}),
            }
            for lot in transfer.lots
        ],
        **(
            {"slides": [{"asset": s.asset, "until": s.until} for s in transfer.slides]}
            if transfer.slides
            else {}
        ),
    }


def move_document(move: TierMove, version_id: UUID) -> dict[str, Any]:
    """A tier change as `loyalty_move_tier` takes it."""
    return {
        "id": uuid7(),
        "at": move.at,
        "from": move.before,
        "to": move.after.tier,
        "since": move.after.since,
        "review_at": move.after.review_at,
        "cause": move.cause,
        "metric": move.metric,
        "programme_version_id": version_id,
    }
