"""The names of acts and of what they were done to, as people read them; an act that is not listed shows its code."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

ACTIONS: dict[str, str | Promise] = {
    "catalog.change_channel": pgettext_lazy("audit", "Channel renamed"),
    "catalog.change_product": pgettext_lazy("audit", "Product changed"),
    "catalog.change_store": pgettext_lazy("audit", "Store changed"),
    "catalog.create_channel": pgettext_lazy("audit", "Channel added"),
    "catalog.create_product": pgettext_lazy("audit", "Product added"),
    "catalog.create_store": pgettext_lazy("audit", "Store added"),
    "catalog.put_products_in_bulk": pgettext_lazy("audit", "Products brought up to date"),
    "catalog.put_stores_in_bulk": pgettext_lazy("audit", "Stores brought up to date"),
    "checkout.allowance_issued.v1": pgettext_lazy("audit", "Offline allowance given"),
    "checkout.debt_written_off.v1": pgettext_lazy("audit", "Owed points written off"),
    "checkout.gift_card_blocked.v1": pgettext_lazy("audit", "Gift card blocked"),
    "checkout.gift_card_returned.v1": pgettext_lazy("audit", "Gift card paid back"),
    "checkout.gift_card_unblocked.v1": pgettext_lazy("audit", "Gift card unblocked"),
    "checkout.gift_cards_activated.v1": pgettext_lazy("audit", "Gift cards sold"),
    "checkout.gift_cards_issued.v1": pgettext_lazy("audit", "Gift cards made"),
    "checkout.impact_asked.v1": pgettext_lazy("audit", "Look at all members under a draft asked for"),
    "checkout.order_attached.v1": pgettext_lazy("audit", "Sale given to a member by its receipt"),
    "checkout.order_cancelled.v1": pgettext_lazy("audit", "Order cancelled"),
    "checkout.order_committed.v1": pgettext_lazy("audit", "Order committed"),
    "checkout.order_delivered.v1": pgettext_lazy("audit", "Goods handed over"),
    "checkout.order_exchanged.v1": pgettext_lazy("audit", "Goods exchanged"),
    "checkout.order_refunded.v1": pgettext_lazy("audit", "Order refunded"),
    "checkout.order_voided.v1": pgettext_lazy("audit", "Sale voided"),
    "checkout.orders_imported.v1": pgettext_lazy("audit", "Orders imported"),
    "checkout.refund_approved.v1": pgettext_lazy("audit", "Refund approved for a colleague"),
    "checkout.simulation_asked.v1": pgettext_lazy("audit", "Simulation of a draft asked for"),
    "checkout.simulation_cancelled.v1": pgettext_lazy("audit", "Simulation of a draft cancelled"),
    "checkout.stored_value_returned.v1": pgettext_lazy("audit", "Stored value paid back"),
    "checkout.stored_value_topped_up.v1": pgettext_lazy("audit", "Stored value topped up"),
    "core.api_key_created.v1": pgettext_lazy("audit", "API key created"),
    "core.api_key_revoked.v1": pgettext_lazy("audit", "API key revoked"),
    "core.audit_verified.v1": pgettext_lazy("audit", "Audit log proved"),
    "core.login_failed.v1": pgettext_lazy("audit", "Sign-in failed"),
    "core.login_locked_out.v1": pgettext_lazy("audit", "Sign-in paused after wrong passwords"),
    "core.staff_changed.v1": pgettext_lazy("audit", "Account changed"),
    "core.staff_created.v1": pgettext_lazy("audit", "Account created"),
    "core.staff_deactivated.v1": pgettext_lazy("audit", "Account ended"),
    "core.staff_logged_in.v1": pgettext_lazy("audit", "Signed in"),
    "core.staff_logged_out.v1": pgettext_lazy("audit", "Signed out"),
    "core.staff_password_set.v1": pgettext_lazy("audit", "Password set"),
    "core.staff_reactivated.v1": pgettext_lazy("audit", "Account active again"),
    "core.staff_unlocked.v1": pgettext_lazy("audit", "Sign-in unlocked"),
    "demo.loaded": pgettext_lazy("audit", "Demo loaded"),
    "demo.sample_day_played": pgettext_lazy("audit", "Sample day of the demo played"),
    "demo.started": pgettext_lazy("audit", "Loading of the demo begun"),
    "integrations.import_chunk": pgettext_lazy("audit", "Part of an import"),
    "integrations.import_finished.v1": pgettext_lazy("audit", "Import finished"),
    "ledger.adjustment_rejected.v1": pgettext_lazy("audit", "Adjustment refused"),
    "ledger.adjustment_requested.v1": pgettext_lazy("audit", "Adjustment asked for"),
    "ledger.hold_captured.v1": pgettext_lazy("audit", "Held points spent"),
    "ledger.hold_released.v1": pgettext_lazy("audit", "Held points let go"),
    "ledger.points_activated.v1": pgettext_lazy("audit", "Waiting points made usable"),
    "ledger.points_adjusted.v1": pgettext_lazy("audit", "Points adjusted by hand"),
    "ledger.points_given.v1": pgettext_lazy("audit", "Points given to another member"),
    "ledger.points_held.v1": pgettext_lazy("audit", "Points held"),
    "loyalty.accrued.v1": pgettext_lazy("audit", "Points given for an act"),
    "loyalty.entitlement_use_undone.v1": pgettext_lazy("audit", "Benefit taken back"),
    "loyalty.entitlement_used.v1": pgettext_lazy("audit", "Benefit handed out"),
    "loyalty.plan_auto_renew_cancelled.v1": pgettext_lazy("audit", "Automatic renewal ended"),
    "loyalty.plan_auto_renew_started.v1": pgettext_lazy("audit", "Automatic renewal begun"),
    "loyalty.plan_bought.v1": pgettext_lazy("audit", "Paid plan sold"),
    "loyalty.plan_charge_failed.v1": pgettext_lazy("audit", "Renewal charge failed"),
    "loyalty.plan_ended.v1": pgettext_lazy("audit", "Paid plan ended"),
    "loyalty.plan_gift_codes_read.v1": pgettext_lazy("audit", "Plan gift codes downloaded"),
    "loyalty.plan_gift_issued.v1": pgettext_lazy("audit", "Plan gift sold"),
    "loyalty.plan_gift_redeemed.v1": pgettext_lazy("audit", "Plan gift redeemed"),
    "loyalty.plan_gift_taken_back.v1": pgettext_lazy("audit", "Plan gift taken back"),
    "loyalty.plan_gifts_ordered.v1": pgettext_lazy("audit", "Plan gifts ordered"),
    "loyalty.plan_gifts_taken_back.v1": pgettext_lazy("audit", "Plan gifts taken back"),
    "loyalty.plan_refunded.v1": pgettext_lazy("audit", "Paid plan refunded"),
    "loyalty.plan_renewal_given_up.v1": pgettext_lazy("audit", "Renewal given up"),
    "loyalty.plan_renewed.v1": pgettext_lazy("audit", "Paid plan renewed"),
    "loyalty.plan_trial_started.v1": pgettext_lazy("audit", "Trial of a paid plan begun"),
    "loyalty.plan_upgraded.v1": pgettext_lazy("audit", "Paid plan upgraded"),
    "loyalty.programme_cancelled.v1": pgettext_lazy("audit", "Programme version cancelled"),
    "loyalty.programme_published.v1": pgettext_lazy("audit", "Programme published"),
    "loyalty.tier_overridden.v1": pgettext_lazy("audit", "Tier set by hand"),
    "loyalty.tier_override_ended.v1": pgettext_lazy("audit", "Tier set by hand ended"),
    "members.add_identifier": pgettext_lazy("audit", "Identifier added"),
    "members.change_status": pgettext_lazy("audit", "Member's status changed"),
    "members.define_attribute": pgettext_lazy("audit", "Member attribute defined"),
    "members.read_personal": pgettext_lazy("audit", "Personal data read"),
    "members.register_member": pgettext_lazy("audit", "Member registered"),
    "members.register_members_in_bulk": pgettext_lazy("audit", "Members registered in bulk"),
    "members.remove_identifier": pgettext_lazy("audit", "Identifier removed"),
    "members.set_attributes": pgettext_lazy("audit", "Member's attributes set"),
    "members.set_tags": pgettext_lazy("audit", "Member's tags set"),
    "members.unmask_profile": pgettext_lazy("audit", "Personal data unmasked"),
    "members.update_member": pgettext_lazy("audit", "Member's profile changed"),
    "rewards.codes_downloaded.v1": pgettext_lazy("audit", "Coupon codes downloaded"),
    "rewards.codes_ordered.v1": pgettext_lazy("audit", "Coupon codes ordered"),
    "rewards.codes_voided.v1": pgettext_lazy("audit", "Coupon codes called back"),
    "rewards.coupon_claimed.v1": pgettext_lazy("audit", "Coupon claimed by its code"),
    "rewards.coupon_issued.v1": pgettext_lazy("audit", "Coupons handed out"),
    "rewards.coupon_passed.v1": pgettext_lazy("audit", "Coupon passed on"),
    "rewards.coupon_voided.v1": pgettext_lazy("audit", "Coupon called back"),
    "rewards.redemption_cancelled.v1": pgettext_lazy("audit", "Redemption cancelled"),
    "rewards.reward_handed_over.v1": pgettext_lazy("audit", "Reward handed over"),
    "rewards.reward_ready.v1": pgettext_lazy("audit", "Reward ready"),
    "rewards.reward_redeemed.v1": pgettext_lazy("audit", "Reward redeemed"),
}

OBJECTS: dict[str, str | Promise] = {
    "api_key": pgettext_lazy("audit", "API key"),
    "attribute": pgettext_lazy("audit", "Member attribute"),
    "audit": pgettext_lazy("audit", "Audit log"),
    "channel": pgettext_lazy("audit", "Channel"),
    "coupon": pgettext_lazy("audit", "Coupon"),
    "coupon_codes": pgettext_lazy("audit", "Coupon codes"),
    "coupon_template": pgettext_lazy("audit", "Coupon template"),
    "demo": pgettext_lazy("audit", "Demo data"),
    "gift_card": pgettext_lazy("audit", "Gift card"),
    "gift_cards": pgettext_lazy("audit", "Gift cards, several at once"),
    "impact": pgettext_lazy("audit", "Look at all members under a draft"),
    "import_run": pgettext_lazy("audit", "Import"),
    "member": pgettext_lazy("audit", "Member"),
    "order": pgettext_lazy("audit", "Order"),
    "plan_gift_order": pgettext_lazy("audit", "Order of plan gifts"),
    "product": pgettext_lazy("audit", "Product"),
    "programme_version": pgettext_lazy("audit", "Programme version"),
    "redemption": pgettext_lazy("audit", "Redemption"),
    "simulation": pgettext_lazy("audit", "Simulation"),
    "staff": pgettext_lazy("audit", "Staff account"),
    "store": pgettext_lazy("audit", "Store"),
}

ACTORS: dict[str, str | Promise] = {
    "staff": pgettext_lazy("audit", "Staff"),
    "key": pgettext_lazy("audit", "API key"),
    "system": pgettext_lazy("audit", "System"),
}


def action_name(action: str) -> str:
    """What was done, in the active language."""
    return str(ACTIONS.get(action, action))


def object_name(object_type: str) -> str:
    """What kind of thing it was done to."""
    return str(OBJECTS.get(object_type, object_type))


def actor_kind_name(kind: str) -> str:
    """Who acts: staff, an API key, the system itself."""
    return str(ACTORS.get(kind, kind))
