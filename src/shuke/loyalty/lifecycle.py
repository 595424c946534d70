"""What merge, erasure, export and time mean for the tables of the programme that are keyed to a member."""

from __future__ import annotations

from shuke.core.lifecycle import Erase, Export, MemberTable, Merge, Retention

TABLES = (
    MemberTable(
        table="loyalty_standing",
        merge=Merge.REBUILD,
        erase=Erase.DELETE,
        export=Export.TELL,
        retention=Retention.MEMBERSHIP,
        why="The tier is a replay of the orders of both members together.",
    ),
    MemberTable(
        table="loyalty_tierchange",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Append-only history.",
    ),
    MemberTable(
        table="loyalty_use",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.DERIVED,
        retention=Retention.BOOKS,
        why="Budgets stay equal to the sum of their uses.",
    ),
    MemberTable(
        table="loyalty_membergroup",
        merge=Merge.MOVE,
        erase=Erase.DELETE,
        export=Export.TELL,
        retention=Retention.MEMBERSHIP,
    ),
    MemberTable(
        table="loyalty_accrual",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="loyalty_planmandate",
        merge=Merge.MOVE,
        erase=Erase.DELETE,
        export=Export.SECRET,
        retention=Retention.MEMBERSHIP,
        why="The token of a payment agreement: it is revoked at the provider before.",
    ),
    MemberTable(
        table="loyalty_planholding",
        merge=Merge.MOVE,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Two of one plan become one run, terms end to end.",
    ),
    MemberTable(
        table="loyalty_planterm",
        merge=Merge.MOVE,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="loyalty_plangift",
        key=("buyer_id", "redeemed_by_id"),
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    ),
    MemberTable(
        table="loyalty_planevent",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Append-only history.",
    ),
    MemberTable(
        table="loyalty_entitlementuse",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Stock stays equal to the sum of its uses.",
    ),
    MemberTable(
        table="loyalty_benefitgrant",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
    ),
)
