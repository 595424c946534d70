-- A tier change and its standing row, with the event.
CREATE OR REPLACE FUNCTION loyalty_move_tier(p_member uuid, p jsonb, p_order uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO loyalty_standing (member_id, tier, since, review_at)
  VALUES (p_member, p->>'to', (p->>'since')::timestamptz, (p->>'review_at')::timestamptz)
  ON CONFLICT (member_id) DO UPDATE
    SET tier = excluded.tier, since = excluded.since, review_at = excluded.review_at;
  INSERT INTO loyalty_tierchange
    (id, member_id, occurred_at, from_tier, to_tier, cause, metric, review_at, order_id, programme_version_id)
  VALUES ((p->>'id')::uuid, p_member, (p->>'at')::timestamptz, p->>'from', p->>'to', p->>'cause', (p->>'metric')::bigint,
    (p->>'review_at')::timestamptz, p_order, (p->>'programme_version_id')::uuid);
  INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
  VALUES ('loyalty.tier_changed.v1', p_member, (p->>'at')::timestamptz,
    jsonb_build_object('from', p->>'from', 'to', p->>'to', 'cause', p->>'cause', 'metric', (p->>'metric')::bigint));
END $$;
