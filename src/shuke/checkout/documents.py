"""A priced sale as the documents that `checkout_commit` and `ledger_post_all` take: one key per column, only what there is."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from shuke.checkout.facts import MemberAccount, SaleFacts
from shuke.checkout.funds import Purse
from shuke.checkout.logic import Cart, Priced
from shuke.checkout.posting import NewTransfer, event_payload
from shuke.checkout.values import SaleRequest
from shuke.core.values import Actor
from shuke.loyalty.queries import InForce
from shuke.loyalty.rule_facts import uses_document
from shuke.loyalty.tier_rows import moves_document


def sale_document(
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
    """All rows of the sale as `checkout_commit` takes them."""
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
        "settled": sale.settled,
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
        **({"move": moves_document(moves, in_force.version_id)} if (moves := priced.moves) else {}),
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
