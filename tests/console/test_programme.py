"""The programme's pages: words for what is in force, versions, differences, and publishing in three steps."""

from __future__ import annotations

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone, translation
from django.utils.translation import override

from shuke.console.programme_words import tell
from shuke.console.side_by_side import compare
from shuke.core.errors import NotChainWide
from shuke.core.values import Role
from shuke.loyalty.document import validate
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.queries import forget_versions
from tests.console.pages import MOST_QUERIES, client_of, queries_of, text_of
from tests.factories.core import make_staff
from tests.factories.loyalty import DEMO, SOURCE, changed, publish
from tests.factories.programmes import document

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_list() -> None:
    forget_versions()


def test_before_the_first_version_the_page_says_so() -> None:
    client = client_of()
    assert "/programme/editor" in text_of(client.get("/programme"))
    assert client.get("/programme/versions").status_code == 200
    assert validate(client.get("/programme/publish").context["form"]["source"].value()), (
        "the starter is valid"
    )


def test_the_rules_in_force_are_told_in_each_language() -> None:
    publish(DEMO)
    for language, words in (
        (
            "en",
            [
                "Gold",
                "from ¥3,000",
                "2% off",
                "×1.2",
                "1 Points for every ¥1",
                "50% of the order",
                "every Wednesday",
            ],
        ),
        ("zh-hans", ["金卡会员", "满 ¥3,000", "9.8 折", "每消费 ¥1 得 1 积分", "订单金额的 50%"]),
        ("zh-hant", ["金卡會員", "滿 ¥3,000", "98 折", "每消費 ¥1 得 1 積分"]),
    ):
        page = text_of(client_of(language=language).get("/programme"))
        assert [word for word in words if word not in page] == []


def test_every_switch_and_section_of_a_document_is_told() -> None:
    """Whoever adds a policy adds its words: the page shows all of them, and the sections on money."""
    told = tell(validate(SOURCE))
    assert len(told.policies) == len(validate(SOURCE)["policies"])
    sections = """
stored_value:
  top_up_least: 100
  top_up_most: 3000
  spend_order: bonus_first
  bonus_max_percent: 50
  bonuses: [{id: five, name: {zh-Hans: 充五百}, from: 500, give: 50, percent: 1.5, instalments: 5, valid_months: 6}]
gift_cards: {least: 50, most: 1000, valid_months: 36, earns: false}
card_limits: {registered_most: none, bearer_most: 800, bearer_months_least: 36}
taxes: {rates: [{code: vat, name: {zh-Hans: 增值税}, percent: 13}], default: vat}
offline: {accept_days: 3, allowance_points: 500, allowance: 100, allowance_hours: 1}
adjustments: {points: {limits: {store_manager: 300, api_key: 100}, four_eyes_above: 50}}
transfers: {points: {minimum: 10, maximum: 500, per_day: 1000, fee_percent: 2.5}}
"""
    with translation.override("en"):
        told = tell(validate(SOURCE + sections))
        found = {section.title: dict(section.facts) for section in told.sections}
    assert (
        found["Stored value"]["充五百"]
        == "from ¥500: ¥50 + 1.5% bonus in 5 parts, one each month, valid for 6 months"
    )
    assert found["Stored value"]["Bonus money pays at most"] == "50% of the order"
    assert found["Gift cards"]["A card lasts"] == "36 months"
    assert found["Legal limits of cards"]["A member's stored value holds at most"] == "no limit"
    assert found["Legal limits of cards"]["A gift card holds at most"] == "¥800"
    assert found["Taxes"]["增值税"] == "13%"
    assert found["Tills that are cut off"]["An allowance lasts"] == "1 hour"
    assert any(words == "up to 300" for words in found["Adjustments by hand"].values())
    assert "fee 2.5%" in " ".join(found["Transfers between members"].values())


@pytest.mark.parametrize(
    ("language", "rule", "some", "every"),
    [
        (
            "zh-hans",
            "获得后满 12 个月的当月月底",
            "充值优惠另设期限的，以该优惠为准",
            "按各充值优惠自身的期限失效",
        ),
        ("zh-hant", "12 個月", "儲值優惠另設期限的，以該優惠為準", "依各儲值優惠自身的期限失效"),
        ("en", "12 months", "offer that has its own goes before", "lapses by the term of its offer"),
    ],
)
def test_the_term_of_an_offer_goes_before_that_of_the_bonus_money(
    language: str, rule: str, some: str, every: str
) -> None:
    def told(*terms: int) -> str:
        bonuses = [
            {
                "id": f"b{n}",
                "name": {"zh-Hans": "充送"},
                "from": f"{n + 1}00",
                "give": "10",
                "valid_months": months,
            }
            for n, months in enumerate(terms)
        ]
        assets = {
            "stored_value": {"name": {"zh-Hans": "储值"}},
            "bonus": {
                "name": {"zh-Hans": "赠送金"},
                "expiry": {"model": "rolling", "months": 12, "round_to": "month_end"},
            },
        }
        draft = validate(json.dumps(document(assets=assets, stored_value={"bonuses": bonuses})))
        with override(language):
            return dict(tell(draft).expiry)["赠送金"]

    assert rule in told(0) and some not in told(0) and every not in told(0)
    assert rule in told(0, 6) and some in told(0, 6)
    assert rule in told(3, 6) and every in told(3, 6)


def test_growth_free_orders_and_missing_parts_have_words() -> None:
    source = changed("metric: spend", "metric: growth").replace(
        "discount_percent: 2", "discount_percent: 100"
    )
    told = tell(validate(changed("redemption: {points: 100, worth: 1, max_percent: 50}", "", source)))
    assert told.redemption == []
    assert told.tiers[1].threshold.startswith(("from 2,000 ", "满 2,000 "))
    assert told.tiers[2].discount


def test_versions_show_which_counts() -> None:
    now = timezone.now()
    publish(now=now - timedelta(days=9))
    publish(changed("give: 1", "give: 2"), now=now - timedelta(days=5))
    publish(changed("give: 1", "give: 3"), now=now, effective_at=now + timedelta(days=5))
    client = client_of()
    states = {row.number: row.status for row in client.get("/programme/versions").context["versions"]}
    assert states == {1: "superseded", 2: "in_force", 3: "scheduled"}
    assert "Version 3 takes over" in text_of(client.get("/programme"))
    one = client.get("/programme/versions/1", {"as": "yaml"})
    assert one.content.decode() == SOURCE
    assert "attachment" in one["Content-Disposition"]


def test_two_versions_are_compared_in_words_and_side_by_side() -> None:
    now = timezone.now()
    publish(now=now - timedelta(days=9))
    publish(changed("threshold: 5000", "threshold: 6000"), now=now - timedelta(days=5))
    answer = client_of().get("/programme/compare", {"old": 1, "new": 2})
    assert "Gold threshold 5,000.00 → 6,000.00" in text_of(answer)
    changes = [pair for pair in answer.context["pairs"] if pair.kind == "changed"]
    assert len(changes) == 1
    assert "6000" in changes[0].new


@pytest.mark.parametrize("number", ["", "0", "9", "-1", "x", "9" * 40, "\x00", "<script>"])
def test_versions_that_do_not_exist(number: str) -> None:
    publish()
    client = client_of()
    assert client.get("/programme/compare", {"old": number, "new": 1})["Location"] == "/programme/versions"
    assert "Choose two versions" in text_of(client.get("/programme/versions"))
    if number.isdigit() and number != "":
        assert client.get(f"/programme/versions/{number}").status_code == 404


def test_publishing_in_three_steps() -> None:
    publish(now=timezone.now() - timedelta(days=9))
    owner = make_staff(Role.OWNER)
    client = client_of(owner)
    assert client.get("/programme/publish").context["form"]["source"].value() == SOURCE
    source = changed("threshold: 5000", "threshold: 6000").replace("\n", "\r\n")
    review = client.post("/programme/publish", {"step": "check", "source": source})
    assert review.status_code == 200
    assert "Gold threshold 5,000.00 → 6,000.00" in text_of(review)
    assert 'data-confirm="sure"' in text_of(review)
    assert ProgrammeVersion.objects.count() == 1, "nothing is published before the confirmation"
    answer = client.post("/programme/publish", {"step": "publish", "source": source, "note": "dearer gold"})
    assert answer["Location"] == "/programme/versions/2"
    version = ProgrammeVersion.objects.get(number=2)
    assert version.source == changed("threshold: 5000", "threshold: 6000"), "lines end as in a file"
    assert (version.note, version.published_by_id) == ("dearer gold", owner.id)


def test_the_first_version_begins_by_the_clock_of_its_own_zone() -> None:
    forget_versions()
    day = (timezone.now() + timedelta(days=3)).date()
    form = {"step": "publish", "source": DEMO, "effective_at": f"{day}T00:00"}
    answer = client_of().post("/programme/publish", form, follow=True)
    begins = ProgrammeVersion.objects.get().effective_at
    assert begins.astimezone(ZoneInfo("Asia/Shanghai")).isoformat() == f"{day}T00:00:00+08:00"
    assert f"it begins {day:%-d %b %Y}, 00:00" in text_of(answer)


def test_a_file_counts_instead_of_the_text() -> None:
    client = client_of()
    file = SimpleUploadedFile("p.yaml", b"\xef\xbb\xbf" + SOURCE.encode())
    review = client.post("/programme/publish", {"step": "check", "source": "nonsense", "file": file})
    assert review.status_code == 200
    assert review.context["source"] == SOURCE


def test_every_problem_is_named_with_its_line_and_path() -> None:
    source = changed("threshold: 5000", "threshold: 1000").replace("factor: 2", "factor: two")
    answer = client_of().post("/programme/publish", {"step": "check", "source": source})
    assert answer.status_code == 422
    found = {(problem.line, problem.path) for problem, _text in answer.context["problems"]}
    assert found == {(12, "multipliers[0].factor"), (18, "tiers.levels[2].threshold")}
    assert 'data-bad="12 18"' in text_of(answer)
    assert answer.context["form"]["source"].value() == source, "what was typed is kept"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "   ",
        "x",
        "[",
        "a: &a [*a]",
        "\x00",
        "!!python/object/apply:os.system ['true']",
        "a: " + "[" * 400,
        "𠮷: 1",
        "a\r\nb: ]",
    ],
)
def test_hostile_documents_are_answered(source: str) -> None:
    client = client_of()
    for step in ("check", "publish", "edit", "nonsense"):
        answer = client.post("/programme/publish", {"step": step, "source": source})
        assert answer.status_code in (200, 422)
    assert not ProgrammeVersion.objects.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"x" * 1_000_001, b"PK\x03\x04"])
def test_hostile_files_are_answered(content: bytes) -> None:
    file = SimpleUploadedFile("../../p.yaml", content)
    answer = client_of().post("/programme/publish", {"step": "check", "source": "", "file": file})
    assert answer.status_code == 422
    assert answer.context["problems"] or answer.context["form"].errors


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("effective_at", "2001-01-01T00:00"),
        ("effective_at", "0001-01-01T00:00"),
        ("effective_at", "9999-12-31T23:59"),
        ("effective_at", "tomorrow"),
        ("note", "x" * 301),
        ("note", "a\x00b"),
    ],
)
def test_a_refusal_keeps_the_document(field: str, value: str) -> None:
    publish(now=timezone.now() - timedelta(days=9))
    source = changed("give: 1", "give: 2")
    answer = client_of().post("/programme/publish", {"step": "publish", "source": source, field: value})
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert answer.context["source"] == source
    assert ProgrammeVersion.objects.count() == 1


def test_the_same_programme_again_is_refused() -> None:
    publish(now=timezone.now() - timedelta(days=9))
    answer = client_of().post("/programme/publish", {"step": "publish", "source": SOURCE + "# a comment\n"})
    assert answer.status_code == 422
    assert "the same as version 1" in " ".join(answer.context["form"].non_field_errors())


def test_only_those_who_publish_may_publish() -> None:
    publish()
    client = client_of(make_staff(Role.STORE_MANAGER))
    assert "/programme/publish" not in text_of(client.get("/programme"))
    assert client.get("/programme/publish").status_code == 403
    assert (
        client.post(
            "/programme/publish", {"step": "publish", "source": changed("give: 1", "give: 2")}
        ).status_code
        == 403
    )
    assert client_of(make_staff(Role.CASHIER)).get("/programme").status_code == 403
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(make_staff(Role.OWNER), backend="django.contrib.auth.backends.ModelBackend")
    assert checked.post("/programme/publish", {"step": "publish", "source": DEMO}).status_code == 403
    assert ProgrammeVersion.objects.count() == 1


def test_who_covers_some_stores_only_does_not_publish_for_the_whole_chain() -> None:
    publish()
    bound = make_staff(Role.MARKETER, all_stores=False)
    client = client_of(bound)
    assert "/programme/publish" not in text_of(client.get("/programme"))
    refused = client.post("/programme/publish", {"step": "publish", "source": changed("give: 1", "give: 2")})
    assert refused.status_code == 403 and "This counts for every store" in text_of(refused)
    with override("zh-hant"):
        assert str(NotChainWide()).startswith("此事關乎所有門市")
    assert ProgrammeVersion.objects.count() == 1
    assert client_of(make_staff(Role.MARKETER)).get("/programme/publish").status_code == 200


def test_pages_cost_the_same_for_one_version_and_for_three() -> None:
    now = timezone.now()
    publish(now=now - timedelta(days=9))
    client = client_of()
    before = {
        path: queries_of(client, path)
        for path in ("/programme", "/programme/versions", "/programme/versions/1")
    }
    publish(changed("give: 1", "give: 2"), now=now - timedelta(days=5))
    publish(changed("give: 1", "give: 3"), now=now - timedelta(days=2))
    forget_versions()
    assert {path: queries_of(client, path) for path in before} == before
    assert max(before.values()) <= MOST_QUERIES


def test_unchanged_lines_are_left_out_of_the_comparison() -> None:
    old = "\n".join(f"line {number}" for number in range(40))
    pairs = compare(old, old.replace("line 20", "line twenty"))
    assert pairs is not None
    assert [pair.skipped for pair in pairs if pair.kind == "skipped"] == [17, 16]
    assert [(pair.old_number, pair.new) for pair in pairs if pair.kind == "changed"] == [(21, "line twenty")]
    assert compare(old, old) == []
    assert compare("x\n" * 6000, "y") is None
    assert [pair.old_number for pair in compare("a", "a\nb") or [] if pair.kind == "changed"] == [None]
