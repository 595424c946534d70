SELECT i.kind, i.blind, m.id, m.number, m.status, m.profile, k.wrapped, m.tags, m.attributes, m.join_store_id,
  m.join_channel_id, m.joined_at
FROM members_identifier i
JOIN members_member m ON m.id = i.member_id
LEFT JOIN members_datakey k ON k.member_id = m.id
WHERE i.blind = ANY(%s)
ORDER BY m.id DESC
