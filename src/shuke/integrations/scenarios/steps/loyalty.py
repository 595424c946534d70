"""Steps of the programme: publish a change, review the tiers whose term is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from shuke.checkout.queries import qualifying_totals
from shuke.integrations.scenarios.programme import ScenarioNotes, read_programme
from shuke.integrations.scenarios.registry import Act, step
from shuke.loyalty.cautions import ALL
from shuke.loyalty.models import Standing, TierChange
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.queries import programme_at
from shuke.loyalty.readers import Notes
from shuke.loyalty.source import Node
from shuke.loyalty.tier_reviews import review_tiers


def _read_change(notes: Notes, node: Node, path: str) -> dict[str, Any] | None:
    """Changes over the programme that stands, as far as the scenario has come."""
    assert isinstance(notes, ScenarioNotes)
    source = read_programme(notes, node, path, line=node.line)
    return None if source is None else {"source": source}


@step("publish", _read_change)
def publish(act: Act) -> Mapping[str, Any]:
    """Publish changes to the programme, in force three seconds later as in life."""
    version = publish_programme(actor=act.actor, now=act.now, source=act.given["source"], accepted=ALL)
    return {"number": version.number, "effective_at": version.effective_at}


@step("review_tiers", {})
def review(act: Act) -> Mapping[str, Any]:
    """Review tiers whose term is over, as the job does every hour."""
    members = 0
    while batch := review_tiers(now=act.now, qualifying=qualifying_totals):
        members += batch
    return {"members": members}


def tier_figures(member_id: UUID, now: datetime) -> dict[str, Any]:
    """The tier as it stands: one that is due for review is not reviewed by looking."""
    standing = Standing.objects.filter(member_id=member_id).first()
    if standing is not None:
        return {"code": standing.tier, "since": standing.since, "review_at": standing.review_at}
    in_force = programme_at(now)
    lowest = in_force.programme.tiers.levels[0].code if in_force else None
    return {"code": lowest, "since": None, "review_at": None}


def tier_changes(member_id: UUID) -> list[dict[str, Any]]:
    """Every change, oldest first."""
    return [
        {
            "name": change.to_tier,
            "from": change.from_tier,
            "to": change.to_tier,
            "cause": change.cause,
            "at": change.occurred_at,
            "metric": change.metric,
        }
        for change in TierChange.objects.filter(member_id=member_id).order_by("occurred_at", "id")
    ]
