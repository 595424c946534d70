"""Keep transaction numbers growing when the database moves to a younger server."""

from __future__ import annotations

import logging

from django.db import connection, transaction

from shuke.core.models import TxidBase
from shuke.kit.sql import load

_log = logging.getLogger("shuke.core")


def align_txids() -> int:
    """Raise the base of transaction numbers above every number ever stored; returns by how much (0 almost
    always).

    Outbox readers and audit seals go by the number of the writing transaction. A dump restored into a new
    server, or a move by logical replication, starts these numbers anew, and readers that stand at a higher
    one would pass over everything written since. Run after each migrate, so before the first write.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE core_txidbase IN EXCLUSIVE MODE")
        cursor.execute(load("core", "txid_lag"))
        lag: int = cursor.fetchone()[0]
        if lag <= 0:
            return 0
        base, _created = TxidBase.objects.get_or_create(id=1)
        base.base += lag
        base.save()
    _log.warning("this server counts transactions from an earlier number: raised the base by %d", lag)
    return lag
