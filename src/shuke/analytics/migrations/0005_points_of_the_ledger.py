from django.db import migrations, models

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("analytics", "0004_standing_orders"), ("ledger", "0010_transfer_txid")]
    operations = [
        migrations.CreateModel(
            name="PointsMoved",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "day", "store_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                ("store_id", models.UUIDField()),
                ("came", models.BigIntegerField()),
                ("went", models.BigIntegerField()),
            ],
        ),
        migrations.RemoveField("storeday", "points_issued"),
        migrations.RemoveField("storeday", "points_used"),
        migrations.AddField("refreshed", "ledger_txid", models.BigIntegerField(null=True)),
        migrations.RunSQL(load("analytics", "transfer_index"), "DROP INDEX IF EXISTS analytics_transfer_day;"),
        # Points are read from the ledger now, not from some of its events: the next refresh makes all figures anew.
        migrations.RunSQL("UPDATE analytics_refreshed SET today = NULL", migrations.RunSQL.noop),
    ]
