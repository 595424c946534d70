"""Who takes part in the sample days: members who had stopped buying by then, staff, two stores, and goods from the shelf.

Only members whose last basket of the data set lies before the first sample day: what is played with them then comes after
all that the data set tells of them, so that no book is written out of order.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Min, Sum

from shuke.catalog.models import Product, Store
from shuke.checkout.models import Order, OrderLine
from shuke.config.demo.people import SEED
from shuke.config.demo.source import SYSTEM
from shuke.core.models import Staff
from shuke.core.values import Actor, Role

REGULARS = 40
"""Of those who spent most, so many take part; then as many `OTHERS`, drawn from all the rest."""
OTHERS = 120
SHELF = 160


@dataclass(frozen=True, slots=True)
class Place:
    """A store and who stands at its till."""

    store: Store
    till: Actor

    @property
    def code(self) -> str:
        return self.store.code


@dataclass(frozen=True, slots=True)
class Shop:
    """`people`: who spent most comes first. `goods`: SKUs with a list price, the most bought first."""

    places: tuple[Place, ...]
    owner: Actor
    manager: Actor
    marketer: Actor
    agent: Actor
    people: tuple[UUID, ...]
    goods: tuple[str, ...]


def read_shop(*, until: datetime) -> Shop | None:
    """The same for the same data, whenever it is asked. None where the data are too few: no store, nobody, nothing to sell."""
    staff = {each.role: each.as_actor() for each in Staff.objects.all()}
    places, people, goods = _places(staff), _people(until), _goods()
    if len(people) < 2 or not places or not goods or Role.OWNER not in staff:
        return None
    return Shop(
        places,
        staff[Role.OWNER],
        staff[Role.STORE_MANAGER],
        staff[Role.MARKETER],
        staff[Role.SERVICE_AGENT],
        people,
        goods,
    )


def _places(staff: dict[str, Actor]) -> tuple[Place, ...]:
    """The cashier's store, then the other one of the store manager."""
    tills = dict.fromkeys(sorted(staff[Role.STORE_MANAGER].store_ids), staff[Role.STORE_MANAGER])
    tills |= dict.fromkeys(staff[Role.CASHIER].store_ids, staff[Role.CASHIER])
    found = [Place(store, tills[store.id]) for store in Store.objects.filter(id__in=tills).order_by("code")]
    return tuple(sorted(found, key=lambda place: place.till != staff[Role.CASHIER]))


def _people(until: datetime) -> tuple[UUID, ...]:
    rows = (
        Order.objects.filter(system=SYSTEM, member__isnull=False)
        .values("member_id")
        .annotate(last=Max("occurred_at"), spent=Sum("sales_minor"), first=Min("number"))
        .filter(last__lt=until)
        .order_by("-spent", "first")
    )
    found: list[UUID] = [row["member_id"] for row in rows]
    rest = found[REGULARS:]
    dice = random.Random(f"{SEED}-sample-people")  # noqa: S311 - a fixed seed is the point
    return (*found[:REGULARS], *dice.sample(rest, min(OTHERS, len(rest))))


def _goods() -> tuple[str, ...]:
    """What is bought most: things that have a price of their own, in whole pieces."""
    bought = (
        OrderLine.objects.filter(order__system=SYSTEM, quantity=1)
        .values("product_id")
        .annotate(times=Count("*"))
        .order_by("-times")
        .values_list("product_id", flat=True)[: SHELF * 2]
    )
    priced = Product.objects.filter(id__in=list(bought), is_active=True, price_minor__range=(120, 3000))
    skus = priced.exclude(category__path__regex="^(FUEL|COUPON|MISCELLANEOUS)").values_list("sku", flat=True)
    return tuple(sorted(skus))[:SHELF]
