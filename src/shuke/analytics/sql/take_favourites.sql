-- What these members buy, where and when, over the year: the first few of each, by money or by number of orders.
-- Categories are taken two levels deep: the top level alone says little in a grocer's shop.
WITH bought AS MATERIALIZED (
  SELECT id, member_id, store_id, extract(hour FROM occurred_at AT TIME ZONE %(zone)s::text)::int AS hour
  FROM checkout_order
  WHERE member_id = ANY(%(members)s::uuid[]) AND status = 'committed' AND occurred_at >= %(year_starts)s
), goods AS MATERIALIZED (
  SELECT id, brand,
    split_part(category_path, '/', 1) || coalesce('/' || nullif(split_part(category_path, '/', 2), ''), '') AS category
  FROM catalog_product
), lines AS MATERIALIZED (
  SELECT b.member_id, g.category, g.brand, sum(l.payable_minor + l.points_minor)::bigint AS minor
  FROM bought b JOIN checkout_orderline l ON l.order_id = b.id JOIN goods g ON g.id = l.product_id
  GROUP BY b.member_id, g.category, g.brand
), kinds AS (
  SELECT 'categories' AS kind, member_id, category AS what, sum(minor)::bigint AS much
  FROM lines WHERE category IS NOT NULL GROUP BY member_id, category
  UNION ALL
  SELECT 'brands', member_id, brand, sum(minor)::bigint FROM lines WHERE brand <> '' GROUP BY member_id, brand
  UNION ALL
  SELECT 'stores', member_id, store_id::text, count(*) FROM bought GROUP BY member_id, store_id
), ranked AS (
  SELECT kind, member_id, what, much,
    row_number() OVER (PARTITION BY kind, member_id ORDER BY much DESC, what) AS place
  FROM kinds WHERE much > 0
), listed AS (
  SELECT member_id, kind, jsonb_agg(jsonb_build_array(what, much) ORDER BY place) AS first_few
  FROM ranked WHERE place <= %(most)s GROUP BY member_id, kind
), hourly AS (
  SELECT member_id, jsonb_agg(orders ORDER BY hour) AS hours
  FROM (
    SELECT member_id, hour, sum(n) AS orders
    FROM (
      SELECT member_id, hour, 1 AS n FROM bought
      UNION ALL
      SELECT m.member_id, h, 0 FROM (SELECT DISTINCT member_id FROM bought) AS m, generate_series(0, 23) AS h
    ) AS each_hour
    GROUP BY member_id, hour
  ) AS counted
  GROUP BY member_id
), lists AS (
  SELECT member_id, jsonb_object_agg(kind, first_few) AS by_kind FROM listed GROUP BY member_id
), documents AS (
  SELECT h.member_id, coalesce(l.by_kind, '{}') || jsonb_build_object('hours', h.hours) AS favourites
  FROM hourly h LEFT JOIN lists l ON l.member_id = h.member_id
)
UPDATE analytics_membersummary s
SET favourites = coalesce(d.favourites, '{}')
FROM unnest(%(members)s::uuid[]) AS t(member_id) LEFT JOIN documents d ON d.member_id = t.member_id
WHERE s.member_id = t.member_id AND s.favourites IS DISTINCT FROM coalesce(d.favourites, '{}')
