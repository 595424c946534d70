-- Refunds of before were of whole orders: give each its figures, its lines and its tender.
UPDATE checkout_refund r SET sales_minor = o.sales_minor, points_minor = o.points_minor, qualifying_minor = o.qualifying_minor,
  points_owed = r.debt_created
FROM checkout_order o WHERE o.id = r.order_id;

UPDATE checkout_order o SET refunded_sales_minor = o.sales_minor, refunded_qualifying_minor = o.qualifying_minor,
  refunded_growth = o.growth_earned
WHERE o.status = 'refunded';

INSERT INTO checkout_refundtender (refund_id, tender_seq, kind, amount_minor)
SELECT id, 0, 'money', payable_minor FROM checkout_refund WHERE payable_minor > 0;

-- Shares of a whole are split by largest remainder, ties to the earlier line, as the planner does.
WITH parts AS (
  SELECT r.id AS refund_id, l.*, r.points_returned AS all_points, r.points_clawed_back AS all_earned,
    o.qualifying_minor AS all_qualifying, o.points_minor AS all_points_minor,
    CASE WHEN o.qualifying_minor > o.payable_minor THEN l.payable_minor + l.points_minor ELSE l.payable_minor END AS weight,
    r.growth_clawed_back AS all_growth, o.points_earned AS order_earned, o.growth_earned AS order_growth
  FROM checkout_refund r JOIN checkout_order o ON o.id = r.order_id JOIN checkout_orderline l ON l.order_id = o.id
), floors AS (
  SELECT p.*,
    coalesce(div(all_points::numeric * points_minor, nullif(all_points_minor, 0)), 0) AS points_floor,
    coalesce(mod(all_points::numeric * points_minor, nullif(all_points_minor, 0)), 0) AS points_rest
  FROM parts p
), ranked AS (
  SELECT f.*, all_points - sum(points_floor) OVER (PARTITION BY refund_id) AS points_left,
    row_number() OVER (PARTITION BY refund_id ORDER BY points_rest DESC, line_no) AS place
  FROM floors f
)
INSERT INTO checkout_refundline (refund_id, line_no, order_id, member_id, basis, quantity, sales_minor, points_minor,
  payable_minor, qualifying_minor, points_returned, points_clawed_back, growth_clawed_back)
SELECT refund_id, line_no, order_id, member_id, 'goods', quantity, payable_minor + points_minor, points_minor, payable_minor,
  weight, points_floor + (place <= points_left AND all_points_minor > 0)::int,
  CASE WHEN all_earned = order_earned THEN points_earned ELSE 0 END,
  CASE WHEN all_growth = order_growth THEN growth_earned ELSE 0 END
FROM ranked;
