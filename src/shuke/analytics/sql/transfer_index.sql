-- The transfers of a day, of every kind. They come in about the order of time, so a summary per range of pages finds them
-- and costs a sale nothing. The one for some kinds only has no reader any more.
CREATE INDEX IF NOT EXISTS analytics_transfer_day ON ledger_transfer USING brin (occurred_at)
  WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX IF EXISTS analytics_transfer_time;
