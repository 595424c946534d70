"""Tables of the reports: figures kept ready, so that a page never adds up sales. All of them can be rebuilt at any time.

Written only by `operations.refresh`, always as "what the base tables say now": running it twice changes nothing.
Rows carry ids without foreign keys, because they are copies. Days are local days of the programme's time zone.

Cost with 1,000,000 members who come 20 times a year to 1.3 of 1,000 stores, measured: `Visits` has 1.3 M rows in 265 MB
with its indexes, `VisitGap` 66,795 rows a year in 6 MB. Active members over all stores cost under 50 ms for any range,
of one store under 20 ms; of a region of 100 stores about a second a month, because its visits are gone through.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

NO_STORE = UUID(int=0)
"""Stands in a key for members who joined at no store and bought nowhere yet."""


class Refreshed(models.Model):
    """One row: what the figures are complete up to, and what they were computed with."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    as_of = models.DateTimeField(null=True)
    """Everything committed shortly before this instant is in the figures."""
    today = models.DateField(null=True)
    """The local day that the 365-day windows of `MemberSummary` end with."""
    zone = models.CharField(max_length=60, default="")
    ledger_txid = models.BigIntegerField(null=True)
    """Transfers of transactions below this number are in the figures."""
    frequency_starts = ArrayField(models.IntegerField(), default=list)
    """Fewest orders a year of each frequency class, ascending, from quintiles: (1, 2, 3, 5, 9)."""

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="analytics_refreshed_one_row")]


class StoreDay(models.Model):
    """What one store sold in one channel on one local day; refunds count on the day they were given.

    `*_sales_minor` are gross and never change later. A refund gives back the sales value of its part. `orders` and
    `member_orders` count the day's orders of which something still stands, and `member_kept_minor` what still stands of
    members' orders: both follow later refunds.
    """

    pk = models.CompositePrimaryKey("store_id", "day", "channel")
    store_id = models.UUIDField()
    day = models.DateField()
    channel = models.CharField(max_length=40)
    orders = models.IntegerField()
    member_orders = models.IntegerField()
    sales_minor = models.BigIntegerField()
    member_sales_minor = models.BigIntegerField()
    member_kept_minor = models.BigIntegerField(db_default=0)
    discount_minor = models.BigIntegerField()
    refunds = models.IntegerField()
    member_refunds = models.IntegerField()
    refund_minor = models.BigIntegerField()
    member_refund_minor = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day", "store_id"], name="analytics_storeday_day")]


class NewMembers(models.Model):
    """How many joined at a store on a local day; NO_STORE for those who joined elsewhere."""

    pk = models.CompositePrimaryKey("day", "store_id")
    day = models.DateField()
    store_id = models.UUIDField()
    members = models.IntegerField()


class Visits(models.Model):
    """The local days on which a member bought at a store (orders refunded since left out), ascending.

    Exact distinct members of any stores in any range come from here: a binary search per row.
    """

    pk = models.CompositePrimaryKey("member_id", "store_id")
    member_id = models.UUIDField()
    store_id = models.UUIDField()
    days = ArrayField(models.DateField())

    class Meta:
        indexes = [models.Index(fields=["store_id"], name="analytics_visits_store")]


class VisitGap(models.Model):
    """How many members bought on `day` and, before that, last on `previous_day` (0001-01-01: never), at any store.

    A member is active in a range exactly once on the day whose previous visit lies before the range, so that
    active(first, last) = Σ members where first ≤ day ≤ last and previous_day < first: exact, at a cost that depends
    on days and not on members.
    """

    pk = models.CompositePrimaryKey("day", "previous_day")
    day = models.DateField()
    previous_day = models.DateField()
    members = models.IntegerField()


class MemberSummary(models.Model):
    """A member in figures. The year is the 365 local days that end with `Refreshed.today`."""

    member_id = models.UUIDField(primary_key=True)
    home_store_id = models.UUIDField()
    """Where the member joined, else first bought, else NO_STORE."""
    tier = models.CharField(max_length=30, default="")
    """Empty while the member has never moved: the lowest tier."""
    is_closed = models.BooleanField()
    first_order_at = models.DateTimeField(null=True)
    last_order_at = models.DateTimeField(null=True)
    last_day = models.DateField(null=True)
    orders_year = models.IntegerField()
    spend_year_minor = models.BigIntegerField()
    points = models.BigIntegerField()
    favourites = models.JSONField(default=dict)
    """Of the year: {"categories": [[path, minor]…], "brands": […], "stores": [[id, orders]…], "hours": [24 counts]}."""

    class Meta:
        indexes = [
            models.Index(
                fields=["last_day", "member_id"],
                include=["orders_year", "home_store_id"],
                name="analytics_summary_recency",
                condition=models.Q(is_closed=False, orders_year__gt=0),
            ),
            models.Index(
                fields=["home_store_id", "last_day", "member_id"],
                include=["orders_year"],
                name="analytics_summary_home",
                condition=models.Q(is_closed=False),
            ),
        ]


class HomeStore(models.Model):
    """Members (closed ones left out) and points of everybody by home store and tier."""

    pk = models.CompositePrimaryKey("store_id", "tier")
    store_id = models.UUIDField()
    tier = models.CharField(max_length=30)
    members = models.IntegerField()
    points = models.BigIntegerField()


class RecencyCount(models.Model):
    """Members (closed ones left out) by the day of their last order and their orders in the year."""

    pk = models.CompositePrimaryKey("last_day", "orders_year")
    last_day = models.DateField()
    orders_year = models.IntegerField()
    members = models.IntegerField()


class PointsDay(models.Model):
    """By how much the points of a home store's members rose (or fell) on a local day."""

    pk = models.CompositePrimaryKey("day", "store_id")
    day = models.DateField()
    store_id = models.UUIDField()
    net = models.BigIntegerField()


class PointsMoved(models.Model):
    """Points that came to members and that left them on a local day, by the store of the act; NO_STORE for acts of none.

    An act counts once, by what it changed a member's balance: `came` − `went` is the change of all balances that day.
    """

    pk = models.CompositePrimaryKey("day", "store_id")
    day = models.DateField()
    store_id = models.UUIDField()
    came = models.BigIntegerField()
    went = models.BigIntegerField()
