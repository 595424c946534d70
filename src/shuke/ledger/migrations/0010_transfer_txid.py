"""Each transfer keeps the number of its transaction, so that a reader of the book finds what is new without being told."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models
from django.db.models.expressions import RawSQL


class Migration(migrations.Migration):
    dependencies = [("ledger", "0009_post_all_kinds"), ("core", "0004_horizon_of_this_database")]
    operations = [
        # First the column, then its default: what is there already stays null, and the table is not written anew.
        migrations.AddField("transfer", "txid", models.BigIntegerField(null=True)),
        migrations.AlterField(
            "transfer", "txid", models.BigIntegerField(null=True, db_default=RawSQL("core_txid()", []))
        ),
        migrations.AddIndex(
            "transfer",
            BrinIndex(fields=["txid"], name="ledger_transfer_txid", autosummarize=True, pages_per_range=32),
        ),
    ]
