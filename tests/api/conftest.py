"""A shop with the programme in force, and a till whose key may do everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from shuke.catalog.models import Store
from shuke.core.values import Scope
from shuke.loyalty.queries import forget_versions
from tests.api.client import Till
from tests.factories.checkout import make_shop
from tests.factories.core import make_key


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Keep the test's connection, and so its transaction, over calls: the web server would look at its age."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def shop(db: None) -> Iterator[Store]:
    """Store S1 with products A, B and C; also store S2."""
    yield make_shop()
    forget_versions()


@pytest.fixture
def till(shop: Store) -> Till:
    """A key with every scope, for all stores."""
    return Till(make_key(*Scope)[1])


@pytest.fixture
def open_shop(transactional_db: None) -> Iterator[Till]:
    """A shop that several threads can see."""
    make_shop()
    yield Till(make_key(*Scope)[1])
    forget_versions()
