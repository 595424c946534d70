-- A loose walk over the few systems there are, then one probe of the unique index (system, number) in each.
WITH RECURSIVE systems (system) AS (
    (SELECT system FROM checkout_order ORDER BY system LIMIT 1)
    UNION ALL
    SELECT (SELECT o.system FROM checkout_order o WHERE o.system > s.system ORDER BY o.system LIMIT 1)
    FROM systems s WHERE s.system IS NOT NULL
)
SELECT o.id
FROM systems s
CROSS JOIN LATERAL (
    SELECT id FROM checkout_order WHERE system = s.system AND number = %(number)s LIMIT 1
) o
WHERE s.system IS NOT NULL
LIMIT %(limit)s
