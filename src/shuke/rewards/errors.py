"""Refusals of coupons. The tills' precise reasons why a coupon gives nothing are those of pricing; these are the life's."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class CouponUnknown(ShukeError):
    """No piece of this id, or the caller may not know that there is."""

    code = "coupon_unknown"
    status = 404
    message = _("There is no such coupon.")


class CouponTemplateUnknown(ShukeError):
    """The programme in force has no template of this code."""

    code = "coupon_template_unknown"
    status = 404
    message = _("The programme in force has no coupon %(template)s.")


class CouponTemplateOver(ShukeError):
    """Its fixed days are over: whatever is issued now would be worthless."""

    code = "coupon_template_over"
    status = 409
    message = _("The coupon %(template)s is over: it can no longer be issued.")


class CouponsOutOfStock(ShukeError):
    """Fewer pieces are left than were asked for; none was issued."""

    code = "coupons_out_of_stock"
    status = 409
    message = _("Of the coupon %(template)s only %(left)s are left, and %(asked)s were asked for.")


class CouponNotOpen(ShukeError):
    """Used, lapsed or void: nothing can be done with it any more."""

    code = "coupon_not_open"
    status = 409
    message = _("This coupon cannot be changed any more: it is %(state)s.")


class CouponLapsed(ShukeError):
    """Its term has ended."""

    code = "coupon_lapsed"
    status = 409
    message = _("This coupon is no longer valid.")


class CouponNotTransferable(ShukeError):
    """The template does not allow it."""

    code = "coupon_not_transferable"
    status = 409
    message = _("This coupon cannot be passed on.")


class CouponPassedBefore(ShukeError):
    """A coupon is passed on once."""

    code = "coupon_passed_before"
    status = 409
    message = _("This coupon was passed on before. That can be done once.")


class CouponPassedToSelf(ShukeError):
    """The receiver is the holder."""

    code = "coupon_passed_to_self"
    status = 422
    message = _("Choose another member: this one has the coupon already.")


class CouponHasNoHolder(ShukeError):
    """A bearer's code belongs to nobody, so nobody passes it on."""

    code = "coupon_has_no_holder"
    status = 409
    message = _("This coupon belongs to no member yet.")


class CouponHolderUnknown(ShukeError):
    """The member does not exist."""

    code = "coupon_holder_unknown"
    status = 404
    message = _("There is no such member.")


class CouponHolderNotActive(ShukeError):
    """A frozen or closed membership gets no coupons."""

    code = "coupon_holder_not_active"
    status = 409
    message = _("This membership is not active: it cannot hold coupons.")


class CouponCodeUnknown(ShukeError):
    """No coupon has this code; or it was mistyped."""

    code = "coupon_code_unknown"
    status = 404
    message = _("There is no coupon with this code. Check what was typed.")


class CouponCodeTaken(ShukeError):
    """Somebody has claimed or used it."""

    code = "coupon_code_taken"
    status = 409
    message = _("This code was used before.")


class CouponCodeOver(ShukeError):
    """Its days are over, or it was called back."""

    code = "coupon_code_over"
    status = 409
    message = _("This code is no longer valid.")


class CouponClaimLimit(ShukeError):
    """The member has claimed as many as one member may."""

    code = "coupon_claim_limit"
    status = 409
    message = _("This member has already claimed as many of these coupons as allowed: %(most)s.")


class CodeJobUnknown(ShukeError):
    """No order for codes of this id."""

    code = "code_job_unknown"
    status = 404
    message = _("There is no such order for codes.")


class CodeCountOutOfRange(ShukeError):
    """Too few or too many codes in one job."""

    code = "code_count_out_of_range"
    status = 422
    message = _("Order between 1 and %(most)s codes at a time.")


class CodeJobEnded(ShukeError):
    """The job was voided or its codes have lapsed."""

    code = "code_job_ended"
    status = 409
    message = _("These codes were called back or have lapsed.")


class CodesNotReady(ShukeError):
    """The job is still making them."""

    code = "codes_not_ready"
    status = 409
    message = _("The codes are still being made: %(made)s of %(count)s. Ask again in a moment.")


class TooManyHolders(ShukeError):
    """Too many members in one call."""

    code = "too_many_holders"
    status = 422
    message = _("Name between 1 and %(most)s members at a time.")
