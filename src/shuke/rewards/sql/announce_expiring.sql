-- Pieces that lapse soon and whose holders were not told so late before: the mark on the piece is what makes it once.
WITH due AS (
  SELECT id FROM rewards_coupon
  WHERE state = 'held' AND valid_until > %(now)s AND valid_until <= %(until)s AND (noticed IS NULL OR noticed > %(days)s)
  ORDER BY valid_until, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), marked AS (
  UPDATE rewards_coupon c SET noticed = %(days)s FROM due WHERE c.id = due.id
  RETURNING c.id, c.template, c.member_id, c.valid_until
), told AS (
  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  SELECT 'rewards.coupon_expiring.v1', member_id, %(now)s, jsonb_build_object('coupon_id', id, 'template', template,
    'expires_at', to_char(valid_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'days', %(days)s::int)
  FROM marked ORDER BY member_id, valid_until
)
SELECT count(*) FROM marked
