"""Steps of the reward catalogue: redeem, make ready, hand over, cancel, and what nobody collects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from shuke.catalog.models import Store
from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import Act, figures_of, step
from shuke.integrations.scenarios.world import World
from shuke.loyalty.readers import Key, whole
from shuke.loyalty.redemptions import cancel_redemption, redeem_reward
from shuke.rewards.catalogue.models import Redemption
from shuke.rewards.catalogue.operations import hand_over, lapse_uncollected, mark_ready

_REDEMPTION = Key(words.thing("redemption"), required=True)


@step(
    "redeem_reward",
    {
        "member": Key(words.thing("member"), required=True),
        "reward": Key(words.thing("reward"), required=True),
        "quantity": Key(whole(0, 1000), default=1),
        "store": Key(words.thing("store"), default="S1"),
        "pick_up_store": Key(words.thing("store"), default=""),
        "tender": Key(words.name, default="wechat"),
    },
    makes="redemption",
)
def redeem(act: Act) -> Mapping[str, Any]:
    """Exchange points, and perhaps money, for a reward of the catalogue."""
    made = redeem_reward(
        actor=act.actor,
        member_id=act.ref("member", "member"),
        reward=act.given["reward"],
        quantity=act.given["quantity"],
        store=act.given["store"],
        pick_up_store=act.given["pick_up_store"],
        tender=act.given["tender"],
        now=act.now,
    )
    return _told(made)


@step(
    "ready_reward",
    words.short_or("redemption", {"redemption": _REDEMPTION, "tracking": Key(words.words, default="")}),
)
def ready(act: Act) -> Mapping[str, Any]:
    """Say that the goods lie at the counter, or are on their way."""
    return _told(
        mark_ready(
            actor=act.actor,
            redemption_id=act.ref("redemption", "redemption"),
            tracking=act.given["tracking"],
            now=act.now,
        )
    )


@step(
    "hand_over_reward",
    words.short_or("redemption", {"redemption": _REDEMPTION, "store": Key(words.thing("store"))}),
)
def give_it(act: Act) -> Mapping[str, Any]:
    """Hand it over to the member."""
    store = Store.objects.filter(code=act.given["store"]).first() if "store" in act.given else None
    return _told(
        hand_over(
            actor=act.actor, redemption_id=act.ref("redemption", "redemption"), store=store, now=act.now
        )
    )


@step(
    "cancel_reward",
    words.short_or("redemption", {"redemption": _REDEMPTION, "reason": Key(words.words, default="scenario")}),
)
def undo(act: Act) -> Mapping[str, Any]:
    """Undo a redemption: its points go back to their own lots."""
    return _told(
        cancel_redemption(
            actor=act.actor,
            redemption_id=act.ref("redemption", "redemption"),
            reason=act.given["reason"],
            now=act.now,
        )
    )


@step("lapse_rewards", {})
def lapse(act: Act) -> Mapping[str, Any]:
    """The job that ends what nobody collected."""
    ended = 0
    while found := lapse_uncollected(now=act.now):
        ended += found
    return {"ended": ended}


@figures_of("redemption")
def redemption_figures(world: World, redemption_id: UUID, now: datetime) -> Figures:
    """A redemption as it stands."""
    return Figures.of(_told(Redemption.objects.get(id=redemption_id)))


def _told(each: Redemption) -> dict[str, Any]:
    return {
        "id": each.id,
        "reward": each.reward,
        "status": each.status,
        "quantity": each.quantity,
        "points": each.points,
        "cash_minor": each.cash_minor,
        "collect_by": each.collect_by,
    }
