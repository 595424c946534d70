-- Figures of the paid plans. What a term has earned by an instant goes by whole local days, the day that runs counts as
-- served; a term that was given up has earned all that it neither paid back nor handed on as credit.
WITH money AS (
  SELECT t.plan, t.paid_minor + t.credit_minor AS value, t.paid_minor, t.occurred_at, t.cause, t.gift_id,
    t.closed_at, t.refunded_minor, t.credited_minor, t.starts_at,
    (t.starts_at AT TIME ZONE %(zone)s)::date AS first_day,
    greatest((t.ends_at AT TIME ZONE %(zone)s)::date - (t.starts_at AT TIME ZONE %(zone)s)::date, 1) AS days
  FROM loyalty_planterm t
  WHERE t.occurred_at < %(end)s
), at_instants AS (
  SELECT m.*, i.which, i.at,
    CASE
      WHEN m.occurred_at >= i.at THEN 0
      WHEN m.closed_at < i.at THEN m.value - m.refunded_minor - m.credited_minor
      WHEN i.at <= m.starts_at THEN 0
      ELSE m.value * least(((i.at - interval '1 microsecond') AT TIME ZONE %(zone)s)::date - m.first_day + 1, m.days)::bigint
        / m.days
    END AS earned
  FROM money m CROSS JOIN (VALUES ('begin', %(begin)s::timestamptz), ('end', %(end)s::timestamptz)) AS i(which, at)
), by_plan AS (
  SELECT plan,
    coalesce(sum(earned) FILTER (WHERE which = 'end'), 0) - coalesce(sum(earned) FILTER (WHERE which = 'begin'), 0) AS earned,
    coalesce(sum(value - earned) FILTER (WHERE which = 'end' AND (closed_at IS NULL OR closed_at >= %(end)s)), 0) AS unearned,
    coalesce(sum(paid_minor) FILTER (WHERE which = 'end' AND occurred_at >= %(begin)s AND gift_id IS NULL), 0) AS paid,
    coalesce(sum(refunded_minor) FILTER (WHERE which = 'end' AND closed_at >= %(begin)s AND closed_at < %(end)s), 0)
      AS refunded,
    count(*) FILTER (WHERE which = 'end' AND occurred_at >= %(begin)s AND cause IN ('bought', 'gift', 'upgraded')) AS sold,
    count(*) FILTER (WHERE which = 'end' AND occurred_at >= %(begin)s AND cause IN ('renewed', 'auto_renewed')) AS renewed
  FROM at_instants GROUP BY plan
), gifts AS (
  -- A gift is paid for when its code is sold, and unearned until it is redeemed or taken back.
  SELECT g.plan, coalesce(sum(g.price_minor) FILTER (WHERE g.occurred_at >= %(begin)s), 0) AS paid,
    coalesce(sum(g.price_minor) FILTER (
      WHERE (g.redeemed_at IS NULL OR g.redeemed_at >= %(end)s)
        AND NOT EXISTS (SELECT 1 FROM loyalty_planrefund r WHERE r.gift_id = g.id AND r.occurred_at < %(end)s)), 0) AS unearned,
    coalesce((SELECT sum(r.refund_minor) FROM loyalty_planrefund r JOIN loyalty_plangift o ON o.id = r.gift_id
      WHERE o.plan = g.plan AND r.occurred_at >= %(begin)s AND r.occurred_at < %(end)s), 0) AS refunded
  FROM loyalty_plangift g WHERE g.occurred_at < %(end)s GROUP BY g.plan
), held AS (
  SELECT plan,
    count(*) FILTER (WHERE state <> 'ended' AND grace_until > %(now)s) AS holders,
    count(*) FILTER (WHERE state = 'trial' AND until > %(now)s) AS trials,
    count(*) FILTER (WHERE state <> 'ended' AND until <= %(now)s AND grace_until > %(now)s) AS in_grace,
    count(*) FILTER (WHERE state <> 'ended' AND mandate_id IS NOT NULL) AS renew_themselves,
    count(*) FILTER (WHERE state <> 'ended' AND until > %(now)s AND until <= %(now)s + interval '30 days') AS ending
  FROM loyalty_planholding GROUP BY plan
), ends AS (
  SELECT plan, count(*) AS ended FROM loyalty_planevent
  WHERE kind IN ('plan_ended', 'plan_refunded') AND occurred_at >= %(begin)s AND occurred_at < %(end)s GROUP BY plan
)
SELECT p.plan, coalesce(h.holders, 0), coalesce(h.trials, 0), coalesce(h.in_grace, 0), coalesce(h.renew_themselves, 0),
  coalesce(h.ending, 0), coalesce(b.sold, 0), coalesce(b.renewed, 0), coalesce(e.ended, 0),
  (coalesce(b.paid, 0) + coalesce(g.paid, 0))::bigint, (coalesce(b.refunded, 0) + coalesce(g.refunded, 0))::bigint,
  coalesce(b.earned, 0)::bigint, (coalesce(b.unearned, 0) + coalesce(g.unearned, 0))::bigint
FROM (SELECT plan FROM by_plan UNION SELECT plan FROM gifts UNION SELECT plan FROM held) AS p
LEFT JOIN by_plan b USING (plan) LEFT JOIN gifts g USING (plan) LEFT JOIN held h USING (plan) LEFT JOIN ends e USING (plan)
ORDER BY p.plan
