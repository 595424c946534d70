-- Data keys that another key than the primary one wraps; rows that another worker renews are passed over.
SELECT member_id, wrapped
FROM members_datakey
WHERE substring(wrapped FROM 1 FOR %(size)s) <> %(prefix)s
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
