-- Claims the members to tell: those whose tier is reviewed soon and who were not told so far ahead of it. Rivals get others.
INSERT INTO loyalty_tiernotice (member_id, track, review_at, days, told_at)
SELECT s.member_id, %(track)s, s.review_at, %(days)s, %(now)s
FROM (
  SELECT member_id, '' AS track, review_at FROM loyalty_standing
  WHERE %(track)s = '' AND review_at > %(after)s AND review_at <= %(until)s
  UNION ALL
  SELECT member_id, track, review_at FROM loyalty_trackstanding
  WHERE %(track)s <> '' AND track = %(track)s AND review_at > %(after)s AND review_at <= %(until)s
) AS s
WHERE NOT EXISTS (
  SELECT 1 FROM loyalty_tiernotice n
  WHERE n.member_id = s.member_id AND n.track = s.track AND n.review_at = s.review_at AND n.days = %(days)s
)
ORDER BY s.review_at, s.member_id LIMIT %(limit)s
ON CONFLICT DO NOTHING
RETURNING member_id, review_at
