DELETE FROM core_outboxevent AS event
USING (SELECT txid, event_id FROM core_outboxcursor ORDER BY txid, event_id LIMIT 1) AS slowest
WHERE (event.txid, event.id) <= (slowest.txid, slowest.event_id) AND event.occurred_at < %s
