-- How far the numbers of this server lie behind the highest one stored; 0 or less when all is well.
SELECT GREATEST(
    (SELECT max(txid) FROM core_auditevent),
    (SELECT max(txid) FROM core_outboxevent),
    (SELECT max(txid) FROM core_outboxcursor),
    (SELECT max(through_txid) FROM core_auditseal),
    0
) - core_txid_horizon() + 1
