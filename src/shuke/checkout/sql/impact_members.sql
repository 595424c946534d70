-- The next members whose membership is not closed, when they joined, and the plans that they hold now.
SELECT m.id, m.joined_at,
  (SELECT array_agg(g.code ORDER BY g.code) FROM loyalty_membergroup g
   WHERE g.member_id = m.id AND g.kind = 'plan' AND g.since <= %(now)s AND (g.until IS NULL OR g.until > %(now)s))
FROM members_member m
WHERE m.id > %(after)s AND m.status <> 'closed'
ORDER BY m.id LIMIT %(most)s
