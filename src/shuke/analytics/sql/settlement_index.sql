-- The settlement statement looks for what was spent in a period. A plain sale only earns, so the index costs it nothing.
CREATE INDEX IF NOT EXISTS analytics_transfer_moved ON ledger_transfer (occurred_at) WHERE kind <> 'earn';
