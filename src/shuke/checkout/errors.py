"""Refusals of the sale. Each says which input is at fault and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from shuke.catalog.errors import UnknownStore as UnknownStore
from shuke.checkout.values import PRODUCT_RESERVED, PricingRefusal
from shuke.core.errors import IdempotencyConflict as IdempotencyConflict
from shuke.core.errors import OutOfStoreScope
from shuke.kit.errors import ShukeError
from shuke.loyalty.errors import NoProgramme as NoProgramme
from shuke.loyalty.words import holder_names

StoreOutOfScope = OutOfStoreScope


class StoreClosed(ShukeError):
    code, status = "store_closed", 409
    message = _("The store %(code)s is closed. Reopen it before selling there.")


class UnknownChannel(ShukeError):
    code, status = "unknown_channel", 422
    message = _("There is no channel with the code %(code)s.")


class UnknownProduct(ShukeError):
    code, status = "unknown_product", 422
    message = _("There is no product with the SKU %(sku)s. Check the SKU or create the product first.")


class ProductInactive(ShukeError):
    code, status = "product_inactive", 409
    message = _("The product %(sku)s is no longer sold.")


class PriceMissing(ShukeError):
    code, status = "price_missing", 422
    message = _("The product %(sku)s has no list price: state unit_price_minor.")


class CurrencyMismatch(ShukeError):
    code, status = "currency_mismatch", 422
    message = _("The programme runs in %(expected)s, not in %(given)s.")


class UnknownMember(ShukeError):
    code, status = "member_not_found", 404
    message = _("No member has this identifier.")


class MemberNotActive(ShukeError):
    code, status = "member_not_active", 409
    message = _("This membership is not active: it cannot earn or spend.")


class EmptyCart(ShukeError):
    code, status = "empty_cart", 422
    message = _("A sale needs between one and %(most)s lines.")


class BadQuantity(ShukeError):
    code, status = "bad_quantity", 422
    message = _("The quantity must be above zero and at most 1,000,000, with up to three decimals.")


class AmountOutOfRange(ShukeError):
    code, status = "bad_amount", 422
    message = _("Amounts are whole minor units between 0 and 1,000,000,000,000,000.")


class AmountTooLarge(ShukeError):
    code, status = "amount_too_large", 422
    message = _("The sale adds up to more than the largest amount that can be kept.")


class DiscountExceedsPrice(ShukeError):
    code, status = "discount_exceeds_price", 422
    message = _("The discounts of this line (%(discount)s) are more than its price (%(price)s).")


class PointsNeedMember(ShukeError):
    code, status = "points_need_member", 422
    message = _("Identify the member before using %(asset)s.")
    told: ClassVar = {"asset": "points"}


class PointsNotAccepted(ShukeError):
    code, status = "points_not_accepted", 422
    message = _("The programme in force does not take %(asset)s as cash.")
    told: ClassVar = {"asset": "points"}


class NotEnoughPoints(ShukeError):
    code, status = "not_enough_points", 409
    message = _("The member can use %(usable)s %(asset)s; %(asked)s were asked for.")
    told: ClassVar = {"asset": "points"}


class UnknownTaxRate(ShukeError):
    code, status = "unknown_tax_rate", 422
    message = _("The programme in force has no such tax rate. Leave it out, or use one of its codes.")


class TenderNotAccepted(ShukeError):
    code, status = "tender_not_accepted", 422
    message = _("The programme in force does not take this tender.")


class StoredValueNeedsMember(ShukeError):
    code, status = "stored_value_needs_member", 422
    message = _("Identify the member before using stored value.")


class TenderTwice(ShukeError):
    code, status = "tender_twice", 422
    message = _("This tender is named twice. Name it once with the whole amount.")


class NotEnoughStoredValue(ShukeError):
    code, status = "not_enough_stored_value", 409
    message = _("The member can use %(usable)s of stored value (smallest coins); %(asked)s were asked for.")


class NotEnoughOnGiftCard(ShukeError):
    code, status = "not_enough_on_gift_card", 409
    message = _("The gift card holds %(usable)s (smallest coins); %(asked)s were asked for.")


class TenderOverLimit(ShukeError):
    code, status = "tender_over_limit", 409
    message = _(
        "This tender may pay at most %(most)s of this sale (smallest coins); %(asked)s were asked for."
    )


class BadGiftCardCode(ShukeError):
    code, status = "bad_gift_card_code", 422
    message = _("This is no gift card code: a letter is missing or wrong. Read it again.")


class UnknownGiftCard(ShukeError):
    code, status = "gift_card_not_found", 404
    message = _("There is no gift card with this code.")


class GiftCardNotActive(ShukeError):
    code, status = "gift_card_not_active", 409
    message = _("This gift card is not active: it was not sold yet, or it is blocked.")


class TooManyTenders(ShukeError):
    code, status = "too_many_tenders", 422
    message = _("A sale is paid with at most %(most)s tenders.")


class TendersExceed(ShukeError):
    code, status = "tenders_exceed", 422
    message = _("The tenders (%(tendered)s) are more than what is to be paid (%(payable)s).")


class TendersShort(ShukeError):
    code, status = "tenders_short", 422
    message = _("The tenders (%(tendered)s) are less than what is to be paid (%(payable)s).")


class StoredValueNotOffered(ShukeError):
    code, status = "stored_value_not_offered", 409
    message = _("The programme in force has no stored value.")


class TopUpOutOfRange(ShukeError):
    code, status = "top_up_out_of_range", 422
    message = _("A top-up is from %(least)s to %(most)s (smallest coins).")


class CardLimitExceeded(ShukeError):
    code, status = "card_limit_exceeded", 409
    message = _("This card may hold at most %(limit)s (smallest coins); it holds %(held)s.")


class CashNotAllowed(ShukeError):
    code, status = "cash_not_allowed", 409
    message = _(
        "Prepaid cards for %(limit)s or more (smallest coins) cannot be paid in cash: use a bank transfer."
    )


class BuyerRequired(ShukeError):
    code, status = "buyer_required", 409
    message = _("Gift cards for %(limit)s or more (smallest coins) need a named buyer: identify the member.")


class TopUpExists(ShukeError):
    code, status = "top_up_exists", 409
    message = _("The top-up %(number)s of %(system)s is already recorded.")


class NotReturnable(ShukeError):
    code, status = "not_returnable", 409
    message = _("The programme in force does not pay stored value back.")


class NothingToReturn(ShukeError):
    code, status = "nothing_to_return", 409
    message = _("There is no stored value to pay back.")


class GiftCardNotReturnable(ShukeError):
    code, status = "gift_card_not_returnable", 409
    message = _("The programme in force does not pay gift cards back.")


class GiftCardsNotOffered(ShukeError):
    code, status = "gift_cards_not_offered", 409
    message = _("The programme in force has no gift cards.")


class GiftCardOutOfRange(ShukeError):
    code, status = "gift_card_out_of_range", 422
    message = _("A gift card is from %(least)s to %(most)s (smallest coins).")


class GiftCardTermTooShort(ShukeError):
    code, status = "gift_card_term_too_short", 409
    message = _(
        "The law wants gift cards valid for at least %(least)s months; the programme says %(months)s."
    )


class TooManyGiftCards(ShukeError):
    code, status = "too_many_gift_cards", 422
    message = _("Between one and %(most)s gift cards can be handled at once.")


class GiftCardNotIssued(ShukeError):
    code, status = "gift_card_already_active", 409
    message = _("This gift card was activated before, or it is blocked.")


class BatchSize(ShukeError):
    code, status = "batch_size", 422
    message = _("A batch holds between one and %(most)s orders.")


class NumberMissing(ShukeError):
    code, status = "number_missing", 422
    message = _("An order sold offline needs its number: it tells a repeated upload from a second sale.")


class OfflineNotAllowed(ShukeError):
    code, status = "offline_allowance_off", 409
    message = _("The programme in force allows no spending offline.")


class AllowanceInvalid(ShukeError):
    code, status = "allowance_invalid", 422
    message = _("This offline allowance was not signed here, or it was changed.")


class AllowanceForeign(ShukeError):
    code, status = "allowance_foreign", 409
    message = _("This offline allowance is for another member, or the sale lies outside its time.")


class OrderExists(ShukeError):
    code, status = "order_exists", 409
    message = _(
        "The order %(number)s of %(system)s is already recorded. Send a new number, or read the stored order."
    )


class OrderNotFound(ShukeError):
    code, status = "order_not_found", 404
    message = _("There is no such order.")


class AlreadyRefunded(ShukeError):
    code, status = "already_refunded", 409
    message = _("This order is already refunded.")


class RefundedMeanwhile(ShukeError):
    code, status = "refunded_meanwhile", 409
    message = _("Something of this order was given back meanwhile. Look at it again.")


class PartlyRefunded(ShukeError):
    code, status = "partly_refunded", 409
    message = _("Some of this order was given back already: refund the rest instead.")


class VoidTooLate(ShukeError):
    code, status = "void_too_late", 409
    message = _("Only a sale of the same day can be voided; this one is of %(day)s. Refund it instead.")


class NotForDelivery(ShukeError):
    code, status = "not_for_delivery", 409
    message = _("The goods of this order were handed over at the sale: refund it instead.")


class AlreadyDelivered(ShukeError):
    code, status = "already_delivered", 409
    message = _("The goods of this order were handed over: refund it instead of cancelling.")


class UnknownReceipt(ShukeError):
    code, status = "unknown_receipt", 404
    message = _("No sale has this receipt code. Check the code on the receipt.")


class OrderHasMember(ShukeError):
    code, status = "order_has_member", 409
    message = _("This sale belongs to a member already.")


class ReceiptTooOld(ShukeError):
    code, status = "receipt_too_old", 409
    message = _("A sale can be attached within %(days)s days; this one is older.")


class UnknownRefund(ShukeError):
    code, status = "refund_not_found", 404
    message = _("There is no such refund.")


class WriteOffNotAllowed(ShukeError):
    code, status = "write_off_not_allowed", 409
    message = _("The programme does not write off what a refund leaves owed.")


class SecondPersonNeeded(ShukeError):
    code, status = "second_person_needed", 403
    message = _("Whoever made the refund cannot approve this: ask a second person.")


class RefundNeedsApproval(ShukeError):
    code, status = "refund_needs_approval", 403
    message = _("This goes beyond what a cashier gives back alone: somebody who may approve it has to sign.")


class NothingOwed(ShukeError):
    code, status = "nothing_owed", 409
    message = _("Nothing of this refund is owed any more.")


class UnknownOrderLine(ShukeError):
    code, status = "unknown_line", 422
    message = _("The order has no line %(line_no)s.")


class LineTwice(ShukeError):
    code, status = "line_twice", 422
    message = _("Line %(line_no)s is named twice: put its goods and its amount into one entry.")


class RefundAmbiguous(ShukeError):
    code, status = "refund_ambiguous", 422
    message = _("Name lines or one amount for the whole order, not both.")


class NothingToRefund(ShukeError):
    code, status = "nothing_to_refund", 422
    message = _("Say how many or how much of this line to refund.")


class RefundExceedsQuantity(ShukeError):
    code, status = "refund_exceeds_quantity", 422
    message = _("Of line %(line_no)s %(left)s can still be returned; %(asked)s were asked for.")


class RefundExceedsLine(ShukeError):
    code, status = "refund_exceeds_line", 422
    message = _("Of line %(line_no)s %(left)s minor units can still be refunded; %(asked)s were asked for.")


class RefundExceedsOrder(ShukeError):
    code, status = "refund_exceeds_order", 422
    message = _("Of this order %(left)s minor units can still be refunded; %(asked)s were asked for.")


class BadInstant(ShukeError):
    code, status = "bad_occurred_at", 422
    message = _(
        "The sale must not lie in the future, nor more than %(days)s × 24 hours back. Use the import for older sales."
    )


class TooManyCoupons(ShukeError):
    code, status = "too_many_coupons", 422
    message = _("A sale can name at most %(most)s coupons.")


class CouponNotUsable(ShukeError):
    """A coupon that the sale names gives nothing; `cause` is the stable reason of it (docs/concepts/coupons.md)."""

    code, status = "coupon_not_usable", 422
    message = _("The coupon %(coupon)s cannot be used here. %(reason)s")


class UnknownSimulation(ShukeError):
    code, status = "unknown_simulation", 404
    message = _("There is no such simulation.")


class SimulationNotOpen(ShukeError):
    code, status = "simulation_not_open", 409
    message = _("The simulation is over; there is nothing to cancel.")


class UnknownImpact(ShukeError):
    code, status = "unknown_impact", 404
    message = _("Nobody asked for this look at the members.")


class ImpactInterrupted(ShukeError):
    code, status = "impact_interrupted", 409
    message = _("Looking at the members was interrupted. Ask again: it begins anew.")


class ImpactNotCounted(ShukeError):
    """A large book is looked at by a job, and the draft is published by what that found."""

    code, status = "impact_not_counted", 409
    message = _(
        "The members were not looked at under this draft within the last hour. Wait until that is done."
    )


class ProductReserved(ShukeError):
    """Goods that only holders of some tiers and plans may buy; `holders` names them in words."""

    code, status = "product_reserved", 422
    message = _("%(sku)s is only for: %(holders)s.")


PRICING_REFUSALS: dict[str, type[ShukeError]] = {
    error.code: error
    for error in (
        AmountTooLarge,
        DiscountExceedsPrice,
        PointsNeedMember,
        PointsNotAccepted,
        NotEnoughPoints,
        UnknownTaxRate,
        TenderNotAccepted,
        StoredValueNeedsMember,
        TenderTwice,
        NotEnoughStoredValue,
        NotEnoughOnGiftCard,
        TenderOverLimit,
        TendersExceed,
        TendersShort,
        ProductReserved,
    )
}


def error_of(refusal: PricingRefusal, document: Mapping[str, Any]) -> ShukeError:
    """The error that tells a refusal of pricing, in the words of the programme that priced."""
    params = dict(refusal.params)
    if refusal.code == PRODUCT_RESERVED:
        params["holders"] = holder_names(document, str(params["holders"]))
    return PRICING_REFUSALS[refusal.code](field=refusal.field, **params)


REFUND_REFUSALS: dict[str, type[ShukeError]] = {
    error.code: error
    for error in (
        AlreadyRefunded,
        UnknownOrderLine,
        LineTwice,
        RefundAmbiguous,
        NothingToRefund,
        RefundExceedsQuantity,
        RefundExceedsLine,
        RefundExceedsOrder,
    )
}
