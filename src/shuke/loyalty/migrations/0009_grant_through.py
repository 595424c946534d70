"""Which plan brought the tier that gave a pack or a birthday gift."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0008_plan_gift_orders")]

    operations = [
        migrations.AddField(
            model_name="benefitgrant",
            name="through",
            field=models.CharField(db_default="", default="", max_length=40),
        ),
    ]
