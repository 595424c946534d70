-- What is owed to members at an instant, in one statement and so from one snapshot: sales may go on meanwhile.
-- `groups`: units in lots by asset, state and age: what each lot holds now, less what has moved it since the instant.
-- `flows`: the entries by kind of act, before and since a start: the members' side, of it the debt (what moved no lot), and
-- the system accounts' side. So the lots, which tell from running figures, are held against the whole book.
-- `turned`: what acts since the start added to members' balances and took from them; an act counts by its whole.
-- `ended`: units used (less those that came back) and expired, by the age of their lot when it happened.
WITH later AS MATERIALIZED (
  SELECT e.lot_id, sum(e.amount)::bigint AS amount
  FROM ledger_transfer t
  JOIN ledger_entry e ON e.transfer_id = t.id
  WHERE t.occurred_at > %(as_of)s AND e.account = 'member' AND e.lot_id IS NOT NULL
  GROUP BY 1
), groups AS (
  SELECT asset, state, age, count(*) AS lots, sum(units)::bigint AS units FROM (
    SELECT l.asset, l.remaining - coalesce(later.amount, 0) AS units,
      CASE WHEN l.active_at > %(as_of)s THEN 'pending' WHEN l.expires_at <= %(as_of)s THEN 'lapsed' ELSE 'usable' END AS state,
      width_bucket(extract(epoch FROM %(as_of)s::timestamptz - l.earned_at)::bigint / 86400, %(ages)s::bigint[]) AS age
    FROM ledger_lot l
    LEFT JOIN later ON later.lot_id = l.id
    WHERE l.remaining <> coalesce(later.amount, 0)
    OFFSET 0  -- or the planner expects as many groups as lots, and sorts them all
  ) AS lot
  GROUP BY 1, 2, 3
), flows AS (
  SELECT e.asset, t.kind, t.occurred_at >= %(since)s AS in_period,
    coalesce(sum(e.amount) FILTER (WHERE e.account = 'member'), 0)::bigint AS units,
    coalesce(-sum(e.amount) FILTER (WHERE e.account <> 'member'), 0)::bigint AS control,
    coalesce(-sum(e.amount) FILTER (WHERE e.account = 'member' AND e.lot_id IS NULL), 0)::bigint AS debt
  FROM ledger_entry e
  JOIN ledger_transfer t ON t.id = e.transfer_id
  WHERE t.occurred_at <= %(as_of)s
  GROUP BY 1, 2, 3
), turned AS (
  SELECT asset, coalesce(sum(net) FILTER (WHERE net > 0), 0)::bigint AS came,
    coalesce(-sum(net) FILTER (WHERE net < 0), 0)::bigint AS went
  FROM (
    SELECT e.asset, sum(e.amount) AS net
    FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id AND e.account = 'member'
    WHERE t.occurred_at >= %(since)s AND t.occurred_at <= %(as_of)s
    GROUP BY t.id, e.asset
  ) AS act
  GROUP BY asset
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
  (SELECT coalesce(jsonb_agg(jsonb_build_array(asset, kind, in_period, units, control, debt) ORDER BY asset, kind), '[]')
     FROM flows),
  (SELECT coalesce(jsonb_object_agg(asset, jsonb_build_array(came, went)), '{}') FROM turned),
  (SELECT coalesce(jsonb_agg(jsonb_build_array(asset, age, used, expired)), '[]') FROM ended)
