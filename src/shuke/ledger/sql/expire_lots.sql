-- Write a batch of expiries: transfers, their entries, lots to zero, balances down. The caller holds the books.
WITH transfers AS (
  INSERT INTO ledger_transfer
    (id, member_id, kind, occurred_at, recorded_at, order_id, refund_id, store_id, programme_version_id, actor, reason)
  SELECT t.id, t.member_id, 'expire', t.occurred_at, %(now)s, NULL, NULL, NULL, NULL, %(actor)s, ''
  FROM unnest(%(transfer_ids)s::uuid[], %(member_ids)s::uuid[], %(instants)s::timestamptz[]) AS t(id, member_id, occurred_at)
), legs AS (
  INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id)
  SELECT e.transfer_id, e.seq, e.member_id, 'member', e.asset, -e.amount, e.lot_id
  FROM unnest(%(leg_transfers)s::uuid[], %(leg_seqs)s::smallint[], %(leg_members)s::uuid[], %(leg_assets)s::text[],
    %(leg_amounts)s::bigint[], %(lot_ids)s::uuid[]) AS e(transfer_id, seq, member_id, asset, amount, lot_id)
  UNION ALL
  SELECT t.id, t.seq, t.member_id, 'expired', t.asset, t.amount, NULL
  FROM unnest(%(transfer_ids)s::uuid[], %(last_seqs)s::smallint[], %(member_ids)s::uuid[], %(assets)s::text[],
    %(amounts)s::bigint[]) AS t(id, seq, member_id, asset, amount)
), emptied AS (
  -- Subtracted, not set to zero: a writer that ignored the book would fail on the range check, not be overwritten.
  UPDATE ledger_lot SET remaining = remaining - e.amount
  FROM unnest(%(lot_ids)s::uuid[], %(leg_amounts)s::bigint[]) AS e(id, amount)
  WHERE ledger_lot.id = e.id
)
UPDATE ledger_account a SET balance = a.balance - gone.amount
FROM (
  SELECT t.member_id, t.asset, sum(t.amount) AS amount
  FROM unnest(%(member_ids)s::uuid[], %(assets)s::text[], %(amounts)s::bigint[]) AS t(member_id, asset, amount)
  GROUP BY t.member_id, t.asset
) AS gone
WHERE a.member_id = gone.member_id AND a.asset = gone.asset
