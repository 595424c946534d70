from django.db import migrations

# A gift card is the holder of a book of its own, so the ledger's holder is not always a member.
DROP = """
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN
    SELECT c.conrelid::regclass AS owner, c.conname FROM pg_constraint c
    WHERE c.contype = 'f' AND c.confrelid = 'members_member'::regclass
      AND c.conrelid IN ('ledger_book'::regclass, 'ledger_account'::regclass, 'ledger_transfer'::regclass, 'ledger_lot'::regclass)
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.owner, r.conname);
  END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("checkout", "0006_tender_functions"), ("ledger", "0004_holds_gifts_adjustments")]
    operations = [migrations.RunSQL(DROP, migrations.RunSQL.noop)]
