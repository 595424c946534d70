-- One statement, one transaction, one durable commit: everything a committed sale writes.
-- Returns false, having written nothing, when the member's book is not at the revision the price was made from.

CREATE OR REPLACE FUNCTION checkout_commit(p jsonb, p_answer bytea, p_input_hash bytea) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  v_member uuid := (p->>'member_id')::uuid;
  v_order uuid := (p->>'id')::uuid;
  v_occurred timestamptz := (p->>'occurred_at')::timestamptz;
  v_recorded timestamptz := (p->>'recorded_at')::timestamptz;
  v_transfer jsonb;
BEGIN
  IF p ? 'books' THEN
    IF NOT checkout_take_books(p->'books') THEN
      RETURN false;
    END IF;
  ELSIF v_member IS NOT NULL AND NOT ledger_take_book(v_member, (p->>'revision')::bigint) THEN
    RETURN false;
  END IF;

  IF p_answer IS NOT NULL THEN
    INSERT INTO core_idempotentcall (caller_id, key, input_hash, status, body, created_at)
    VALUES ((p->>'caller_id')::uuid, p->>'key', p_input_hash, 201, p_answer, v_recorded);
  END IF;

  INSERT INTO checkout_order (id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency,
    list_minor, discount_minor, sales_minor, points_minor, tax_minor, tax_added_minor, payable_minor, qualifying_minor,
    points_used, points_earned, growth_earned, tier, status, programme_version_id, actor, facts)
  VALUES (v_order, v_member, (p->>'store_id')::uuid, p->>'channel', p->>'system', p->>'number', v_occurred, v_recorded,
    p->>'currency', (p->>'list_minor')::bigint, (p->>'discount_minor')::bigint, (p->>'sales_minor')::bigint,
    (p->>'points_minor')::bigint, coalesce((p->>'tax_minor')::bigint, 0), coalesce((p->>'tax_added_minor')::bigint, 0),
    (p->>'payable_minor')::bigint, (p->>'qualifying_minor')::bigint,
    (p->>'points_used')::bigint, (p->>'points_earned')::bigint, (p->>'growth_earned')::bigint,
    p->>'tier', 'committed', (p->>'programme_version_id')::uuid, p->>'actor', p->'facts');

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

  -- Last of all: a budget is one row that many sales share, and the commit that follows is all they wait for.
  IF p ? 'uses' THEN
    PERFORM loyalty_take(v_member, p->'uses', v_occurred, v_order, NULL);
  END IF;
  RETURN true;
END $$;

-- All that pricing a sale needs, in one round trip. What the till names but nobody knows comes back null.
-- Plans are fixed: every access is by key, and planning them anew for each cart would cost more than running them. They
-- are fixed to indexes, or a connection that planned in a new, empty house would scan its growing tables for hours.
CREATE OR REPLACE FUNCTION checkout_facts(p_caller uuid, p_key text, p_member uuid, p_number text, p_blind bytea, p_kind text,
  p_system text, p_with_profile boolean, p_store text, p_channel text, p_skus text[], p_metric text, p_from timestamptz,
  p_to timestamptz)
RETURNS TABLE (input_hash bytea, answer_status smallint, answer bytea, member_id uuid, member_status text, joined_at timestamptz,
  wrapped bytea, profile bytea, tier text, since timestamptz, review_at timestamptz, revision bigint, balances jsonb,
  qualifying numeric, store_id uuid, store_open boolean, channel text, products jsonb)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_member uuid := p_member;
BEGIN
  IF p_blind IS NOT NULL THEN
    SELECT i.member_id INTO v_member FROM members_identifier i
    WHERE i.blind = p_blind AND i.kind = p_kind AND i.system = p_system;
  ELSIF p_number IS NOT NULL THEN
    SELECT m.id INTO v_member FROM members_member m WHERE m.number = p_number;
  END IF;
  RETURN QUERY
  SELECT c.input_hash, c.status, c.body, m.id, m.status::text, m.joined_at, k.wrapped, m.profile,
    s.tier::text, s.since, s.review_at, coalesce(b.revision, 0),
    (SELECT jsonb_object_agg(a.asset, jsonb_build_array(a.balance, a.debt)) FROM ledger_account a WHERE a.member_id = m.id),
    CASE p_metric
      WHEN 'spend' THEN (SELECT coalesce(sum(o.qualifying_minor - o.refunded_qualifying_minor), 0) FROM checkout_order o WHERE o.member_id = m.id
        AND o.occurred_at >= p_from AND o.occurred_at <= p_to AND o.status = 'committed')
      ELSE (SELECT coalesce(sum(o.growth_earned - o.refunded_growth), 0) FROM checkout_order o WHERE o.member_id = m.id
        AND o.occurred_at >= p_from AND o.occurred_at <= p_to AND o.status = 'committed')
    END,
    st.id, st.is_open, ch.code::text,
    (SELECT jsonb_agg(jsonb_build_array(p.sku, p.id, p.category_path, p.price_minor, p.currency, p.is_active, p.name))
      FROM catalog_product p WHERE p.sku = ANY(p_skus))
  FROM (SELECT 1) AS one
  LEFT JOIN core_idempotentcall c ON c.caller_id = p_caller AND c.key = p_key
  LEFT JOIN members_member m ON m.id = v_member
  LEFT JOIN members_datakey k ON k.member_id = v_member AND p_with_profile
  LEFT JOIN loyalty_standing s ON s.member_id = v_member
  LEFT JOIN ledger_book b ON b.member_id = v_member
  LEFT JOIN catalog_store st ON st.code = p_store
  LEFT JOIN catalog_channel ch ON ch.code = p_channel;
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
