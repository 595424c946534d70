"""The sidebar shows what a role may open, and marks where the person is."""

from __future__ import annotations

import pytest

from shuke.console import navigation
from shuke.core.values import Permission, Role
from tests.factories.core import make_staff

pytestmark = pytest.mark.django_db


def test_the_current_page_is_marked_also_on_its_subpages(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"overview": "/overview", "members": "/members", "cashier": "/cashier"}
    monkeypatch.setattr(navigation, "_address", lambda item: addresses.get(item.route, ""))
    owner = make_staff(Role.OWNER)

    def current(path: str) -> list[str]:
        return [
            link.href for _label, links in navigation.sidebar(owner, path) for link in links if link.current
        ]

    assert current("/members/018f") == ["/members"]
    assert current("/members") == ["/members"]
    assert current("/membership") == []
    assert current("/") == []


def test_a_cashier_sees_no_administration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "_address", lambda item: f"/{item.route}")
    cashier = make_staff(Role.CASHIER)
    routes = [item.route for item, _href in navigation.permitted_items(cashier)]
    assert {"cashier", "members", "products", "stores"} <= set(routes)
    closed = {"overview", "adjustments", "programme", "liability", "staff", "api_keys", "audit"}
    assert not closed & set(routes)
    assert len(navigation.sidebar(cashier, "/cashier")) == 2
    assert navigation.landing_page(cashier) == "/cashier"
    assert navigation.address_of("audit", cashier) == ""
    assert navigation.address_of("members", cashier) == "/members"


def test_a_service_agent_finds_refunds_without_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(navigation, "_address", lambda item: f"/{item.route}")
    routes = [item.route for item, _href in navigation.permitted_items(make_staff(Role.SERVICE_AGENT))]
    assert "refunds" in routes
    assert "cashier" not in routes


def test_a_manager_of_some_stores_is_not_led_to_the_figures_of_all() -> None:
    tied = [
        item.route
        for item, _href in navigation.permitted_items(make_staff(Role.STORE_MANAGER, all_stores=False))
    ]
    assert "liability" not in tied
    assert "settlement" in tied
    free = [item.route for item, _href in navigation.permitted_items(make_staff(Role.STORE_MANAGER))]
    assert "liability" in free


def test_somebody_switched_off_has_nowhere_to_go() -> None:
    assert navigation.landing_page(make_staff(Role.OWNER, is_active=False)) is None


def test_every_permission_of_a_page_is_used_by_some_role() -> None:
    asked = {item.permission for _label, items in navigation.GROUPS for item in items}
    assert asked <= set(Permission)
    routes = [item.route for _label, items in navigation.GROUPS for item in items]
    assert len(routes) == len(set(routes))
