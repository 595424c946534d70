"""Let transactional tests empty append-only tables: Django truncates every table afterwards, which triggers refuse.

The triggers are switched off only inside the flush's own transaction, so tests still meet them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections, transaction

_TRUNCATE_TRIGGERS = """
SELECT quote_ident(t.relname), quote_ident(g.tgname)
FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
WHERE NOT g.tgisinternal AND g.tgtype::int & 32 <> 0
"""

# The queue's models are not managed by Django, so its flush would leave the jobs of one test to the next.
_EMPTY_QUEUE = "TRUNCATE procrastinate_jobs, procrastinate_periodic_defers, procrastinate_workers CASCADE"


def allow_flush_of_history() -> None:
    """Replace Django's flush of this process. Called once, by conftest, after django.setup()."""
    from django.db.backends.postgresql.operations import DatabaseOperations

    def execute_sql_flush(self: DatabaseOperations, sql_list: Iterable[str]) -> None:
        alias = self.connection.alias
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(_TRUNCATE_TRIGGERS)
            triggers = cursor.fetchall()
            for table, trigger in triggers:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            for sql in sql_list:
                cursor.execute(sql)
            cursor.execute(_EMPTY_QUEUE)
            for table, trigger in triggers:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")

    operations: Any = DatabaseOperations
    operations.execute_sql_flush = execute_sql_flush
