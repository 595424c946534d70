"""Browser tests share one database, in which versions are never taken away: each puts the programme that it needs in force."""

from __future__ import annotations

import time
from datetime import timedelta

from shuke.core.values import SYSTEM
from shuke.kit import clock
from shuke.loyalty.cautions import ALL
from shuke.loyalty.document import digest_of, validate
from shuke.loyalty.errors import SameProgramme
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.queries import forget_versions, programme_at, version_by_id


def in_force(source: str) -> None:
    """Publish it unless it is the last one published, and wait until it has begun (three seconds)."""
    wanted = digest_of(validate(source))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        forget_versions()
        found = programme_at(clock.now())
        if found is not None and digest_of(version_by_id(found.version_id).document) == wanted:
            return
        # Only the first may begin in the past.
        now = clock.now() if ProgrammeVersion.objects.exists() else clock.now() - timedelta(days=365)
        try:
            publish_programme(actor=SYSTEM, now=now, source=source, accepted=ALL)
        except SameProgramme:  # it begins in a moment
            time.sleep(0.1)
    raise AssertionError("the programme does not begin")
