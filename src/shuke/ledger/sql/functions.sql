-- The only writers of the book. Every amount moves through ledger_post or, several transfers at once, ledger_post_all;
-- ledger_take_book is the member's lock.

CREATE OR REPLACE FUNCTION ledger_take_book(p_member uuid, p_expected bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  -- One row per member is the lock: a rival waits here, then finds another revision.
  -- p_expected null takes it whatever its revision; 0 also means "no book yet".
  INSERT INTO ledger_book AS b (member_id, revision) VALUES (p_member, 1)
  ON CONFLICT (member_id) DO UPDATE SET revision = b.revision + 1
    WHERE p_expected IS NULL OR b.revision = p_expected;
  RETURN FOUND;
END $$;

CREATE OR REPLACE FUNCTION ledger_slide(p_member uuid, p_asset text, p_at timestamptz, p_until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  -- Earning or spending at p_at puts off the end of open lots that lapse by inactivity; what has lapsed stays lapsed.
  -- Ends are rounded to a period, so that most movements of a busy member change no row.
  UPDATE ledger_lot SET expires_at = p_until
  WHERE member_id = p_member AND asset = p_asset AND remaining > 0 AND slides
    AND expires_at > p_at AND expires_at < p_until;
END $$;

CREATE OR REPLACE FUNCTION ledger_post(p jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := (p->>'id')::uuid;
  v_member uuid := (p->>'member_id')::uuid;
  v_occurred timestamptz := (p->>'occurred_at')::timestamptz;
  v_order uuid := (p->>'order_id')::uuid;
  r record;
BEGIN
  INSERT INTO ledger_transfer
    (id, member_id, kind, occurred_at, recorded_at, order_id, refund_id, store_id, programme_version_id, actor, reason)
  VALUES (v_id, v_member, p->>'kind', v_occurred, (p->>'recorded_at')::timestamptz, v_order, (p->>'refund_id')::uuid,
    (p->>'store_id')::uuid, (p->>'programme_version_id')::uuid, p->>'actor', coalesce(p->>'reason', ''));

  IF p ? 'slides' THEN
    PERFORM ledger_slide(v_member, s.asset, v_occurred, s.until)
    FROM jsonb_to_recordset(p->'slides') AS s(asset text, until timestamptz);
  END IF;

  IF jsonb_array_length(p->'lots') > 0 THEN
    INSERT INTO ledger_lot (id, member_id, asset, amount, remaining, earned_at, active_at, expires_at, order_id, pending,
      waits_for, slides)
    SELECT l.id, v_member, l.asset, l.amount, l.amount, coalesce(l.earned_at, v_occurred), l.active_at, l.expires_at, v_order,
      l.active_at > v_occurred, l.waits_for, coalesce(l.slides, false)
    FROM jsonb_to_recordset(p->'lots') AS l(id uuid, asset text, amount bigint, earned_at timestamptz, active_at timestamptz,
      expires_at timestamptz, waits_for text, slides boolean);
  END IF;

  INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id, explain)
  SELECT v_id, e.seq, v_member, e.account, e.asset, e.amount, e.lot_id, e.explain
  FROM jsonb_to_recordset(p->'entries')
    AS e(seq smallint, account text, asset text, amount bigint, lot_id uuid, explain jsonb);

  FOR r IN
    SELECT e.asset, sum(e.amount) AS total,
      coalesce(sum(e.amount) FILTER (WHERE e.account = 'member'), 0) AS gained,
      coalesce(-sum(e.amount) FILTER (WHERE e.account = 'member' AND e.lot_id IS NULL), 0) AS owed
    FROM jsonb_to_recordset(p->'entries') AS e(account text, asset text, amount bigint, lot_id uuid)
    GROUP BY e.asset
  LOOP
    IF r.total <> 0 THEN
      RAISE EXCEPTION 'transfer % does not balance: % of % is left over', v_id, r.total, r.asset
        USING ERRCODE = 'check_violation';
    END IF;
    UPDATE ledger_account SET balance = balance + r.gained, debt = debt + r.owed
    WHERE member_id = v_member AND asset = r.asset;
    IF NOT FOUND THEN
      INSERT INTO ledger_account (member_id, asset, balance, debt) VALUES (v_member, r.asset, r.gained, r.owed);
    END IF;
  END LOOP;

  IF p->>'kind' <> 'earn' THEN
    -- Lots that this transfer takes from or gives back to; the range check on remaining refuses the impossible.
    FOR r IN
      SELECT e.lot_id, sum(e.amount) AS delta
      FROM jsonb_to_recordset(p->'entries') AS e(account text, amount bigint, lot_id uuid)
      WHERE e.account = 'member' AND e.lot_id IS NOT NULL
        AND NOT coalesce(p->'lots' @> jsonb_build_array(jsonb_build_object('id', e.lot_id)), false)
      GROUP BY e.lot_id ORDER BY e.lot_id
    LOOP
      UPDATE ledger_lot SET remaining = remaining + r.delta WHERE id = r.lot_id AND member_id = v_member;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'transfer % names a lot of another member', v_id USING ERRCODE = 'check_violation';
      END IF;
    END LOOP;
  END IF;
END $$;

-- The same for several transfers, of one sale or of many, in the same few statements whatever their number. The caller holds
-- the books of all. A lot that one of them opens another may spend; from two on it costs less than one after the other.
CREATE OR REPLACE FUNCTION ledger_post_all(p jsonb) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off AS $$
DECLARE
  v_unbalanced text;
  v_strange text;
BEGIN
  IF jsonb_path_exists(p, '$[*].slides') THEN
    PERFORM ledger_slide(t.member_id, s.asset, t.occurred_at, s.until)
    FROM jsonb_to_recordset(p) AS t(member_id uuid, occurred_at timestamptz, slides jsonb),
      jsonb_to_recordset(t.slides) AS s(asset text, until timestamptz);
  END IF;

  WITH t AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(p) AS t(id uuid, member_id uuid, kind text, occurred_at timestamptz,
      recorded_at timestamptz, order_id uuid, refund_id uuid, store_id uuid, programme_version_id uuid, actor text,
      reason text, lots jsonb, entries jsonb)
  ), e AS MATERIALIZED (
    SELECT t.id AS transfer_id, t.member_id, e.*
    FROM t, jsonb_to_recordset(t.entries)
      AS e(seq smallint, account text, asset text, amount bigint, lot_id uuid, explain jsonb)
  ), l AS MATERIALIZED (
    SELECT t.id AS transfer_id, t.member_id, t.occurred_at, t.order_id, l.*
    FROM t, jsonb_to_recordset(t.lots) AS l(id uuid, asset text, amount bigint, earned_at timestamptz, active_at timestamptz,
      expires_at timestamptz, waits_for text, slides boolean)
  ), moved AS MATERIALIZED (
    -- What is taken from lots, or given back, by others than the transfer that opens them.
    SELECT e.member_id, e.lot_id, sum(e.amount) AS delta FROM e
    WHERE e.account = 'member' AND e.lot_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM l WHERE l.id = e.lot_id AND l.transfer_id = e.transfer_id)
    GROUP BY e.member_id, e.lot_id
  ), new_transfer AS (
    INSERT INTO ledger_transfer
      (id, member_id, kind, occurred_at, recorded_at, order_id, refund_id, store_id, programme_version_id, actor, reason)
    SELECT id, member_id, kind, occurred_at, recorded_at, order_id, refund_id, store_id, programme_version_id, actor,
      coalesce(reason, '') FROM t
  ), new_lot AS (
    INSERT INTO ledger_lot (id, member_id, asset, amount, remaining, earned_at, active_at, expires_at, order_id, pending,
      waits_for, slides)
    SELECT l.id, l.member_id, l.asset, l.amount,
      l.amount + coalesce((SELECT m.delta FROM moved m WHERE m.lot_id = l.id AND m.member_id = l.member_id), 0),
      coalesce(l.earned_at, l.occurred_at), l.active_at, l.expires_at, l.order_id, l.active_at > l.occurred_at, l.waits_for,
      coalesce(l.slides, false)
    FROM l
  ), touched AS (
    -- The range check on what remains refuses the impossible.
    UPDATE ledger_lot x SET remaining = x.remaining + m.delta
    FROM moved m WHERE x.id = m.lot_id AND x.member_id = m.member_id
    RETURNING x.id
  ), new_entry AS (
    INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id, explain)
    SELECT transfer_id, seq, member_id, account, asset, amount, lot_id, explain FROM e
  ), sums AS MATERIALIZED (
    SELECT transfer_id, member_id, asset, sum(amount) AS total,
      coalesce(sum(amount) FILTER (WHERE account = 'member'), 0) AS gained,
      coalesce(-sum(amount) FILTER (WHERE account = 'member' AND lot_id IS NULL), 0) AS owed
    FROM e GROUP BY transfer_id, member_id, asset
  ), change AS MATERIALIZED (
    SELECT member_id, asset, sum(gained) AS gained, sum(owed) AS owed FROM sums GROUP BY member_id, asset
  ), changed AS (
    UPDATE ledger_account a SET balance = a.balance + c.gained, debt = a.debt + c.owed
    FROM change c WHERE a.member_id = c.member_id AND a.asset = c.asset
    RETURNING a.member_id, a.asset
  ), new_account AS (
    INSERT INTO ledger_account (member_id, asset, balance, debt)
    SELECT c.member_id, c.asset, c.gained, c.owed FROM change c
    WHERE NOT EXISTS (SELECT 1 FROM changed x WHERE x.member_id = c.member_id AND x.asset = c.asset)
  )
  SELECT
    (SELECT string_agg(format('transfer %s does not balance: %s of %s is left over', transfer_id, total, asset), '; ')
      FROM sums WHERE total <> 0),
    (SELECT string_agg(format('lot %s is not one of member %s', m.lot_id, m.member_id), '; ') FROM moved m
      WHERE NOT EXISTS (SELECT 1 FROM touched x WHERE x.id = m.lot_id)
        AND NOT EXISTS (SELECT 1 FROM l WHERE l.id = m.lot_id AND l.member_id = m.member_id))
    INTO v_unbalanced, v_strange;
  IF v_unbalanced IS NOT NULL OR v_strange IS NOT NULL THEN
    RAISE EXCEPTION '%', concat_ws('; ', v_unbalanced, v_strange) USING ERRCODE = 'check_violation';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION ledger_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: post a reversal instead', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER ledger_transfer_append_only BEFORE UPDATE OR DELETE ON ledger_transfer
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE OR REPLACE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE OR REPLACE TRIGGER ledger_transfer_no_truncate BEFORE TRUNCATE ON ledger_transfer
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE OR REPLACE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
-- Narrow rows that change often: leave room on the page, so that an update stays there (HOT) and bloats no index.
ALTER TABLE ledger_book SET (fillfactor = 70);
ALTER TABLE ledger_account SET (fillfactor = 70);
