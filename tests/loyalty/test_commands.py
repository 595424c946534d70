"""The commands of the programme."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shuke.kit import clock
from shuke.loyalty.commands import app
from shuke.loyalty.document import validate
from shuke.loyalty.earning import EPOCH
from shuke.loyalty.models import Counter, ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.factories.catalog import make_product
from tests.factories.loyalty import SOURCE, changed, publish

pytestmark = pytest.mark.django_db


def run(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "programme.yaml"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_validate_names_the_line_of_each_problem(file: Path) -> None:
    assert run("validate", str(file)).output == f"{file}: valid. Test club: 2 rules, 3 tiers.\n"
    file.write_text(changed("threshold: 5000", "threshold: 50").replace("CNY", "RMB"), encoding="utf-8")
    result = run("validate", str(file))
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"{file}:4: currency: “RMB” is no currency code such as CNY (ISO 4217)",
        f"{file}:18: tiers.levels[2].threshold: must be greater than 2000.00 (silver)",
    ]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    result = run("validate", str(tmp_path / "none.yaml"))
    assert (result.exit_code, result.output) == (1, f"{tmp_path / 'none.yaml'}: No such file or directory\n")


def test_diff_and_apply_say_what_changes(file: Path) -> None:
    assert "would be the first version" in run("diff", str(file)).output
    first = run("apply", str(file), "--note", "Opening")
    assert first.exit_code == 0
    assert "Published version 1, in force from" in first.output
    assert run("diff", str(file)).output == "No difference to version 1.\n"
    file.write_text(changed("threshold: 5000", "threshold: 6000"), encoding="utf-8")
    assert run("diff", str(file)).output == "~ Gold threshold 5,000.00 → 6,000.00\n"
    second = run("apply", str(file), "--effective-at", "2099-01-01T00:00")
    assert second.output.splitlines() == [
        "~ Gold threshold 5,000.00 → 6,000.00",
        "Published version 2, in force from 2099-01-01 00:00:00 CST.",
    ]
    stored = ProgrammeVersion.objects.get(number=2)
    assert stored.effective_at.isoformat() == "2098-12-31T16:00:00+00:00"
    assert ProgrammeVersion.objects.get(number=1).note == "Opening"


def test_apply_refuses_in_one_line(file: Path) -> None:
    publish(now=clock.now())
    result = run("apply", str(file))
    assert result.exit_code == 1
    assert result.output == "The document is the same as version 1, which is in force at that time.\n"
    file.write_text(changed("threshold: 5000", "threshold: 6000"), encoding="utf-8")
    assert "cannot begin in the past" in run("apply", str(file), "--effective-at", "2020-01-01").output
    assert run("apply", str(file), "--effective-at", "soon").exit_code == 2
    assert ProgrammeVersion.objects.count() == 1


def test_show_prints_the_programme_in_words_and_as_yaml() -> None:
    assert run("show").exit_code == 1
    forget_versions()
    publish(now=clock.now())
    shown = run("show").output
    assert "Test club (version 1, CNY)" in shown
    assert "Member day: Points ×2; every Wednesday" in shown
    assert "Gold: from 5,000.00; ×1.2, 2% off" in shown
    assert validate(run("show", "--yaml").output) == validate(SOURCE)


def test_versions_are_listed_newest_first() -> None:
    publish(now=clock.now())
    publish(changed("threshold: 5000", "threshold: 6000"), now=clock.now())
    lines = run("versions").output.splitlines()
    assert [line.split()[:2] for line in lines] == [["2", "scheduled"], ["1", "in_force"]]


def test_budgets_say_what_they_have_given() -> None:
    assert run("budgets").output == "The programme in force has no budgets.\n"
    budgets = "budgets: [{id: launch, name: {zh-Hans: 开业}, limit: 5000, covers: all}]\nearning:"
    publish(changed("earning:", budgets))
    Counter.objects.create(budget="launch", period=EPOCH, used=1200)
    assert run("budgets").output == "launch: 1,200 of 5,000 points given, 3,800 left\n"
    assert "Points in all for all rules" in run("show").output


def test_goods_that_nobody_sells_come_with_the_way_out(file: Path) -> None:
    coupon = "coupons: [{code: cup, name: {zh-Hans: 一杯}, type: exchange, get: 1, scope: {categories: [DRINKS]}}]\n"
    file.write_text(SOURCE + coupon, encoding="utf-8")
    refused = run("apply", str(file))
    assert refused.exit_code == 1
    assert refused.output.splitlines() == [
        "! coupons[0].scope.categories[0]: the catalogue has no category “DRINKS”",
        "Import what you sell first (shuke import products FILE), or change these words in the document.",
        "Nothing was published. To publish all the same, add --accept-warnings.",
    ]
    make_product(category="DRINKS")
    assert run("apply", str(file)).exit_code == 0
