"""What merge, erasure, export and time mean for the tables of the member file that are keyed to a member."""

from __future__ import annotations

from shuke.core.lifecycle import Erase, Export, MemberTable, Merge, Retention

TABLES = (
    MemberTable(
        table="members_member",
        key=("id",),
        merge=Merge.STAY,
        erase=Erase.CLEAR,
        export=Export.TELL,
        retention=Retention.MEMBERSHIP,
        why="The row keeps the number, so that old receipts lead somewhere; its profile opens no more.",
    ),
    MemberTable(
        table="members_datakey",
        merge=Merge.STAY,
        erase=Erase.DELETE,
        export=Export.SECRET,
        retention=Retention.MEMBERSHIP,
        why="Destroying it is the erasure: backups cannot be read either.",
    ),
    MemberTable(
        table="members_identifier",
        merge=Merge.MOVE,
        erase=Erase.DELETE,
        export=Export.TELL,
        retention=Retention.MEMBERSHIP,
        why="A phone that both have stays once; the value is encrypted anew under the key of who stays.",
    ),
    MemberTable(
        table="members_searchtoken",
        merge=Merge.REBUILD,
        erase=Erase.DELETE,
        export=Export.SECRET,
        retention=Retention.DERIVED,
    ),
    MemberTable(
        table="members_usedqrcode",
        merge=Merge.DROP,
        erase=Erase.DELETE,
        export=Export.SECRET,
        retention=Retention.SHORT,
        why="Codes live for a minute; used ones are kept for a day.",
    ),
)
