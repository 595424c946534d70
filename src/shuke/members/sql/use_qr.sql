INSERT INTO members_usedqrcode (member_id, step, used_at)
SELECT id, %(step)s, %(now)s FROM members_member WHERE id = %(member)s
ON CONFLICT DO NOTHING
