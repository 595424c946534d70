"""Tables of the room: the reward catalogue's stand beside its code."""

from shuke.rewards.catalogue.models import Redemption, RedemptionStep, RewardStock

__all__ = ["Redemption", "RedemptionStep", "RewardStock"]
