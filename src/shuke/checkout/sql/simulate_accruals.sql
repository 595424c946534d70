-- What was rewarded that is no sale. Columns: accrual, member, at, kind
SELECT a.id, a.member_id, a.occurred_at, a.kind
FROM loyalty_accrual a
WHERE (%(members)s::uuid[] IS NULL OR a.member_id = ANY(%(members)s))
  AND a.occurred_at >= %(since)s AND a.occurred_at < %(until)s
