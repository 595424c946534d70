-- A published programme and a member's tier history are never edited: a change is a new row.

CREATE OR REPLACE FUNCTION loyalty_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER loyalty_version_append_only BEFORE UPDATE OR DELETE ON loyalty_programmeversion
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_version_no_truncate BEFORE TRUNCATE ON loyalty_programmeversion
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_tierchange_append_only BEFORE UPDATE OR DELETE ON loyalty_tierchange
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_tierchange_no_truncate BEFORE TRUNCATE ON loyalty_tierchange
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_change();
