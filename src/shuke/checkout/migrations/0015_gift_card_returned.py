from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checkout", "0014_simulation")]
    operations = [
        migrations.AlterField(
            model_name="giftcard",
            name="status",
            field=models.CharField(
                choices=[
                    ("issued", "Issued"),
                    ("active", "Active"),
                    ("blocked", "Blocked"),
                    ("returned", "Returned"),
                ],
                default="issued",
                max_length=10,
            ),
        ),
    ]
