"""Every page shows times in the programme's time zone: a shop's day ends at the shop's midnight, wherever the server stands."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from shuke.kit.clock import now
from shuke.loyalty.queries import programme_at

GetResponse = Callable[[HttpRequest], HttpResponse]


def programme_time(get_response: GetResponse) -> GetResponse:
    """Activate the time zone of the programme in force; before the first one, the zone of the settings holds."""

    def with_zone(request: HttpRequest) -> HttpResponse:
        in_force = programme_at(now())
        with timezone.override(in_force.programme.zone if in_force else None):
            return get_response(request)

    return with_zone
