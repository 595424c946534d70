from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0001_initial"),
        ("checkout", "0002_functions"),
        ("ledger", "0002_functions"),
        ("loyalty", "0001_initial"),
        ("members", "0001_initial"),
    ]
    operations = [
        migrations.RunSQL(
            load("analytics", "indexes"),
            "DROP INDEX IF EXISTS analytics_refund_time; DROP INDEX IF EXISTS analytics_transfer_time;",
        )
    ]
