-- Before a rebuild. Not TRUNCATE: that would keep pages waiting until the rebuild commits.
WITH a AS (DELETE FROM analytics_storeday), b AS (DELETE FROM analytics_newmembers), c AS (DELETE FROM analytics_visits),
  d AS (DELETE FROM analytics_visitgap), e AS (DELETE FROM analytics_membersummary), f AS (DELETE FROM analytics_homestore),
  g AS (DELETE FROM analytics_recencycount), h AS (DELETE FROM analytics_pointsmoved)
DELETE FROM analytics_pointsday
