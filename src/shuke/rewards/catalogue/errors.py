"""Refusals of the reward catalogue."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from shuke.kit.errors import ShukeError


class UnknownReward(ShukeError):
    code = "unknown_reward"
    status = 404
    message = _("The programme in force offers no such reward.")


class RewardClosed(ShukeError):
    code = "reward_closed"
    status = 409
    message = _("This reward cannot be had at this time.")


class RewardNotForTier(ShukeError):
    code = "reward_not_for_tier"
    status = 403
    message = _("This reward is for members of other tiers.")


class RewardNotHere(ShukeError):
    code = "reward_not_here"
    status = 409
    message = _("This reward cannot be picked up at this store. Choose another.")


class PickUpStoreMissing(ShukeError):
    code = "pick_up_store_missing"
    status = 422
    message = _("Say at which store it will be picked up.")


class OutOfStock(ShukeError):
    code = "out_of_stock"
    status = 409
    message = _("Only %(left)d of this reward are left.")


class BeyondMemberLimit(ShukeError):
    code = "beyond_member_limit"
    status = 409
    message = _("A member may have %(limit)d of this reward; %(had)d are taken already.")


class BadQuantity(ShukeError):
    code = "bad_reward_quantity"
    status = 422
    message = _("Choose from 1 to %(most)d pieces.")


class TenderMissing(ShukeError):
    code = "tender_missing"
    status = 422
    message = _("This reward costs money, too: say how it was paid.")


class PriceChanged(ShukeError):
    """The caller named what it expects to pay, and it is another price by now."""

    code = "reward_price_changed"
    status = 409
    message = _("The price is now %(points)d %(asset)s and %(cash_minor)d in the smallest coin.")
    told: ClassVar = {"asset": "points"}


class UnknownRedemption(ShukeError):
    code = "unknown_redemption"
    status = 404
    message = _("There is no such redemption.")


class RedemptionEnded(ShukeError):
    code = "redemption_ended"
    status = 409
    message = _("This redemption is no longer open: it was handed over, cancelled, or not collected in time.")


class NotCancellable(ShukeError):
    code = "redemption_not_cancellable"
    status = 409
    message = _("What this redemption gave is used already, or cannot be taken back.")


class WrongPickUpStore(ShukeError):
    code = "wrong_pick_up_store"
    status = 409
    message = _("It waits at another store: %(store)s.")


class BadPickUpCode(ShukeError):
    code = "bad_pick_up_code"
    status = 422
    message = _("This is no pick-up code. Look at it again: it has eight letters and digits.")
