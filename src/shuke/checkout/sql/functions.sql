-- One statement, one transaction, one durable commit: everything a committed sale writes.
-- Returns false, having written nothing, when the member's book is not at the revision the price was made from.

CREATE OR REPLACE FUNCTION checkout_commit(p jsonb, p_answer bytea, p_input_hash bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  v_member uuid := (p->>'member_id')::uuid;
  v_order uuid := (p->>'id')::uuid;
  v_occurred timestamptz := (p->>'occurred_at')::timestamptz;
  v_recorded timestamptz := (p->>'recorded_at')::timestamptz;
  v_transfer jsonb;
BEGIN
  IF v_member IS NOT NULL AND NOT ledger_take_book(v_member, (p->>'revision')::bigint) THEN
    RETURN false;
  END IF;

  IF p_answer IS NOT NULL THEN
    INSERT INTO core_idempotentcall (caller_id, key, input_hash, status, body, created_at)
    VALUES ((p->>'caller_id')::uuid, p->>'key', p_input_hash, 201, p_answer, v_recorded);
  END IF;

  INSERT INTO checkout_order (id, member_id, store_id, channel_id, system, number, occurred_at, recorded_at, currency,
    list_minor, discount_minor, sales_minor, points_minor, payable_minor, qualifying_minor,
    points_used, points_earned, growth_earned, tier, status, programme_version_id, actor, facts)
  VALUES (v_order, v_member, (p->>'store_id')::uuid, p->>'channel', p->>'system', p->>'number', v_occurred, v_recorded,
    p->>'currency', (p->>'list_minor')::bigint, (p->>'discount_minor')::bigint, (p->>'sales_minor')::bigint,
    (p->>'points_minor')::bigint, (p->>'payable_minor')::bigint, (p->>'qualifying_minor')::bigint,
    (p->>'points_used')::bigint, (p->>'points_earned')::bigint, (p->>'growth_earned')::bigint,
    p->>'tier', 'committed', (p->>'programme_version_id')::uuid, p->>'actor', p->'facts');

  INSERT INTO checkout_orderline (order_id, line_no, member_id, product_id, quantity, list_minor, discount_minor,
    points_minor, payable_minor, points_earned, growth_earned, detail)
  SELECT v_order, l.n, v_member, l.p, l.q, l.a, l.d, l.c, l.m, l.e, l.g, l.x
  FROM jsonb_to_recordset(p->'lines')
    AS l(n smallint, p uuid, q numeric, a bigint, d bigint, c bigint, m bigint, e bigint, g bigint, x jsonb);

  FOR v_transfer IN SELECT jsonb_array_elements(p->'transfers') LOOP
    PERFORM ledger_post(v_transfer);
  END LOOP;

  IF p->'move' IS NOT NULL THEN
    PERFORM loyalty_move_tier(v_member, p->'move', v_order);
  END IF;

  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  VALUES ('checkout.order_committed.v1', v_member, v_occurred, p->'event');
  RETURN true;
END $$;
