-- All that pricing a sale needs, in one round trip. Ids the till does not know come back null and are refused with a name.
SELECT
  c.input_hash, c.status, c.body,
  m.id, m.status, m.joined_at, k.wrapped, m.profile,
  s.tier, s.since, s.review_at,
  coalesce(b.revision, 0),
  (SELECT jsonb_object_agg(a.asset, jsonb_build_array(a.balance, a.debt)) FROM ledger_account a WHERE a.member_id = m.id),
  (SELECT coalesce(sum(o.qualifying_minor), 0) FROM checkout_order o
    WHERE o.member_id = m.id AND o.occurred_at >= %(window)s AND o.occurred_at <= %(now)s AND o.status = 'committed'),
  st.id, st.is_open, ch.code,
  (SELECT jsonb_agg(jsonb_build_array(p.sku, p.id, p.category_path, p.price_minor, p.currency, p.is_active, p.name))
     FROM catalog_product p WHERE p.sku = ANY(%(skus)s))
FROM (SELECT 1) AS one
LEFT JOIN core_idempotentcall c ON c.caller_id = %(caller)s AND c.key = %(key)s
LEFT JOIN members_member m ON m.id = coalesce(
  %(member)s::uuid,
  (SELECT i.member_id FROM members_identifier i
    WHERE i.blind = %(blind)s AND i.kind = %(kind)s AND i.system = %(system)s),
  (SELECT n.id FROM members_member n WHERE n.number = %(number)s))
LEFT JOIN members_datakey k ON k.member_id = m.id AND %(with_profile)s
LEFT JOIN loyalty_standing s ON s.member_id = m.id
LEFT JOIN ledger_book b ON b.member_id = m.id
LEFT JOIN catalog_store st ON st.code = %(store)s
LEFT JOIN catalog_channel ch ON ch.code = %(channel)s
