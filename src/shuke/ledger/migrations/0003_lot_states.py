from django.db import migrations, models

from shuke.kit.sql import load


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0002_functions'),
        ('members', '0001_initial'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='lot',
            name='ledger_lot_due',
        ),
        migrations.AddField(
            model_name='lot',
            name='held',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='lot',
            name='pending',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='lot',
            name='slides',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='lot',
            name='waits_for',
            field=models.CharField(max_length=40, null=True),
        ),
        migrations.AlterField(
            model_name='transfer',
            name='kind',
            field=models.CharField(choices=[('earn', 'Earn'), ('redeem', 'Redeem'), ('reversal', 'Reversal'), ('expire', 'Expire'), ('adjust', 'Adjust'), ('transfer_out', 'Transfer Out'), ('transfer_in', 'Transfer In'), ('fee', 'Fee'), ('top_up', 'Top Up'), ('pay', 'Pay'), ('refund_pay', 'Refund Pay'), ('accrue', 'Accrue')], max_length=12),
        ),
        migrations.AddIndex(
            model_name='lot',
            index=models.Index(condition=models.Q(('expires_at__isnull', False), ('remaining__gt', models.F('held'))), fields=['expires_at', 'id'], name='ledger_lot_due'),
        ),
        migrations.AddIndex(
            model_name='lot',
            index=models.Index(condition=models.Q(('pending', True)), fields=['active_at', 'id'], name='ledger_lot_pending'),
        ),
        migrations.AddConstraint(
            model_name='lot',
            constraint=models.CheckConstraint(condition=models.Q(('held__gte', 0), ('held__lte', models.F('remaining'))), name='ledger_lot_held_in_range'),
        ),
        migrations.RunSQL(load("ledger", "functions"), migrations.RunSQL.noop),
    ]
