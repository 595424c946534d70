"""The only writers of coupons beside a sale and its refund, one function per use case."""

from shuke.rewards.operations.codes import download_codes, generate_codes, order_codes, void_codes
from shuke.rewards.operations.expiry import announce_expiring, expire_coupons
from shuke.rewards.operations.holding import claim_code, pass_coupon, void_coupon
from shuke.rewards.operations.issuing import Issued, issue_coupons

__all__ = [
    "Issued",
    "announce_expiring",
    "claim_code",
    "download_codes",
    "expire_coupons",
    "generate_codes",
    "issue_coupons",
    "order_codes",
    "pass_coupon",
    "void_codes",
    "void_coupon",
]
