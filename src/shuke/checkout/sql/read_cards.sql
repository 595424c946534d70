-- The gift cards named, each with its status, the revision of its book and its open lots.
SELECT c.id, c.blind, c.status, coalesce(b.revision, 0), l.id, l.remaining, l.earned_at, l.active_at, l.expires_at, l.held
FROM checkout_giftcard c
LEFT JOIN ledger_book b ON b.member_id = c.id
LEFT JOIN ledger_lot l ON l.member_id = c.id AND l.remaining > 0 AND l.asset = 'gift_card'
WHERE c.blind = ANY($1::bytea[])
