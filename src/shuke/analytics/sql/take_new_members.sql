-- Bring NewMembers to what the member file says of these local days.
WITH wanted AS (
  SELECT d AS day, d::timestamp AT TIME ZONE %(zone)s::text AS starts, (d + 1)::timestamp AT TIME ZONE %(zone)s::text AS ends
  FROM unnest(%(days)s::date[]) AS d
), fresh AS MATERIALIZED (
  SELECT w.day, coalesce(m.join_store_id, %(no_store)s::uuid) AS store_id, count(*)::int AS members
  FROM wanted w JOIN members_member m ON m.joined_at >= w.starts AND m.joined_at < w.ends
  GROUP BY 1, 2
), gone AS (
  DELETE FROM analytics_newmembers t
  WHERE t.day = ANY(%(days)s::date[])
    AND NOT EXISTS (SELECT 1 FROM fresh f WHERE f.store_id = t.store_id AND f.day = t.day)
)
INSERT INTO analytics_newmembers AS t (day, store_id, members)
SELECT day, store_id, members FROM fresh
ON CONFLICT (day, store_id) DO UPDATE SET members = excluded.members WHERE t.members <> excluded.members
