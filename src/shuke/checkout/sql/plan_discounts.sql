-- What a plan's discount took off the member's sales from an instant on, less the share of what they brought back.
SELECT coalesce(sum((d.value->>'minor')::bigint
  - CASE WHEN l.list_minor - l.discount_minor > 0
      THEN (d.value->>'minor')::bigint * coalesce(b.sales, 0) / (l.list_minor - l.discount_minor)
      WHEN b.sales IS NOT NULL THEN (d.value->>'minor')::bigint ELSE 0 END), 0)::bigint
FROM checkout_order o
JOIN checkout_orderline l ON l.order_id = o.id
CROSS JOIN LATERAL jsonb_array_elements(l.detail) AS d(value)
LEFT JOIN LATERAL (SELECT sum(r.sales_minor) AS sales FROM checkout_refundline r
  WHERE r.order_id = o.id AND r.line_no = l.line_no) AS b ON true
WHERE o.member_id = %(member)s AND o.occurred_at >= %(begin)s AND o.occurred_at <= %(end)s
  AND l.detail IS NOT NULL AND d.value->>'kind' = 'plan' AND d.value->>'code' = %(plan)s
