-- Lots whose instant has come, soonest first; a row in other hands is skipped and found by the next run.
WITH due AS (
  SELECT id FROM ledger_lot WHERE pending AND active_at <= %(now)s
  ORDER BY active_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), woken AS (
  UPDATE ledger_lot l SET pending = false FROM due WHERE l.id = due.id
  RETURNING l.member_id, l.asset, l.active_at, l.remaining, coalesce(l.expires_at > %(now)s, true) AS usable
), told AS (
  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  SELECT 'ledger.points_activated.v1', member_id, active_at,
    jsonb_build_object('asset', asset, 'amount', sum(remaining), 'lots', count(*))
  FROM woken WHERE usable AND remaining > 0 GROUP BY member_id, asset, active_at ORDER BY active_at, member_id, asset
)
SELECT count(*) FROM woken
