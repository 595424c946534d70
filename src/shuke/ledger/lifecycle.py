"""What merge, erasure, export and time mean for the tables of the ledger that are keyed to a member."""

from __future__ import annotations

from shuke.core.lifecycle import Erase, Export, MemberTable, Merge, Retention

TABLES = (
    MemberTable(
        table="ledger_book",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.DERIVED,
        retention=Retention.BOOKS,
        why="The lock and revision of a book.",
    ),
    MemberTable(
        table="ledger_account",
        merge=Merge.ADD_UP,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="What is there goes over by transfers of kind transfer_out and transfer_in; debts with it.",
    ),
    MemberTable(
        table="ledger_transfer",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Append-only: the books are never rewritten.",
    ),
    MemberTable(
        table="ledger_entry",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.WITH_PARENT,
        retention=Retention.BOOKS,
        why="Append-only.",
    ),
    MemberTable(
        table="ledger_lot",
        merge=Merge.ADD_UP,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Each lot keeps its expiry when it goes over.",
    ),
    MemberTable(
        table="ledger_hold",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Open ones are released before a merge or an erasure.",
    ),
    MemberTable(
        table="ledger_gift",
        key=("sender_id", "receiver_id"),
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Told to both ends, each without the name of the other.",
    ),
    MemberTable(
        table="ledger_adjustment",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Open requests are refused before a merge or an erasure.",
    ),
    MemberTable(
        table="ledger_expirynotice",
        merge=Merge.REBUILD,
        erase=Erase.DELETE,
        export=Export.DERIVED,
        retention=Retention.DERIVED,
    ),
)
