"""Refusals around paid plans and entitlements."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class UnknownPlan(ShukeError):
    code, status = "plan_not_found", 404
    message = _("There is no plan “%(plan)s” in the programme.")


class PlanNotOnSale(ShukeError):
    code, status = "plan_not_on_sale", 409
    message = _("The plan “%(plan)s” is not on sale now.")


class PlanHeld(ShukeError):
    code, status = "plan_held", 409
    message = _("The member has this plan until %(until)s. Renew it instead.")


class PlanNotHeld(ShukeError):
    code, status = "plan_not_held", 409
    message = _("The member does not have this plan now.")


class PlanLimitReached(ShukeError):
    code, status = "plan_limit_reached", 409
    message = _("A member can have this plan at most %(most)s times.")


class PlanSoldOut(ShukeError):
    code, status = "plan_sold_out", 409
    message = _("All %(most)s places of this plan are taken.")


class NoTrial(ShukeError):
    code, status = "plan_without_trial", 409
    message = _("This plan has no trial.")


class TrialUsed(ShukeError):
    code, status = "plan_trial_used", 409
    message = _("A trial is for those who never had the plan.")


class RenewalNotOffered(ShukeError):
    code, status = "plan_renewal_not_offered", 409
    message = _("This plan is not renewed by hand.")


class RenewalTooEarly(ShukeError):
    code, status = "plan_renewal_too_early", 409
    message = _("This plan can be renewed from %(days)s days before its end.")


class AutoRenewNotOffered(ShukeError):
    code, status = "plan_auto_renew_not_offered", 409
    message = _("This plan does not renew itself.")


class NotAnUpgrade(ShukeError):
    code, status = "plan_not_an_upgrade", 409
    message = _("The plan “%(plan)s” cannot be upgraded to “%(target)s”.")


class BadPlanCode(ShukeError):
    code, status = "bad_plan_code", 422
    message = _("This is no plan code. Check it for typing errors.")


class UnknownPlanCode(ShukeError):
    code, status = "plan_code_not_found", 404
    message = _("There is no plan with this code.")


class PlanCodeUsed(ShukeError):
    code, status = "plan_code_used", 409
    message = _("This code was redeemed or taken back before.")


class PlanCodeExpired(ShukeError):
    code, status = "plan_code_expired", 409
    message = _("This code could be redeemed until %(until)s.")


class PlanSaleExists(ShukeError):
    code, status = "plan_sale_exists", 409
    message = _("The system “%(system)s” has recorded the plan sale %(number)s before.")


class UnknownGiftOrder(ShukeError):
    code, status = "plan_gift_order_unknown", 404
    message = _("There is no such order of gift codes.")


class GiftOrderNotReady(ShukeError):
    code, status = "plan_gift_order_not_ready", 409
    message = _("The codes are still being made: %(made)s of %(count)s.")


class GiftOrderEnded(ShukeError):
    code, status = "plan_gift_order_ended", 409
    message = _("These codes were paid back; they are void.")


class PlanRefundChanged(ShukeError):
    code, status = "plan_refund_changed", 409
    message = _("The refund is another by now: %(refund)s minor units. Ask for a new quote.")


class PlanUpgradeChanged(ShukeError):
    code, status = "plan_upgrade_changed", 409
    message = _("The upgrade costs something else by now: %(due)s minor units. Ask for a new quote.")


class NothingPaid(ShukeError):
    code, status = "plan_nothing_paid", 409
    message = _("Nothing was paid for what is left of this plan.")


class UnknownCharge(ShukeError):
    code, status = "plan_charge_not_found", 404
    message = _("There is no charge with this reference.")


class UnknownEntitlement(ShukeError):
    code, status = "entitlement_not_held", 409
    message = _("The member is not entitled to this now.")


class EntitlementUsedUp(ShukeError):
    code, status = "entitlement_used_up", 409
    message = _("All %(quota)s of this period are used.")


class EntitlementNotHere(ShukeError):
    code, status = "entitlement_not_here", 409
    message = _("This is not given at the store %(store)s.")


class EntitlementOutOfStock(ShukeError):
    code, status = "entitlement_out_of_stock", 409
    message = _("All %(stock)s pieces have been given out.")


class UnknownUse(ShukeError):
    code, status = "entitlement_use_not_found", 404
    message = _("There is no such use.")


class UseUndone(ShukeError):
    code, status = "entitlement_use_undone", 409
    message = _("This use was taken back before.")
