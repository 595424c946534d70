SELECT id, name, array_to_string(scopes, ' '), all_stores, array_to_string(store_ids, ' '), expires_at, last_used_on
FROM core_apikey
WHERE secret_hash = %s AND revoked_at IS NULL
