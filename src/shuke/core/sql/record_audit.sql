-- The hash needs the number of the transaction, which the database gives: one statement instead of two round trips.
INSERT INTO core_auditevent (id, occurred_at, actor_kind, actor_id, actor_name, action, object_type, object_id,
                             store_id, reason, data, request_id, txid, hash)
SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, number.txid,
       sha256(%s::bytea || convert_to(number.txid::text, 'UTF8'))
FROM (SELECT core_txid() AS txid OFFSET 0) AS number
RETURNING txid, hash
