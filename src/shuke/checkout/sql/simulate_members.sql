-- The next members by id who had joined before the period ended. Columns: member, sales in the period
SELECT m.id, (
  SELECT count(*) FROM checkout_order o
  WHERE o.member_id = m.id AND o.occurred_at >= %(since)s AND o.occurred_at < %(until)s
)
FROM (
  SELECT id FROM members_member
  WHERE joined_at < %(until)s AND (%(last)s::uuid IS NULL OR id > %(last)s)
  ORDER BY id LIMIT %(limit)s
) m
ORDER BY m.id
