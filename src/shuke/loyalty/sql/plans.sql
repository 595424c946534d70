-- What happened to plans, what was had at the counter and what was given is never edited: a change is a new row.
CREATE OR REPLACE TRIGGER loyalty_planevent_append_only BEFORE UPDATE OR DELETE ON loyalty_planevent
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_planevent_no_truncate BEFORE TRUNCATE ON loyalty_planevent
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_entitlementuse_append_only BEFORE UPDATE OR DELETE ON loyalty_entitlementuse
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_entitlementuse_no_truncate BEFORE TRUNCATE ON loyalty_entitlementuse
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_benefitgrant_append_only BEFORE UPDATE OR DELETE ON loyalty_benefitgrant
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_benefitgrant_no_truncate BEFORE TRUNCATE ON loyalty_benefitgrant
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_change();
-- A narrow row that changes often: leave room on the page, so that an update stays there (HOT).
ALTER TABLE loyalty_giftstock SET (fillfactor = 20);
