CREATE TEMPORARY TABLE staged_store ON COMMIT DROP AS
SELECT id, code, name, region, is_open, opened_on, created_at FROM catalog_store LIMIT 0
