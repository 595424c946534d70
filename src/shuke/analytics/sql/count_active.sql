-- Distinct members who bought at any store, per period. Each is counted on their first day in the period.
SELECT coalesce(sum(g.members), 0)::bigint
FROM unnest(%(firsts)s::date[], %(lasts)s::date[]) WITH ORDINALITY AS p(first, last, n)
LEFT JOIN analytics_visitgap g ON g.day >= p.first AND g.day <= p.last AND g.previous_day < p.first
GROUP BY p.n ORDER BY p.n
