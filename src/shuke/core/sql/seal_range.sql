-- The last transaction of the next seal: of the limit-th waiting row, or of the last one there is.
SELECT max(txid) FROM (
    SELECT txid FROM core_auditevent
    WHERE txid > %(after)s AND txid < (SELECT core_txid_horizon())
    ORDER BY txid, id
    LIMIT %(limit)s
) AS waiting
