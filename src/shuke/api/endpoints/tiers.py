"""What members hold, track by track, and how it came to that; levels that are set by hand, and ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from ninja import Router

from shuke.api.contracts.tiers import (
    MemberTiers,
    TierChanges,
    TierChangesQuery,
    TierGrantEndIn,
    TierGrantIn,
    TierGrantOut,
)
from shuke.api.cursors import BY_TIME, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.api.endpoints.plans import covered_member
from shuke.checkout import words
from shuke.core.errors import IdempotencyConflict, InvalidInput, NotAllowed, NotFound
from shuke.core.values import Scope
from shuke.loyalty.errors import (
    BeyondOverrideLimit,
    GrantNotByHand,
    GrantOver,
    NoProgramme,
    UnknownGrant,
)
from shuke.loyalty.models import TierGrant
from shuke.loyalty.plans.levels import plan_of_grant
from shuke.loyalty.tier_grants import end_override, get_grant, override_tier
from shuke.loyalty.tier_history import TierStep, TrackHeld, held_tiers, list_tier_changes

MAIN_WORD = "main"

router = Router()


@endpoint(
    router,
    "GET",
    "/members/{member_id}/tiers",
    scope=Scope.MEMBERS_READ,
    answers={200: MemberTiers},
    tag="members",
    refusals=(NotFound,),
)
def member_tiers(call: Call, member_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read what a member holds on every track.

    The level held, what is earned beneath it, and the levels that were given and are alive.
    """
    covered_member(call, member_id)
    return 200, {"tracks": [_held(each) for each in held_tiers(member_id, call.now)]}


@endpoint(
    router,
    "GET",
    "/members/{member_id}/tier-changes",
    scope=Scope.MEMBERS_READ,
    query=TierChangesQuery,
    answers={200: TierChanges},
    tag="members",
    refusals=(NotFound, InvalidInput),
)
def tier_changes(call: Call, member_id: UUID, query: TierChangesQuery) -> tuple[int, dict[str, Any]]:
    """List the changes of a member's tiers, newest first.

    Each with its cause, the figure and the version that decided, and who gave or ended a level, and why.
    """
    covered_member(call, member_id)
    track = None if isinstance(query.track, msgspec.UnsetType) else query.track
    page = list_tier_changes(
        member_id,
        track="" if track == MAIN_WORD else track,
        cursor=checked_cursor(query.cursor, BY_TIME),
        limit=query.limit,
    )
    return 200, {"changes": [_step(each) for each in page.steps], "next_cursor": page.next_cursor}


@endpoint(
    router,
    "POST",
    "/members/{member_id}/tier-grants",
    scope=Scope.MEMBERS_WRITE,
    body=TierGrantIn,
    answers={201: TierGrantOut},
    tag="members",
    keyed="once",
    refusals=(NotFound, NoProgramme, InvalidInput, NotAllowed, BeyondOverrideLimit, IdempotencyConflict),
)
def set_tier(call: Call, member_id: UUID, body: TierGrantIn) -> tuple[int, dict[str, Any]]:
    """Set a level by hand.

    As high and for as long as the track's `overrides` of the programme let `api_key`. The level stands beside what is earned;
    the higher of the two is held.
    """
    covered_member(call, member_id)
    made = override_tier(
        actor=call.caller.as_actor(),
        member_id=member_id,
        track=body.track,
        level=body.level,
        until=body.until,
        reason=body.reason,
        now=call.now,
    )
    return 201, _grant(made)


@endpoint(
    router,
    "POST",
    "/tier-grants/{grant_id}/end",
    scope=Scope.MEMBERS_WRITE,
    body=TierGrantEndIn,
    answers={200: TierGrantOut},
    tag="members",
    keyed="once",
    refusals=(
        NotFound,
        NoProgramme,
        InvalidInput,
        NotAllowed,
        UnknownGrant,
        BeyondOverrideLimit,
        GrantNotByHand,
        GrantOver,
        IdempotencyConflict,
    ),
)
def end_tier(call: Call, grant_id: UUID, body: TierGrantEndIn) -> tuple[int, dict[str, Any]]:
    """End a level that was set by hand before its time.

    What is earned, or was given otherwise, is then held. What a plan or points gave ends with them.
    """
    covered_member(call, get_grant(grant_id).member_id)
    done = end_override(actor=call.caller.as_actor(), grant_id=grant_id, reason=body.reason, now=call.now)
    return 200, _grant(done)


def _held(each: TrackHeld) -> dict[str, Any]:
    earned = each.state.earned
    return {
        "track": each.tiers.code,
        "tier": each.state.tier,
        "since": each.state.since,
        "ends_at": each.state.ends_at,
        "earned": {"tier": earned.tier, "since": earned.since, "review_at": earned.review_at},
        "grants": [_grant(given) for given in each.grants],
    }


def _step(step: TierStep) -> dict[str, Any]:
    change = step.change
    return {
        **{
            name: getattr(change, name)
            for name in ("id", "track", "occurred_at", "from_tier", "to_tier", "cause", "metric", "review_at", "order_id")
        },
        "explanation": words.tier_step(change.cause, step.grant),
        "programme_version": step.version,
        "grant": _grant(step.grant) if step.grant else None,
    }  # fmt: skip


def _grant(row: TierGrant) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in TierGrantOut.__struct_fields__ if name != "plan"},
        "plan": plan_of_grant(row) or None,
    }
