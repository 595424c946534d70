-- xmax is 0 in a row that this statement inserted.
WITH merged AS (
    INSERT INTO catalog_store AS store (id, code, name, region, is_open, opened_on, created_at)
    SELECT id, code, name, region, is_open, opened_on, created_at FROM staged_store ORDER BY code
    ON CONFLICT (code) DO UPDATE
    SET name = excluded.name, region = excluded.region, is_open = excluded.is_open, opened_on = excluded.opened_on
    WHERE (store.name, store.region, store.is_open, store.opened_on)
        IS DISTINCT FROM (excluded.name, excluded.region, excluded.is_open, excluded.opened_on)
    RETURNING store.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged
