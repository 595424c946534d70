-- Distinct members who bought at these stores: over the period (0), the period before (-1), and each step of it (1, 2, …).
-- width_bucket is a binary search in the ascending days: how many of them are not after a date.
WITH own AS MATERIALIZED (
  SELECT member_id, days FROM analytics_visits
  WHERE store_id = ANY(%(stores)s::uuid[])
    AND width_bucket(%(last)s::date, days) > width_bucket(%(previous_first)s::date - 1, days)
), whole AS (
  SELECT
    count(DISTINCT member_id)
      FILTER (WHERE width_bucket(%(last)s::date, days) > width_bucket(%(first)s::date - 1, days)) AS current,
    count(DISTINCT member_id)
      FILTER (WHERE width_bucket(%(first)s::date - 1, days) > width_bucket(%(previous_first)s::date - 1, days)) AS previous
  FROM own
)
SELECT 0 AS n, current FROM whole
UNION ALL
SELECT -1, previous FROM whole
UNION ALL
SELECT width_bucket(d.day, %(starts)s::date[]), count(DISTINCT own.member_id)
FROM own, unnest(own.days) AS d(day)
WHERE d.day >= %(first)s::date AND d.day <= %(last)s::date
GROUP BY 1
