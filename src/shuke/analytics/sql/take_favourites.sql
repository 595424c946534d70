-- What these members buy, where and when, over the year: the first few of each, by money or by number of orders.
-- Categories are taken two levels deep: the top level alone says little in a grocer's shop.
WITH bought AS MATERIALIZED (
  SELECT id, member_id, store_id, extract(hour FROM occurred_at AT TIME ZONE %(zone)s::text)::int AS hour
  FROM checkout_order
  WHERE member_id = ANY(%(members)s::uuid[]) AND status = 'committed' AND occurred_at >= %(year_starts)s
), lines AS MATERIALIZED (
  SELECT b.member_id, l.product_id, sum(l.payable_minor + l.points_minor)::bigint AS minor
  FROM bought b JOIN checkout_orderline l ON l.order_id = b.id
  GROUP BY b.member_id, l.product_id
), kinds AS (
  SELECT 'categories' AS kind, l.member_id,
    to_jsonb(split_part(p.category_path, '/', 1) || coalesce('/' || nullif(split_part(p.category_path, '/', 2), ''), '')) AS what,
    sum(l.minor)::bigint AS much
  FROM lines l JOIN catalog_product p ON p.id = l.product_id
  WHERE p.category_path IS NOT NULL GROUP BY 2, 3
  UNION ALL
  SELECT 'brands', l.member_id, to_jsonb(p.brand), sum(l.minor)::bigint
  FROM lines l JOIN catalog_product p ON p.id = l.product_id
  WHERE p.brand <> '' GROUP BY 2, 3
  UNION ALL
  SELECT 'stores', member_id, to_jsonb(store_id), count(*) FROM bought GROUP BY 2, 3
), ranked AS (
  SELECT kind, member_id, what, much,
    row_number() OVER (PARTITION BY kind, member_id ORDER BY much DESC, what) AS place
  FROM kinds WHERE much > 0
), listed AS (
  SELECT member_id, kind, jsonb_agg(jsonb_build_array(what, much) ORDER BY place) AS first_few
  FROM ranked WHERE place <= %(most)s GROUP BY member_id, kind
), hourly AS (
  SELECT m.member_id, jsonb_agg(coalesce(c.n, 0) ORDER BY h.hour) AS hours
  FROM (SELECT DISTINCT member_id FROM bought) AS m
  CROSS JOIN generate_series(0, 23) AS h(hour)
  LEFT JOIN (SELECT member_id, hour, count(*) AS n FROM bought GROUP BY member_id, hour) AS c
    ON c.member_id = m.member_id AND c.hour = h.hour
  GROUP BY m.member_id
), documents AS (
  SELECT h.member_id,
    coalesce((SELECT jsonb_object_agg(l.kind, l.first_few) FROM listed l WHERE l.member_id = h.member_id), '{}')
      || jsonb_build_object('hours', h.hours) AS favourites
  FROM hourly h
)
UPDATE analytics_membersummary s
SET favourites = coalesce(d.favourites, '{}')
FROM unnest(%(members)s::uuid[]) AS t(member_id) LEFT JOIN documents d ON d.member_id = t.member_id
WHERE s.member_id = t.member_id AND s.favourites IS DISTINCT FROM coalesce(d.favourites, '{}')
