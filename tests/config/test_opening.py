"""`shuke init`: nothing is overwritten, nothing half done, and what it writes can be published."""

from __future__ import annotations

from pathlib import Path

import pytest

from shuke.config.opening import EMPTY, OpeningProblem, Wanted, list_templates, open_shop
from shuke.core.models import Staff
from shuke.kit import clock
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import programme_at
from shuke.loyalty.starters import starters
from shuke.members.models import AttributeDefinition

pytestmark = pytest.mark.django_db


def wanted(directory: Path, template: str = "coffee", *, owner: str = "", publish: bool = False) -> Wanted:
    return Wanted(template, directory, owner, publish)


def test_a_shop_is_opened_with_an_owner_and_a_programme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_shop(wanted(tmp_path / "shop", "hotel", owner="mei", publish=True))
    said = capsys.readouterr().out
    assert (tmp_path / "shop" / "programme.yaml").read_text(encoding="utf-8") == starters()["hotel"].programme
    assert "programme: programme.yaml" in (tmp_path / "shop" / "story.yaml").read_text(encoding="utf-8")
    owner = Staff.objects.get(username="mei")
    password = said.split("Password: ")[1].split()[0]
    assert owner.role == "owner" and owner.check_password(password)
    version = ProgrammeVersion.objects.get()
    in_force = programme_at(version.effective_at)
    assert in_force is not None and in_force.programme.tiers.levels[-1].code == "platinum"
    assert version.effective_at >= clock.now() or version.number == 1
    personal = dict(AttributeDefinition.objects.values_list("code", "is_personal"))
    assert personal == {"pillow": False, "floor": False, "non_smoking": False, "diet": True}


def test_without_more_it_only_writes_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_shop(wanted(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["programme.yaml", "story.yaml"]
    assert not ProgrammeVersion.objects.exists() and not Staff.objects.exists()
    said = capsys.readouterr().out
    assert "shuke programme apply" in said and "shuke staff create" in said
    steps = ("scenario run", "import stores|products", "programme apply", "import members|orders", "serve")
    assert sorted(steps, key=said.index) == list(steps)  # each can be done when it is its turn


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "story.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(OpeningProblem, match=r"story\.yaml is there already"):
        open_shop(wanted(tmp_path, owner="mei", publish=True))
    assert (tmp_path / "story.yaml").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["story.yaml"]
    assert not Staff.objects.exists() and not ProgrammeVersion.objects.exists()


def test_a_second_opening_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    open_shop(wanted(tmp_path / "one", owner="mei", publish=True))
    with pytest.raises(OpeningProblem, match="has a programme already"):
        open_shop(wanted(tmp_path / "two", "gym", publish=True))
    with pytest.raises(OpeningProblem, match="an account “MEI” already"):
        open_shop(wanted(tmp_path / "two", "gym", owner="MEI"))
    assert not (tmp_path / "two").exists() and ProgrammeVersion.objects.count() == 1


def test_a_name_that_will_not_do_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OpeningProblem, match=r"Nothing was done\."):
        open_shop(wanted(tmp_path / "shop", "hotel", owner="no spaces please", publish=True))
    assert not list((tmp_path / "shop").iterdir())
    assert not AttributeDefinition.objects.exists() and not ProgrammeVersion.objects.exists()


@pytest.mark.parametrize("template", ["tea", ""])
def test_it_says_what_there_is_to_start_from(
    tmp_path: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(OpeningProblem, match=r"coffee, ecommerce, delivery, supermarket.*; or empty"):
        open_shop(wanted(tmp_path, template))
    assert not list(tmp_path.iterdir())


def test_an_empty_shop_has_its_owner_and_no_programme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_shop(wanted(tmp_path, EMPTY, owner="mei"))
    said = capsys.readouterr().out
    assert Staff.objects.get(username="mei").role == "owner" and not ProgrammeVersion.objects.exists()
    assert (
        not list(tmp_path.iterdir()) and "programme apply" not in said and "Programme → New version" in said
    )
    with pytest.raises(OpeningProblem, match="nothing to publish"):
        open_shop(wanted(tmp_path, EMPTY, publish=True))


def test_the_list_names_all_nine(capsys: pytest.CaptureFixture[str]) -> None:
    list_templates()
    said = capsys.readouterr().out
    assert all(f"{code} " in said for code in starters()) and len(starters()) == 9
