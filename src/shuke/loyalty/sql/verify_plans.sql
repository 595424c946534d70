-- Plans against their own rows, in one snapshot. Each row is one difference.
SELECT d.* FROM (
  SELECT 'end of the holding' AS what, h.id::text AS key, h.until::text AS said, max(t.ends_at)::text AS found
  FROM loyalty_planholding h LEFT JOIN loyalty_planterm t ON t.holding_id = h.id AND t.closed_at IS NULL
  WHERE h.state <> 'ended' GROUP BY h.id HAVING h.until IS DISTINCT FROM max(t.ends_at)
  UNION ALL
  SELECT 'group of the holding', h.id::text, h.since || ' – ' || h.grace_until, g.since || ' – ' || g.until
  FROM loyalty_planholding h
  LEFT JOIN loyalty_membergroup g ON g.member_id = h.member_id AND g.kind = 'plan' AND g.code = h.plan
  WHERE h.state <> 'ended' AND (g.since IS DISTINCT FROM h.since OR g.until IS DISTINCT FROM h.grace_until)
  UNION ALL
  SELECT 'terms of the holding', h.id::text, h.last_seq::text, count(t.id)::text
  FROM loyalty_planholding h LEFT JOIN loyalty_planterm t ON t.holding_id = h.id
  GROUP BY h.id HAVING h.last_seq <> count(t.id)
  UNION ALL
  SELECT 'refunds of the holding', coalesce(t.id, r.id)::text, coalesce(r.refund, 0)::text, coalesce(t.refund, 0)::text
  FROM (SELECT holding_id AS id, sum(refunded_minor) AS refund FROM loyalty_planterm
    WHERE credited_minor = 0 GROUP BY holding_id) AS t
  FULL JOIN (SELECT holding_id AS id, sum(refund_minor) AS refund
    FROM loyalty_planrefund WHERE holding_id IS NOT NULL GROUP BY holding_id) AS r USING (id)
  WHERE coalesce(t.refund, 0) <> coalesce(r.refund, 0)
    AND NOT EXISTS (SELECT 1 FROM loyalty_planterm u WHERE u.holding_id = coalesce(t.id, r.id) AND u.credited_minor > 0)
  UNION ALL
  SELECT 'gift that was redeemed', g.id::text, g.state, count(t.id)::text
  FROM loyalty_plangift g LEFT JOIN loyalty_planterm t ON t.gift_id = g.id
  GROUP BY g.id HAVING (g.state = 'redeemed') <> (count(t.id) = 1)
  UNION ALL
  SELECT 'charge that was paid', c.reference, c.state, count(t.id)::text
  FROM loyalty_plancharge c LEFT JOIN loyalty_planterm t ON t.system = 'plan_charge' AND t.number = c.reference
  GROUP BY c.id HAVING (c.state = 'approved') <> (count(t.id) = 1)
  UNION ALL
  SELECT 'stock of the entitlement', coalesce(g.entitlement, u.entitlement), coalesce(g.used, 0)::text, coalesce(u.used, 0)::text
  FROM loyalty_giftstock g FULL JOIN (SELECT entitlement, sum(amount)::bigint AS used FROM loyalty_entitlementuse
    WHERE counted GROUP BY entitlement) AS u USING (entitlement)
  WHERE coalesce(g.used, 0) <> coalesce(u.used, 0)
  UNION ALL
  SELECT 'use of the entitlement', u.member_id || ' ' || u.entitlement, '0 or more', sum(u.amount)::text
  FROM loyalty_entitlementuse u GROUP BY u.member_id, u.entitlement, u.period HAVING sum(u.amount) < 0
  UNION ALL
  -- A level in the history of tiers hangs on a plan that is held, and ends with it at the latest.
  SELECT 'level of the plan', g.member_id || ' ' || g.reference, g.until::text, coalesce(h.grace_until::text, 'no plan')
  FROM loyalty_tiergrant g
  LEFT JOIN loyalty_planholding h ON h.member_id = g.member_id AND h.plan = split_part(g.reference, ':', 1)
  WHERE g.cause = 'plan' AND g.ended_at IS NULL AND g.until > %(now)s
    AND (h.id IS NULL OR h.state = 'ended' OR h.grace_until < g.until)
  UNION ALL
  -- Who holds a plan that brings a level has it there.
  SELECT 'plan with a level', h.member_id || ' ' || h.plan, %(levels)s::jsonb->>h.plan, coalesce(string_agg(g.tier, ' '), 'none')
  FROM loyalty_planholding h
  LEFT JOIN loyalty_tiergrant g ON g.member_id = h.member_id AND g.cause = 'plan' AND g.ended_at IS NULL
    AND split_part(g.reference, ':', 1) = h.plan AND g.until = h.grace_until
  WHERE h.state <> 'ended' AND h.grace_until > %(now)s AND %(levels)s::jsonb ? h.plan
  GROUP BY h.id HAVING count(*) FILTER (WHERE g.tier = %(levels)s::jsonb->>h.plan) = 0
) AS d ORDER BY d.what, d.key LIMIT %(most)s
