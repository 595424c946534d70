"""Coupons: templates and their figures, hand out, claim by code, pass on, call back; unique codes in bulk."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Model
from msgspec import Struct
from ninja import Router

from shuke.api.contracts.coupons import (
    ClaimIn,
    CodeJobIn,
    CodeJobList,
    CodeJobOut,
    CodeJobsQuery,
    CodesIn,
    CodesOut,
    CouponEventOut,
    CouponFile,
    CouponList,
    CouponOut,
    CouponsQuery,
    IssuedOut,
    IssueIn,
    PassIn,
    TemplateList,
    TemplateOut,
    VoidIn,
)
from shuke.api.contracts.shared import PageQuery
from shuke.api.cursors import BY_CODE, checked_cursor
from shuke.api.endpoint import Call, endpoint
from shuke.core.errors import InvalidInput, NotChainWide, NotFound
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.core.values import Scope
from shuke.kit.errors import ShukeError
from shuke.loyalty.coupon_books import (
    claim_coupon,
    coupon_programme,
    coupon_template,
    give_coupons,
    hand_on_coupon,
    order_coupon_codes,
)
from shuke.loyalty.errors import NoProgramme
from shuke.loyalty.queries import InForce, programme_at
from shuke.loyalty.words import localized
from shuke.members.queries import get_candidate
from shuke.rewards import errors, operations
from shuke.rewards.models import Alarm, Coupon
from shuke.rewards.queries import (
    Figures,
    figures_of,
    get_code_job,
    get_coupon,
    history_of,
    list_alarms,
    list_code_jobs,
    list_coupons,
)
from shuke.rewards.values import CouponTemplate

router = Router()
BY_ID = (UUID,)
TEMPLATE: tuple[type[ShukeError], ...] = (NoProgramme, errors.CouponTemplateUnknown)
HOLDER: tuple[type[ShukeError], ...] = (errors.CouponHolderUnknown, errors.CouponHolderNotActive)


@endpoint(
    router,
    "GET",
    "/coupon-templates",
    scope=Scope.COUPONS_READ,
    query=PageQuery,
    answers={200: TemplateList},
    tag="coupons",
    refusals=(NoProgramme, InvalidInput),
)
def coupon_templates(call: Call, query: PageQuery) -> tuple[int, dict[str, Any]]:
    """List the coupon templates in force.

    Each with its limits, its figures and the alarms of its budgets.
    """
    in_force = coupon_programme(call.now)
    after = checked_cursor(query.cursor, BY_CODE)
    since = decode_cursor(after)[0] if after else ""
    rest = sorted(code for code in in_force.programme.coupons if code > since)
    shown = [in_force.programme.coupons[code] for code in rest[: query.limit]]
    more = encode_cursor([shown[-1].code]) if len(rest) > query.limit else None
    return 200, {"templates": _templates(call, in_force, shown), "next_cursor": more}


@endpoint(
    router,
    "GET",
    "/coupon-templates/{code}",
    scope=Scope.COUPONS_READ,
    answers={200: TemplateOut},
    tag="coupons",
    refusals=TEMPLATE,
)
def coupon_template_file(call: Call, code: str) -> tuple[int, dict[str, Any]]:
    """Read one coupon template in force."""
    in_force, template = coupon_template(code, call.now)
    return 200, _templates(call, in_force, [template])[0]


@endpoint(
    router,
    "POST",
    "/coupon-templates/{code}/issue",
    scope=Scope.COUPONS_WRITE,
    body=IssueIn,
    answers={201: IssuedOut},
    tag="coupons",
    keyed="once",
    refusals=(
        *TEMPLATE,
        *HOLDER,
        InvalidInput,
        errors.CouponTemplateOver,
        errors.CouponsOutOfStock,
        errors.TooManyHolders,
    ),
)
def issue_coupons(call: Call, code: str, body: IssueIn) -> tuple[int, dict[str, Any]]:
    """Hand out coupons to members.

    All of them, or none: never beyond the template's stock.
    """
    for member_id in body.members if call.stores is not None else ():
        _covered(call, member_id)
    made = give_coupons(
        actor=call.caller.as_actor(),
        template=code,
        member_ids=body.members,
        reason=body.reason,
        reference=body.reference,
        count=body.count,
        now=call.now,
    )
    pieces = [{"id": coupon_id, "member_id": member_id} for coupon_id, member_id in made.coupons]
    return 201, {"coupons": pieces, "known": made.known}


@endpoint(
    router,
    "GET",
    "/members/{member_id}/coupons",
    scope=Scope.COUPONS_READ,
    query=CouponsQuery,
    answers={200: CouponList},
    tag="coupons",
    refusals=(NotFound, InvalidInput),
)
def member_coupons(call: Call, member_id: UUID, query: CouponsQuery) -> tuple[int, dict[str, Any]]:
    """List a member's coupons, newest first."""
    _covered(call, member_id)
    page = list_coupons(
        member_id=member_id,
        states=[query.state] if query.state else (),
        template=query.template or "",
        cursor=checked_cursor(query.cursor, BY_ID),
        limit=query.limit,
    )
    return 200, {"coupons": [_coupon(call, each) for each in page.coupons], "next_cursor": page.next_cursor}


@endpoint(
    router,
    "POST",
    "/members/{member_id}/coupons/claim",
    scope=Scope.COUPONS_WRITE,
    body=ClaimIn,
    answers={201: CouponOut},
    tag="coupons",
    keyed="once",
    refusals=(
        *TEMPLATE,
        *HOLDER,
        NotFound,
        errors.CouponCodeUnknown,
        errors.CouponCodeTaken,
        errors.CouponCodeOver,
        errors.CouponClaimLimit,
        errors.CouponTemplateOver,
        errors.CouponsOutOfStock,
    ),
)
def claim_code(call: Call, member_id: UUID, body: ClaimIn) -> tuple[int, dict[str, Any]]:
    """Claim a coupon by its code.

    A unique code becomes the member's; of a public code the member gets a piece, as often as the template allows.
    """
    _covered(call, member_id)
    made = claim_coupon(actor=call.caller.as_actor(), member_id=member_id, code=body.code, now=call.now)
    return 201, _coupon(call, made)


@endpoint(
    router,
    "GET",
    "/coupons/{coupon_id}",
    scope=Scope.COUPONS_READ,
    answers={200: CouponFile},
    tag="coupons",
    refusals=(errors.CouponUnknown,),
)
def coupon(call: Call, coupon_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read a coupon with its history."""
    found = _found(call, coupon_id)
    history = [_out(each, CouponEventOut) for each in history_of([found.id])[found.id]]
    return 200, {**_coupon(call, found), "history": history}


@endpoint(
    router,
    "POST",
    "/coupons/{coupon_id}/pass",
    scope=Scope.COUPONS_WRITE,
    body=PassIn,
    answers={200: CouponOut},
    tag="coupons",
    keyed="once",
    refusals=(
        *HOLDER,
        NotFound,
        errors.CouponUnknown,
        errors.CouponNotOpen,
        errors.CouponHasNoHolder,
        errors.CouponNotTransferable,
        errors.CouponPassedBefore,
        errors.CouponPassedToSelf,
        errors.CouponLapsed,
    ),
)
def pass_coupon(call: Call, coupon_id: UUID, body: PassIn) -> tuple[int, dict[str, Any]]:
    """Pass a coupon to another member.

    Once, if the template allows it. The coupon keeps its term.
    """
    _found(call, coupon_id)
    if call.stores is not None:
        _covered(call, body.receiver_id)
    done = hand_on_coupon(
        actor=call.caller.as_actor(), coupon_id=coupon_id, receiver_id=body.receiver_id, now=call.now
    )
    return 200, _coupon(call, done)


@endpoint(
    router,
    "POST",
    "/coupons/{coupon_id}/void",
    scope=Scope.COUPONS_WRITE,
    body=VoidIn,
    answers={200: CouponOut},
    tag="coupons",
    keyed="once",
    refusals=(errors.CouponUnknown, errors.CouponNotOpen, InvalidInput),
)
def void_coupon(call: Call, coupon_id: UUID, body: VoidIn) -> tuple[int, dict[str, Any]]:
    """Call a coupon back.

    Its holder loses it; it does not return to the stock.
    """
    _found(call, coupon_id)
    done = operations.void_coupon(
        actor=call.caller.as_actor(), coupon_id=coupon_id, reason=body.reason, now=call.now
    )
    return 200, _coupon(call, done)


@endpoint(
    router,
    "POST",
    "/coupon-code-jobs",
    scope=Scope.COUPONS_CODES,
    body=CodeJobIn,
    answers={201: CodeJobOut},
    tag="coupons",
    keyed="once",
    refusals=(
        *TEMPLATE,
        NotChainWide,
        InvalidInput,
        errors.CodeCountOutOfRange,
        errors.CouponTemplateOver,
        errors.CouponsOutOfStock,
    ),
)
def order_codes(call: Call, body: CodeJobIn) -> tuple[int, dict[str, Any]]:
    """Order unique codes in bulk.

    A job makes them in the background; ask the order how far it is. They are taken from the template's stock at once.
    """
    job = order_coupon_codes(
        actor=call.caller.as_actor(),
        template=body.template,
        count=body.count,
        note=body.note,
        now=call.now,
    )
    return 201, _out(job, CodeJobOut)


@endpoint(
    router,
    "GET",
    "/coupon-code-jobs",
    scope=Scope.COUPONS_READ,
    query=CodeJobsQuery,
    answers={200: CodeJobList},
    tag="coupons",
    refusals=(InvalidInput,),
)
def code_jobs(call: Call, query: CodeJobsQuery) -> tuple[int, dict[str, Any]]:
    """List the orders for unique codes, newest first."""
    page = list_code_jobs(
        template=query.template or "", cursor=checked_cursor(query.cursor, BY_ID), limit=query.limit
    )
    return 200, {"jobs": [_out(each, CodeJobOut) for each in page.jobs], "next_cursor": page.next_cursor}


@endpoint(
    router,
    "GET",
    "/coupon-code-jobs/{job_id}",
    scope=Scope.COUPONS_READ,
    answers={200: CodeJobOut},
    tag="coupons",
    refusals=(errors.CodeJobUnknown,),
)
def code_job(call: Call, job_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read an order for codes: how many are made."""
    return 200, _out(get_code_job(job_id), CodeJobOut)


@endpoint(
    router,
    "POST",
    "/coupon-code-jobs/{job_id}/download",
    scope=Scope.COUPONS_CODES,
    body=CodesIn,
    answers={200: CodesOut},
    tag="coupons",
    refusals=(NotChainWide, InvalidInput, errors.CodeJobUnknown, errors.CodesNotReady, errors.CodeJobEnded),
)
def code_download(call: Call, job_id: UUID, body: CodesIn) -> tuple[int, dict[str, Any]]:
    """Read codes of a finished order.

    They are stored nowhere: they are made again from a key outside the database. Each call is in the audit log.
    """
    told = operations.download_codes(
        actor=call.caller.as_actor(),
        job_id=job_id,
        now=call.now,
        reason=body.reason,
        first=body.first,
        count=body.limit,
    )
    codes, job = list(told), get_code_job(job_id)
    after = body.first + len(codes)
    more = after if codes and after < job.count else None
    return 200, {"codes": codes, "first": body.first, "count": job.count, "next": more}


@endpoint(
    router,
    "POST",
    "/coupon-code-jobs/{job_id}/void",
    scope=Scope.COUPONS_CODES,
    body=VoidIn,
    answers={200: CodeJobOut},
    tag="coupons",
    keyed="once",
    refusals=(NotChainWide, InvalidInput, errors.CodeJobUnknown, errors.CodeJobEnded),
)
def void_codes(call: Call, job_id: UUID, body: VoidIn) -> tuple[int, dict[str, Any]]:
    """Call back all codes of an order that nobody has touched.

    What members have claimed already stays theirs.
    """
    job = operations.void_codes(actor=call.caller.as_actor(), job_id=job_id, reason=body.reason, now=call.now)
    return 200, _out(job, CodeJobOut)


def _covered(call: Call, member_id: UUID) -> None:
    """Raises NotFound for a stranger, and for one who joined at a store that the key does not cover."""
    if not call.covers(get_candidate(member_id).join_store_id):
        raise NotFound


def _found(call: Call, coupon_id: UUID) -> Coupon:
    """A piece whose holder the key covers; a bearer's piece belongs to no store. Raises CouponUnknown."""
    found = get_coupon(coupon_id)
    if found.member_id is not None and call.stores is not None:
        try:
            _covered(call, found.member_id)
        except NotFound as error:
            raise errors.CouponUnknown from error
    return found


def _coupon(call: Call, row: Coupon) -> dict[str, Any]:
    in_force = programme_at(call.now)
    template = in_force.programme.coupons.get(row.template) if in_force else None
    name = localized(template.name, call.language) if template else row.template
    return {**_out(row, CouponOut, but={"name"}), "name": name}


def _templates(call: Call, in_force: InForce, shown: list[CouponTemplate]) -> list[dict[str, Any]]:
    codes = [each.code for each in shown]
    figures, alarms = figures_of(codes), list_alarms(codes)
    return [
        {
            "code": each.code,
            "name": localized(each.name, call.language),
            "type": each.type,
            "currency": in_force.programme.currency,
            "public_code": each.public_code,
            "transferable": each.transferable,
            "auto_issue": list(each.auto_issue),
            "limits": each.limits,
            "figures": _figures(figures.get(each.code) or Figures(each.code)),
            "alarms": [_alarm(alarm) for alarm in alarms if alarm.template == each.code],
        }
        for each in shown
    ]


def _figures(found: Figures) -> dict[str, Any]:
    return {
        "issued": found.issued,
        "free": found.free,
        "held": found.held,
        "used": found.used,
        "expired": found.expired,
        "void": found.void,
        "given_minor": found.given_minor,
        "last_used_at": found.last_used_at,
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "kind": alarm.kind,
        "percent": alarm.percent,
        "most": alarm.most,
        "taken": alarm.taken,
        "at": alarm.at,
    }


def _out(row: Model, shape: type[Struct], but: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.__struct_fields__ if name not in but}
