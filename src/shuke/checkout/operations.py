"""Quote and commit. A commit prices outside any lock, then writes in one statement that checks the member's revision.

If a rival changed the member's book meanwhile, nothing is written and the price is made again from fresh facts; who lost
once takes the book first, so that a busy member is served in turn and never starves. Sales of one member that reach one web
process together take turns from the start (`kit.turns`), and whoever has the turn sells for those who wait, too.

Sales that touch no book but their member's and reach one web process at the same moment share their statements
(`kit.together`): one reads the facts of all, one writes them all. Whatever is in the way of one of them, or of the whole,
that sale is then made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import psycopg
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from shuke.checkout.answers import order_body, priced_body
from shuke.checkout.coupons import SaleCoupons, read_coupons
from shuke.checkout.documents import sale_document
from shuke.checkout.earning_facts import NO_EARNING_FACTS, read_earning_facts, with_brands
from shuke.checkout.errors import BadInstant, NoProgramme, OrderExists, error_of
from shuke.checkout.facts import (
    Asked,
    MemberAccount,
    SaleFacts,
    build_cart,
    find_member,
    has_one_window,
    member_facts,
    read_answer,
    read_facts,
    read_facts_of,
)
from shuke.checkout.funds import EMPTY_PURSE, Purse, card_blinds, named_cards, read_cards, tenders_of
from shuke.checkout.logic import Cart, Priced, price
from shuke.checkout.posting import (
    NewTransfer,
    advance,
    earn_transfer,
    own_lots,
    pay_transfers,
    redeem_transfer,
)
from shuke.checkout.queries import qualifying_totals
from shuke.checkout.tender_logic import NO_FUNDS, Tender, stored_value_limit
from shuke.checkout.trust import NO_TRUST, Trust, trust_of
from shuke.checkout.values import Answer, PricingRefusal, SaleRequest
from shuke.core.values import Actor
from shuke.kit.connection import is_database_away, on_common_connection
from shuke.kit.errors import ShukeError
from shuke.kit.ids import uuid7
from shuke.kit.prepared import Statement
from shuke.kit.together import Together
from shuke.kit.turns import Turn, Turns
from shuke.loyalty.queries import InForce, programme_at, version_by_id
from shuke.loyalty.tier_reviews import review_member

OPTIMISTIC_TRIES = 1
OLDEST_LIVE_SALE = timedelta(hours=24)
CLOCK_SKEW = timedelta(minutes=5)

_COMMIT = Statement(
    "shuke_commit", "SELECT checkout_commit($1::jsonb, $2::bytea, $3::bytea, $4::boolean)", "tbbt"
)
_COMMIT_ALL = Statement(
    "shuke_commit_all", "SELECT checkout_commit_all($1::jsonb, $2::bytea[], $3::bytea[])", "tbb"
)
# In the order of ids, as everybody takes several books, so that no two wait for each other.
_TAKE = Statement(
    "shuke_take",
    "SELECT count(ledger_take_book(h.id, NULL)) FROM (SELECT id FROM unnest($1::uuid[]) AS u(id) ORDER BY id) AS h",
    "t",
)
MOST_TOGETHER = 16

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
    cart, coupons = _cart(in_force, sale, facts, purse, now, is_quote=True)
    usable = purse.usable("points", now)
    priced = _price(in_force, cart, facts.member, purse, now)
    funds = purse.funds(now)
    body = priced_body(in_force.programme, in_force.number, cart, priced, facts.products, facts.member)
    return {
        **body,
        "coupons": coupons.told(priced) if coupons else [],
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
            raise BadInstant(field="occurred_at", days=oldest.days)
        return answer
    in_force = programme_in_force(happened)
    asked = _Asked(actor, sale, happened, key, input_hash, in_force=in_force, now=now)
    if connection.in_atomic_block:
        return _commit_alone(asked)
    with _turns.turn(sale.member, asked) as turn:
        if turn.error is not None:
            raise turn.error
        if turn.answer is not None:
            return turn.answer
        if turn.is_contested:  # by other processes, too, perhaps: an attempt would be lost to them
            answer = read_answer(actor, key, input_hash) or _commit_with_those_behind(turn)
            return answer or _commit_alone(asked, optimistic_tries=0)
        answer = None
        if _may_share(asked):
            answer = _together.ask(asked)
            turn.is_contested = answer is None  # most likely another process was quicker
        return answer or _commit_alone(asked)


@dataclass(frozen=True, slots=True)
class _Asked(Asked):
    """A sale to commit; `at` is when it happened, `now` when it is written."""

    in_force: InForce = field(kw_only=True)
    now: datetime = field(kw_only=True)


def _may_share(asked: _Asked) -> bool:
    """True for a sale that touches nothing but its own member's book, so that it may share a transaction with others."""
    sale, programme = asked.sale, asked.in_force.programme
    return (
        not sale.allowance
        and not any(tender.kind == "gift_card" for tender in sale.tenders)
        and not sale.coupons
        and programme.needs.nothing
        and not programme.tracks
        and has_one_window(programme)
    )


def _commit_together(asked: Sequence[_Asked]) -> list[Answer | None]:
    """One attempt at what came together, be it one sale: the answer of each, or None where it is to be made alone.

    So is all that is refused, that it be told in its own words. Never waits for a lock, for then all the tills behind would
    wait, too.
    """
    in_force = asked[0].in_force
    answers: list[Answer | None] = [None] * len(asked)
    drafts: list[tuple[int, _Draft]] = []
    others: set[Any] = set()
    with on_common_connection():
        places = [n for n, one in enumerate(asked) if one.in_force.version_id == in_force.version_id]
        found = read_facts_of(in_force.programme, [asked[n] for n in places])
        for place, facts in zip(places, found, strict=True):
            if isinstance(facts, ShukeError):
                continue
            answers[place] = facts.answer
            # A fault in one sale must not fail the others: made alone, it shows itself.
            with suppress(Exception):
                draft = _draft_among_others(asked[place], facts, others)
                if draft is not None:
                    drafts.append((place, draft))
        try:
            written = _write([draft for _, draft in drafts])
        except DatabaseError as error:
            if is_database_away(error):
                raise  # nobody knows what was written: the callers ask again with their keys
            return answers
    for (place, draft), is_written in zip(drafts, written, strict=True):
        if is_written:
            answers[place] = draft.answer
    return answers


def _commit_with_those_behind(turn: Turn[_Asked, Answer]) -> Answer | None:
    """The sales of one member that wait, one after the other in one transaction that takes the book once; ours is answered.

    What is in the way of one of them leaves it to its own turn. So does a failed statement, which undoes all of them.
    """
    if not _may_share(turn.question):
        return None
    turns = [turn]
    written: list[tuple[Turn[_Asked, Answer], Answer]] = []
    try:
        with transaction.atomic():
            _take_book(turn.question)
            # Only now: while another process had the book, more have come.
            turns += (one for one in turn.behind(MOST_TOGETHER - 1) if _may_share(one.question))
            for one in turns:
                try:
                    answer = _try_under_lock(one.question)
                except DatabaseError:
                    raise
                except Exception:  # noqa: S112 - a fault in one must not fail the others: made alone, it shows itself
                    continue
                if answer is not None:
                    written.append((one, answer))
    except DatabaseError as error:
        if not is_database_away(error):
            return None
        for one in turns[1:]:
            one.error = error  # nobody knows what was written: the callers ask again with their keys
        raise
    ours: Answer | None = None
    for one, answer in written:
        if one is turn:
            ours = answer
        else:
            one.answer = answer
    return ours


def _try_under_lock(asked: _Asked) -> Answer | None:
    """One attempt in a transaction that holds the member's book; waits for nobody else. None when it is to be made alone."""
    facts = _facts(asked)
    if facts.answer:
        return facts.answer
    if facts.member is not None and facts.member.is_due(asked.at):
        return None
    draft = _draft(asked, facts, facts.purse)
    return draft.answer if _write_one(draft, waits=False) else None


_together: Together[_Asked, Answer | None] = Together(_commit_together, most=MOST_TOGETHER)
_turns: Turns[_Asked, Answer] = Turns()


def _commit_alone(asked: _Asked, optimistic_tries: int = OPTIMISTIC_TRIES) -> Answer:
    """Attempt after attempt, until this sale is written, found to be written, or refused."""
    sale, key = asked.sale, asked.key
    is_inside = connection.in_atomic_block
    for attempt in count():
        try:
            if attempt < optimistic_tries:
                answer = _try_commit(asked)
            else:
                # Rivals won, or would: queue for the member's book, then price under it.
                with transaction.atomic():
                    _take_book(asked)
                    answer = _try_commit(asked, is_ours=not is_inside)
        except _NumberTaken as taken:
            # By a twin of this very call (its answer is ours), or by another order (refused).
            answer = _facts(asked).answer
            if answer is None:
                raise OrderExists(field="number", system=sale.system, number=taken.number) from taken
        except _KeyTaken:
            continue  # a twin with this key was first: the next look finds its answer
        except ShukeError:
            # A twin may have sold it between our look at the key and our look at the points it then spent.
            answer = read_answer(asked.actor, key, asked.input_hash)
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


def _facts(asked: _Asked) -> SaleFacts:
    return read_facts(
        asked.in_force.programme,
        asked.actor,
        asked.sale,
        asked.at,
        key=asked.key,
        input_hash=asked.input_hash,
    )


def _take_book(asked: _Asked) -> None:
    """Wait for the books of the member and of the gift cards, and hold them until the transaction ends."""
    member_id = find_member(asked.sale.member)
    holders = [member_id] if member_id else []
    blinds = card_blinds(asked.sale.tenders)
    if blinds:
        holders += [card.id for card in read_cards(list(blinds.values())).values()]
    if holders:
        _TAKE.row([holders])


@dataclass(frozen=True, slots=True)
class _Draft:
    """A sale that is priced and ready to be written: the rows, and the answer that is true once they are."""

    document: dict[str, Any]
    body: bytes
    input_hash: bytes
    number: str

    @property
    def answer(self) -> Answer:
        return Answer(201, self.body, replayed=False)


def _try_commit(asked: _Asked, *, is_ours: bool = False) -> Answer | None:
    """One attempt: the answer, or None when the member's book moved in between, or a budget shrank.

    `is_ours` when the transaction is this sale's own, so that a failed statement need not be kept from breaking it.
    """
    facts, purse = _reviewed_facts(
        asked.in_force, asked.actor, asked.sale, asked.at, key=asked.key, input_hash=asked.input_hash
    )
    if facts.answer:
        return facts.answer
    draft = _draft(asked, facts, purse)
    try:
        with nullcontext() if is_ours else _contained():
            is_written = _write_one(draft, waits=True)
    except DatabaseError as error:
        if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) == "40001":
            if is_ours:
                transaction.set_rollback(True)
            return None  # a budget holds less than the price was made with: a rival was first
        broken = _broken_constraint(error)
        if broken == "core_idempotentcall_pkey":
            raise _KeyTaken from error
        if broken == "checkout_order_once":
            raise _NumberTaken(draft.number) from error
        raise
    return draft.answer if is_written else None


def _draft_among_others(asked: _Asked, facts: SaleFacts, others: set[Any]) -> _Draft | None:
    """The sale priced, or None when it is written already or cannot be in one statement with those before it."""
    member, sale = facts.member, asked.sale
    if facts.answer or (member is not None and member.is_due(asked.at)):
        return None
    mine: set[Any] = {("key", asked.actor.id, asked.key)} if asked.key else set()
    if sale.number:
        mine.add(("number", sale.system, sale.number))
    if member is not None:
        mine.add(("member", member.id))
    if not others.isdisjoint(mine):
        return None
    draft = _draft(asked, facts, facts.purse)
    others |= mine
    return draft


def _draft(asked: _Asked, facts: SaleFacts, purse: Purse) -> _Draft:
    """The sale priced from these facts. Raises the refusals of pricing."""
    in_force, sale = asked.in_force, asked.sale
    cart, coupons = _cart(in_force, sale, facts, purse, asked.at)
    trust = NO_TRUST
    if sale.allowance:
        trust = trust_of(sale.allowance, facts.member.id if facts.member else None, asked.at)
    priced = _price(in_force, cart, facts.member, purse, asked.at, trust)
    order_id = uuid7()
    number = sale.number or str(order_id)
    figures = priced_body(in_force.programme, in_force.number, cart, priced, facts.products, facts.member)
    if coupons:
        coupons.check(priced)
        figures["coupons"] = coupons.used_rows(priced)
    body = _json.encode(order_body(order_id, sale.system, number, asked.at, figures))
    debts = (
        {asset: debt for asset, (_, debt) in facts.member.balances.items() if debt} if facts.member else {}
    )
    on_trust = trust is not NO_TRUST
    credit: NewTransfer | None = None
    if on_trust:
        # What the sale leaves the member owing, it settles first from what it gives.
        credit, purse, owed = advance(priced, purse, trust.allowance_id, asked.at)
        debts = {asset: debts.get(asset, 0) + owed.get(asset, 0) for asset in {*debts, *owed}}
    earned = earn_transfer(in_force.programme, priced, debts, asked.at)
    spends_own = in_force.programme.policies.spend_own_points and not on_trust
    lots = [*purse.of("points"), *own_lots(earned)] if spends_own else purse.of("points")
    transfers = [
        t
        for t in (
            credit,
            earned if spends_own else None,
            redeem_transfer(in_force.programme, priced, lots, asked.at),
            *(pay_transfers(in_force.programme, priced, purse, asked.at) if priced.paid else ()),
            None if spends_own else earned,
        )
        if t
    ]
    document = sale_document(
        in_force,
        asked.actor,
        sale,
        cart,
        priced,
        facts,
        purse,
        transfers,
        order_id,
        number,
        asked.at,
        asked.now,
        asked.key,
    )
    if on_trust:
        document["allowance"] = trust.used_by(priced)
    if coupons:
        member_id = facts.member.id if facts.member else None
        document |= coupons.document(priced, order_id, member_id, asked.actor, asked.at)
    return _Draft(document, body, asked.input_hash, number)


def _write_one(draft: _Draft, *, waits: bool) -> bool:
    """Write a sale; False when its member's book has moved on, and nothing is written. Raises django.db errors.

    `waits` tells whether to wait for whoever holds the book, the key or the number.
    """
    document = _json.encode(draft.document).decode()
    return bool(_COMMIT.row([document, draft.body, draft.input_hash, waits])[0])


def _write(drafts: Sequence[_Draft]) -> Sequence[bool]:
    """Write sales of different members in one transaction, never waiting; whether each is written. Raises django.db errors."""
    if len(drafts) < 2:
        return [_write_one(draft, waits=False) for draft in drafts]
    documents = _json.encode([{**draft.document, "i": n} for n, draft in enumerate(drafts, 1)]).decode()
    written: Sequence[bool] = _COMMIT_ALL.row(
        [documents, [draft.body for draft in drafts], [draft.input_hash for draft in drafts]]
    )[0]
    return written


def _broken_constraint(error: DatabaseError) -> str | None:
    """The constraint a row would have broken; the text of an error also quotes the statement with every table's name."""
    cause = error.__cause__
    if isinstance(error, IntegrityError) and isinstance(cause, psycopg.Error):
        return cause.diag.constraint_name
    return None


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
    """Facts with the member's tier reviewed up to `at`, and the lots that this sale can touch."""
    facts = read_facts(in_force.programme, actor, sale, at, key=key, input_hash=input_hash, is_quote=is_quote)
    member = facts.member
    if facts.answer:
        return facts, EMPTY_PURSE
    if member is not None and member.is_due(at):
        review_member(member_id=member.id, now=at, qualifying=qualifying_totals)
        facts = read_facts(
            in_force.programme, actor, sale, at, key=key, input_hash=input_hash, is_quote=is_quote
        )
    blinds = card_blinds(sale.tenders) if sale.tenders else {}
    if not blinds:
        return facts, facts.purse
    member_id = facts.member.id if facts.member else None
    return facts, replace(facts.purse, cards=named_cards(actor, blinds, member_id))


def _tenders(sale: SaleRequest, purse: Purse) -> list[Tender]:
    """The tenders as pricing takes them, each gift card found."""
    return tenders_of(sale.tenders, card_blinds(sale.tenders), purse) if sale.tenders else []


def _cart(
    in_force: InForce,
    sale: SaleRequest,
    facts: SaleFacts,
    purse: Purse,
    at: datetime,
    *,
    is_quote: bool = False,
) -> tuple[Cart, SaleCoupons | None]:
    """The cart as pricing takes it, and the coupons on it if the sale asks for any."""
    cart = build_cart(sale, facts.products, _tenders(sale, purse))
    member_id = facts.member.id if facts.member else None
    coupons = read_coupons(in_force, sale, member_id, at, is_quote=is_quote)
    return (coupons.on(cart), coupons) if coupons else (cart, None)


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
        raise error_of(refusal, version_by_id(in_force.version_id).document) from refusal
