"""A small chain with a programme, and the importer without a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

from shuke.catalog.bulk import put_products_in_bulk, put_stores_in_bulk
from shuke.catalog.operations import ensure_channel
from shuke.catalog.values import NewProduct, NewStore
from shuke.core.values import SYSTEM
from shuke.integrations.mapping import Mapping, read_mapping
from shuke.integrations.runs import run_import
from shuke.integrations.values import Kind, OnExisting, Options, Outcome
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.queries import forget_versions
from shuke.members.operations import register_members_in_bulk
from shuke.members.profile import Profile
from shuke.members.values import NewMember

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROGRAMME = """
shuke: 1
code: test
name: {zh-Hans: 测试, zh-Hant: 測試, en: Test}
currency: CNY
time_zone: Asia/Shanghai
assets:
  points:
    name: {zh-Hans: 积分, zh-Hant: 積分, en: Points}
    expiry: {model: never}
earning:
  - id: base
    name: {zh-Hans: 基础, zh-Hant: 基礎, en: Base}
    give: 1
    per: 1.00
tiers:
  metric: spend
  window_months: 12
  valid_months: 12
  levels:
    - {code: basic, name: {zh-Hans: 普通, zh-Hant: 普通, en: Basic}, threshold: 0}
    - {code: gold, name: {zh-Hans: 金卡, zh-Hant: 金卡, en: Gold}, threshold: 100, multiplier: 2}
"""

Importer = Callable[..., Outcome]


def fill_chain(products: int = 20, members: int = 10) -> None:
    """Two stores, one channel, some products and members with external ids h0, h1, … of the system "old"."""
    put_stores_in_bulk(
        actor=SYSTEM, now=NOW, rows=[NewStore(code="S1", name="一店"), NewStore(code="S2", name="二店")]
    )
    ensure_channel("pos")
    put_products_in_bulk(
        actor=SYSTEM,
        now=NOW,
        rows=[NewProduct(sku=f"P{i}", name=f"商品{i}", price_minor=1000) for i in range(products)],
    )
    joined = NOW - timedelta(days=400)
    rows = [
        NewMember(
            profile=Profile(name=f"王{i}", phone=f"+86138{i:08d}", birthday=None),
            external_ids={"old": f"h{i}"},
            joined_at=joined,
        )
        for i in range(members)
    ]
    assert not register_members_in_bulk(actor=SYSTEM, now=NOW, rows=rows).refused
    publish_programme(actor=SYSTEM, now=NOW, source=PROGRAMME, effective_at=joined)
    forget_versions()


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """The tests read English sentences, whatever the site's language is."""
    with translation.override("en"):
        yield


@pytest.fixture
def chain(db: None) -> None:
    """The chain, inside the test's own transaction."""
    fill_chain()


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    """Import text, bytes or a file: `importer("orders", text, columns={…}, dry_run=True)`."""

    def run(
        kind: str, content: str | bytes | Path, /, *, name: str = "", mapping: Any = None, **options: Any
    ) -> Outcome:
        if isinstance(content, Path):
            path = content
        else:
            path = tmp_path / (name or f"{kind}.csv")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        if "on_existing" in options:
            options["on_existing"] = OnExisting(options["on_existing"])
        checked: Mapping | None = read_mapping(mapping, Kind(kind)) if mapping else None
        return run_import(
            kind=Kind(kind),
            path=path,
            mapping=checked,
            options=Options(**options),
            clock=lambda: NOW,
            progress=lambda work: None,
        )

    return run
