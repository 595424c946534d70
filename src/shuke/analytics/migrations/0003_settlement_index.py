from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("analytics", "0002_indexes"), ("ledger", "0002_functions")]
    operations = [
        migrations.RunSQL(load("analytics", "settlement_index"), "DROP INDEX IF EXISTS analytics_transfer_moved;")
    ]
