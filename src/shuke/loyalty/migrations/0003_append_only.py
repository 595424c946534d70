from django.db import migrations

from shuke.kit.sql import load

UNDO = """
DROP TRIGGER IF EXISTS loyalty_version_append_only ON loyalty_programmeversion;
DROP TRIGGER IF EXISTS loyalty_version_no_truncate ON loyalty_programmeversion;
DROP TRIGGER IF EXISTS loyalty_tierchange_append_only ON loyalty_tierchange;
DROP TRIGGER IF EXISTS loyalty_tierchange_no_truncate ON loyalty_tierchange;
DROP FUNCTION IF EXISTS loyalty_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0002_move_tier")]
    operations = [migrations.RunSQL(load("loyalty", "append_only"), UNDO)]
