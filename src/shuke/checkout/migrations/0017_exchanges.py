"""The sale of an exchange finds what came back for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("checkout", "0016_gift_card_lists")]
    operations = [
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(
                condition=models.Q(exchange_order__isnull=False),
                fields=["exchange_order"],
                name="checkout_refund_exchange",
            ),
        ),
    ]
