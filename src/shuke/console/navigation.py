"""The sidebar: which pages exist, how they are grouped, and which permission opens each.

A page is listed once here; the sidebar, the page a person lands on after signing in and the access tests read this list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext_lazy as _

from shuke.console.book_words import shelf_name
from shuke.core.models import Staff
from shuke.core.values import Permission
from shuke.kit.clock import now


@dataclass(frozen=True, slots=True)
class NavItem:
    """A page: its URL name in the namespace `console`, and what a person needs to open it.

    `whole_house`: the page tells of all stores together, so it is not for those who are tied to some.
    """

    route: str
    label: str | Promise
    icon: str
    permission: Permission
    whole_house: bool = False


@dataclass(frozen=True, slots=True)
class NavLink:
    """An item as one person sees it now."""

    href: str
    label: str | Promise
    icon: str
    current: bool


_SHELF = lazy(lambda: shelf_name(now()), str)()

GROUPS: tuple[tuple[str | Promise, tuple[NavItem, ...]], ...] = (
    (
        _("Daily work"),
        (
            NavItem("overview", _("Overview"), "layout-dashboard", Permission.OVERVIEW_VIEW),
            NavItem("cashier", _("Cashier's desk"), "cash-register", Permission.CHECKOUT_USE),
            NavItem("redemptions", _("Pick-ups"), "gift", Permission.CHECKOUT_USE),
            NavItem("refunds", _("Refunds"), "receipt-refund", Permission.CHECKOUT_REFUND),
            NavItem("gift_cards", _("Gift cards"), "credit-card", Permission.CHECKOUT_USE),
            NavItem("members", _("Members"), "users", Permission.MEMBERS_VIEW),
            NavItem("adjustments", _("Adjustments"), "clipboard-list", Permission.LEDGER_ADJUST),
        ),
    ),
    (
        _("Programme and catalogue"),
        (
            NavItem("programme", _("Programme"), "rosette-discount", Permission.PROGRAMME_VIEW),
            NavItem("coupons", _("Coupons"), "ticket", Permission.PROGRAMME_VIEW),
            NavItem("plans", _("Paid plans"), "crown", Permission.PROGRAMME_VIEW),
            NavItem("rewards", _SHELF, "award", Permission.PROGRAMME_VIEW),
            NavItem("products", _("Products"), "package", Permission.CATALOG_VIEW),
            NavItem("stores", _("Stores"), "building-store", Permission.CATALOG_VIEW),
            NavItem("channels", _("Channels"), "world", Permission.CATALOG_VIEW),
        ),
    ),
    (
        _("Finance"),
        (
            NavItem("liability", _("Liability"), "scale", Permission.FINANCE_VIEW, whole_house=True),
            NavItem("settlement", _("Store settlement"), "report-analytics", Permission.FINANCE_VIEW),
            NavItem("offline", _("Offline exposure"), "wifi-off", Permission.FINANCE_VIEW),
        ),
    ),
    (
        _("Administration"),
        (
            NavItem("staff", _("Staff"), "id-badge-2", Permission.STAFF_MANAGE),
            NavItem("api_keys", _("API keys"), "key", Permission.KEYS_MANAGE),
            NavItem("audit", _("Audit log"), "shield-lock", Permission.AUDIT_VIEW),
        ),
    ),
)


def permitted_items(staff: Staff) -> Iterator[tuple[NavItem, str]]:
    """The pages this person may open, in order, each with its address."""
    for _group, items in GROUPS:
        for item in items:
            if not staff.may(item.permission) or (item.whole_house and not staff.all_stores):
                continue
            if href := _address(item):
                yield item, href


def sidebar(staff: Staff, path: str) -> list[tuple[str | Promise, list[NavLink]]]:
    """The groups with the links this person may use; the one that holds `path` is current. Empty groups are left out."""
    allowed = dict(permitted_items(staff))
    current = max((href for href in allowed.values() if _holds(href, path)), key=len, default="")
    groups = [
        (
            label,
            [
                NavLink(allowed[item], item.label, item.icon, allowed[item] == current)
                for item in items
                if item in allowed
            ],
        )
        for label, items in GROUPS
    ]
    return [(label, links) for label, links in groups if links]


def links_to(routes: Collection[str], staff: Staff) -> list[NavLink]:
    """The pages of `routes` that this person may open, in the order of `routes`."""
    allowed = {item.route: (item, href) for item, href in permitted_items(staff)}
    found = [allowed[route] for route in routes if route in allowed]
    return [NavLink(href, item.label, item.icon, False) for item, href in found]


def landing_page(staff: Staff) -> str | None:
    """Where this person starts after signing in: the first page they may open; None when there is none."""
    return next((href for _item, href in permitted_items(staff)), None)


def address_of(route: str, staff: Staff) -> str:
    """The address of one page, or "" when this person may not open it."""
    return next((href for item, href in permitted_items(staff) if item.route == route), "")


def _address(item: NavItem) -> str:
    try:
        return reverse(f"console:{item.route}")
    except NoReverseMatch:
        return ""


def _holds(href: str, path: str) -> bool:
    return path == href or path.startswith(f"{href}/")
