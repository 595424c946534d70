-- Waiting lots of these members become usable now, and one event per member and asset says so. The caller holds the books.
-- What lapsed while it waited is only marked as done with.
WITH woken AS (
  UPDATE ledger_lot SET pending = false,
    active_at = CASE WHEN expires_at <= %(now)s THEN active_at ELSE greatest(earned_at, %(now)s) END
  WHERE member_id = ANY(%(members)s) AND pending AND waits_for = %(event)s AND active_at = %(waiting)s
    AND (%(order)s::uuid IS NULL OR order_id = %(order)s)
  RETURNING member_id, asset, remaining, coalesce(expires_at > %(now)s, true) AS usable
), told AS (
  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  SELECT 'ledger.points_activated.v1', member_id, %(now)s, jsonb_build_object('asset', asset, 'amount', sum(remaining),
    'lots', count(*), 'event', %(event)s::text)
  FROM woken WHERE usable AND remaining > 0 GROUP BY member_id, asset ORDER BY member_id, asset
)
SELECT count(*) FROM woken WHERE usable
