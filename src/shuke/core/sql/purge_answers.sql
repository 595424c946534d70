DELETE FROM core_idempotentcall AS call
USING unnest(%s::uuid[], %s::text[]) AS old (caller_id, key)
WHERE call.caller_id = old.caller_id AND call.key = old.key
