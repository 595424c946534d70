-- A loose scan: from one brand to the next through the index, instead of through every product.
WITH RECURSIVE step AS (
    (SELECT brand FROM catalog_product WHERE brand > '' ORDER BY brand LIMIT 1)
    UNION ALL
    SELECT (SELECT brand FROM catalog_product WHERE brand > step.brand ORDER BY brand LIMIT 1)
    FROM step
    WHERE step.brand IS NOT NULL
)
SELECT brand FROM step WHERE brand IS NOT NULL LIMIT %(limit)s
