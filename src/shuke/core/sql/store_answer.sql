INSERT INTO core_idempotentcall (caller_id, key, input_hash, status, body, created_at) VALUES (%s, %s, %s, %s, %s, %s)
