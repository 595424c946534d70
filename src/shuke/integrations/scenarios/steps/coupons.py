"""Steps of coupons besides the sale: hand out, claim, pass on, call back, unique codes, what lapses; and what became of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shuke.integrations.scenarios import words
from shuke.integrations.scenarios.compare import Figures
from shuke.integrations.scenarios.registry import Act, figures_of, step
from shuke.integrations.scenarios.values import StepMistake
from shuke.integrations.scenarios.world import World
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.readers import Key, whole
from shuke.rewards import queries
from shuke.rewards.models import Coupon
from shuke.rewards.operations import (
    claim_code,
    expire_coupons,
    generate_codes,
    issue_coupons,
    order_codes,
    pass_coupon,
    void_coupon,
)
from shuke.rewards.queries import code_at, get_code_job, get_coupon, list_coupons
from shuke.rewards.values import CouponTemplate

_NAME = Key(words.name, required=True)
_MEMBER = Key(words.thing("member"), required=True)
_PIECE = Key(words.thing("coupon"), required=True)
_TEMPLATE = Key(words.thing("coupon template"), required=True)
_PLACE = re.compile(r"(.+)/([0-9]{1,7})", re.ASCII)


class CouponFigures(Figures):
    """A piece: whatever else it tells, its state says what it is."""

    main_figures = ("state",)


def coupon_named(world: World, text: str) -> str:
    """A coupon as a till names it: a piece by the scenario's name, a unique code as `codes/1`, else as it is written."""
    if world.things.get(text, ("",))[0] == "coupon":
        return str(world.ref(text, "coupon"))
    place = _PLACE.fullmatch(text)
    if place and world.things.get(place[1], ("",))[0] == "codes":
        return code_at(get_code_job(world.ref(place[1], "codes")), int(place[2]) - 1)
    return text


@step(
    "issue_coupon",
    {"member": _MEMBER, "coupon": _TEMPLATE, "count": Key(whole(1, 20), default=1)},
    makes="coupon",
)
def issue(act: Act) -> Mapping[str, Any]:
    """Hand out a coupon to a member; `as` names the piece (of several, the first)."""
    in_force, template = _template(act)
    issued = issue_coupons(
        actor=act.actor,
        template=template,
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        member_ids=[act.ref("member", "member")],
        source="manual",
        reference=act.digest.hex()[:32] + act.now.isoformat(),
        now=act.now,
        count=act.given["count"],
    )
    ids = [coupon_id for coupon_id, _member in issued.coupons]
    return {"id": ids[0] if ids else None, "ids": ids, "known": issued.known, "left_out": issued.left_out}


@step("claim_coupon", {"member": _MEMBER, "code": _NAME}, makes="coupon")
def claim(act: Act) -> Mapping[str, Any]:
    """A member types in a code and holds a piece from then on."""
    in_force = _in_force(act)
    return _told(
        claim_code(
            actor=act.actor,
            member_id=act.ref("member", "member"),
            code=coupon_named(act.world, act.given["code"]),
            templates=in_force.programme.coupons,
            version_id=in_force.version_id,
            zone=in_force.programme.zone,
            now=act.now,
        ),
        act.world,
    )


@step("pass_coupon", {"coupon": _PIECE, "to": _MEMBER})
def hand_on(act: Act) -> Mapping[str, Any]:
    """A member gives a coupon to a friend."""
    coupon_id = act.ref("coupon", "coupon")
    template = _in_force(act).programme.coupons.get(get_coupon(coupon_id).template)
    made = pass_coupon(
        actor=act.actor,
        coupon_id=coupon_id,
        receiver_id=act.ref("to", "member"),
        template=template,
        now=act.now,
    )
    return _told(made, act.world)


@step(
    "void_coupon",
    words.short_or("coupon", {"coupon": _PIECE, "reason": Key(words.words, default="scenario")}),
)
def call_back(act: Act) -> Mapping[str, Any]:
    """Call a piece back."""
    made = void_coupon(
        actor=act.actor, coupon_id=act.ref("coupon", "coupon"), reason=act.given["reason"], now=act.now
    )
    return _told(made, act.world)


@step("make_codes", {"coupon": _TEMPLATE, "count": Key(whole(1, 1000), default=1)}, makes="codes")
def make_codes(act: Act) -> Mapping[str, Any]:
    """Unique codes of a template; with `as: flyer` the first one is `flyer/1`."""
    in_force, template = _template(act)
    job = order_codes(
        actor=act.actor,
        template=template,
        version_id=in_force.version_id,
        zone=in_force.programme.zone,
        count=act.given["count"],
        note="",
        now=act.now,
    )
    while generate_codes(job_id=job.id, now=act.now):
        pass
    return {"id": job.id, "count": act.given["count"]}


@step("expire_coupons", {})
def expire(act: Act) -> Mapping[str, Any]:
    """The job that ends what has lapsed."""
    ended = 0
    while found := expire_coupons(now=act.now):
        ended += found
    return {"ended": ended}


@step("count_coupons", words.short_or("coupon", {"coupon": _TEMPLATE}))
def count(act: Act) -> Mapping[str, Any]:
    """The figures of a template: issued, held, used, expired, void, free codes, and the money given."""
    code = act.given["coupon"]
    found = queries.figures_of([code]).get(code)
    if found is None:
        return {"issued": 0, "held": 0, "used": 0, "expired": 0, "void": 0, "free": 0, "given_minor": 0}
    return {**asdict(found), "free": found.free}


@figures_of("coupon")
def coupon_figures(world: World, coupon_id: UUID, now: datetime) -> Figures:
    """A piece as it stands."""
    return _told(get_coupon(coupon_id), world)


@figures_of("codes")
def code_figures(world: World, job_id: UUID, now: datetime) -> Figures:
    """An order for unique codes."""
    job = get_code_job(job_id)
    return Figures.of({"status": job.status, "count": job.count, "template": job.template})


def member_coupons(world: World, member_id: UUID) -> list[Figures]:
    """The pieces of a member, oldest first."""
    return [_told(each, world) for each in reversed(list_coupons(member_id=member_id, limit=200).coupons)]


def _told(each: Coupon, world: World) -> Figures:
    until = each.valid_until
    last = (until - timedelta(microseconds=1)).astimezone(world.zone).date().isoformat() if until else None
    told = {
        "id": each.id,
        "code": each.template,
        "state": each.state,
        "member": each.member_id,
        "valid_from": each.valid_from,
        "last_day": last,
        "order": each.order_id,
        "value_minor": each.value_minor,
        "passed_from": each.passed_from,
    }
    return CouponFigures.of(told)


def _in_force(act: Act) -> InForce:
    in_force = programme_at(act.now)
    if in_force is None:
        raise StepMistake("no programme is in force then")
    return in_force


def _template(act: Act) -> tuple[InForce, CouponTemplate]:
    in_force = _in_force(act)
    template = in_force.programme.coupons.get(act.given["coupon"])
    if template is None:
        raise StepMistake(f"the programme has no coupon “{act.given['coupon']}”")
    return in_force, template
