-- A loose scan: from one action to the next through the index, instead of through every row.
WITH RECURSIVE step AS (
    (SELECT action FROM core_auditevent ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT action FROM core_auditevent WHERE action > step.action ORDER BY action LIMIT 1)
    FROM step
    WHERE step.action IS NOT NULL
)
SELECT action FROM step WHERE action IS NOT NULL LIMIT 500
