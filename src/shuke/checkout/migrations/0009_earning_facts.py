from django.db import migrations

from shuke.kit.sql import load

UNDO = (
    "DROP FUNCTION IF EXISTS"
    " checkout_earning_facts(uuid, timestamptz, date, date, text[], date, text[], date[], text[])"
)


class Migration(migrations.Migration):
    dependencies = [("checkout", "0008_unchecked_references"), ("loyalty", "0004_counters")]
    operations = [
        migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop),
        migrations.RunSQL(load("checkout", "earning_facts"), UNDO),
    ]
