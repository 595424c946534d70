-- What a plan took off the member's sales in a span, less the share of what they brought back: its own discount, and what the
-- level that its holders are served as took off beyond the level that the member has (`own`: its percentage by level), but not
-- while another plan brought that level (`others`). Whether it multiplied points of sales that stand. Whether sales name their
-- delivery. And the versions of the programme under which goods were bought that the member still has.
SELECT coalesce(sum(g.minor
  - CASE WHEN l.list_minor - l.discount_minor > 0
      THEN g.minor * coalesce(b.sales, 0) / (l.list_minor - l.discount_minor)
      WHEN b.sales IS NOT NULL THEN g.minor ELSE 0 END), 0)::bigint,
  EXISTS (SELECT FROM checkout_order o
    JOIN ledger_transfer t ON t.order_id = o.id AND t.kind = 'earn'
    JOIN ledger_entry e ON e.transfer_id = t.id AND e.asset = 'points'
    CROSS JOIN LATERAL jsonb_array_elements(e.explain->'rules') AS r(value)
    WHERE o.member_id = %(member)s AND o.occurred_at >= %(begin)s AND o.occurred_at <= %(end)s
      AND o.refunded_points < o.points_earned
      AND (r.value->>'plan' = %(plan)s OR r.value->>'tier' = %(level)s AND o.tier <> %(level)s
        AND NOT EXISTS (SELECT FROM unnest(%(others_begin)s::timestamptz[], %(others_end)s::timestamptz[]) AS s(a, b)
          WHERE o.occurred_at >= s.a AND o.occurred_at < s.b))),
  EXISTS (SELECT FROM checkout_order o
    WHERE o.member_id = %(member)s AND o.occurred_at >= %(begin)s AND o.occurred_at <= %(end)s AND o.facts ? 'delivery'),
  (SELECT array_agg(DISTINCT o.programme_version_id) FROM checkout_order o
    WHERE o.member_id = %(member)s AND o.occurred_at >= %(begin)s AND o.occurred_at <= %(end)s
      AND o.status = 'committed' AND o.settled IS NOT true AND o.programme_version_id IS NOT NULL)
FROM checkout_order o
JOIN checkout_orderline l ON l.order_id = o.id
CROSS JOIN LATERAL jsonb_array_elements(l.detail) AS d(value)
CROSS JOIN LATERAL (SELECT CASE WHEN d.value->>'kind' = 'plan' THEN (d.value->>'minor')::bigint
  ELSE (d.value->>'minor')::bigint * greatest((d.value->>'percent')::bigint - coalesce((%(own)s::jsonb->>o.tier)::bigint, 0), 0)
    / (d.value->>'percent')::bigint END AS minor) AS g
LEFT JOIN LATERAL (SELECT sum(r.sales_minor) AS sales FROM checkout_refundline r
  WHERE r.order_id = o.id AND r.line_no = l.line_no) AS b ON true
WHERE o.member_id = %(member)s AND o.occurred_at >= %(begin)s AND o.occurred_at <= %(end)s AND l.detail IS NOT NULL
  AND (d.value->>'kind' = 'plan' AND d.value->>'code' = %(plan)s
    OR d.value->>'kind' = 'tier' AND d.value->>'code' = %(level)s AND o.tier <> %(level)s
      AND (d.value->>'percent')::bigint > 0
      AND NOT EXISTS (SELECT FROM unnest(%(others_begin)s::timestamptz[], %(others_end)s::timestamptz[]) AS s(a, b)
        WHERE o.occurred_at >= s.a AND o.occurred_at < s.b))
