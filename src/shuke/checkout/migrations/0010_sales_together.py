from django.db import migrations

from shuke.kit.sql import load

# One sale at a time, as it was; a fresh house never has them.
_FORMER = """
DROP FUNCTION IF EXISTS checkout_commit(jsonb, bytea, bytea);
DROP FUNCTION IF EXISTS checkout_facts(uuid, text, uuid, text, bytea, text, text, boolean, text, text, text[], text,
  timestamptz, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [("checkout", "0009_earning_facts"), ("ledger", "0007_post_all")]
    operations = [
        migrations.RunSQL(_FORMER, migrations.RunSQL.noop),
        migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop),
    ]
