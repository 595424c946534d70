"""Times on the pages are the programme's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from shuke.console import formats
from shuke.console.middleware import programme_time
from shuke.kit.clock import now
from shuke.loyalty.queries import forget_versions
from tests.factories import loyalty

pytestmark = pytest.mark.django_db
LATE = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh_versions() -> Any:
    forget_versions()
    yield
    forget_versions()


def day_shown() -> str:
    answer = programme_time(lambda request: HttpResponse(formats.moment(LATE)))(HttpRequest())
    return answer.content.decode()


def test_before_the_first_programme_the_zone_of_the_settings_holds(settings: Any) -> None:
    assert day_shown().endswith("16:30")


def test_the_zone_of_the_programme_in_force_holds_for_the_request_only() -> None:
    loyalty.publish(now=now() - timedelta(days=2))
    forget_versions()
    assert day_shown().endswith("00:30")
    assert timezone.get_current_timezone_name() == "UTC"
