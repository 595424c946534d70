SELECT id, name, scopes, all_stores, store_ids, expires_at, last_used_on
FROM core_apikey
WHERE secret_hash = %s AND revoked_at IS NULL
