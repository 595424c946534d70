-- Take the books of members with lapsed lots, soonest lapsed first, about as many as hold `limit` lots.
-- A book that someone else holds is skipped, not waited for: no runner ever waits while it holds a book, so none can be
-- part of a deadlock, and two runners share the work. Whoever was skipped is found by the next batch or the next run.
WITH due AS (
  SELECT b.member_id
  FROM ledger_lot l
  JOIN ledger_book b ON b.member_id = l.member_id
  WHERE l.remaining > l.held AND l.expires_at <= %(now)s
  ORDER BY l.expires_at, l.id
  LIMIT %(limit)s
  FOR UPDATE OF b SKIP LOCKED
)
UPDATE ledger_book SET revision = revision + 1
WHERE member_id IN (SELECT member_id FROM due)
RETURNING member_id
