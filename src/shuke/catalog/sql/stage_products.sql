CREATE TEMPORARY TABLE staged_product ON COMMIT DROP AS
SELECT id, sku, name, search_text, category_path, brand, price_minor, cost_minor, currency, is_active, created_at
FROM catalog_product LIMIT 0
