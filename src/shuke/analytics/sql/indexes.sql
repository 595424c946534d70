-- What the refresh looks up by time in rooms below. Refunds are rare and expiries come in batches, so neither index
-- costs a sale anything. Narrow rows that change every minute get room on their pages, so that updates stay there (HOT).
CREATE INDEX IF NOT EXISTS analytics_refund_time ON checkout_refund (occurred_at);
CREATE INDEX IF NOT EXISTS analytics_transfer_time ON ledger_transfer (occurred_at) WHERE kind IN ('expire', 'adjust');
ALTER TABLE analytics_storeday SET (fillfactor = 80);
ALTER TABLE analytics_visitgap SET (fillfactor = 70);
ALTER TABLE analytics_homestore SET (fillfactor = 50);
ALTER TABLE analytics_recencycount SET (fillfactor = 70);
