"""Which programme is in force, at once and without asking the database on every sale; and what the versions are.

A version never changes, so its compiled form is kept in the process by id. Which version is in force is read from a
list of (effective_at, number, id) that is at most `LIST_SECONDS` old: a sale costs a clock reading and a binary search,
and the list is read again once a second by a busy process. Because the list holds future versions too, one that was
announced takes over at its `effective_at` to the microsecond; and because `publish_programme` never lets a version
begin sooner than `operations.LEAD` after it was published, every process has read it by then.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import connection

from shuke.loyalty.diff import Change, diff_documents
from shuke.loyalty.errors import UnknownVersion
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.programme import Programme, compile_programme, unit_currency
from shuke.loyalty.words import asset_name, asset_word, own_points_name

LIST_SECONDS = 1.0
KEPT_VERSIONS = 64


@dataclass(frozen=True, slots=True)
class InForce:
    """The version that counts at an instant, compiled."""

    version_id: UUID
    number: int
    programme: Programme


@dataclass(frozen=True, slots=True)
class Version:
    """One published version: the checked document, and what pricing runs on."""

    id: UUID
    number: int
    effective_at: datetime
    document: Mapping[str, Any]
    programme: Programme


@dataclass(frozen=True, slots=True)
class _Line:
    """All versions by the instant from which they count, as read at `read_at` (monotonic seconds)."""

    read_at: float
    starts: tuple[datetime, ...]
    versions: tuple[tuple[int, UUID], ...]


_line: _Line | None = None
_versions: dict[UUID, Version] = {}


def programme_at(now: datetime) -> InForce | None:
    """The programme in force at an instant, past or future; None before the first version begins.

    Of two versions that begin at one instant the later published counts.
    """
    line = _current_line()
    index = bisect_right(line.starts, now) - 1
    if index < 0:
        return None
    number, version_id = line.versions[index]
    version = _versions.get(version_id) or version_by_id(version_id)
    return InForce(version_id, number, version.programme)


def programmes_between(first: datetime, last: datetime) -> list[Programme]:
    """Every programme in force at some time from `first` to `last`, the earliest first."""
    line = _current_line()
    begin, end = bisect_right(line.starts, first) - 1, bisect_right(line.starts, last)
    return [version_by_id(version_id).programme for _number, version_id in line.versions[max(begin, 0) : end]]


@dataclass(frozen=True, slots=True)
class TimeInForce:
    """From `start` until before `end` (None: until further notice) this programme counts."""

    start: datetime
    end: datetime | None
    programme: Programme


def times_in_force() -> list[TimeInForce]:
    """All times that have a programme, past and to come, the earliest first."""
    line = _current_line()
    ends = (*line.starts[1:], None)
    return [
        TimeInForce(start, end, version_by_id(version_id).programme)
        for start, end, (_number, version_id) in zip(line.starts, ends, line.versions, strict=True)
        if start != end
    ]


def _current_line() -> _Line:
    global _line
    line, clock = _line, time.monotonic()
    if line is None or clock - line.read_at > LIST_SECONDS:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT effective_at, number, id FROM loyalty_programmeversion v WHERE NOT EXISTS"
                " (SELECT FROM loyalty_cancelledversion c WHERE c.version_id = v.id) ORDER BY effective_at, number"
            )
            rows = cursor.fetchall()
        # The age counts from before the reading: what was committed since may be missing.
        line = _Line(clock, tuple(row[0] for row in rows), tuple((row[1], row[2]) for row in rows))
        _line = line
    return line


def forget_versions() -> None:
    """Read the list afresh at the next look: after publishing, and between tests."""
    global _line
    _line = None


def version_by_id(version_id: UUID) -> Version:
    """A published version, compiled once per process. Raises UnknownVersion."""
    version = _versions.get(version_id)
    if version is not None:
        return version
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, effective_at, document FROM loyalty_programmeversion WHERE id = %s", [version_id]
        )
        row = cursor.fetchone()
    if row is None:
        raise UnknownVersion
    number, effective_at, raw = row
    document = json.loads(raw) if isinstance(raw, str) else raw
    version = Version(version_id, number, effective_at, document, compile_programme(document))
    while len(_versions) >= KEPT_VERSIONS:
        _versions.pop(next(iter(_versions)), None)
    _versions[version_id] = version
    return version


def version_by_number(number: int) -> Version:
    """A published version by its number. Raises UnknownVersion."""
    version_id = ProgrammeVersion.objects.filter(number=number).values_list("id", flat=True).first()
    if version_id is None:
        raise UnknownVersion
    return version_by_id(version_id)


def source_of(number: int) -> str:
    """The YAML of a version as it was applied. Raises UnknownVersion."""
    source = ProgrammeVersion.objects.filter(number=number).values_list("source", flat=True).first()
    if source is None:
        raise UnknownVersion
    return source


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the list. `status`: in_force, scheduled, superseded (by a later one), cancelled (taken back before it
    began), or never (in force at no time)."""

    id: UUID
    number: int
    status: str
    effective_at: datetime
    until: datetime | None
    published_at: datetime
    published_by: str
    note: str
    digest: str


def list_versions(now: datetime) -> list[VersionRow]:
    """All versions, newest number first, each with the time in which it counts. One query."""
    rows = list(
        ProgrammeVersion.objects.order_by("effective_at", "number")
        .select_related("published_by", "cancellation")
        .defer("document", "source")
    )
    standing = [row for row in rows if not _is_cancelled(row)]
    ends = {row.id: later.effective_at for row, later in pairwise(standing)}
    listed = []
    for row in rows:
        until = ends.get(row.id)
        if _is_cancelled(row):
            status = "cancelled"
        elif until == row.effective_at:
            status = "never"
        elif row.effective_at > now:
            status = "scheduled"
        else:
            status = "superseded" if until is not None and until <= now else "in_force"
        staff = row.published_by
        listed.append(
            VersionRow(
                row.id,
                row.number,
                status,
                row.effective_at,
                until,
                row.published_at,
                staff.display_name if staff else "",
                row.note,
                row.digest,
            )
        )
    return sorted(listed, key=lambda row: -row.number)


def _is_cancelled(row: ProgrammeVersion) -> bool:
    return hasattr(row, "cancellation")


def diff_versions(old: int, new: int) -> list[Change]:
    """What changed from one version's number to another's, in the active language. Raises UnknownVersion."""
    return diff_documents(version_by_number(old).document, version_by_number(new).document)


def asset_names_at(now: datetime) -> Callable[[str], str]:
    """How assets are called at an instant, in the active language."""
    document = _document_at(now)
    return lambda asset: asset_name(document, asset)


def asset_word_at(asset: str, now: datetime) -> str:
    """How an asset is called within a sentence at an instant: "points", unless the programme has its own name for them."""
    return asset_word(_document_at(now), asset)


def own_points_name_at(now: datetime) -> str:
    """What the programme in force at an instant calls its points; "" where that is the ordinary word for them."""
    return own_points_name(_document_at(now))


def _document_at(now: datetime) -> Mapping[str, Any] | None:
    in_force = programme_at(now)
    return version_by_id(in_force.version_id).document if in_force else None


def unit_currency_at(now: datetime) -> Callable[[str], str]:
    """In which currency's minor units an asset counted at an instant; "" for points and whatever else is no money."""
    in_force = programme_at(now)
    return lambda asset: unit_currency(in_force.programme, asset) if in_force else ""
