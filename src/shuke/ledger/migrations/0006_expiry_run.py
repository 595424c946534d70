from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_unchecked_references")]
    operations = [migrations.RunSQL(load("ledger", "jobs"), migrations.RunSQL.noop)]
