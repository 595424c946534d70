-- What the rules of some programmes ask beyond the plain facts of a sale. Read after them: a rival who sells to the member
-- in between has moved the book, and the sale is priced again.
CREATE OR REPLACE FUNCTION checkout_earning_facts(p_member uuid, p_at timestamptz, p_day date, p_month date, p_rules text[],
  p_since date, p_budgets text[], p_periods date[], p_skus text[])
RETURNS TABLE (joined_at timestamptz, tags text[], groups jsonb, used jsonb, drawn jsonb, is_first boolean, brands jsonb)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  RETURN QUERY
  SELECT f.joined_at, f.tags, f.groups, f.used, f.drawn,
    NOT EXISTS (SELECT 1 FROM checkout_order o WHERE o.member_id = p_member AND o.occurred_at <= p_at),
    (SELECT jsonb_object_agg(p.sku, p.brand) FROM catalog_product p WHERE p.sku = ANY(p_skus))
  FROM loyalty_rule_facts(p_member, p_at, p_day, p_month, p_rules, p_since, p_budgets, p_periods) AS f;
END $$;
