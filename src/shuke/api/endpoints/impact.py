"""What a draft would do to the members as they stand now."""

from __future__ import annotations

from typing import Any

from ninja import Router

from shuke.analytics.errors import NeedsAllStores
from shuke.api.contracts.programme import ImpactIn, ImpactReport
from shuke.api.endpoint import Call, endpoint
from shuke.checkout.errors import NoProgramme
from shuke.checkout.impact.operations import ask_impact, assess_impact
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
    answers={200: ImpactReport},
    tag="programme",
    refusals=(NeedsAllStores, InvalidProgramme, InvalidInput, NoProgramme, UnknownVersion),
)
def impact_of_a_draft(call: Call, body: ImpactIn) -> tuple[int, dict[str, Any]]:
    """Say how many members a draft takes up and down, and what a month of it would cost.

    Every member is looked at once; nothing changes. `at_once` is what the version does as it begins, `in_time` where members
    come to stand by their next purchase and review, held against where they would come to stand without it. The cost is that of
    discounts and multipliers on what the members bought in the last `days`, for a month of 30 days.
    """
    if call.stores is not None:
        raise NeedsAllStores
    question = ask_impact(
        document=validate(body.document), now=call.now, days=body.days, against=body.against
    )
    return 200, assess_impact(question)
