from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("checkout", "0001_initial"), ("ledger", "0002_functions"), ("loyalty", "0002_move_tier"), ("core", "0001_initial")]
    operations = [migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop)]
