"""Readers wait for the open transactions of this database only, not for those of its neighbours on the server.

A snapshot lists the open transactions of the whole server. One that provably belongs to another database (it holds
the lock on its own number from a session there) cannot write our rows; whatever is not proved is waited for.
"""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION core_txid_horizon() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    seen pg_snapshot := pg_current_snapshot();
    own xid8 := pg_current_xact_id_if_assigned();
    horizon xid8 := pg_snapshot_xmax(seen);
    lowest xid8;
BEGIN
    IF pg_snapshot_xmin(seen) <> horizon THEN
        SELECT min(open.number) INTO lowest
        FROM pg_snapshot_xip(seen) AS open (number)
        WHERE open.number::xid NOT IN (
            SELECT held.transactionid
            FROM pg_locks AS held JOIN pg_stat_activity AS session ON session.pid = held.pid
            WHERE held.locktype = 'transactionid' AND held.mode = 'ExclusiveLock' AND held.granted
              AND session.datname <> current_database()
        );
        horizon := LEAST(horizon, lowest);
    END IF;
    -- A snapshot does not list its own transaction, which may still write.
    RETURN LEAST(horizon, own)::text::bigint
           + COALESCE((SELECT base FROM core_txidbase WHERE id = 1), 0);
END $$;
"""

BACKWARD = """
CREATE OR REPLACE FUNCTION core_txid_horizon() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN pg_snapshot_xmin(pg_current_snapshot())::text::bigint
           + COALESCE((SELECT base FROM core_txidbase WHERE id = 1), 0);
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0003_lock_answer")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
