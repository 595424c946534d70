"""A page with every component, for the visual tests only: it is mounted by a test URL list and ships with nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path

from shuke.config.urls import handler400, handler403, handler404, handler500  # noqa: F401 - read by Django
from shuke.console import charts, formats, navigation

DAYS = [datetime(2026, 10, 23, tzinfo=UTC) + timedelta(days=i) for i in range(30)]
SALES = [3.1, 5.1, 4.8, 3.7, 3.6, 3.7, 3.5, 3.7, 5.2, 5.2, 3.6, 3.7, 3.6, 4.1, 3.7, 4.9, 5.6, 3.7, 3.7, 3.8, 4.3, 3.7, 5.1, 5.5,
         4.4, 4.3, 4.5, 4.2, 4.0, 5.6]  # fmt: skip
ACTIVE = [500 + round(value * 90) for value in SALES]
MEMBERS = [
    ("林**", "138****6621", 2, 12480, 2864000, 0, [("高复购", "ok"), ("生日月", "brand")]),
    ("陈**", "139****0917", 3, 38920, 9631050, 1, [("高价值", "gold")]),
    ("E*** Z***", "186****2250", 1, 3150, 648000, 52, [("流失预警", "bad")]),
    ("王**", "150****7743", 0, 420, 86000, 3, [("新客首购", "info")]),
    ("欧阳**", "177****3308", 4, 81200, 21890000, 0, [("高价值", "gold"), ("专属顾问", "brand")]),
    ("赵**", "136****5514", 2, 9870, 1822000, 96, [("沉睡", ""), ("券到期", "warn")]),
]
TIERS = ["普通", "银卡", "金卡", "铂金", "黑钻"]


class GalleryForm(forms.Form):
    """One field of each kind; sent empty it shows its errors."""

    store_code = forms.CharField(label="门店编码", help_text="4 到 12 位字母或数字", max_length=12)
    region = forms.ChoiceField(label="区域", choices=[("east", "华东"), ("south", "华南")])
    note = forms.CharField(label="备注", widget=forms.Textarea(attrs={"rows": 3}), required=False)
    is_open = forms.BooleanField(label="营业中", required=False, initial=True)


def gallery(request: HttpRequest) -> HttpResponse:
    """Everything at once, with the full sidebar."""
    now = datetime.now(UTC)
    form = GalleryForm({"store_code": ""}) if "errors" in request.GET else GalleryForm()
    if "toasts" in request.GET:
        messages.success(request, "已保存")
        messages.error(request, "积分不足，无法兑换")
    tiers = charts.Share(
        [charts.Part(name, value, tier) for tier, (name, value) in
         enumerate(zip(TIERS, [21480, 12260, 6120, 1986, 472], strict=True))],
        "会员总数",
    )  # fmt: skip
    context = {
        "nav": [
            (group, [navigation.NavLink("#", item.label, item.icon, item.route == "overview") for item in items])
            for group, items in navigation.GROUPS
        ],
        "finder_url": "/gallery",
        "now": now,
        "kpis": [
            ("会员销售额", formats.money(128640000, whole=True), "wallet", "12.4%", "good", "up", SALES),
            ("活跃会员", formats.number(18204), "activity", "3.1%", "good", "up", ACTIVE),
            ("新增会员", formats.number(1472), "user-plus", "8.7%", "good", "up", ACTIVE[::-1]),
            ("积分兑换率", formats.percent(Decimal("0.428")), "coins", "0.6%", "bad", "down", [9, 7, 8, 5, 6, 4, 2, 3]),
            ("券核销率", formats.percent(Decimal("0.315")), "ticket", "0.0%", "flat", "", [3, 4, 3, 4, 4, 4, 3, 4]),
        ],
        "trend": charts.Trend(
            [formats.day_short(day) for day in DAYS],
            [
                charts.Series.of_money("会员销售额", [round(value * 1000000) for value in SALES], area=True),
                charts.Series.of_counts("活跃会员", ACTIVE, kind="bar", axis=1, colour=2),
            ],
        ),
        "tiers": tiers,
        "ranking": charts.Ranking("销售额", ["手冲咖啡", "可颂", "燕麦拿铁", "抹茶蛋糕"], [920, 610, 440, 120],
                                  ["¥920", "¥610", "¥440", "¥120"]),
        "heat": charts.HeatGrid(
            ["1次", "2次", "3–4次", "5–8次", "9次+"],
            ["≤7天", "≤30天", "≤60天", "≤90天", ">90天"],
            [[182, 164, 231, 318, 276], [346, 288, 305, 262, 144], [412, 251, 173, 96, 38], [538, 207, 88, 41, 12],
             [1264, 318, 97, 33, 0]],
        ),
        "members": [
            {"name": name, "phone": phone, "tier": tier, "tier_name": TIERS[tier], "points": points, "spend": spend,
             "last": now - timedelta(days=days, hours=1), "tags": tags}
            for name, phone, tier, points, spend, days, tags in MEMBERS
        ],
        "ranges": [("7", "近 7 天", "?days=7"), ("30", "近 30 天", "?days=30"), ("90", "近 90 天", "?days=90")],
        "tabs": [("a", "概览", "#a"), ("b", "积分流水", "#b"), ("c", "订单", "#c"), ("d", "隐私", "#d")],
        "picks": [("", "请选择"), ("S001", "人民广场店")],
        "form": form,
        "discounts": [formats.discount(85), formats.discount(80)],
    }  # fmt: skip
    return render(request, "e2e/gallery.html", context)


def broken(request: HttpRequest) -> HttpResponse:
    """A view that fails."""
    raise RuntimeError("the secret inside the exception")


urlpatterns = [
    path("gallery", gallery),
    path("gallery/broken", broken),
    path("", include("shuke.console.urls")),
]
