"""The facts of a sale tell the lots it can spend, a repeated call is told nothing else, and sales with tenders go together."""

from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("checkout", "0017_exchanges"), ("ledger", "0009_post_all_kinds")]
    operations = [migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop)]
