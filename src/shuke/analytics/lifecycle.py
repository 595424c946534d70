"""What merge, erasure, export and time mean for the tables of the reports that are keyed to a member."""

from __future__ import annotations

from shuke.core.lifecycle import Erase, Export, MemberTable, Merge, Retention

TABLES = (
    MemberTable(
        table="analytics_visits",
        merge=Merge.REBUILD,
        erase=Erase.REBUILD,
        export=Export.DERIVED,
        retention=Retention.DERIVED,
    ),
    MemberTable(
        table="analytics_membersummary",
        merge=Merge.REBUILD,
        erase=Erase.REBUILD,
        export=Export.DERIVED,
        retention=Retention.DERIVED,
    ),
)
