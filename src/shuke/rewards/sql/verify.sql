-- Where the counters, the pieces and their history differ. Set-based, from one snapshot.
WITH pieces AS (
  SELECT template, count(*) FILTER (WHERE job_id IS NULL) AS issued, count(*) FILTER (WHERE state = 'held') AS held,
    count(*) FILTER (WHERE state = 'expired') AS expired, count(*) FILTER (WHERE state = 'void') AS void
  FROM rewards_coupon GROUP BY template
), codes AS (
  SELECT template, sum(count)::bigint AS issued, coalesce(sum(ended_pieces) FILTER (WHERE status = 'expired'), 0)::bigint AS expired,
    coalesce(sum(ended_pieces) FILTER (WHERE status = 'void'), 0)::bigint AS void
  FROM rewards_codejob GROUP BY template
), uses AS (
  SELECT template, sum(uses)::bigint AS used, sum(pieces)::bigint AS pieces, sum(minor)::bigint AS minor
  FROM rewards_use GROUP BY template
), found AS (
  SELECT template, coalesce(p.issued, 0) + coalesce(j.issued, 0) + coalesce(u.pieces, 0) AS issued, coalesce(p.held, 0) AS held,
    coalesce(u.used, 0) AS used, coalesce(p.expired, 0) + coalesce(j.expired, 0) AS expired,
    coalesce(p.void, 0) + coalesce(j.void, 0) AS void, coalesce(u.minor, 0) AS given_minor
  FROM pieces p FULL JOIN codes j USING (template) FULL JOIN uses u USING (template)
), both_sides AS (
  SELECT template, k.what, k.said, k.found
  FROM rewards_counter c FULL JOIN found f USING (template)
  CROSS JOIN LATERAL (VALUES ('issued', c.issued, f.issued), ('held', c.held, f.held), ('used', c.used, f.used),
    ('expired', c.expired, f.expired), ('void', c.void, f.void), ('given_minor', c.given_minor, f.given_minor)) AS k(what, said, found)
  WHERE coalesce(k.said, 0) <> coalesce(k.found, 0)
), last_events AS (
  SELECT DISTINCT ON (coupon_id) coupon_id, kind, member_id FROM rewards_couponevent ORDER BY coupon_id, id DESC
), stories AS (
  SELECT c.id::text, c.state, coalesce(e.kind, 'nothing') AS told
  FROM rewards_coupon c LEFT JOIN last_events e ON e.coupon_id = c.id
  WHERE e.kind IS NULL OR e.member_id IS DISTINCT FROM c.member_id OR c.state <> CASE e.kind WHEN 'passed' THEN 'held'
    WHEN 'issued' THEN 'held' WHEN 'restored' THEN CASE WHEN c.member_id IS NULL THEN 'issued' ELSE 'held' END ELSE e.kind END
), used AS (
  SELECT coupon_id, sum(uses) AS uses, sum(minor) AS minor FROM rewards_use WHERE coupon_id IS NOT NULL GROUP BY coupon_id
), values_given AS (
  SELECT c.id::text, c.value_minor, coalesce(u.minor, 0) AS minor
  FROM rewards_coupon c LEFT JOIN used u ON u.coupon_id = c.id
  WHERE c.value_minor <> coalesce(u.minor, 0) OR (c.state = 'used') <> (coalesce(u.uses, 0) = 1)
), made AS (
  SELECT j.id::text, j.made, count(k.blind) AS codes
  FROM rewards_codejob j LEFT JOIN rewards_code k ON k.job_id = j.id GROUP BY j.id HAVING j.made <> count(k.blind)
)
(SELECT 'counter' AS what, template || ' ' || what AS subject, coalesce(said, 0)::text AS said, coalesce(found, 0)::text AS found
  FROM both_sides ORDER BY 2 LIMIT %(most)s)
UNION ALL (SELECT 'history', id, state, told FROM stories ORDER BY 2 LIMIT %(most)s)
UNION ALL (SELECT 'value', id, value_minor::text, minor::text FROM values_given ORDER BY 2 LIMIT %(most)s)
UNION ALL (SELECT 'codes', id, made::text, codes::text FROM made ORDER BY 2 LIMIT %(most)s)
