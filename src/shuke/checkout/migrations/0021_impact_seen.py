from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("checkout", "0020_order_settled"),
    ]

    operations = [
        migrations.AddField(
            model_name="impactrun",
            name="seen_at",
            field=models.DateTimeField(null=True),
        ),
    ]
