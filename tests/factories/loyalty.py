"""Programme sources and published versions for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

import shuke.config
from shuke.core.values import SYSTEM, Actor
from shuke.loyalty.models import ProgrammeVersion, Standing
from shuke.loyalty.operations import publish_programme
from tests.factories.core import NOW

DEMO = (Path(shuke.config.__file__).parent / "demo" / "programme.yaml").read_text(encoding="utf-8")

SOURCE = """\
shuke: 1
code: test
name: {zh-Hans: 测试会员, en: Test club}
currency: CNY
time_zone: Asia/Shanghai
assets:
  points: {name: {zh-Hans: 积分, en: Points}}
  growth: {name: {zh-Hans: 成长值, en: Growth}, expiry: {model: never}}
earning:
  - {id: base, name: {zh-Hans: 消费积分, en: Base points}, give: 1, per: 1.00}
multipliers:
  - {id: wed, name: {zh-Hans: 会员日, en: Member day}, factor: 2, when: {weekdays: [wed]}}
tiers:
  metric: spend
  levels:
    - {code: classic, name: {zh-Hans: 普通, en: Classic}, threshold: 0}
    - {code: silver, name: {zh-Hans: 银卡, en: Silver}, threshold: 2000, multiplier: 1.1}
    - {code: gold, name: {zh-Hans: 金卡, en: Gold}, threshold: 5000, multiplier: 1.2, discount_percent: 2}
redemption: {points: 100, worth: 1, max_percent: 50}
"""


def changed(old: str, new: str, source: str = SOURCE) -> str:
    """The source with one passage replaced; the passage must be there."""
    assert old in source, old
    return source.replace(old, new)


def publish(
    source: str = SOURCE, *, now: datetime = NOW, effective_at: datetime | None = None, actor: Actor = SYSTEM
) -> ProgrammeVersion:
    """A published version."""
    return publish_programme(actor=actor, now=now, source=source, effective_at=effective_at)


def stand(member_id: UUID, tier: str, *, since: datetime, review_at: datetime | None) -> Standing:
    """The tier a member holds, written straight into the table."""
    return Standing.objects.create(member_id=member_id, tier=tier, since=since, review_at=review_at)


def no_sales(
    member_ids: list[UUID], ends: Mapping[UUID, datetime], *, track: str = "", review: bool = False
) -> dict[UUID, int]:
    """A qualifying total for members who bought nothing."""
    return dict.fromkeys(member_ids, 0)
