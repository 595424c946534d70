-- Cells that have run empty.
WITH gaps AS (DELETE FROM analytics_visitgap WHERE members = 0),
  homes AS (DELETE FROM analytics_homestore WHERE members = 0 AND points = 0)
DELETE FROM analytics_recencycount WHERE members = 0
