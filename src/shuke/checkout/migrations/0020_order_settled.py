"""An order says whether its prices were final, so that a simulation need not guess."""

from django.db import migrations, models

from shuke.kit.sql import load


class Migration(migrations.Migration):
    dependencies = [("checkout", "0019_impact_run")]
    operations = [
        migrations.AddField(model_name="order", name="settled", field=models.BooleanField(null=True)),
        migrations.RunSQL(load("checkout", "functions"), migrations.RunSQL.noop),
    ]
