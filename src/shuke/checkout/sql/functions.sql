-- One statement, one transaction, one durable commit: everything a committed sale writes.
-- Returns false, having written nothing, when the member's book is not at the revision the price was made from. Who does not
-- wait (p_waits) for whoever holds a member's book, a twin's key or the like is refused after a blink.

CREATE OR REPLACE FUNCTION checkout_commit(p jsonb, p_answer bytea, p_input_hash bytea, p_waits boolean) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  v_member uuid := (p->>'member_id')::uuid;
  v_order uuid := (p->>'id')::uuid;
  v_occurred timestamptz := (p->>'occurred_at')::timestamptz;
  v_recorded timestamptz := (p->>'recorded_at')::timestamptz;
  v_transfer jsonb;
  v_patience text := CASE WHEN NOT p_waits THEN set_config('lock_timeout', '20ms', true) END;
BEGIN
  IF p ? 'books' THEN
    IF NOT checkout_take_books(p->'books') THEN
      RETURN false;
    END IF;
  ELSIF v_member IS NOT NULL AND NOT ledger_take_book(v_member, (p->>'revision')::bigint) THEN
    RETURN false;
  END IF;

  IF p->>'key' IS NOT NULL THEN
    INSERT INTO core_idempotentcall (caller_id, key, input_hash, status, body, created_at)
    VALUES ((p->>'caller_id')::uuid, p->>'key', p_input_hash, 201, p_answer, v_recorded);
  END IF;

  INSERT INTO checkout_order (id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency,
    list_minor, discount_minor, sales_minor, points_minor, tax_minor, tax_added_minor, payable_minor, qualifying_minor,
    points_used, points_earned, growth_earned, tier, status, programme_version_id, actor, facts, settled)
  VALUES (v_order, v_member, (p->>'store_id')::uuid, p->>'channel', p->>'system', p->>'number', v_occurred, v_recorded,
    p->>'currency', (p->>'list_minor')::bigint, (p->>'discount_minor')::bigint, (p->>'sales_minor')::bigint,
    (p->>'points_minor')::bigint, coalesce((p->>'tax_minor')::bigint, 0), coalesce((p->>'tax_added_minor')::bigint, 0),
    (p->>'payable_minor')::bigint, (p->>'qualifying_minor')::bigint,
    (p->>'points_used')::bigint, (p->>'points_earned')::bigint, (p->>'growth_earned')::bigint,
    p->>'tier', 'committed', (p->>'programme_version_id')::uuid, p->>'actor', p->'facts', (p->>'settled')::boolean);

  INSERT INTO checkout_orderline (order_id, line_no, member_id, product_id, quantity, list_minor, discount_minor,
    points_minor, payable_minor, points_earned, growth_earned, detail)
  SELECT v_order, l.n, v_member, l.p, l.q, l.a, l.d, l.c, l.m, l.e, l.g, l.x
  FROM jsonb_to_recordset(p->'lines')
    AS l(n smallint, p uuid, q numeric, a bigint, d bigint, c bigint, m bigint, e bigint, g bigint, x jsonb);

  IF p ? 'taxes' THEN
    INSERT INTO checkout_linetax (order_id, line_no, code, percent, taxable_minor, tax_minor)
    SELECT v_order, t.n, t.k, t.p, t.b, t.t
    FROM jsonb_to_recordset(p->'taxes') AS t(n smallint, k text, p integer, b bigint, t bigint);
  END IF;

  IF p ? 'tenders' THEN
    INSERT INTO checkout_tender (order_id, seq, kind, amount_minor, holder_id, reference)
    SELECT v_order, t.n, t.k, t.a, t.h, t.r
    FROM jsonb_to_recordset(p->'tenders') AS t(n smallint, k text, a bigint, h uuid, r text);
  END IF;

  IF p ? 'allowance' THEN
    UPDATE checkout_allowance SET points_used = points_used + (p->'allowance'->>'points')::bigint,
      money_used_minor = money_used_minor + (p->'allowance'->>'money')::bigint
    WHERE id = (p->'allowance'->>'id')::uuid;
  END IF;

  FOR v_transfer IN SELECT jsonb_array_elements(p->'transfers') LOOP
    PERFORM ledger_post(v_transfer);
  END LOOP;

  IF p->'move' IS NOT NULL THEN
    PERFORM loyalty_move_tier(v_member, p->'move', v_order);
  END IF;

  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  VALUES ('checkout.order_committed.v1', v_member, v_occurred, p->'event');

  -- The counters of coupons come before those of rules, wherever both are taken.
  IF p ? 'coupons' THEN
    PERFORM rewards_use(p->'coupons');
  END IF;

  -- Last of all: a budget is one row that many sales share, and the commit that follows is all they wait for.
  IF p ? 'uses' THEN
    PERFORM loyalty_take(v_member, p->'uses', v_occurred, v_order, NULL);
  END IF;
  RETURN true;
END $$;

-- The same for sales that arrived at once and touch no book but their member's, each of another member and under another number: p_sales are the documents
-- that checkout_commit takes, with their position `i`. Tells of each whether it is written; any error refuses all of them.
-- It waits for nobody longer than a blink. For a single sale it would cost more, for two it costs less already.
-- The joins are fixed to indexes: a connection that planned in a new, empty house would scan its growing tables for hours.
CREATE OR REPLACE FUNCTION checkout_commit_all(p_sales jsonb, p_answers bytea[], p_hashes bytea[]) RETURNS boolean[]
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET lock_timeout = '20ms' AS $$
DECLARE
  v_taken boolean[] := checkout_take_all(p_sales);
BEGIN
  IF false = ANY(v_taken) THEN
    p_sales := (SELECT jsonb_agg(s.sale) FROM jsonb_array_elements(p_sales) WITH ORDINALITY AS s(sale, n) WHERE v_taken[s.n]);
    IF p_sales IS NULL THEN
      RETURN v_taken;
    END IF;
  END IF;

  WITH s AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(p_sales) AS s(i integer, caller_id uuid, key text, id uuid, member_id uuid, store_id uuid,
      channel text, system text, number text, occurred_at timestamptz, recorded_at timestamptz, currency text,
      list_minor bigint, discount_minor bigint, sales_minor bigint, points_minor bigint, tax_minor bigint,
      tax_added_minor bigint, payable_minor bigint, qualifying_minor bigint, points_used bigint, points_earned bigint,
      growth_earned bigint, tier text, programme_version_id uuid, actor text, facts jsonb, lines jsonb, taxes jsonb,
      tenders jsonb, settled boolean)
  ), new_call AS (
    INSERT INTO core_idempotentcall (caller_id, key, input_hash, status, body, created_at)
    SELECT caller_id, key, p_hashes[i], 201, p_answers[i], recorded_at FROM s WHERE key IS NOT NULL
  ), new_line AS (
    INSERT INTO checkout_orderline (order_id, line_no, member_id, product_id, quantity, list_minor, discount_minor,
      points_minor, payable_minor, points_earned, growth_earned, detail)
    SELECT s.id, l.n, s.member_id, l.p, l.q, l.a, l.d, l.c, l.m, l.e, l.g, l.x
    FROM s, jsonb_to_recordset(s.lines)
      AS l(n smallint, p uuid, q numeric, a bigint, d bigint, c bigint, m bigint, e bigint, g bigint, x jsonb)
  ), new_tax AS (
    INSERT INTO checkout_linetax (order_id, line_no, code, percent, taxable_minor, tax_minor)
    SELECT s.id, t.n, t.k, t.p, t.b, t.t
    FROM s, jsonb_to_recordset(s.taxes) AS t(n smallint, k text, p integer, b bigint, t bigint)
  ), new_tender AS (
    INSERT INTO checkout_tender (order_id, seq, kind, amount_minor, holder_id, reference)
    SELECT s.id, t.n, t.k, t.a, t.h, t.r
    FROM s, jsonb_to_recordset(s.tenders) AS t(n smallint, k text, a bigint, h uuid, r text)
  )
  INSERT INTO checkout_order (id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency,
    list_minor, discount_minor, sales_minor, points_minor, tax_minor, tax_added_minor, payable_minor, qualifying_minor,
    points_used, points_earned, growth_earned, tier, status, programme_version_id, actor, facts, settled)
  SELECT id, member_id, store_id, channel, system, number, occurred_at, recorded_at, currency,
    list_minor, discount_minor, sales_minor, points_minor, coalesce(tax_minor, 0), coalesce(tax_added_minor, 0), payable_minor,
    qualifying_minor, points_used, points_earned, growth_earned, tier, 'committed', programme_version_id, actor, facts, settled
  FROM s;

  PERFORM ledger_post_all(t.x) FROM (
    SELECT jsonb_agg(t.x) AS x FROM jsonb_array_elements(p_sales) AS s(x), jsonb_array_elements(s.x->'transfers') AS t(x)
  ) AS t WHERE t.x IS NOT NULL;

  PERFORM loyalty_move_tier((s.x->>'member_id')::uuid, s.x->'move', (s.x->>'id')::uuid)
  FROM jsonb_array_elements(p_sales) AS s(x) WHERE s.x ? 'move';

  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  SELECT 'checkout.order_committed.v1', s.member_id, s.occurred_at, s.event
  FROM jsonb_to_recordset(p_sales) AS s(member_id uuid, occurred_at timestamptz, event jsonb);
  RETURN v_taken;
END $$;

-- Moves the members' books on, each from the revision its sale was priced with; tells for each sale whether that was so.
-- In the order of ids, as everybody takes several. Revision 0 also means "no book yet".
CREATE OR REPLACE FUNCTION checkout_take_all(p_sales jsonb) RETURNS boolean[]
LANGUAGE plpgsql AS $$
DECLARE
  v_books uuid[];
BEGIN
  WITH taken AS (
    INSERT INTO ledger_book AS b (member_id, revision)
    SELECT s.member_id, s.revision + 1 FROM jsonb_to_recordset(p_sales) AS s(member_id uuid, revision bigint)
    WHERE s.member_id IS NOT NULL ORDER BY s.member_id
    ON CONFLICT (member_id) DO UPDATE SET revision = excluded.revision WHERE b.revision = excluded.revision - 1
    RETURNING b.member_id
  )
  SELECT coalesce(array_agg(member_id), '{}') INTO v_books FROM taken;
  RETURN ARRAY(
    SELECT s.x->>'member_id' IS NULL OR (s.x->>'member_id')::uuid = ANY(v_books)
    FROM jsonb_array_elements(p_sales) WITH ORDINALITY AS s(x, n) ORDER BY s.n
  );
END $$;

-- All that pricing sales needs, in one round trip, for one sale or for all that arrived in a moment. What a till names but
-- nobody knows comes back null. p: `sales`, each with caller, key, the one way of the three that names the member (`id`,
-- `number`, or `blind` with `kind` and `of`), store, channel, the window of the tier metric and the `assets` whose open lots are
-- wanted; and for all of them `skus`, `metric` and whether the `profile` is wanted. The products of all are told once, in the
-- first row.
-- What it tells has grown before, and PostgreSQL replaces a function only where it returns what it did.
DROP FUNCTION IF EXISTS checkout_facts(jsonb);
CREATE OR REPLACE FUNCTION checkout_facts(p jsonb)
RETURNS TABLE (input_hash bytea, answer_status smallint, answer bytea, member_id uuid, member_status text,
  joined_at timestamptz, wrapped bytea, profile bytea, tier text, since timestamptz, review_at timestamptz, revision bigint, balances jsonb,
  qualifying numeric, store_id uuid, store_open boolean, channel text, products jsonb, n bigint, held jsonb, lots jsonb)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  v_metric text := p->>'metric';
  v_with_profile boolean := (p->>'profile')::boolean;
  v_skus text[] := ARRAY(SELECT jsonb_array_elements_text(p->'skus'));
BEGIN
  RETURN QUERY
  SELECT q.input_hash, q.status, q.body, m.id, m.status::text, m.joined_at, k.wrapped, m.profile,
    s.tier::text, s.since, s.review_at, coalesce(b.revision, 0),
    (SELECT jsonb_object_agg(a.asset, jsonb_build_array(a.balance, a.debt)) FROM ledger_account a WHERE a.member_id = m.id),
    CASE v_metric
      WHEN 'spend' THEN (SELECT coalesce(sum(o.qualifying_minor - o.refunded_qualifying_minor), 0) FROM checkout_order o
        WHERE o.member_id = m.id AND o.occurred_at >= q.since AND o.occurred_at <= q.at AND o.status = 'committed')
      WHEN 'growth' THEN (SELECT coalesce(sum(o.growth_earned - o.refunded_growth), 0) FROM checkout_order o
        WHERE o.member_id = m.id AND o.occurred_at >= q.since AND o.occurred_at <= q.at AND o.status = 'committed')
      WHEN 'orders' THEN (SELECT count(*) FROM checkout_order o
        WHERE o.member_id = m.id AND o.occurred_at >= q.since AND o.occurred_at <= q.at AND o.status = 'committed')
      WHEN 'points' THEN (SELECT coalesce(sum(o.points_earned - o.refunded_points), 0) FROM checkout_order o
        WHERE o.member_id = m.id AND o.occurred_at >= q.since AND o.occurred_at <= q.at AND o.status = 'committed')
      ELSE 0
    END,
    st.id, st.is_open, ch.code::text,
    CASE q.n WHEN 1 THEN
      (SELECT jsonb_agg(jsonb_build_array(p.sku, p.id, p.category_path, p.price_minor, p.currency, p.is_active, p.name))
        FROM catalog_product p WHERE p.sku = ANY(v_skus))
    END, q.n, s.held,
    CASE WHEN q.assets IS NOT NULL THEN
      (SELECT jsonb_agg(jsonb_build_array(l.asset, l.id, l.remaining, l.earned_at, l.active_at, l.expires_at, l.held))
        FROM ledger_lot l WHERE l.member_id = m.id AND l.asset = ANY(q.assets) AND l.remaining > 0)
    END
  FROM (
    SELECT q.*, c.input_hash, c.status, c.body, CASE
      WHEN c.input_hash IS NOT NULL THEN NULL  -- answered before: nothing else is looked at
      WHEN q.blind IS NOT NULL THEN (SELECT i.member_id FROM members_identifier i
        WHERE i.blind = decode(q.blind, 'base64') AND i.kind = q.kind AND i.system = q.of)
      WHEN q.number IS NOT NULL THEN (SELECT m.id FROM members_member m WHERE m.number = q.number)
      ELSE q.id END AS who
    FROM ROWS FROM (jsonb_to_recordset(p->'sales') AS (caller uuid, key text, id uuid, number text, blind text, kind text,
        of text, store text, channel text, since timestamptz, at timestamptz, assets text[]))
      WITH ORDINALITY AS q(caller, key, id, number, blind, kind, of, store, channel, since, at, assets, n)
    LEFT JOIN core_idempotentcall c ON c.caller_id = q.caller AND c.key = q.key
    OFFSET 0  -- found once, not again for each of the joins
  ) AS q
  LEFT JOIN members_member m ON m.id = q.who
  LEFT JOIN members_datakey k ON k.member_id = q.who AND v_with_profile
  LEFT JOIN loyalty_standing s ON s.member_id = q.who
  LEFT JOIN ledger_book b ON b.member_id = q.who
  LEFT JOIN catalog_store st ON st.code = q.store
  LEFT JOIN catalog_channel ch ON ch.code = q.channel;
END $$;

-- The books of a sale that gift cards pay: locked in the order of ids, as everybody takes several, then all or none moved on.
CREATE OR REPLACE FUNCTION checkout_take_books(p_books jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  r record;
  v_revision bigint;
BEGIN
  FOR r IN SELECT b.id, b.revision FROM jsonb_to_recordset(p_books) AS b(id uuid, revision bigint) ORDER BY b.id LOOP
    IF r.revision = 0 THEN
      INSERT INTO ledger_book (member_id, revision) VALUES (r.id, 0) ON CONFLICT DO NOTHING;
    END IF;
    SELECT revision INTO v_revision FROM ledger_book WHERE member_id = r.id FOR UPDATE;
    IF v_revision IS DISTINCT FROM r.revision THEN
      RETURN false;
    END IF;
  END LOOP;
  UPDATE ledger_book SET revision = revision + 1
  WHERE member_id IN (SELECT b.id FROM jsonb_to_recordset(p_books) AS b(id uuid));
  RETURN true;
END $$;

-- A sale names its store, its channel and its products, and its statement need not ask for each of them whether it still
-- exists: what was sold, or sold there, cannot be deleted.
CREATE OR REPLACE FUNCTION checkout_keep_what_sales_name() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_named boolean;
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'catalog_store' THEN v_named := EXISTS (SELECT 1 FROM checkout_order WHERE store_id = OLD.id);
    WHEN 'catalog_channel' THEN v_named := EXISTS (SELECT 1 FROM checkout_order WHERE channel_id = OLD.code);
    WHEN 'catalog_product' THEN v_named := EXISTS (SELECT 1 FROM checkout_orderline WHERE product_id = OLD.id);
  END CASE;
  IF v_named THEN
    RAISE EXCEPTION 'a sale names this row of %', TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE OR REPLACE TRIGGER checkout_keep_store BEFORE DELETE OR UPDATE OF id ON catalog_store
  FOR EACH ROW EXECUTE FUNCTION checkout_keep_what_sales_name();
CREATE OR REPLACE TRIGGER checkout_keep_channel BEFORE DELETE OR UPDATE OF code ON catalog_channel
  FOR EACH ROW EXECUTE FUNCTION checkout_keep_what_sales_name();
CREATE OR REPLACE TRIGGER checkout_keep_product BEFORE DELETE OR UPDATE OF id ON catalog_product
  FOR EACH ROW EXECUTE FUNCTION checkout_keep_what_sales_name();
