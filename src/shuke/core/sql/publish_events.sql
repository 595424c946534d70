INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
SELECT name, member_id, occurred_at, payload
FROM unnest(%s::text[], %s::uuid[], %s::timestamptz[], %s::jsonb[])
     WITH ORDINALITY AS event (name, member_id, occurred_at, payload, position)
ORDER BY position
