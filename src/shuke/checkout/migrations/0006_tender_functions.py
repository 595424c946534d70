from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("checkout", "0005_refund_history")]
    operations = [migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop)]
