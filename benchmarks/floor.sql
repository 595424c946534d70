-- What any shop must write for a sale of three lines: one durable transaction of prepared statements.
\set member random(0, :members - 1)
\set a random(1, 9000)
\set b random(1, 9000)
\set c random(1, 9000)
\set total :a + :b + :c
\set points :total / 100
BEGIN;
SELECT balance FROM floor_member WHERE id = :member FOR NO KEY UPDATE;
INSERT INTO floor_order (member_id, number, occurred_at, currency, list_minor, discount_minor, payable_minor, points) VALUES (:member, gen_random_uuid(), now(), 'CNY', :total, 0, :total, :points) RETURNING id AS order_id \gset
INSERT INTO floor_line (order_id, line_no, product_id, quantity, list_minor, payable_minor, points) VALUES (:order_id, 1, :a, 1, :a, :a, :a::bigint / 100), (:order_id, 2, :b, 1, :b, :b, :b::bigint / 100), (:order_id, 3, :c, 1, :c, :c, :c::bigint / 100);
INSERT INTO floor_transfer (member_id, kind, occurred_at, order_id) VALUES (:member, 'earn', now(), :order_id) RETURNING id AS transfer_id \gset
INSERT INTO floor_lot (member_id, amount, remaining, expires_at) VALUES (:member, :points, :points, now() + interval '1 year') RETURNING id AS lot_id \gset
INSERT INTO floor_entry (transfer_id, seq, account, amount, lot_id) VALUES (:transfer_id, 1, 'member', :points::bigint, :lot_id::bigint), (:transfer_id, 2, 'issued', 0 - :points::bigint, NULL);
UPDATE floor_member SET balance = balance + :points::bigint WHERE id = :member;
INSERT INTO floor_outbox (name, member_id, payload) VALUES ('order_committed', :member, jsonb_build_object('order_id', :order_id::bigint, 'points', :points::bigint));
COMMIT;
