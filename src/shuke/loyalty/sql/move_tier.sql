-- What a member holds on a track, its history, and the event. `p` is one move, or {moves: […]} for several tracks at once.
-- `review_at` is when to look again, `ends_at` (where it differs: beneath grants) when the tier held ends.
CREATE OR REPLACE FUNCTION loyalty_move_tier(p_member uuid, p jsonb, p_order uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_track text := coalesce(p->>'track', '');
BEGIN
  IF p ? 'moves' THEN
    PERFORM loyalty_move_tier(p_member, m.move, p_order) FROM jsonb_array_elements(p->'moves') AS m(move);
    RETURN;
  END IF;
  IF v_track = '' THEN
    INSERT INTO loyalty_standing (member_id, tier, since, review_at, held)
    VALUES (p_member, p->>'to', (p->>'since')::timestamptz, (p->>'review_at')::timestamptz, nullif(p->'held', 'null'))
    ON CONFLICT (member_id) DO UPDATE
      SET tier = excluded.tier, since = excluded.since, review_at = excluded.review_at, held = excluded.held;
  ELSE
    INSERT INTO loyalty_trackstanding (member_id, track, tier, since, review_at, held)
    VALUES (p_member, v_track, p->>'to', (p->>'since')::timestamptz, (p->>'review_at')::timestamptz,
      nullif(p->'held', 'null'))
    ON CONFLICT (member_id, track) DO UPDATE
      SET tier = excluded.tier, since = excluded.since, review_at = excluded.review_at, held = excluded.held;
  END IF;
  INSERT INTO loyalty_tierchange
    (id, member_id, occurred_at, from_tier, to_tier, cause, metric, review_at, order_id, programme_version_id, track, grant_id)
  VALUES ((p->>'id')::uuid, p_member, (p->>'at')::timestamptz, p->>'from', p->>'to', p->>'cause', (p->>'metric')::bigint,
    (CASE WHEN p ? 'ends_at' THEN p->>'ends_at' ELSE p->>'review_at' END)::timestamptz, p_order,
    (p->>'programme_version_id')::uuid, v_track, (p->>'grant_id')::uuid);
  -- What moves beneath a granted level is nobody's news.
  IF p->>'from' <> p->>'to' OR p->>'cause' = 'renewed' THEN
    INSERT INTO core_outboxevent (name, member_id, occurred_at, payload)
    VALUES ('loyalty.tier_changed.v1', p_member, (p->>'at')::timestamptz,
      jsonb_build_object('from', p->>'from', 'to', p->>'to', 'cause', p->>'cause', 'metric', (p->>'metric')::bigint)
      || CASE WHEN v_track = '' THEN '{}'::jsonb ELSE jsonb_build_object('track', v_track) END);
  END IF;
END $$;
