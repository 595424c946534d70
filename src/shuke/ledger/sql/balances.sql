-- Every asset of a member with its lots, in one round trip.
SELECT a.asset, a.balance, a.debt, l.id, l.remaining, l.earned_at, l.active_at, l.expires_at
FROM ledger_account a
LEFT JOIN ledger_lot l ON l.member_id = a.member_id AND l.asset = a.asset AND l.remaining > 0
WHERE a.member_id = %(member)s
ORDER BY a.asset DESC
