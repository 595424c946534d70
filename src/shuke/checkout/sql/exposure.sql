-- Open allowances with what is left of them and how much of that the member's usable balance no longer covers.
WITH open AS (
  SELECT a.id, a.member_id, a.device, a.store_id, a.issued_at, a.expires_at,
    a.points - a.points_used AS points_left, a.money_minor - a.money_used_minor AS money_left,
    sum(a.points - a.points_used) OVER earlier - (a.points - a.points_used) AS points_before,
    sum(a.money_minor - a.money_used_minor) OVER earlier - (a.money_minor - a.money_used_minor) AS money_before
  FROM checkout_allowance a
  WHERE a.closed_at IS NULL AND a.expires_at > %(now)s
  WINDOW earlier AS (PARTITION BY a.member_id ORDER BY a.issued_at, a.id)
), told AS (
  SELECT o.id, o.member_id, o.device, s.code AS store, o.issued_at, o.expires_at, o.points_left,
    o.money_left AS money_left_minor,
    greatest(o.points_left - greatest(f.points - o.points_before, 0), 0)::bigint AS points_uncovered,
    greatest(o.money_left - greatest(f.money - o.money_before, 0), 0)::bigint AS money_uncovered_minor,
    coalesce((SELECT sum(debt) FROM ledger_account d WHERE d.member_id = o.member_id AND d.asset = 'points'), 0)::bigint
      AS points_owed,
    coalesce((SELECT sum(debt) FROM ledger_account d WHERE d.member_id = o.member_id AND d.asset IN ('stored_value', 'bonus')),
      0)::bigint AS money_owed_minor
  FROM open o
  JOIN catalog_store s ON s.id = o.store_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(l.remaining - l.held) FILTER (WHERE l.asset = 'points'), 0) AS points,
      coalesce(sum(l.remaining - l.held) FILTER (WHERE l.asset IN ('stored_value', 'bonus')), 0) AS money
    FROM ledger_lot l
    WHERE l.member_id = o.member_id AND l.remaining > 0 AND l.active_at <= %(now)s
      AND (l.expires_at IS NULL OR l.expires_at > %(now)s)
  ) AS f
  WHERE %(stores)s::uuid[] IS NULL OR o.store_id = ANY(%(stores)s::uuid[])
)
SELECT t.*, count(*) OVER () AS total_count, sum(points_left) OVER () AS total_points_left, sum(money_left_minor) OVER () AS total_money_left_minor,
  sum(points_uncovered) OVER () AS total_points_uncovered,
  sum(money_uncovered_minor) OVER () AS total_money_uncovered_minor
FROM told t
ORDER BY money_uncovered_minor DESC, points_uncovered DESC, id
LIMIT %(most)s OFFSET %(skip)s
