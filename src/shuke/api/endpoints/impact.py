"""What a draft would do to the members as they stand now."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ninja import Router

from shuke.analytics.errors import NeedsAllStores
from shuke.api.contracts.programme import ImpactDetail, ImpactIn, ImpactProgress, ImpactReport
from shuke.api.endpoint import Call, endpoint
from shuke.checkout.errors import NoProgramme, UnknownImpact
from shuke.checkout.impact.models import ImpactRun
from shuke.checkout.impact.operations import ask_impact, assess_impact
from shuke.checkout.impact.runs import follow_impact, is_large_book, start_impact
from shuke.core.errors import InvalidInput
from shuke.core.values import Scope
from shuke.loyalty.document import validate
from shuke.loyalty.errors import InvalidProgramme, UnknownVersion

router = Router()


@endpoint(
    router,
    "POST",
    "/programme/impact",
    scope=Scope.REPORTS_READ,
    body=ImpactIn,
    answers={200: ImpactReport, 202: ImpactProgress},
    tag="programme",
    refusals=(NeedsAllStores, InvalidProgramme, InvalidInput, NoProgramme, UnknownVersion),
)
def impact_of_a_draft(call: Call, body: ImpactIn) -> tuple[int, dict[str, Any]]:
    """Say how many members a draft takes up and down, and what a month of it would cost.

    Every member is looked at once; nothing changes. `at_once` is what the version does as it begins, `in_time` where members
    come to stand by their next purchase and review, held against where they would come to stand without it. The cost is that of
    discounts and multipliers on what the members bought in the last `days`, for a month of 30 days.

    With more than 20,000 members a job looks at them, and the answer is 202 with its `id`: read `/programme/impact/{id}`. Asked
    the same again, it is the same job: the one that goes on, or the one that began within the last hour.
    """
    _covers_all_stores(call)
    if is_large_book():
        row = start_impact(
            actor=call.caller.as_actor(),
            now=call.now,
            source=body.document,
            days=body.days,
            against=body.against,
        )
        return 202, _progress(row)
    question = ask_impact(
        document=validate(body.document), now=call.now, days=body.days, against=body.against
    )
    return 200, assess_impact(question)


@endpoint(
    router,
    "GET",
    "/programme/impact/{impact_id}",
    scope=Scope.REPORTS_READ,
    answers={200: ImpactDetail},
    tag="programme",
    refusals=(NeedsAllStores, UnknownImpact),
)
def impact_run(call: Call, impact_id: UUID) -> tuple[int, dict[str, Any]]:
    """Read how far a look at all members has come, and its report.

    A job that has told nothing of itself for five minutes has failed; asked again, the look begins anew.
    """
    _covers_all_stores(call)
    row = follow_impact(impact_id=impact_id, now=call.now)
    return 200, {**_progress(row), "report": row.report}


def _covers_all_stores(call: Call) -> None:
    if call.stores is not None:
        raise NeedsAllStores


def _progress(row: ImpactRun) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "against": row.against,
        "days": row.days,
        "done": row.done,
        "total": row.total,
        "problem": row.problem,
        "asked_at": row.asked_at,
        "ended_at": row.ended_at,
    }
