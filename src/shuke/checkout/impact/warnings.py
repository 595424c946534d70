"""What has to be confirmed before a draft is published: that it takes tiers from members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import ngettext_lazy

from shuke.checkout.errors import ImpactNotCounted
from shuke.checkout.impact.logic import Track, climbs_alike, tracks_of
from shuke.checkout.impact.operations import count_members
from shuke.checkout.impact.runs import fresh_report, is_large_book
from shuke.loyalty.cautions import Caution, Draft
from shuke.loyalty.programme import Programme, compile_programme
from shuke.loyalty.tiers import MAIN


def tiers_taken(draft: Draft) -> Iterable[Caution]:
    """A draft under which members fall, as it begins or by their next review, has to be confirmed; by track.

    The figures are those of `assess_impact`. Where both programmes take members to the same levels nobody is looked at. Raises
    ImpactNotCounted for a large book that has to be counted by a job first.
    """
    if draft.before is None:
        return ()
    current = compile_programme(draft.before)
    tracks = tracks_of(current, draft.programme)
    if all(climbs_alike(track) and not _reassesses(track) for track in tracks):
        return ()
    cautions = []
    for track, (at_once, in_time) in zip(tracks, _falling(draft, draft.before, current), strict=True):
        path = _path(track, draft)
        if at_once:
            cautions.append(
                Caution(
                    "tiers_taken",
                    path,
                    ngettext_lazy(
                        "As this begins, %(members)s member falls to a lower tier.",
                        "As this begins, %(members)s members fall to a lower tier.",
                        at_once,
                    ),
                    {"members": at_once},
                )
            )
        if in_time:
            cautions.append(
                Caution(
                    "tiers_lost",
                    path,
                    ngettext_lazy(
                        "%(members)s member comes to a lower tier by the next review than without this change.",
                        "%(members)s members come to a lower tier by their next review than without this change.",
                        in_time,
                    ),
                    {"members": in_time},
                )
            )
    return cautions


def _falling(draft: Draft, before: Mapping[str, Any], current: Programme) -> list[tuple[int, int]]:
    """Members who fall, at once and in time, on each track."""
    if draft.may_count or not is_large_book():
        tally = count_members(current, draft.programme, draft.now)
        return [
            (tally.directions("at_once", place)["down"], tally.directions("in_time", place)["down"])
            for place in range(len(tally.tracks))
        ]
    report = fresh_report(draft.document, before, draft.now)
    if report is None:
        raise ImpactNotCounted
    return [(each["at_once"]["down"], each["in_time"]["down"]) for each in report["tracks"]]


def _reassesses(track: Track) -> bool:
    return track.draft is not None and track.draft.on_change == "reassess"


def _path(track: Track, draft: Draft) -> str:
    if track.code == MAIN:
        return "tiers"
    codes = [raw["code"] for raw in draft.document.get("tracks", ())]
    return f"tracks[{codes.index(track.code)}]" if track.code in codes else "tracks"
