-- Holdings whose level in the history of tiers is not what their plan brings under a programme. `levels`: {plan: level}.
SELECT h.id, h.member_id, h.plan, %(levels)s::jsonb->>h.plan AS brings
FROM loyalty_planholding h
WHERE h.state <> 'ended' AND h.grace_until > %(now)s AND (
  (%(levels)s::jsonb ? h.plan AND NOT EXISTS (
    SELECT 1 FROM loyalty_tiergrant g
    WHERE g.member_id = h.member_id AND g.cause = 'plan' AND split_part(g.reference, ':', 1) = h.plan
      AND g.tier = %(levels)s::jsonb->>h.plan AND g.until = h.grace_until AND g.ended_at IS NULL))
  OR EXISTS (
    SELECT 1 FROM loyalty_tiergrant g
    WHERE g.member_id = h.member_id AND g.cause = 'plan' AND split_part(g.reference, ':', 1) = h.plan
      AND g.ended_at IS NULL AND g.until > %(now)s AND g.tier IS DISTINCT FROM %(levels)s::jsonb->>h.plan))
LIMIT %(most)s
