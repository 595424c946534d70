from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("checkout", "0004_partial_refunds")]
    operations = [
        migrations.RunSQL(load("checkout", "refund_history"), migrations.RunSQL.noop),
        migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop),
    ]
