-- Everyone whose units of an asset lapse at one instant, told once: the row of the notice is what makes it once.
WITH ahead AS (
  SELECT member_id, sum(remaining - held) AS amount, count(*) AS lots
  FROM ledger_lot
  WHERE asset = %(asset)s AND expires_at = %(instant)s AND remaining > held
  GROUP BY member_id
), told AS (
  INSERT INTO ledger_expirynotice (member_id, asset, expires_at, days)
  SELECT member_id, %(asset)s, %(instant)s, %(days)s FROM ahead ORDER BY member_id
  ON CONFLICT DO NOTHING
  RETURNING member_id
), events AS (
  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  SELECT 'ledger.points_expiring.v1', a.member_id, %(now)s, jsonb_build_object('asset', %(asset)s::text, 'amount', a.amount,
    'lots', a.lots, 'expires_at', to_char(%(instant)s::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'days', %(days)s::int)
  FROM ahead a JOIN told USING (member_id) ORDER BY a.member_id
)
SELECT count(*) FROM told
