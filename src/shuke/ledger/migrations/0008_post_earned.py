from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_post_all")]
    operations = [
        migrations.RunSQL("DROP FUNCTION IF EXISTS ledger_post_all(jsonb)", migrations.RunSQL.noop),
        migrations.RunSQL(load("ledger", "functions"), migrations.RunSQL.noop),
    ]
