-- xmax is 0 in a row that this statement inserted.
WITH merged AS (
    INSERT INTO catalog_product AS product
        (id, sku, name, search_text, category_path, brand, price_minor, cost_minor, currency, is_active, created_at)
    SELECT id, sku, name, search_text, category_path, brand, price_minor, cost_minor, currency, is_active, created_at
    FROM staged_product ORDER BY sku
    ON CONFLICT (sku) DO UPDATE
    SET name = excluded.name, search_text = excluded.search_text, category_path = excluded.category_path,
        brand = excluded.brand, price_minor = excluded.price_minor, cost_minor = excluded.cost_minor, currency = excluded.currency,
        is_active = excluded.is_active
    WHERE (product.name, product.search_text, product.category_path, product.brand, product.price_minor,
           product.cost_minor, product.currency, product.is_active)
        IS DISTINCT FROM (excluded.name, excluded.search_text, excluded.category_path, excluded.brand,
                          excluded.price_minor, excluded.cost_minor, excluded.currency, excluded.is_active)
    RETURNING product.xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged
