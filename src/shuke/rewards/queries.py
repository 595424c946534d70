"""What others read of coupons: everything that pricing asks, in one round trip; a member's pieces; figures of templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from shuke.core.keyset import keyset
from shuke.core.pagination import decode_cursor, encode_cursor
from shuke.kit.prepared import Statement
from shuke.rewards.codes import blind_code, codes_of_job, read_unique_code
from shuke.rewards.errors import CodeJobUnknown, CouponUnknown
from shuke.rewards.models import Alarm, CodeJob, CodeJobStatus, Counter, Coupon, CouponEvent, State

_FACTS = Statement(
    "shuke_coupon_facts",
    "SELECT coupons::text, codes::text, uses::text, counters::text"
    " FROM rewards_facts($1::uuid, $2::boolean, $3::uuid[], $4::bytea[], $5::text[], $6::date[])",
    "tttttt",
)


@dataclass(frozen=True, slots=True)
class HeldCoupon:
    """A piece as pricing looks at it. `valid_until` is the first instant at which it is no longer valid."""

    id: UUID
    template: str
    state: str
    member_id: UUID | None
    valid_from: datetime
    valid_until: datetime | None
    issued_at: datetime
    source: str
    reference: str
    last_four: str
    passed_from: UUID | None
    version_id: UUID


@dataclass(frozen=True, slots=True)
class FoundCode:
    """A unique code that exists. `coupon` is its piece, once somebody has claimed or used it; None: nobody has.

    `state` is that of the piece, or `issued`, or how the whole job ended: `expired`, `void`. The terms of an untouched code
    are the fixed days of its template; `issued_at` is when its job was ordered.
    """

    code: str
    blind: bytes
    template: str
    state: str
    coupon: HeldCoupon | None
    job_id: UUID
    issued_at: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    version_id: UUID

    @property
    def last_four(self) -> str:
        return self.code[-4:]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a template has handed out, how often it was used, and what it gave in minor units."""

    issued: int = 0
    used: int = 0
    given_minor: int = 0


@dataclass(frozen=True, slots=True)
class CouponFacts:
    """Pieces by id, codes by their spelling, uses of the member by template (since the day asked for), counters by template."""

    coupons: Mapping[UUID, HeldCoupon]
    codes: Mapping[str, FoundCode]
    member_uses: Mapping[str, int]
    drawn: Mapping[str, Drawn]


def coupon_facts(
    *,
    member_id: UUID | None,
    coupon_ids: Sequence[UUID] = (),
    codes: Sequence[str] = (),
    all_held: bool = False,
    since: Mapping[str, date] | None = None,
) -> CouponFacts:
    """Everything that pricing asks, in one round trip.

    `all_held`: also every piece that the member holds, whatever its terms. `since` names the templates whose counters are
    read, each with the local day from which the member's uses count. Codes that cannot be unique codes, or that nobody
    made, are not among `codes`.
    """
    secret = keyset()
    spelt = {blind_code(secret, plain).hex(): plain for text in codes if (plain := read_unique_code(text))}
    wanted = since or {}
    blinds = [bytes.fromhex(each) for each in spelt]
    raw = _FACTS.row([member_id, all_held, list(coupon_ids), blinds, list(wanted), list(wanted.values())])
    pieces, found, uses, counters = (json.loads(each) if each else None for each in raw)
    coupons = {UUID(row["id"]): (_held(row), row["blind"]) for row in pieces or ()}
    by_blind = {blind: coupon for coupon, blind in coupons.values() if blind}
    return CouponFacts(
        coupons={coupon_id: coupon for coupon_id, (coupon, _blind) in coupons.items()},
        codes={
            spelt[row["blind"]]: _found(spelt[row["blind"]], row, by_blind.get(row["blind"]))
            for row in found or ()
        },
        member_uses={template: int(n) for template, n in (uses or {}).items()},
        drawn={template: Drawn(*map(int, figures)) for template, figures in (counters or {}).items()},
    )


def find_codes(codes: Sequence[str]) -> dict[str, FoundCode]:
    """The unique codes among these, by their one spelling."""
    return dict(coupon_facts(member_id=None, codes=codes).codes)


def find_code(text: str) -> FoundCode | None:
    """One unique code however it is typed, or None."""
    return next(iter(find_codes([text]).values()), None)


@dataclass(frozen=True, slots=True)
class Figures:
    """A template's pieces by where they stand. `free`: unique codes that nobody has touched."""

    template: str
    issued: int = 0
    held: int = 0
    used: int = 0
    expired: int = 0
    void: int = 0
    given_minor: int = 0
    last_used_at: datetime | None = None

    @property
    def free(self) -> int:
        return self.issued - self.held - self.used - self.expired - self.void


def figures_of(templates: Iterable[str] | None = None) -> dict[str, Figures]:
    """The figures of templates, of all that ever had any when None. One query over one row each."""
    rows = (
        Counter.objects.all() if templates is None else Counter.objects.filter(template__in=list(templates))
    )
    return {
        row.template: Figures(
            row.template,
            row.issued,
            row.held,
            row.used,
            row.expired,
            row.void,
            row.given_minor,
            row.last_used_at,
        )
        for row in rows
    }


def list_alarms(templates: Iterable[str] | None = None, *, limit: int = 50) -> list[Alarm]:
    """Limits that came near their end, newest first."""
    rows = Alarm.objects.order_by("-at", "-id")
    if templates is not None:
        rows = rows.filter(template__in=list(templates))
    return list(rows[:limit])


@dataclass(frozen=True, slots=True)
class CouponPage:
    """Some pieces, newest first."""

    coupons: list[Coupon]
    next_cursor: str | None


def list_coupons(
    *,
    member_id: UUID | None = None,
    template: str = "",
    job_id: UUID | None = None,
    states: Sequence[str] = (),
    cursor: str | None = None,
    limit: int = 50,
) -> CouponPage:
    """Pieces by their holder, template, job and state, newest first. Raises InvalidInput for a damaged cursor."""
    rows = Coupon.objects.order_by("-id")
    if member_id is not None:
        rows = rows.filter(member_id=member_id)
    if template:
        rows = rows.filter(template=template)
    if job_id is not None:
        rows = rows.filter(job_id=job_id)
    if states:
        rows = rows.filter(state__in=states)
    if cursor:
        rows = rows.filter(id__lt=decode_cursor(cursor, UUID)[0])
    found = list(rows[: limit + 1])
    more = len(found) > limit
    return CouponPage(found[:limit], encode_cursor([found[limit - 1].id]) if more else None)


def get_coupon(coupon_id: UUID) -> Coupon:
    """One piece. Raises CouponUnknown."""
    coupon = Coupon.objects.filter(id=coupon_id).first()
    if coupon is None:
        raise CouponUnknown
    return coupon


def history_of(coupon_ids: Sequence[UUID]) -> dict[UUID, list[CouponEvent]]:
    """What happened to pieces, in order. One query."""
    found: dict[UUID, list[CouponEvent]] = {coupon_id: [] for coupon_id in coupon_ids}
    for event in CouponEvent.objects.filter(coupon_id__in=list(coupon_ids)).order_by("id"):
        found[event.coupon_id].append(event)
    return found


@dataclass(frozen=True, slots=True)
class OrderUse:
    """A coupon that an order used: what it took off, and whether a refund has undone it. `coupon_id` None: a public code.

    `valid_until` and `holder` are the piece's, which decide where it goes back to.
    """

    template: str
    coupon_id: UUID | None
    minor: int
    is_undone: bool
    valid_until: datetime | None
    holder: UUID | None


def uses_of_order(order_id: UUID) -> list[OrderUse]:
    """The coupons of an order, by template. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT u.template, u.coupon_id, u.minor, EXISTS (SELECT FROM rewards_use b WHERE b.order_id = u.order_id"
            " AND b.refund_id IS NOT NULL), c.valid_until, c.member_id FROM rewards_use u"
            " LEFT JOIN rewards_coupon c ON c.id = u.coupon_id"
            " WHERE u.order_id = %s AND u.refund_id IS NULL ORDER BY u.template, u.coupon_id",
            [order_id],
        )
        return [OrderUse(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first."""

    jobs: list[CodeJob]
    next_cursor: str | None


def list_code_jobs(*, template: str = "", cursor: str | None = None, limit: int = 50) -> JobPage:
    """Orders for unique codes, newest first."""
    rows = CodeJob.objects.order_by("-id")
    if template:
        rows = rows.filter(template=template)
    if cursor:
        rows = rows.filter(id__lt=decode_cursor(cursor, UUID)[0])
    found = list(rows[: limit + 1])
    more = len(found) > limit
    return JobPage(found[:limit], encode_cursor([found[limit - 1].id]) if more else None)


def get_code_job(job_id: UUID) -> CodeJob:
    """One order for codes. Raises CodeJobUnknown."""
    job = CodeJob.objects.filter(id=job_id).first()
    if job is None:
        raise CodeJobUnknown
    return job


def touched_of(job_id: UUID) -> dict[str, int]:
    """The pieces that a job's codes have become, by state."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, count(*) FROM rewards_coupon WHERE job_id = %s GROUP BY state", [job_id]
        )
        return {state: int(n) for state, n in cursor.fetchall()}


def code_at(job: CodeJob, place: int) -> str:
    """The code at one place of a job, for whoever may see it."""
    return next(codes_of_job(keyset(), job.id, place, 1))


def _held(row: Mapping[str, Any]) -> HeldCoupon:
    return HeldCoupon(
        id=UUID(row["id"]),
        template=row["template"],
        state=row["state"],
        member_id=UUID(row["member_id"]) if row["member_id"] else None,
        valid_from=datetime.fromisoformat(row["valid_from"]),
        valid_until=_instant(row["valid_until"]),
        issued_at=datetime.fromisoformat(row["issued_at"]),
        source=row["source"],
        reference=row["reference"],
        last_four=row["last_four"],
        passed_from=UUID(row["passed_from"]) if row["passed_from"] else None,
        version_id=UUID(row["programme_version_id"]),
    )


def _found(code: str, row: Mapping[str, Any], coupon: HeldCoupon | None) -> FoundCode:
    if coupon is not None:
        state = coupon.state
    elif row["status"] in (CodeJobStatus.EXPIRED, CodeJobStatus.VOID):
        state = row["status"]
    else:
        state = State.ISSUED
    return FoundCode(
        code=code,
        blind=bytes.fromhex(row["blind"]),
        template=row["template"],
        state=state,
        coupon=coupon,
        job_id=UUID(row["job_id"]),
        issued_at=datetime.fromisoformat(row["created_at"]),
        valid_from=_instant(row["valid_from"]),
        valid_until=_instant(row["valid_until"]),
        version_id=UUID(row["programme_version_id"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
