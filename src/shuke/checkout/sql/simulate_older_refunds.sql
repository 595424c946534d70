-- What refunds of orders from before the period took out of what counts for the tier.
-- Columns: refund, member, at, order, qualifying, growth, points, nothing is left
SELECT r.id, r.member_id, r.occurred_at, r.order_id, r.qualifying_minor, r.growth_clawed_back, r.points_clawed_back,
  o.status <> 'committed' AND r.seq = (SELECT max(seq) FROM checkout_refund x WHERE x.order_id = o.id)
FROM checkout_refund r
JOIN checkout_order o ON o.id = r.order_id AND o.occurred_at < %(begin)s
WHERE r.member_id IS NOT NULL AND (%(members)s::uuid[] IS NULL OR r.member_id = ANY(%(members)s))
  AND r.occurred_at >= %(since)s AND r.occurred_at < %(until)s
