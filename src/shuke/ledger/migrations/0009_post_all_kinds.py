"""Transfers of any kind are posted together, not only what was earned."""

from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("ledger", "0008_post_earned")]
    operations = [
        migrations.RunSQL("DROP FUNCTION IF EXISTS ledger_post_earned(jsonb)", migrations.RunSQL.noop),
        migrations.RunSQL(load("ledger", "functions"), migrations.RunSQL.noop),
    ]
