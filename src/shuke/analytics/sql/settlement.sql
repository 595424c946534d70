-- Who issued what was used where, in a period, at what it was worth.
-- An act is an order (with its refunds) or a lone transfer. What an order's points were worth is spread over the lots they
-- came from by running shares, so the shares of all lots are the whole to the cent; what comes back takes back running
-- shares of its own lot, so that a lot returned in parts takes back exactly what it paid.
WITH acts AS MATERIALIZED (
  SELECT DISTINCT t.order_id, CASE WHEN t.order_id IS NULL THEN t.id END AS transfer_id
  FROM ledger_transfer t
  WHERE t.kind <> 'earn' AND t.occurred_at >= %(since)s AND t.occurred_at < %(until)s
    AND (t.kind = ANY(%(uses)s) OR t.kind = ANY(%(returns)s))
), found AS MATERIALIZED (
  SELECT a.order_id AS act, t.id, t.kind, t.occurred_at, t.store_id, t.programme_version_id
  FROM acts a JOIN ledger_transfer t ON t.order_id = a.order_id
  UNION ALL
  SELECT t.id, t.id, t.kind, t.occurred_at, t.store_id, t.programme_version_id
  FROM acts a JOIN ledger_transfer t ON t.id = a.transfer_id
), legs AS MATERIALIZED (
  SELECT f.act, f.id, e.seq, f.occurred_at, f.store_id, f.programme_version_id, e.asset, e.lot_id, e.amount,
    (e.explain->>'points_minor')::numeric AS worth
  FROM found f
  JOIN ledger_entry e ON e.transfer_id = f.id AND e.account = 'member' AND e.lot_id IS NOT NULL
  WHERE (f.kind = ANY(%(uses)s) AND e.amount < 0) OR (f.kind = ANY(%(returns)s) AND e.amount > 0)
), used AS (
  SELECT u.*,
    div(worth_all * so_far, nullif(used_all, 0)) - div(worth_all * (so_far + amount), nullif(used_all, 0)) AS value
  FROM (
    SELECT l.*,
      max(worth) OVER (PARTITION BY act, asset) AS worth_all,
      sum(-amount) OVER (PARTITION BY act, asset) AS used_all,
      sum(-amount) OVER (PARTITION BY act, asset ORDER BY occurred_at, id, seq) AS so_far
    FROM legs l WHERE amount < 0
  ) u
), by_lot AS (
  SELECT act, asset, lot_id, sum(-amount) AS used_all, sum(value) AS value_all FROM used GROUP BY 1, 2, 3
), back AS (
  SELECT r.*,
    div(value_all * so_far, nullif(used_all, 0)) - div(value_all * (so_far - amount), nullif(used_all, 0)) AS value
  FROM (
    SELECT l.*, b.used_all, b.value_all,
      sum(l.amount) OVER (PARTITION BY l.act, l.asset, l.lot_id ORDER BY l.occurred_at, l.id, l.seq) AS so_far
    FROM legs l JOIN by_lot b ON b.act = l.act AND b.asset = l.asset AND b.lot_id = l.lot_id
    WHERE l.amount > 0
  ) r
), moved AS (
  SELECT lot_id, store_id, asset, programme_version_id, -amount AS used, 0::bigint AS returned, value
  FROM used WHERE occurred_at >= %(since)s AND occurred_at < %(until)s
  UNION ALL
  SELECT lot_id, store_id, asset, programme_version_id, 0, amount, -value
  FROM back WHERE occurred_at >= %(since)s AND occurred_at < %(until)s
), makers AS MATERIALIZED (
  SELECT m.lot_id, m.made_at FROM (SELECT DISTINCT lot_id FROM moved) lots
  CROSS JOIN LATERAL (
    SELECT lots.lot_id, t.store_id AS made_at
    FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
    WHERE e.lot_id = lots.lot_id AND e.amount > 0
    ORDER BY t.occurred_at, t.id LIMIT 1
  ) m
)
SELECT k.made_at, m.store_id, m.asset, m.programme_version_id,
  sum(m.used)::bigint, sum(m.returned)::bigint, coalesce(sum(m.value), 0)::bigint,
  coalesce(sum(m.used - m.returned) FILTER (WHERE m.value IS NULL), 0)::bigint
FROM moved m
LEFT JOIN makers k ON k.lot_id = m.lot_id
WHERE %(stores)s::uuid[] IS NULL OR k.made_at = ANY(%(stores)s) OR m.store_id = ANY(%(stores)s)
GROUP BY 1, 2, 3, 4
