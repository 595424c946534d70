-- The floor's own tables: narrow keys and only the indexes that a shop cannot do without.
CREATE TABLE floor_member (id bigint PRIMARY KEY, tier text NOT NULL, balance bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE floor_order (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id bigint NOT NULL REFERENCES floor_member,
  number uuid NOT NULL UNIQUE, occurred_at timestamptz NOT NULL, currency text NOT NULL,
  list_minor bigint NOT NULL, discount_minor bigint NOT NULL, payable_minor bigint NOT NULL, points bigint NOT NULL);
CREATE INDEX ON floor_order (member_id, occurred_at);
CREATE TABLE floor_line (
  order_id bigint NOT NULL REFERENCES floor_order, line_no smallint NOT NULL, product_id bigint NOT NULL,
  quantity numeric(14, 3) NOT NULL, list_minor bigint NOT NULL, payable_minor bigint NOT NULL, points bigint NOT NULL,
  PRIMARY KEY (order_id, line_no));
CREATE TABLE floor_transfer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id bigint NOT NULL, kind text NOT NULL,
  occurred_at timestamptz NOT NULL, order_id bigint NOT NULL REFERENCES floor_order);
CREATE INDEX ON floor_transfer (member_id, occurred_at);
CREATE TABLE floor_lot (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id bigint NOT NULL, amount bigint NOT NULL,
  remaining bigint NOT NULL CHECK (remaining >= 0), expires_at timestamptz);
CREATE INDEX ON floor_lot (member_id, expires_at) WHERE remaining > 0;
CREATE TABLE floor_entry (
  transfer_id bigint NOT NULL REFERENCES floor_transfer, seq smallint NOT NULL, account text NOT NULL,
  amount bigint NOT NULL, lot_id bigint, PRIMARY KEY (transfer_id, seq));
CREATE TABLE floor_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, member_id bigint NOT NULL,
  payload jsonb NOT NULL);
INSERT INTO floor_member SELECT n, 'classic', 0 FROM generate_series(0, %(members)s - 1) AS n;
