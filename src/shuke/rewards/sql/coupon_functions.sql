-- Coupons where many hands meet: the counter of a template is one row that all its uses share. It is moved last, after the
-- pieces (locked in the order of their ids), and of several templates in the order of their codes.

-- Moves a template's counter by what is given. False, and nothing moved, when a limit would be passed: `stock` of pieces,
-- `uses`, `money`; null is no limit. What reaches the alarm's percentage of a limit for the first time is told once.
CREATE OR REPLACE FUNCTION rewards_count(p_template text, p_issued bigint, p_held bigint, p_used bigint, p_expired bigint,
  p_void bigint, p_minor bigint, p_at timestamptz, p_stock bigint, p_uses bigint, p_money bigint, p_alarm integer)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v rewards_counter;
  r record;
BEGIN
  INSERT INTO rewards_counter AS c (template, issued, held, used, expired, void, given_minor, last_used_at)
  SELECT p_template, 0, 0, 0, 0, 0, 0, NULL
  WHERE NOT EXISTS (SELECT 1 FROM rewards_counter WHERE template = p_template)
  ON CONFLICT DO NOTHING;
  UPDATE rewards_counter AS c SET issued = c.issued + p_issued, held = c.held + p_held, used = c.used + p_used,
    expired = c.expired + p_expired, void = c.void + p_void, given_minor = c.given_minor + p_minor,
    last_used_at = CASE WHEN p_used > 0 THEN greatest(c.last_used_at, p_at) ELSE c.last_used_at END
  WHERE c.template = p_template
    AND (p_issued <= 0 OR p_stock IS NULL OR c.issued + p_issued <= p_stock)
    AND (p_used <= 0 OR p_uses IS NULL OR c.used + p_used <= p_uses)
    AND (p_minor <= 0 OR p_money IS NULL OR c.given_minor + p_minor <= p_money)
  RETURNING c.* INTO v;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF p_alarm IS NOT NULL THEN
    FOR r IN
      SELECT k.kind, k.most, k.taken FROM (VALUES ('stock', p_stock, v.issued, p_issued), ('uses', p_uses, v.used, p_used),
        ('money', p_money, v.given_minor, p_minor)) AS k(kind, most, taken, step)
      WHERE k.most > 0 AND k.step > 0 AND k.taken * 100 >= k.most * p_alarm AND NOT EXISTS (SELECT 1 FROM rewards_alarm a
        WHERE a.template = p_template AND a.kind = k.kind AND a.percent = p_alarm AND a.most = k.most)
    LOOP
      -- Nobody else can be here for this template: its counter is ours until the transaction ends.
      INSERT INTO rewards_alarm (template, kind, percent, most, taken, at)
      VALUES (p_template, r.kind, p_alarm, r.most, r.taken, p_at);
      INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
      VALUES ('rewards.budget_alarm.v1', NULL, p_at, jsonb_build_object('template', p_template, 'kind', r.kind,
        'percent', p_alarm, 'most', r.most, 'taken', r.taken));
    END LOOP;
  END IF;
  RETURN true;
END $$;

-- What a sale uses, written inside the sale. `p`: order_id, member_id, at, day (local), actor, and uses, each
--   t template · c id of a piece, or b blind index (hex) of a code that has no piece yet (with i the new piece's id, f the
--   code's last four, e the end of its term), or neither: a public code · n how many (public codes; 1) · v minor units it
--   gives · w programme version of its terms · s stock, q uses, m money: the limits, a alarm percentage · l uses of the
--   member that the limit allows since the local day d.
-- Raises serialization_failure when a piece or a limit is no longer what the price was made with: price again.
CREATE OR REPLACE FUNCTION rewards_use(p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_order uuid := (p->>'order_id')::uuid;
  v_member uuid := (p->>'member_id')::uuid;
  v_at timestamptz := (p->>'at')::timestamptz;
  v_day date := (p->>'day')::date;
  v_actor text := p->>'actor';
  v_coupon uuid;
  v_was text;
  v_held jsonb := '{}';
  u record;
  r record;
BEGIN
  FOR u IN
    SELECT * FROM jsonb_to_recordset(p->'uses') AS x(t text, c uuid, b text, i uuid, f text, e timestamptz, n integer, v bigint,
      w uuid, l bigint, d date)
    ORDER BY x.c, x.b, x.t
  LOOP
    v_coupon := u.c;
    v_was := NULL;
    IF u.c IS NOT NULL THEN
      SELECT state INTO v_was FROM rewards_coupon WHERE id = u.c AND state IN ('issued', 'held')
        AND (member_id IS NULL OR member_id = v_member) FOR UPDATE;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'the coupon % is no longer there', u.c USING ERRCODE = 'serialization_failure';
      END IF;
      -- A bearer's code that a member uses is theirs from then on, as when it is used for the first time.
      UPDATE rewards_coupon SET state = 'used', member_id = coalesce(member_id, v_member), order_id = v_order, used_at = v_at,
        value_minor = u.v WHERE id = u.c;
    ELSIF u.b IS NOT NULL THEN
      v_coupon := u.i;
      INSERT INTO rewards_coupon (id, template, state, member_id, issued_to, source, reference, nth, code_blind, last_four, job_id,
        issued_at, valid_from, valid_until, order_id, used_at, value_minor, programme_version_id)
      SELECT u.i, j.template, 'used', v_member, NULL, 'code', '', 1, k.blind, u.f, k.job_id,
        j.created_at, coalesce(j.valid_from, j.created_at), coalesce(u.e, j.valid_until), v_order, v_at, u.v, u.w
      FROM rewards_code k JOIN rewards_codejob j ON j.id = k.job_id AND j.ended_at IS NULL AND j.template = u.t
      WHERE k.blind = decode(u.b, 'hex')
      FOR SHARE OF j -- whoever ends the job waits for this sale, or this sale finds it ended
      ON CONFLICT DO NOTHING;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'the code is no longer free' USING ERRCODE = 'serialization_failure';
      END IF;
    END IF;
    IF u.l IS NOT NULL AND v_member IS NOT NULL AND u.l < coalesce(u.n, 1) + (SELECT coalesce(sum(uses), 0) FROM rewards_use
      WHERE member_id = v_member AND template = u.t AND day >= u.d) THEN
      RAISE EXCEPTION 'the member has used % as often as allowed', u.t USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO rewards_use (template, coupon_id, member_id, day, uses, pieces, minor, at, order_id)
    VALUES (u.t, v_coupon, v_member, v_day, coalesce(u.n, 1), CASE WHEN v_coupon IS NULL THEN coalesce(u.n, 1) ELSE 0 END,
      u.v, v_at, v_order);
    IF v_coupon IS NOT NULL THEN
      INSERT INTO rewards_couponevent (coupon_id, kind, at, member_id, cause, order_id, actor)
      VALUES (v_coupon, 'used', v_at, v_member, '', v_order, v_actor);
    END IF;
    IF v_was = 'held' THEN
      v_held := v_held || jsonb_build_object(u.t, coalesce((v_held->>u.t)::int, 0) + 1);
    END IF;
    INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
    VALUES ('rewards.coupon_used.v1', v_member, v_at, jsonb_build_object('template', u.t, 'coupon_id', v_coupon,
      'order_id', v_order, 'uses', coalesce(u.n, 1), 'minor', u.v));
  END LOOP;

  FOR r IN
    SELECT x.t, sum(coalesce(x.n, 1))::bigint AS uses,
      sum(CASE WHEN x.c IS NULL AND x.b IS NULL THEN coalesce(x.n, 1) ELSE 0 END)::bigint AS pieces,
      sum(x.v)::bigint AS minor, max(x.s) AS stock, max(x.q) AS most, max(x.m) AS money, max(x.a) AS alarm
    FROM jsonb_to_recordset(p->'uses') AS x(t text, c uuid, b text, n integer, v bigint, s bigint, q bigint, m bigint, a integer)
    GROUP BY x.t ORDER BY x.t
  LOOP
    IF NOT rewards_count(r.t, r.pieces, -coalesce((v_held->>r.t)::bigint, 0), r.uses, 0, 0, r.minor, v_at, r.stock, r.most,
      r.money, r.alarm) THEN
      RAISE EXCEPTION 'a limit of % holds less than the price was made with', r.t USING ERRCODE = 'serialization_failure';
    END IF;
  END LOOP;
END $$;

-- Gives back what an order used, once, when it is refunded as a whole. `p`: order_id, refund_id, at, actor, policy: with
-- "restore" a piece that is still valid may be used again, one whose time is over is expired; with "void" it is lost. The
-- money counts as not given either way. Returns [{coupon_id, template, state}], a public code's with coupon_id null.
CREATE OR REPLACE FUNCTION rewards_restore(p jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  v_order uuid := (p->>'order_id')::uuid;
  v_refund uuid := (p->>'refund_id')::uuid;
  v_at timestamptz := (p->>'at')::timestamptz;
  v_back boolean := p->>'policy' = 'restore';
  v_state text;
  v_done jsonb := '[]';
  u record;
  r record;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM rewards_use WHERE order_id = v_order)
    OR EXISTS (SELECT 1 FROM rewards_use WHERE order_id = v_order AND refund_id IS NOT NULL) THEN
    RETURN v_done;
  END IF;
  FOR u IN SELECT * FROM rewards_use WHERE order_id = v_order ORDER BY coupon_id, template, id LOOP
    v_state := CASE WHEN v_back THEN 'free' ELSE 'void' END;
    IF u.coupon_id IS NOT NULL THEN
      UPDATE rewards_coupon SET order_id = NULL, used_at = NULL, value_minor = 0, noticed = NULL,
        state = CASE WHEN NOT v_back THEN 'void' WHEN valid_until <= v_at THEN 'expired' WHEN member_id IS NULL THEN 'issued'
          ELSE 'held' END
      WHERE id = u.coupon_id AND state = 'used' AND order_id = v_order RETURNING state INTO v_state;
      CONTINUE WHEN NOT FOUND;
      INSERT INTO rewards_couponevent (coupon_id, kind, at, member_id, cause, order_id, refund_id, actor)
      SELECT id, CASE WHEN v_state IN ('void', 'expired') THEN v_state ELSE 'restored' END, v_at, member_id, 'refund', v_order,
        v_refund, p->>'actor'
      FROM rewards_coupon WHERE id = u.coupon_id;
    END IF;
    -- The day is that of the use: what a member's limit counted then, it counts no longer. A public code's lost use goes on
    -- counting, and its piece stays taken.
    INSERT INTO rewards_use (template, coupon_id, member_id, day, uses, pieces, minor, at, order_id, refund_id)
    VALUES (u.template, u.coupon_id, u.member_id, u.day, CASE WHEN v_state = 'void' AND u.coupon_id IS NULL THEN 0 ELSE -u.uses END,
      CASE WHEN v_back THEN -u.pieces ELSE 0 END, -u.minor, v_at, v_order, v_refund);
    INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
    VALUES (CASE WHEN v_state = 'void' THEN 'rewards.coupon_voided.v1' WHEN v_state = 'expired' THEN 'rewards.coupon_expired.v1'
      ELSE 'rewards.coupon_restored.v1' END, u.member_id, v_at, jsonb_build_object('template', u.template,
      'coupon_id', u.coupon_id, 'order_id', v_order, 'refund_id', v_refund));
    v_done := v_done || jsonb_build_object('coupon_id', u.coupon_id, 'template', u.template, 'state', v_state);
  END LOOP;

  FOR r IN
    SELECT g.template, sum(g.uses)::bigint AS uses, sum(g.pieces)::bigint AS pieces, sum(g.minor)::bigint AS minor,
      count(*) FILTER (WHERE c.state = 'held') AS held, count(*) FILTER (WHERE c.state = 'expired') AS expired,
      count(*) FILTER (WHERE c.state = 'void') AS void
    FROM rewards_use g LEFT JOIN rewards_coupon c ON c.id = g.coupon_id
    WHERE g.order_id = v_order AND g.refund_id = v_refund GROUP BY g.template ORDER BY g.template
  LOOP
    PERFORM rewards_count(r.template, r.pieces, r.held, r.uses, r.expired, r.void, r.minor, v_at, NULL, NULL, NULL, NULL);
  END LOOP;
  RETURN v_done;
END $$;

-- All that pricing asks of coupons, in one round trip: the member's pieces that are open (`p_held`), pieces by id, codes by
-- blind index with their piece if there is one, the member's uses of templates since a day, and the counters.
CREATE OR REPLACE FUNCTION rewards_facts(p_member uuid, p_held boolean, p_ids uuid[], p_blinds bytea[], p_templates text[],
  p_since date[])
RETURNS TABLE (coupons jsonb, codes jsonb, uses jsonb, counters jsonb)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  RETURN QUERY SELECT
    (SELECT jsonb_agg(to_jsonb(c)) FROM (
      SELECT h.id, h.template, h.state, h.member_id, h.valid_from, h.valid_until, h.last_four, h.source, h.reference, h.issued_at,
        h.passed_from, h.programme_version_id, encode(h.code_blind, 'hex') AS blind
      FROM rewards_coupon h
      WHERE h.member_id = p_member AND p_held AND h.state = 'held'
      UNION
      SELECT h.id, h.template, h.state, h.member_id, h.valid_from, h.valid_until, h.last_four, h.source, h.reference, h.issued_at,
        h.passed_from, h.programme_version_id, encode(h.code_blind, 'hex')
      FROM rewards_coupon h WHERE h.id = ANY(p_ids)
      UNION
      SELECT h.id, h.template, h.state, h.member_id, h.valid_from, h.valid_until, h.last_four, h.source, h.reference, h.issued_at,
        h.passed_from, h.programme_version_id, encode(h.code_blind, 'hex')
      FROM rewards_coupon h WHERE h.code_blind = ANY(p_blinds)) AS c),
    (SELECT jsonb_agg(jsonb_build_object('blind', encode(k.blind, 'hex'), 'job_id', j.id, 'template', j.template,
        'place', k.place, 'created_at', j.created_at, 'valid_from', j.valid_from, 'valid_until', j.valid_until,
        'status', j.status, 'ended', j.ended_at IS NOT NULL, 'programme_version_id', j.programme_version_id))
      FROM rewards_code k JOIN rewards_codejob j ON j.id = k.job_id WHERE k.blind = ANY(p_blinds)),
    (SELECT jsonb_object_agg(s.template, s.uses) FROM (
      SELECT u.template, sum(u.uses) AS uses
      FROM unnest(p_templates, p_since) AS t(template, since)
      JOIN rewards_use u ON u.member_id = p_member AND u.template = t.template AND u.day >= t.since
      GROUP BY u.template) AS s),
    (SELECT jsonb_object_agg(n.template, jsonb_build_array(n.issued, n.used, n.given_minor)) FROM rewards_counter n
      WHERE n.template = ANY(p_templates));
END $$;

-- Hands out pieces to members, each once per template, source, reference and number. `p`: template, source, reference, count,
-- valid_from, valid_until, at, version, cause, actor, s stock, a alarm. Returns the new pieces; raises
-- serialization_failure when the stock has fewer.
CREATE OR REPLACE FUNCTION rewards_issue(p_members uuid[], p jsonb) RETURNS TABLE (coupon_id uuid, member_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_at timestamptz := (p->>'at')::timestamptz;
  v_ids uuid[];
  v_members uuid[];
BEGIN
  WITH fresh AS (
    -- In the order of ids: of two that hand out to the same members one waits for the other, never in a circle.
    INSERT INTO rewards_coupon AS c (id, template, state, member_id, issued_to, source, reference, nth, last_four, issued_at,
      valid_from, valid_until, value_minor, programme_version_id)
    SELECT ledger_uuid7(), p->>'template', 'held', m.id, m.id, p->>'source', p->>'reference', n.nth, '', v_at,
      (p->>'valid_from')::timestamptz, (p->>'valid_until')::timestamptz, 0, (p->>'version')::uuid
    FROM (SELECT DISTINCT u.id FROM unnest(p_members) AS u(id)) AS m
    CROSS JOIN generate_series(1, (p->>'count')::int) AS n(nth)
    ORDER BY m.id, n.nth
    ON CONFLICT (issued_to, template, source, reference, nth) DO NOTHING
    RETURNING c.id, c.member_id
  ), events AS (
    INSERT INTO rewards_couponevent (coupon_id, kind, at, member_id, cause, actor)
    SELECT f.id, 'issued', v_at, f.member_id, p->>'cause', p->>'actor' FROM fresh f
  ), told AS (
    INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
    SELECT 'rewards.coupon_issued.v1', f.member_id, v_at, jsonb_build_object('coupon_id', f.id, 'template', p->>'template',
      'source', p->>'source', 'reference', p->>'reference', 'valid_from', p->>'valid_from', 'valid_until', p->>'valid_until')
    FROM fresh f
  )
  SELECT array_agg(f.id), array_agg(f.member_id) INTO v_ids, v_members FROM fresh f;
  IF v_ids IS NOT NULL AND NOT rewards_count(p->>'template', cardinality(v_ids), cardinality(v_ids), 0, 0, 0, 0, v_at,
    (p->>'s')::bigint, NULL, NULL, (p->>'a')::int) THEN
    RAISE EXCEPTION 'the stock of % has fewer', p->>'template' USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN QUERY SELECT * FROM unnest(v_ids, v_members);
END $$;

-- One batch of pieces that have lapsed. Those that a sale holds are left for the next run. Returns how many.
CREATE OR REPLACE FUNCTION rewards_expire(p_now timestamptz, p_limit integer, p_actor text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_total bigint := 0;
  r record;
  v_lapsed jsonb;
BEGIN
  WITH due AS (
    SELECT c.id, c.state FROM rewards_coupon c
    WHERE c.state IN ('issued', 'held') AND c.valid_until <= p_now
    ORDER BY c.valid_until, c.id LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), gone AS (
    UPDATE rewards_coupon c SET state = 'expired' FROM due WHERE c.id = due.id
    RETURNING c.id, c.template, c.member_id, c.valid_until, due.state AS was
  ), events AS (
    INSERT INTO rewards_couponevent (coupon_id, kind, at, member_id, cause, actor)
    SELECT id, 'expired', valid_until, member_id, '', p_actor FROM gone
  ), told AS (
    INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
    SELECT 'rewards.coupon_expired.v1', member_id, valid_until, jsonb_build_object('coupon_id', id, 'template', template)
    FROM gone ORDER BY member_id, valid_until
  )
  SELECT jsonb_agg(g) INTO v_lapsed FROM (
    SELECT template, count(*) AS pieces, count(*) FILTER (WHERE was = 'held') AS held FROM gone GROUP BY template) AS g;
  FOR r IN SELECT * FROM jsonb_to_recordset(v_lapsed) AS x(template text, pieces bigint, held bigint) ORDER BY x.template LOOP
    PERFORM rewards_count(r.template, 0, -r.held, 0, r.pieces, 0, 0, p_now, NULL, NULL, NULL, NULL);
    v_total := v_total + r.pieces;
  END LOOP;
  RETURN v_total;
END $$;

CREATE OR REPLACE TRIGGER rewards_event_append_only BEFORE UPDATE OR DELETE ON rewards_couponevent
  FOR EACH ROW EXECUTE FUNCTION rewards_refuse_change();
CREATE OR REPLACE TRIGGER rewards_event_no_truncate BEFORE TRUNCATE ON rewards_couponevent
  FOR EACH STATEMENT EXECUTE FUNCTION rewards_refuse_change();
CREATE OR REPLACE TRIGGER rewards_use_append_only BEFORE UPDATE OR DELETE ON rewards_use
  FOR EACH ROW EXECUTE FUNCTION rewards_refuse_change();
CREATE OR REPLACE TRIGGER rewards_use_no_truncate BEFORE TRUNCATE ON rewards_use
  FOR EACH STATEMENT EXECUTE FUNCTION rewards_refuse_change();
-- A narrow row that changes often: leave room on the page, so that an update stays there (HOT).
ALTER TABLE rewards_counter SET (fillfactor = 20);
