"""Lock a caller's key, then look for its answer: two statements with two snapshots, in one round trip."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION core_lock_answer(wanted_caller uuid, wanted_key text)
RETURNS TABLE (status smallint, body bytea, input_hash bytea) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Two different keys that share a hash merely wait for each other.
    PERFORM pg_advisory_xact_lock(hashtextextended(wanted_caller::text || wanted_key, 0));
    -- A new statement sees what the holder of the lock committed while this one waited.
    RETURN QUERY SELECT c.status, c.body, c.input_hash FROM core_idempotentcall c
        WHERE c.caller_id = wanted_caller AND c.key = wanted_key;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION core_lock_answer(uuid, text);")]
