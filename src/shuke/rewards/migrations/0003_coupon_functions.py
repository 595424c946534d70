from django.db import migrations

from shuke.kit.sql import load

UNDO = """
DROP TRIGGER IF EXISTS rewards_event_append_only ON rewards_couponevent;
DROP TRIGGER IF EXISTS rewards_event_no_truncate ON rewards_couponevent;
DROP TRIGGER IF EXISTS rewards_use_append_only ON rewards_use;
DROP TRIGGER IF EXISTS rewards_use_no_truncate ON rewards_use;
DROP FUNCTION IF EXISTS rewards_expire(timestamptz, integer, text);
DROP FUNCTION IF EXISTS rewards_issue(uuid[], jsonb);
DROP FUNCTION IF EXISTS rewards_facts(uuid, boolean, uuid[], bytea[], text[], date[]);
DROP FUNCTION IF EXISTS rewards_restore(jsonb);
DROP FUNCTION IF EXISTS rewards_use(jsonb);
DROP FUNCTION IF EXISTS rewards_count(text, bigint, bigint, bigint, bigint, bigint, bigint, timestamptz, bigint, bigint, bigint,
  integer);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rewards", "0002_coupons"),
        ("core", "0004_horizon_of_this_database"),
        ("ledger", "0005_unchecked_references"),
    ]
    operations = [migrations.RunSQL(load("rewards", "coupon_functions"), UNDO)]
