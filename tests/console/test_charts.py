"""Charts carry numbers to draw and the same figures as text."""

from __future__ import annotations

import pytest
from django.utils import translation

from shuke.console import charts


def test_a_trend_has_a_table_of_the_same_texts() -> None:
    with translation.override("zh-hans"):
        trend = charts.Trend(
            ["11/20", "11/21"],
            [
                charts.Series.of_money("销售额", [123450, 5], area=True),
                charts.Series.of_counts("会员", [1200, 3], kind="bar", axis=1, colour=2),
            ],
        )
        assert trend.table == charts.Table(
            ["日期", "销售额", "会员"], [["11/20", "¥1,234.50", "1,200"], ["11/21", "¥0.05", "3"]]
        )
        money, counts = trend.payload["series"]
        assert (money["data"], money["axis"], money["area"]) == ([1234.5, 0.05], 0, True)
        assert (counts["type"], counts["axis"], counts["text"]) == ("bar", 1, ["1,200", "3"])


def test_shares_add_up_and_an_empty_whole_is_no_error() -> None:
    share = charts.Share([charts.Part("银卡", 3, 1), charts.Part("金卡", 1, 2)], "会员总数")
    assert [part["share"] for part in share.payload["parts"]] == ["75.0%", "25.0%"]
    assert share.payload["total"] == "4"
    empty = charts.Share([charts.Part("银卡", 0, 1)], "会员总数")
    assert empty.payload["parts"][0]["share"] == "–"


def test_a_ranking_keeps_its_order() -> None:
    ranking = charts.Ranking("销售额", ["拿铁", "可颂"], [2, 1], ["¥2", "¥1"], label_name="商品")
    assert ranking.table == charts.Table(["商品", "销售额"], [["拿铁", "¥2"], ["可颂", "¥1"]])


@pytest.mark.parametrize(("value", "level"), [(0, 0), (1, 1), (250, 3), (1000, 6)])
def test_heat_levels_follow_the_square_root(value: int, level: int) -> None:
    assert charts.heat_level(value, 1000) == level


def test_a_heat_grid_of_zeros_is_all_empty() -> None:
    grid = charts.HeatGrid(["1", "2"], ["a"], [[0, 0]])
    assert [cell.level for cell in grid.rows[0]["cells"]] == [0, 0]


def test_spark_paths_stay_inside_their_box() -> None:
    line, area = charts.spark_paths([1, 5, 3])
    assert line == "M0 22L36 2L72 12"
    assert area == "M0 22L36 2L72 12L72 24L0 24Z"
    assert charts.spark_paths([4, 4])[0] == "M0 22L72 22"
    assert charts.spark_paths([4]) == ("", "")
