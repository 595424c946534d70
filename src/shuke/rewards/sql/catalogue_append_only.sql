-- What happened to a redemption is never edited: a change is a new row.

CREATE OR REPLACE FUNCTION rewards_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: add a row instead', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER rewards_step_append_only BEFORE UPDATE OR DELETE ON rewards_redemptionstep
  FOR EACH ROW EXECUTE FUNCTION rewards_refuse_change();
CREATE OR REPLACE TRIGGER rewards_step_no_truncate BEFORE TRUNCATE ON rewards_redemptionstep
  FOR EACH STATEMENT EXECUTE FUNCTION rewards_refuse_change();
-- A narrow row that changes often: room on the page keeps updates there.
ALTER TABLE rewards_rewardstock SET (fillfactor = 50);
