-- Open lots of the member and of the gift cards named, each card with its status and the revision of its book.
SELECT h.id, h.blind, h.status, coalesce(b.revision, 0), l.asset, l.id, l.remaining, l.earned_at, l.active_at, l.expires_at, l.held
FROM (
  SELECT $1::uuid AS id, NULL::bytea AS blind, NULL::text AS status
  UNION ALL
  SELECT id, blind, status FROM checkout_giftcard WHERE blind = ANY($3::bytea[])
) AS h
LEFT JOIN ledger_book b ON b.member_id = h.id AND h.blind IS NOT NULL
LEFT JOIN ledger_lot l ON l.member_id = h.id AND l.remaining > 0
  AND (l.asset = ANY($2::text[]) AND h.blind IS NULL OR l.asset = 'gift_card' AND h.blind IS NOT NULL)
