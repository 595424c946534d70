-- What is owed to members at an instant, in one statement and so from one snapshot: sales may go on meanwhile.
-- `groups`: units in lots by asset, state and age, added up from the entries (state debt: what members owe).
-- `flows`: the same book by kind of act, before and since a start: the members' side, and the system accounts' side.
-- `ended`: units used (less those that came back) and expired, by the age of their lot when it happened.
WITH held AS (
  SELECT e.asset, e.lot_id, sum(e.amount)::bigint AS remaining
  FROM ledger_entry e
  JOIN ledger_transfer t ON t.id = e.transfer_id
  WHERE e.account = 'member' AND t.occurred_at <= %(as_of)s
  GROUP BY e.asset, e.lot_id
), groups AS (
  SELECT h.asset,
    CASE WHEN l.id IS NULL THEN 'debt' WHEN l.active_at > %(as_of)s THEN 'pending'
      WHEN l.expires_at <= %(as_of)s THEN 'lapsed' ELSE 'usable' END AS state,
    width_bucket(extract(epoch FROM %(as_of)s::timestamptz - l.earned_at)::bigint / 86400, %(ages)s::bigint[]) AS age,
    count(*) AS lots, sum(h.remaining)::bigint AS units
  FROM held h
  LEFT JOIN ledger_lot l ON l.id = h.lot_id
  WHERE h.remaining <> 0
  GROUP BY 1, 2, 3
), flows AS (
  SELECT e.asset, t.kind, t.occurred_at >= %(since)s AS in_period,
    coalesce(sum(e.amount) FILTER (WHERE e.account = 'member'), 0)::bigint AS units,
    coalesce(-sum(e.amount) FILTER (WHERE e.account <> 'member'), 0)::bigint AS control
  FROM ledger_entry e
  JOIN ledger_transfer t ON t.id = e.transfer_id
  WHERE t.occurred_at <= %(as_of)s
  GROUP BY 1, 2, 3
), ended AS (
  SELECT e.asset,
    width_bucket(extract(epoch FROM t.occurred_at - l.earned_at)::bigint / 86400, %(ages)s::bigint[]) AS age,
    coalesce(-sum(e.amount) FILTER (WHERE t.kind <> 'expire'), 0)::bigint AS used,
    coalesce(-sum(e.amount) FILTER (WHERE t.kind = 'expire'), 0)::bigint AS expired
  FROM ledger_transfer t
  JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
  JOIN ledger_lot l ON l.id = e.lot_id
  WHERE t.occurred_at <= %(as_of)s AND t.kind <> 'earn'
    AND (t.kind = 'expire' OR (t.kind = ANY(%(uses)s) AND e.amount < 0) OR (t.kind = ANY(%(returns)s) AND e.amount > 0))
  GROUP BY 1, 2
)
SELECT
  (SELECT coalesce(jsonb_agg(jsonb_build_array(asset, state, age, lots, units) ORDER BY asset, age, state DESC), '[]')
     FROM groups),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(asset, kind, in_period, units, control) ORDER BY asset, kind), '[]')
     FROM flows),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(asset, age, used, expired)), '[]') FROM ended)
