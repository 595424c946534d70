"""What merge, erasure, export and time mean for the tables of rewards that are keyed to a member."""

from __future__ import annotations

from shuke.core.lifecycle import Erase, Export, MemberTable, Merge, Retention

TABLES = (
    MemberTable(
        table="rewards_redemption",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="Points were spent for it; it holds no personal data, and its steps go with it.",
    ),
    MemberTable(
        table="rewards_coupon",
        merge=Merge.MOVE,
        erase=Erase.KEEP,
        export=Export.TELL,
        retention=Retention.BOOKS,
        why="What a member holds goes to who stays; used pieces are part of their sales.",
    ),
    MemberTable(
        table="rewards_couponevent",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.WITH_PARENT,
        retention=Retention.BOOKS,
        why="Append-only history.",
    ),
    MemberTable(
        table="rewards_use",
        merge=Merge.STAY,
        erase=Erase.KEEP,
        export=Export.DERIVED,
        retention=Retention.BOOKS,
        why="Counters stay equal to the sum of their rows.",
    ),
)
