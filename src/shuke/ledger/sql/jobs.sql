-- The expiry run in one call per batch: everything that lapses moves inside the database.

CREATE OR REPLACE FUNCTION ledger_uuid7() RETURNS uuid
LANGUAGE sql VOLATILE AS $$
  -- UUIDv7 (RFC 9562): milliseconds since 1970 over a random UUIDv4, whose version bits 0100 become 0111.
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

CREATE OR REPLACE FUNCTION ledger_expire(p_now timestamptz, p_limit integer, p_actor text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  v_members uuid[];
  v_lots bigint;
BEGIN
  -- A member whose lots came in without a book gets one, or their points would never lapse. Only the lots that come next
  -- are looked at: to look at all that have lapsed once a batch would make the run quadratic.
  INSERT INTO ledger_book (member_id, revision)
  SELECT DISTINCT l.member_id, 0 FROM (
    SELECT member_id FROM ledger_lot
    WHERE remaining > held AND expires_at <= p_now
    ORDER BY expires_at, id LIMIT p_limit
  ) AS l
  WHERE NOT EXISTS (SELECT 1 FROM ledger_book b WHERE b.member_id = l.member_id)
  ORDER BY l.member_id
  ON CONFLICT DO NOTHING;

  -- The books of members with lapsed lots, soonest lapsed first. A book that someone else holds is skipped, not waited for:
  -- no runner ever waits while it holds a book, so none can be part of a deadlock, and two runners share the work. Whoever
  -- was skipped is found by the next batch or the next run.
  WITH due AS (
    SELECT b.member_id
    FROM ledger_lot l JOIN ledger_book b ON b.member_id = l.member_id
    WHERE l.remaining > l.held AND l.expires_at <= p_now
    ORDER BY l.expires_at, l.id
    LIMIT p_limit
    FOR UPDATE OF b SKIP LOCKED
  ), taken AS (
    UPDATE ledger_book SET revision = revision + 1
    WHERE member_id IN (SELECT member_id FROM due)
    RETURNING member_id
  )
  SELECT array_agg(member_id) INTO v_members FROM taken;
  IF v_members IS NULL THEN
    RETURN 0;
  END IF;

  -- Another statement, so another look: a rival may have spent or expired it until the books were held.
  WITH lapsed AS MATERIALIZED (
    SELECT l.id, l.member_id, l.asset, l.expires_at, l.remaining - l.held AS amount,
      -- Entries of one transfer are numbered by a smallint; lots beyond this go into another transfer.
      (row_number() OVER w - 1) / 30000 AS part, (row_number() OVER w - 1) % 30000 + 1 AS seq
    FROM ledger_lot l
    WHERE l.member_id = ANY(v_members) AND l.remaining > 0 AND l.remaining > l.held AND l.expires_at <= p_now
    WINDOW w AS (PARTITION BY l.member_id, l.asset, l.expires_at ORDER BY l.earned_at, l.id)
  ), acts AS MATERIALIZED (
    SELECT ledger_uuid7() AS id, g.*
    FROM (
      SELECT member_id, asset, expires_at, part, sum(amount) AS amount, count(*) AS lots
      FROM lapsed GROUP BY member_id, asset, expires_at, part
    ) AS g
  ), transfers AS (
    INSERT INTO ledger_transfer (id, member_id, kind, occurred_at, recorded_at, actor, reason)
    SELECT id, member_id, 'expire', expires_at, p_now, p_actor, '' FROM acts
  ), legs AS (
    INSERT INTO ledger_entry (transfer_id, seq, member_id, account, asset, amount, lot_id)
    SELECT a.id, l.seq, l.member_id, 'member', l.asset, -l.amount, l.id
    FROM lapsed l JOIN acts a USING (member_id, asset, expires_at, part)
    UNION ALL
    SELECT id, lots + 1, member_id, 'expired', asset, amount, NULL FROM acts
  ), emptied AS (
    -- Subtracted, not set: a writer that ignored the book would fail on the range check, not be overwritten.
    UPDATE ledger_lot SET remaining = ledger_lot.remaining - lapsed.amount
    FROM lapsed WHERE ledger_lot.id = lapsed.id
  ), lowered AS (
    UPDATE ledger_account a SET balance = a.balance - gone.amount
    FROM (SELECT member_id, asset, sum(amount) AS amount FROM acts GROUP BY member_id, asset) AS gone
    WHERE a.member_id = gone.member_id AND a.asset = gone.asset
  ), told AS (
    INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
    SELECT 'ledger.points_expired.v1', member_id, expires_at,
      jsonb_build_object('transfer_id', id, 'asset', asset, 'amount', amount, 'lots', lots)
    FROM acts ORDER BY member_id, expires_at, asset, part
  )
  SELECT count(*) INTO v_lots FROM lapsed;
  RETURN v_lots;
END $$;
