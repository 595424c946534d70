"""The accountant's reports as CSV: amounts as plain decimals of the currency, names guarded against spreadsheet formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from shuke.analytics.finance import StorePosition, age_span
from shuke.analytics.queries.liability import Liability
from shuke.analytics.queries.settlement import Settlement
from shuke.analytics.zone import reporting_zone
from shuke.kit.clock import local_date
from shuke.kit.money import to_text

BOM = "\ufeff"
"""Spreadsheets take a file without it for their own code page, in which Chinese is lost."""

StoreNames = Mapping[UUID, tuple[str, str]]
"""(code, name) of stores by id."""


def age_text(age: int) -> str:
    """A class of age: "0–30", "731+"."""
    first, last = age_span(age)
    return f"{first}+" if last is None else f"{first}–{last}"


def liability_csv(report: Liability, asset_name: Callable[[str], str]) -> str:
    """One line for each group of lots, one for each debt, and one in total for each asset, with its movements."""
    currency = report.currency
    head = [
        _("Asset"),
        _("Age in days"),
        _("State"),
        _("Lots"),
        _("Units"),
        _("Cash value"),
        _("Expected to be used"),
        _("Expected share"),
        _("Deferred revenue"),
        _("Breakage"),
        _("Currency"),
        _("Units at the start"),
        _("Units in"),
        _("Units out"),
    ]
    lines: list[list[Any]] = []
    for asset in report.assets:
        name = asset_name(asset.asset)
        for row in asset.rows:
            lines.append(
                [
                    name,
                    age_text(row.age),
                    row.state,
                    row.lots,
                    row.units,
                    _amount(row.value_minor, currency),
                    row.expected,
                    str(row.share),
                    _amount(row.deferred_minor, currency),
                    _amount(row.breakage_minor, currency),
                    currency,
                    *[""] * 3,
                ]
            )
        if asset.debt:
            owed = asset.debt_minor
            lines.append(
                [
                    name,
                    "",
                    "debt",
                    "",
                    -asset.debt,
                    _amount(None if owed is None else -owed, currency),
                    *[""] * 4,
                    currency,
                    *[""] * 3,
                ]
            )
        lines.append(
            [
                name,
                "",
                "total",
                sum(row.lots for row in asset.rows),
                asset.units,
                _amount(asset.value_minor, currency),
                asset.expected,
                "",
                _amount(asset.deferred_minor, currency),
                _amount(asset.breakage_minor, currency),
                currency,
                asset.opening,
                asset.came,
                asset.went,
            ]
        )
    return _written([head, *lines])


def settlement_csv(statement: Settlement, names: StoreNames, asset_name: Callable[[str], str]) -> str:
    """One line for each pair of stores and asset."""
    zone = reporting_zone(statement.until)
    first = local_date(statement.since, zone).isoformat()
    last = local_date(statement.until - timedelta(microseconds=1), zone).isoformat()
    head = [
        _("From day"),
        _("To day"),
        _("Issued at"),
        pgettext("settlement", "Issuing store"),
        _("Used at"),
        pgettext("settlement", "Using store"),
        _("Asset"),
        pgettext("settlement", "Used"),
        pgettext("settlement", "Returned"),
        _("Net units"),
        _("Value"),
        _("Currency"),
    ]
    lines = [
        [
            first,
            last,
            *store_text(names, row.issuer),
            *store_text(names, row.user),
            asset_name(row.asset),
            row.used,
            row.returned,
            row.units,
            _amount(row.value_minor, statement.currency),
            statement.currency,
        ]
        for row in statement.rows
    ]
    return _written([head, *lines])


def store_text(names: StoreNames, store_id: UUID | str | None) -> tuple[str, str]:
    """(code, name) of a store; head office for what no store issued or took."""
    if store_id is None:
        return "", pgettext("settlement", "Head office")
    return names.get(UUID(str(store_id)), (str(store_id), ""))


def position_name(names: StoreNames, position: StorePosition) -> str:
    """The name of a store in the table of positions."""
    return store_text(names, position.store)[1]


def _amount(minor: int | None, currency: str) -> str:
    return "" if minor is None else to_text(minor, currency)


def _written(lines: Iterable[list[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    for line in lines:
        writer.writerow([_plain(cell) for cell in line])
    return BOM + out.getvalue()


def _plain(cell: Any) -> Any:
    """A name that a spreadsheet would run as a formula is made text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+@\t" and cell else cell
