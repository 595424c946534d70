SELECT id, txid, name, member_id, occurred_at, payload
FROM core_outboxevent
WHERE (txid, id) > (%s, %s) AND txid < (SELECT core_txid_horizon())
ORDER BY txid, id
LIMIT %s
