-- Refunds of orders that the period has sold. Columns: refund, order, member, at, kind, line, quantity (thousandths), sales,
-- basis
SELECT r.id, r.order_id, r.member_id, r.occurred_at, r.kind, l.line_no, (l.quantity * 1000)::int, l.sales_minor, l.basis
FROM checkout_refund r
JOIN checkout_order o ON o.id = r.order_id AND o.occurred_at >= %(begin)s
JOIN checkout_refundline l ON l.refund_id = r.id
WHERE r.member_id IS NOT NULL AND (%(members)s::uuid[] IS NULL OR r.member_id = ANY(%(members)s))
  AND r.occurred_at >= %(since)s AND r.occurred_at < %(until)s
ORDER BY r.id, l.line_no
