import django.db.models.deletion
import shuke.kit.ids
from django.db import migrations, models

from shuke.kit.sql import load


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0003_lot_states'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExpiryNotice',
            fields=[
                ('pk', models.CompositePrimaryKey('member_id', 'asset', 'expires_at', 'days', blank=True, editable=False, primary_key=True, serialize=False)),
                ('member_id', models.UUIDField()),
                ('asset', models.CharField(max_length=30)),
                ('expires_at', models.DateTimeField()),
                ('days', models.SmallIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Adjustment',
            fields=[
                ('id', models.UUIDField(default=shuke.kit.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('member_id', models.UUIDField()),
                ('asset', models.CharField(max_length=30)),
                ('amount', models.BigIntegerField()),
                ('reason', models.CharField(max_length=300)),
                ('status', models.CharField(choices=[('requested', 'requested'), ('posted', 'posted'), ('rejected', 'rejected'), ('lapsed', 'lapsed')], max_length=10)),
                ('requested_by', models.CharField(max_length=60)),
                ('requested_at', models.DateTimeField()),
                ('lapses_at', models.DateTimeField()),
                ('decided_by', models.CharField(default='', max_length=60)),
                ('decided_at', models.DateTimeField(null=True)),
                ('note', models.CharField(default='', max_length=300)),
                ('transfer_id', models.UUIDField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['status', '-requested_at', '-id'], name='ledger_adjustment_inbox'), models.Index(fields=['member_id', '-requested_at'], name='ledger_adjustment_member')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='ledger_adjustment_not_zero'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'posted'), ('transfer_id__isnull', False)), models.Q(models.Q(('status', 'posted'), _negated=True), ('transfer_id__isnull', True)), _connector='OR'), name='ledger_adjustment_posted'), models.CheckConstraint(condition=models.Q(('decided_by', ''), models.Q(('decided_by', models.F('requested_by')), _negated=True), models.Q(('status', 'posted'), _negated=True), _connector='OR'), name='ledger_adjustment_four_eyes')],
            },
        ),
        migrations.CreateModel(
            name='Gift',
            fields=[
                ('id', models.UUIDField(default=shuke.kit.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('sender_id', models.UUIDField()),
                ('receiver_id', models.UUIDField()),
                ('asset', models.CharField(max_length=30)),
                ('amount', models.BigIntegerField()),
                ('fee', models.BigIntegerField()),
                ('occurred_at', models.DateTimeField()),
                ('actor', models.CharField(max_length=60)),
                ('reason', models.CharField(default='', max_length=300)),
                ('out_transfer_id', models.UUIDField()),
                ('in_transfer_id', models.UUIDField()),
                ('fee_transfer_id', models.UUIDField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['sender_id', 'asset', '-occurred_at'], name='ledger_gift_sender'), models.Index(fields=['receiver_id', '-occurred_at'], name='ledger_gift_receiver')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('fee__gte', 0), models.Q(('sender_id', models.F('receiver_id')), _negated=True)), name='ledger_gift_amounts')],
            },
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.UUIDField(default=shuke.kit.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('member_id', models.UUIDField()),
                ('asset', models.CharField(max_length=30)),
                ('amount', models.BigIntegerField()),
                ('captured', models.BigIntegerField(default=0)),
                ('status', models.CharField(choices=[('held', 'held'), ('captured', 'captured'), ('released', 'released'), ('expired', 'expired')], default='held', max_length=10)),
                ('reason', models.CharField(max_length=300)),
                ('reference', models.CharField(default='', max_length=80)),
                ('placed_at', models.DateTimeField()),
                ('placed_by', models.CharField(max_length=60)),
                ('expires_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_by', models.CharField(default='', max_length=60)),
                ('transfer_id', models.UUIDField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['member_id', '-placed_at'], name='ledger_hold_member'), models.Index(condition=models.Q(('status', 'held')), fields=['expires_at', 'id'], name='ledger_hold_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0), ('captured__gte', 0), ('captured__lte', models.F('amount'))), name='ledger_hold_amounts')],
            },
        ),
        migrations.CreateModel(
            name='HoldLot',
            fields=[
                ('pk', models.CompositePrimaryKey('hold_id', 'lot_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('amount', models.BigIntegerField()),
                ('hold', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lots', to='ledger.hold')),
                ('lot', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.lot')),
            ],
            options={
                'indexes': [models.Index(fields=['lot'], name='ledger_holdlot_lot')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='ledger_holdlot_amount')],
            },
        ),
        migrations.RunSQL(load("ledger", "jobs"), migrations.RunSQL.noop),
    ]
