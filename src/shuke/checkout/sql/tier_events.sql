-- All that has ever moved a tier, member by member in the order in which it was recorded (ids grow with time; a sale counts
-- from when it earned, which is later than the sale itself for one that was claimed by its receipt, and what had been given
-- back of that one before counts right after it). First, the joining; last, the live standings.
-- Columns: member, key, kind, at, version, qualifying, growth, points, order, word, from, to, metric, review_at, is_last,
-- track, grant, held
WITH earned AS (
  -- A sale may earn again later, when it is delivered or adjusted: the first time counts.
  SELECT DISTINCT ON (order_id) order_id, id, occurred_at FROM ledger_transfer
  WHERE kind = 'earn' AND order_id IS NOT NULL ORDER BY order_id, id
)
SELECT member_id, key, kind, at, version, qualifying, growth, points, order_id, word, from_tier, to_tier, metric, review_at,
  is_last, track, grant_id, held
FROM (
SELECT m.id AS member_id, '00000000-0000-0000-0000-000000000000'::uuid AS key, 'joined' AS kind, m.joined_at AS at,
  NULL::uuid AS version, 0::bigint AS qualifying, 0::bigint AS growth, 0::bigint AS points, NULL::uuid AS order_id, '' AS word,
  '' AS from_tier, '' AS to_tier, 0::bigint AS metric, NULL::timestamptz AS review_at, false AS is_last, '' AS track,
  NULL::uuid AS grant_id, NULL::jsonb AS held, 0 AS step
FROM members_member m
UNION ALL
SELECT o.member_id, coalesce(t.id, o.id), 'sale', o.occurred_at, o.programme_version_id, o.qualifying_minor,
  o.growth_earned, o.points_earned, o.id, '', '', '', 0, NULL, false, '', NULL, NULL, 0
FROM checkout_order o
LEFT JOIN earned t ON t.order_id = o.id
WHERE o.member_id IS NOT NULL
UNION ALL
SELECT o.member_id, greatest(r.id, t.id), 'refund', CASE WHEN t.id > r.id THEN t.occurred_at ELSE r.occurred_at END, NULL,
  r.qualifying_minor,
  -- What a policy let the member keep counts no longer either; only the order's own row tells how much.
  r.growth_clawed_back + CASE WHEN r.is_last THEN o.refunded_growth - r.growth ELSE 0 END,
  r.points_clawed_back + CASE WHEN r.is_last THEN o.refunded_points - r.points ELSE 0 END,
  o.id, r.kind, '', '', 0, NULL, r.is_last AND o.status <> 'committed', '', NULL, NULL, r.seq
FROM (
  SELECT *, sum(growth_clawed_back) OVER w AS growth, sum(points_clawed_back) OVER w AS points,
    seq = max(seq) OVER w AS is_last
  FROM checkout_refund WINDOW w AS (PARTITION BY order_id)
) AS r JOIN checkout_order o ON o.id = r.order_id
LEFT JOIN earned t ON t.order_id = o.id
WHERE o.member_id IS NOT NULL
UNION ALL
SELECT g.member_id, g.id, 'grant', g.granted_at, g.programme_version_id, 0, 0, 0, NULL, g.cause, '', g.tier, 0, g.until, false,
  g.track, g.id, NULL, 0
FROM loyalty_tiergrant g
UNION ALL
SELECT g.member_id, g.ended_id, 'ended', g.ended_at, NULL, 0, 0, 0, NULL, g.cause, '', g.tier, 0, NULL, false,
  g.track, g.id, NULL, 0
FROM loyalty_tiergrant g WHERE g.ended_id IS NOT NULL
UNION ALL
SELECT c.member_id, c.id, 'change', c.occurred_at, c.programme_version_id, 0, 0, 0, c.order_id, c.cause, c.from_tier, c.to_tier,
  c.metric, c.review_at, false, c.track, c.grant_id, NULL, 0
FROM loyalty_tierchange c
UNION ALL
SELECT s.member_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'standing', s.since, NULL, 0, 0, 0, NULL, '', '', s.tier, 0,
  s.review_at, false, '', NULL, s.held, 0
FROM loyalty_standing s
UNION ALL
SELECT s.member_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'standing', s.since, NULL, 0, 0, 0, NULL, '', '', s.tier, 0,
  s.review_at, false, s.track, NULL, s.held, 0
FROM loyalty_trackstanding s
) AS events
ORDER BY member_id, key, step
