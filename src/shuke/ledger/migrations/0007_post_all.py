from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_expiry_run")]
    operations = [migrations.RunSQL(load("ledger", "functions"), migrations.RunSQL.noop)]
