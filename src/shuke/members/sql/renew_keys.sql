UPDATE members_datakey AS key
SET wrapped = renewed.wrapped
FROM unnest(%(ids)s::uuid[], %(wrapped)s::bytea[]) AS renewed (member_id, wrapped)
WHERE key.member_id = renewed.member_id
