from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial"), ("core", "0001_initial")]
    operations = [migrations.RunSQL(load("loyalty", "move_tier"), migrations.RunSQL.noop)]
