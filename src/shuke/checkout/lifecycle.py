"""What merge, erasure, export and time mean for the tables of the sale that are keyed to a member."""

from __future__ import annotations

from shuke.core.lifecycle import Erase, Export, MemberTable, Merge, Retention

TABLES = (
    MemberTable(
        table="checkout_order",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Read through the merged member's id; what the facts of an order say is told, too.",
    ),
    MemberTable(
        table="checkout_orderline",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.WITH_PARENT,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="checkout_tender",
        key=("holder_id",),
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.WITH_PARENT,
        retention=Retention.BOOKS,
        why="The holder may be a gift card.",
    ),
    MemberTable(
        table="checkout_topup",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Payments of prepaid cards.",
    ),
    MemberTable(
        table="checkout_storedvaluereturn",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="checkout_giftcard",
        key=("buyer_id",),
        merge=Merge.STAY,
        erase=Erase.CLEAR,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="A bearer card pays on without its buyer; where the law wants a name the buyer is kept.",
    ),
    MemberTable(
        table="checkout_allowance",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Open ones end before a merge or an erasure.",
    ),
    MemberTable(
        table="checkout_refund",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="checkout_refundline",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.WITH_PARENT,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="checkout_refundtender",
        key=("holder_id",),
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.WITH_PARENT,
        retention=Retention.BOOKS,
    ),
)
