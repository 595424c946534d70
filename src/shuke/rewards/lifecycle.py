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
)
