-- The next active members who hold one of some tiers; who has no standing yet holds the lowest.
SELECT m.id, coalesce(s.tier, %(lowest)s)
FROM members_member m LEFT JOIN loyalty_standing s ON s.member_id = m.id
WHERE m.status = 'active' AND m.id > %(after)s AND coalesce(s.tier, %(lowest)s) = ANY(%(tiers)s)
ORDER BY m.id LIMIT %(most)s
