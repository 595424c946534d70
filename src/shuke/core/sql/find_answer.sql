SELECT status, body, input_hash FROM core_idempotentcall WHERE caller_id = %s AND key = %s
