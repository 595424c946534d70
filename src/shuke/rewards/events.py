"""Past-tense facts of coupons. Those of sales and refunds are published by the functions of `sql/coupon_functions.sql`."""

from __future__ import annotations

ISSUED = "rewards.coupon_issued.v1"
CLAIMED = "rewards.coupon_claimed.v1"
PASSED = "rewards.coupon_passed.v1"
RECEIVED = "rewards.coupon_received.v1"
VOIDED = "rewards.coupon_voided.v1"
USED = "rewards.coupon_used.v1"
RESTORED = "rewards.coupon_restored.v1"
EXPIRED = "rewards.coupon_expired.v1"
EXPIRING = "rewards.coupon_expiring.v1"
ALARM = "rewards.budget_alarm.v1"
CODES_ORDERED = "rewards.codes_ordered.v1"
CODES_MADE = "rewards.codes_made.v1"
CODES_VOIDED = "rewards.codes_voided.v1"
CODES_READ = "rewards.codes_downloaded.v1"
