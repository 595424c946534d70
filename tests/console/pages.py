"""What the tests of pages share: a signed-in client, and the cost of a page in queries."""

from __future__ import annotations

from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shuke.core.models import Staff
from shuke.core.values import Role
from tests.factories.core import make_staff

MOST_QUERIES = 25


def client_of(staff: Staff | None = None, *, language: str = "en") -> Client:
    """A browser signed in as this person, or as a fresh owner."""
    client = Client()
    client.force_login(staff or make_staff(Role.OWNER), backend="django.contrib.auth.backends.ModelBackend")
    client.cookies["shuke_language"] = language
    return client


def text_of(answer: HttpResponse) -> str:
    """The page as text."""
    return answer.content.decode()


def queries_of(client: Client, path: str) -> int:
    """How many queries the page costs. It is opened once before, so that what a process keeps is there.

    The list of programme versions is read again once a second, whatever the page; it does not count.
    """
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return sum("FROM loyalty_programmeversion v WHERE NOT EXISTS" not in each["sql"] for each in captured)
