from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [migrations.RunSQL(load("ledger", "functions"), migrations.RunSQL.noop)]
