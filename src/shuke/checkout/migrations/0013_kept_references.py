import django.db.models.deletion
from django.db import migrations, models

from shuke.kit.sql import load

_FORMER = """
DROP FUNCTION IF EXISTS checkout_commit(jsonb, bytea[], bytea[], boolean);
DROP FUNCTION IF EXISTS checkout_take(jsonb);
DROP FUNCTION IF EXISTS checkout_commit_more(jsonb);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_product_cost'),
        ('checkout', '0012_tiers'),
        ('ledger', '0008_post_earned'),
        ('loyalty', '0006_plans'),
    ]

    operations = [
        migrations.AlterField(
            model_name='order',
            name='channel',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.channel'),
        ),
        migrations.AlterField(
            model_name='order',
            name='programme_version',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='loyalty.programmeversion'),
        ),
        migrations.AlterField(
            model_name='order',
            name='store',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.store'),
        ),
        migrations.AlterField(
            model_name='orderline',
            name='product',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.product'),
        ),
        migrations.RunSQL(_FORMER, migrations.RunSQL.noop),
        migrations.RunSQL(load('checkout', 'functions'), migrations.RunSQL.noop),
    ]
