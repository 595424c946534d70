-- Sales to members in a stretch of the period. Columns: order, member, at, store, channel, points used, tier, version,
-- whether some of it came back before the period ended, whether its prices were final
SELECT o.id, o.member_id, o.occurred_at, o.store_id, o.channel_id, o.points_used, o.tier, o.programme_version_id,
  o.status <> 'committed' OR o.refunded_sales_minor > 0, o.settled
FROM checkout_order o
WHERE o.member_id IS NOT NULL AND (%(members)s::uuid[] IS NULL OR o.member_id = ANY(%(members)s))
  AND o.occurred_at >= %(since)s AND o.occurred_at < %(until)s
