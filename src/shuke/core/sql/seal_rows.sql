SELECT count(*), string_agg(hash, ''::bytea ORDER BY txid, id)
FROM core_auditevent
WHERE txid > %(after)s AND txid <= %(through)s
