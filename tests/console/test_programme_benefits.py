"""The programme's page tells all that members get: of tiers, plans, coupons and rewards, in each language."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from shuke.console.programme_words import Told, tell
from shuke.core.values import SYSTEM
from shuke.loyalty.cautions import ALL
from shuke.loyalty.document import validate
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.queries import forget_versions
from tests.console.pages import client_of, text_of

pytestmark = pytest.mark.django_db

TRACK = """
tracks:
  - code: partner
    name: {zh-Hans: 伙伴}
    metric: none
    discount: best
    multiplier: add
    levels:
      - {code: guest, name: {zh-Hans: 来宾}}
      - {code: ally, name: {zh-Hans: 盟友}, discount_percent: 8, multiplier: 1.25}
"""
SOURCE = """
shuke: 1
code: club
name: {zh-Hans: 会员俱乐部}
currency: CNY
time_zone: Asia/Shanghai
assets:
  points: {name: {zh-Hans: 积分, en: Points}, expiry: {model: never}}
earning: [{id: base, name: {zh-Hans: 消费积分}, give: 1, per: 1}]
tiers:
  metric: orders
  window: calendar_year
  levels:
    - {code: base, name: {zh-Hans: 普通}, threshold: 0}
    - code: gold
      name: {zh-Hans: 金卡}
      threshold: 12
      discount_percent: 5
      multiplier: 1.2
      benefits:
        birthday: {points: 200, coupons: [{template: ten, count: 2}], days_before: 3}
        packs: [{code: monthly, period: month, coupons: [{template: ten}, {template: box, count: 3}]}]
        entitlements:
          - {code: juice, name: {zh-Hans: 免费鲜榨果汁, en: Fresh juice}, quota: 2, period: month, stores: [S2, S1], stock: 900}
        free_shipping: true
        free_shipping_from: 99
        priority_service: true
        exclusive: [{categories: [酒], skus: [A, B], from: 2026-11-01, until: 2026-12-01}]
coupons:
  - code: ten
    name: {zh-Hans: 十元券}
    type: amount_off
    amount: 10
    minimum_spend: 50
    validity: {days_after_issue: 30}
    limits: {per_member: 1, per_member_per: month}
    auto_issue: {on: [registration, birthday]}
  - {code: box, name: {zh-Hans: 盒券}, type: exchange, get: 1, scope: {categories: [茶, 咖啡]}, public_code: BOX}
  - {code: hand, name: {zh-Hans: 手工券}, type: free_shipping, shipping: {skus: [POST]}}
rewards:
  - code: cup
    name: {zh-Hans: 杯子}
    kind: goods
    points: 800
    cash: 9.9
    tiers: [gold, base]
    tier_prices: [{tier: gold, points: 600}]
    stock: 50
    limit: {member: 1, per: year}
plans:
  - code: vip
    name: {zh-Hans: 尊享}
    price: 199
    duration: {months: 12}
    trial: {days: 7}
    tier: gold
    renewal: {auto: true}
    refund: {policy: none, full_days: 7}
    upgrade_to: [black]
    benefits:
      discount_percent: 10
      multiplier: 2
      free_shipping: true
      packs: [{code: yearly, period: quarter, coupons: [{template: box}]}]
  - {code: black, name: {zh-Hans: 黑卡}, price: 999.5, duration: {days: 90}, on_sale: false}
"""


def told_in(language: str, source: str = SOURCE) -> Told:
    with translation.override(language):
        return tell(validate(source))


def test_a_tier_tells_every_benefit() -> None:
    base, gold = told_in("en").tiers
    assert (base.threshold, base.brings) == ("", ())
    assert (gold.threshold, gold.discount, gold.multiplier) == ("from 12 orders", "5% off", "×1.2")
    assert gold.brings == (
        "Birthday gift, 3 days before: 200 Points, 十元券 ×2",
        "Every month: 十元券, 盒券 ×3",
        "Fresh juice: 2 per month (in S1, S2; 900 in all)",
        "Free shipping from ¥99",
        "Priority service",
        "Exclusive goods: 酒, 2 products (1 Nov 2026 – 30 Nov 2026)",
    )
    assert told_in("zh-hans").tiers[1].brings == (
        "生日礼（提前 3 天）：200 积分、十元券 ×2",
        "每月券包：十元券、盒券 ×3",
        "免费鲜榨果汁：每月 2 次（限门店 S1、S2；共 900 份）",
        "满 ¥99 免运费",
        "优先服务",
        "专享商品：酒、2 种商品（2026-11-01 – 2026-11-30）",
    )
    assert "优先服务" not in told_in("zh-hant").tiers[1].brings
    assert "優先服務" in told_in("zh-hant").tiers[1].brings


def test_a_plan_tells_its_price_term_benefits_and_packs() -> None:
    plans = next(each for each in told_in("en").offers if each.title == "Paid plans")
    vip, black = plans.rows
    assert (vip.name, vip.gives) == ("尊享", "¥199 · 12 months")
    assert vip.holds == (
        "At least the tier 金卡",
        "10% off",
        "Points ×2",
        "Every quarter: 盒券",
        "Free shipping",
    )
    assert vip.terms == (
        "7 days on trial · can renew itself · paid back whole within 7 days while unused"
        " · what is left is not paid back · can be raised to 黑卡"
    )
    assert (black.gives, black.holds) == ("¥999.50 · 90 days", ())
    assert black.terms.startswith("not on sale · ")


def test_a_coupon_tells_how_members_come_by_it() -> None:
    ten, box, hand = next(each for each in told_in("en").offers if each.title == "Coupons").rows
    assert ten.gives == "¥10.00 off, from a spend of ¥50.00"
    assert ten.terms == (
        "on joining; on birthdays; pack of 金卡; birthday gift of 金卡"
        " · good: 30 days from its issue · 1 for each member per month"
    )
    assert box.terms == "pack of 金卡, 尊享; with the code BOX · for 茶, 咖啡 · good: without end"
    assert hand.terms.startswith("By hand or by code · ")


def test_a_reward_tells_its_prices_by_tier_and_who_may_have_it() -> None:
    (cup,) = next(each for each in told_in("en").offers if each.title == "Rewards").rows
    assert (cup.gives, cup.holds) == ("800 Points + ¥9.90", ("金卡: 600 Points",))
    assert cup.terms == "only for 普通, 金卡 · 1 for each member per year · 50 in all"


def test_levels_of_every_metric_and_window_have_words() -> None:
    told = told_in("en", SOURCE + TRACK)
    assert dict(told.terms)["Tiers are reached"] == "by number of orders over the calendar year"
    (partner,) = told.tracks
    facts = dict(partner.facts)
    assert (facts["来宾"], facts["盟友"]) == (
        "where everyone starts",
        "given by hand · 8% off · Points ×1.25",
    )
    assert facts["Tiers are reached"] == "by hand only"
    by_points = told_in("en", SOURCE.replace("metric: orders", "metric: points"))
    assert by_points.tiers[1].threshold == "from 12 Points"


def test_the_page_and_that_of_a_version_show_it() -> None:
    forget_versions()
    publish_programme(
        actor=SYSTEM, source=SOURCE + TRACK, now=timezone.now() - timedelta(days=1), accepted=ALL
    )
    client = client_of(language="zh-hans")
    for address in ("/programme", "/programme/versions/1"):
        page = text_of(client.get(address))
        words = [
            "每月 2 次",
            "每季券包：盒券",
            "¥199 · 12 个月",
            "入会时",
            "金卡：600 积分",
            "优先服务",
            "盟友",
        ]
        assert [each for each in words if each not in page] == []


def test_a_coupon_tells_when_and_where_it_counts() -> None:
    scope = "scope: {categories: [茶, 咖啡]"
    narrow = f'{scope}, day_parts: [{{from: "07:00", to: "10:00"}}], weekdays: [fri, mon], channels: [pos], exclude_skus: [X1]'
    source = SOURCE.replace(scope, narrow)
    assert source != SOURCE

    def about(language: str) -> str:
        coupons = next(
            each for each in told_in(language, source).offers if each.title in ("Coupons", "优惠券")
        )
        return next(row.terms for row in coupons.rows if row.name == "盒券")

    assert "but not on the products X1 · through pos · every Monday, Friday · at 07:00–10:00" in about("en")
    assert "每逢周一、周五" in about("zh-hans") and "时段 07:00–10:00" in about("zh-hans")
