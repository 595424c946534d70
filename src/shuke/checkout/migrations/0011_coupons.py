from django.db import migrations

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("checkout", "0010_sales_together"), ("rewards", "0004_sweep_since")]
    operations = [
        migrations.RunSQL(load("rewards", "coupon_functions"), migrations.RunSQL.noop),
        migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop),
    ]
