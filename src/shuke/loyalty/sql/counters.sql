-- Caps and budgets of the rules. A budget has one row per period that all sales drawing on it share, so it is touched
-- last in a transaction: nobody waits for it longer than the commit itself takes.

-- Writes the uses of one sale or accrual ([{r rule, s asset, d day, a amount, b budget, p period, l limit}]) and draws on
-- the budgets. Raises serialization_failure when one holds less than the price was made with: price again.
CREATE OR REPLACE FUNCTION loyalty_take(p_member uuid, p_uses jsonb, p_at timestamptz, p_order uuid, p_accrual uuid)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  INSERT INTO loyalty_use (member_id, rule, asset, budget, period, day, amount, occurred_at, order_id, accrual_id)
  SELECT p_member, u.r, u.s, u.b, u.p, u.d, u.a, p_at, p_order, p_accrual
  FROM jsonb_to_recordset(p_uses) AS u(r text, s text, b text, p date, d date, a bigint);

  -- In one order for everybody, so that no two wait for each other.
  FOR r IN
    SELECT u.b AS budget, u.p AS period, sum(u.a)::bigint AS amount, max(u.l) AS most
    FROM jsonb_to_recordset(p_uses) AS u(b text, p date, a bigint, l bigint)
    WHERE u.b IS NOT NULL GROUP BY u.b, u.p ORDER BY u.b, u.p
  LOOP
    INSERT INTO loyalty_counter AS c (budget, period, used) VALUES (r.budget, r.period, r.amount)
    ON CONFLICT (budget, period) DO UPDATE SET used = c.used + excluded.used
      WHERE c.used + excluded.used <= r.most;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the budget % holds less than %', r.budget, r.amount USING ERRCODE = 'serialization_failure';
    END IF;
  END LOOP;
END $$;

-- Gives back what an order took of caps and budgets, in step with what refunds have taken back of its units so far: half
-- of the units back, half of the room. The last refund of an order so gives back the last unit. The caller holds the
-- member's book and has posted the refund. Returns how many units of room came back.
CREATE OR REPLACE FUNCTION loyalty_give_back(p_order uuid, p_refund uuid, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  r record;
  v_back bigint := 0;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM loyalty_use WHERE order_id = p_order) THEN
    RETURN 0;
  END IF;
  FOR r IN
    WITH issued AS (
      SELECT e.asset, -sum(e.amount) FILTER (WHERE t.kind = 'earn') AS whole,
        coalesce(sum(e.amount) FILTER (WHERE t.kind <> 'earn'), 0) AS part
      FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id
      WHERE t.order_id = p_order AND e.account = 'issued' GROUP BY e.asset
    )
    SELECT u.member_id, u.rule, u.asset, u.budget, u.period, u.day,
      floor(sum(u.amount) FILTER (WHERE u.amount > 0) * i.part / i.whole)::bigint
        + coalesce(sum(u.amount) FILTER (WHERE u.amount < 0), 0)::bigint AS amount
    FROM loyalty_use u JOIN issued i ON i.asset = u.asset AND i.whole > 0
    WHERE u.order_id = p_order
    GROUP BY u.member_id, u.rule, u.asset, u.budget, u.period, u.day, i.part, i.whole
    ORDER BY u.budget NULLS FIRST, u.period, u.rule
  LOOP
    CONTINUE WHEN r.amount <= 0;
    INSERT INTO loyalty_use (member_id, rule, asset, budget, period, day, amount, occurred_at, order_id, refund_id)
    VALUES (r.member_id, r.rule, r.asset, r.budget, r.period, r.day, -r.amount, p_at, p_order, p_refund);
    IF r.budget IS NOT NULL THEN
      UPDATE loyalty_counter SET used = used - r.amount WHERE budget = r.budget AND period = r.period;
    END IF;
    v_back := v_back + r.amount;
  END LOOP;
  RETURN v_back;
END $$;

-- What rules look at besides the sale: the member's traits, what capped rules gave before, what budgets have given.
CREATE OR REPLACE FUNCTION loyalty_rule_facts(p_member uuid, p_at timestamptz, p_day date, p_month date, p_rules text[],
  p_since date, p_budgets text[], p_periods date[])
RETURNS TABLE (joined_at timestamptz, tags text[], groups jsonb, used jsonb, drawn jsonb)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  RETURN QUERY
  SELECT m.joined_at, m.tags::text[],
    (SELECT jsonb_agg(jsonb_build_array(g.kind, g.code)) FROM loyalty_membergroup g
      WHERE g.member_id = m.id AND g.since <= p_at AND (g.until IS NULL OR g.until > p_at)),
    (SELECT jsonb_object_agg(s.rule, jsonb_build_array(s.day, s.month, s.ever)) FROM (
      SELECT u.rule, coalesce(sum(u.amount) FILTER (WHERE u.day = p_day), 0) AS day,
        coalesce(sum(u.amount) FILTER (WHERE u.day >= p_month AND u.day < p_month + interval '1 month'), 0) AS month,
        sum(u.amount) AS ever
      FROM loyalty_use u
      WHERE u.member_id = m.id AND u.rule = ANY(p_rules) AND u.day >= p_since AND u.budget IS NULL GROUP BY u.rule) AS s),
    (SELECT jsonb_object_agg(c.budget, c.used) FROM loyalty_counter c
      JOIN unnest(p_budgets, p_periods) AS b(id, period) ON b.id = c.budget AND b.period = c.period)
  FROM members_member m WHERE m.id = p_member;
END $$;

CREATE OR REPLACE TRIGGER loyalty_use_append_only BEFORE UPDATE OR DELETE ON loyalty_use
  FOR EACH ROW EXECUTE FUNCTION loyalty_refuse_change();
CREATE OR REPLACE TRIGGER loyalty_use_no_truncate BEFORE TRUNCATE ON loyalty_use
  FOR EACH STATEMENT EXECUTE FUNCTION loyalty_refuse_change();
-- A narrow row that changes often: leave room on the page, so that an update stays there (HOT).
ALTER TABLE loyalty_counter SET (fillfactor = 20);
