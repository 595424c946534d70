-- Every asset of a member with its open lots summed by instant of expiry, in one round trip: lots that never expire
-- gather over the years and must not all travel.
SELECT a.asset, a.balance, a.debt, l.expires_at, coalesce(l.active, 0), coalesce(l.pending, 0), coalesce(l.held, 0)
FROM ledger_account a
LEFT JOIN LATERAL (
  SELECT lot.expires_at,
    sum(lot.remaining - lot.held) FILTER (WHERE lot.active_at <= %(now)s)::bigint AS active,
    sum(lot.remaining - lot.held) FILTER (WHERE lot.active_at > %(now)s)::bigint AS pending,
    sum(lot.held)::bigint AS held
  FROM ledger_lot lot
  WHERE lot.member_id = a.member_id AND lot.asset = a.asset AND lot.remaining > 0
  GROUP BY lot.expires_at
) l ON true
WHERE a.member_id = %(member)s
ORDER BY a.asset DESC, l.expires_at NULLS LAST
