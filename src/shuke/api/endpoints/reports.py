"""The accountant's reports: liability to members, settlement between stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.utils.translation import gettext_lazy as _
from ninja import Router

from shuke.analytics.errors import NeedsAllStores
from shuke.analytics.finance import age_span
from shuke.analytics.queries import liability, settlement
from shuke.analytics.zone import reporting_zone
from shuke.api.contracts.reports import LiabilityQuery, LiabilityReport, SettlementQuery, SettlementStatement
from shuke.api.endpoint import Call, endpoint
from shuke.api.stores import store_codes
from shuke.core.errors import InvalidInput
from shuke.core.values import Scope
from shuke.kit.clock import end_of_day, local_date, start_of_day
from shuke.loyalty.queries import asset_names_at

LONGEST = timedelta(days=366)

router = Router()
_BEFORE_ANYTHING = datetime(1970, 1, 1, tzinfo=UTC)


@endpoint(
    router,
    "GET",
    "/reports/liability",
    scope=Scope.REPORTS_READ,
    query=LiabilityQuery,
    answers={200: LiabilityReport},
    tag="reports",
    refusals=(NeedsAllStores, InvalidInput),
)
def liability_report(call: Call, query: LiabilityQuery) -> tuple[int, dict[str, Any]]:
    """Read the liability to members.

    Units and cash value of all lots by age, what of it is expected to be used (deferred revenue) and to lapse (breakage),
    and the proof that the total is the ledger's. It adds up the whole book: for a night's job, not for every click.
    """
    if call.stores is not None:
        raise NeedsAllStores
    as_of = call.now if isinstance(query.as_of, msgspec.UnsetType) else query.as_of
    if as_of > call.now:
        raise InvalidInput(field="as_of", reason=_("What has not happened yet cannot be explained."))
    as_of = max(as_of, _BEFORE_ANYTHING)  # the local day of an earlier one may be no day at all
    zone = reporting_zone(as_of)
    since = query.since
    if isinstance(since, msgspec.UnsetType):
        since = start_of_day(local_date(as_of, zone).replace(day=1), zone)
    report = liability(as_of=as_of, since=since)
    name = asset_names_at(as_of)
    return 200, {
        "as_of": report.as_of,
        "since": report.since,
        "currency": report.currency,
        "programme_version": report.programme_version,
        "equals_ledger": report.equals_ledger,
        "value_minor": report.value_minor,
        "deferred_minor": report.deferred_minor,
        "breakage_minor": report.breakage_minor,
        "assets": [
            {
                "asset": asset.asset,
                "name": name(asset.asset),
                "units": asset.units,
                "debt": asset.debt,
                "opening": asset.opening,
                "flows": asset.flows,
                "came": asset.came,
                "went": asset.went,
                "ledger_units": asset.ledger_units,
                "equals_ledger": asset.equals_ledger,
                "groups": [
                    {
                        "age_from": age_span(row.age)[0],
                        "age_to": age_span(row.age)[1],
                        "state": row.state,
                        "lots": row.lots,
                        "units": row.units,
                        "expected": row.expected,
                        "expected_share": str(row.share),
                        "value_minor": row.value_minor,
                        "deferred_minor": row.deferred_minor,
                        "breakage_minor": row.breakage_minor,
                    }
                    for row in asset.rows
                ],
                "value_minor": asset.value_minor,
                "deferred_minor": asset.deferred_minor,
                "breakage_minor": asset.breakage_minor,
            }
            for asset in report.assets
        ],
    }


@endpoint(
    router,
    "GET",
    "/reports/settlement",
    scope=Scope.REPORTS_READ,
    query=SettlementQuery,
    answers={200: SettlementStatement},
    tag="reports",
    refusals=(InvalidInput,),
)
def settlement_statement(call: Call, query: SettlementQuery) -> tuple[int, dict[str, Any]]:
    """Read what stores owe each other.

    Points and stored value given at one store and accepted at another in a period of a year at most. A key that covers
    some stores sees what those gave and accepted.
    """
    zone = reporting_zone(call.now)
    last = local_date(call.now, zone) if isinstance(query.to_day, msgspec.UnsetType) else query.to_day
    first = last.replace(day=1) if isinstance(query.from_day, msgspec.UnsetType) else query.from_day
    if first > last:
        raise InvalidInput(field="from_day", reason=_("The period begins after its end."))
    if last - first > LONGEST:
        raise InvalidInput(field="from_day", reason=_("A period has a year at most."))
    if last.year > 9000 or first.year < 1900:
        raise InvalidInput(field="to_day", reason=_("No shop can mean this day."))
    stores = None if call.stores is None else list(call.stores)
    statement = settlement(since=start_of_day(first, zone), until=end_of_day(last, zone), stores=stores)
    codes = store_codes(store for row in statement.rows for store in (row.issuer, row.user))

    def code(store: UUID | str | None) -> str | None:
        return codes.get(UUID(str(store))) if store else None

    return 200, {
        "from_day": first,
        "to_day": last,
        "currency": statement.currency,
        "value_minor": statement.value_minor,
        "across_minor": statement.across_minor,
        "lines": [
            {
                "issued_at": code(row.issuer),
                "used_at": code(row.user),
                "asset": row.asset,
                "used": row.used,
                "returned": row.returned,
                "units": row.units,
                "value_minor": row.value_minor,
            }
            for row in statement.rows
        ],
        "positions": [
            {
                "store": code(position.store),
                "receivable_minor": position.receivable,
                "payable_minor": position.payable,
                "net_minor": position.net,
                "own_minor": position.own,
            }
            for position in statement.positions
        ],
    }
