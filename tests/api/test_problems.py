"""What a caller reads when a request is refused: always a problem document, precise, in the caller's language."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shuke.api import problems
from shuke.api.endpoint import ENDPOINTS
from shuke.api.endpoints import service
from shuke.catalog.models import Product
from tests.api.client import Till

CART = {"store": "S1", "channel": "pos", "lines": [{"sku": "A", "quantity": 1}]}


def raw(till: Till, text: str | bytes, path: str = "/quotes", **options: Any) -> Any:
    sent = text if isinstance(text, bytes) else text.encode()
    return till.call("POST", path, raw=sent, **options)


def line(**change: Any) -> dict[str, Any]:
    return {**CART, "lines": [{"sku": "A", "quantity": 1, **change}]}


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({**CART, "colour": 1}, "/colour", "unknown_field"),
        (line(color="red"), "/lines/0/color", "unknown_field"),
        (
            line(discounts=[{"code": "x", "minor": 1, "a/b~c": 1}]),
            "/lines/0/discounts/0/a~1b~0c",
            "unknown_field",
        ),
        ({"channel": "pos", "lines": CART["lines"]}, "/store", "missing"),
        ({**CART, "store": 5}, "/store", "wrong_type"),
        ({**CART, "store": ""}, "/store", "too_short"),
        ({**CART, "store": "x" * 41}, "/store", "too_long"),
        ({**CART, "store": "S\x001"}, "/store", "null_character"),
        ({**CART, "lines": []}, "/lines", "too_few"),
        ({**CART, "lines": [CART["lines"][0]] * 501}, "/lines", "too_many"),
        ({**CART, "lines": {}}, "/lines", "wrong_type"),
        ({**CART, "lines": [7]}, "/lines/0", "wrong_type"),
        (line(quantity=True), "/lines/0/quantity", "wrong_type"),
        (line(quantity=1.5), "/lines/0/quantity", "wrong_type"),
        (line(quantity=0), "/lines/0/quantity", "too_small"),
        (line(quantity=-1), "/lines/0/quantity", "too_small"),
        (line(quantity=10**50), "/lines/0/quantity", "too_large"),
        (line(quantity="1.2345"), "/lines/0/quantity", "bad_format"),
        (line(quantity="1e3"), "/lines/0/quantity", "bad_format"),
        (line(unit_price_minor="100"), "/lines/0/unit_price_minor", "wrong_type"),
        (line(unit_price_minor=-5), "/lines/0/unit_price_minor", "too_small"),
        (line(unit_price_minor=10**16), "/lines/0/unit_price_minor", "too_large"),
        ({**CART, "settled": "yes"}, "/settled", "wrong_type"),
        ({**CART, "settled": 1}, "/settled", "wrong_type"),
        ({**CART, "currency": "cny"}, "/currency", "bad_format"),
        ({**CART, "member": {"kind": "face", "value": "x"}}, "/member/kind", "not_a_choice"),
        ({**CART, "member": "x"}, "/member", "wrong_type"),
        ([], "", "wrong_type"),
        (None, "", "wrong_type"),
    ],
)
def test_every_place_is_named(till: Till, body: Any, pointer: str, code: str) -> None:
    answer = raw(till, json.dumps(body))
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert [(item["pointer"], item["code"]) for item in answer.json["errors"]] == [(pointer, code)]
    assert answer.json["errors"][0]["message"]


def test_all_faults_come_at_once(till: Till) -> None:
    body = {
        "store": 1,
        "lines": [{"sku": "A", "quantity": 0}, {"skuu": "A", "quantity": 1}],
        "points_to_use": -1,
    }
    answer = raw(till, json.dumps(body))
    assert {(item["pointer"], item["code"]) for item in answer.json["errors"]} == {
        ("/store", "wrong_type"),
        ("/channel", "missing"),
        ("/lines/0/quantity", "too_small"),
        ("/lines/1/skuu", "unknown_field"),
        ("/lines/1/sku", "missing"),
        ("/points_to_use", "too_small"),
    }


def test_a_number_of_five_thousand_digits(till: Till) -> None:
    answer = raw(till, '{"store":"S1","channel":"pos","lines":[{"sku":"A","quantity":' + "9" * 5000 + "}]}")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/lines/0/quantity")
    assert answer.json["errors"][0]["code"] == "too_large"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"{", "too early"),
        (b'{"store":NaN}', "byte"),
        (b'{"store":Infinity}', "byte"),
        (b"{'store':1}", "byte"),
        (b'{"store":"S1",}', "byte"),
        (b'{"store":"\xff"}', "UTF-8"),
        (b'{"store":"\\ud800"}', "JSON"),
        (b"\xef\xbb\xbf{}", "byte"),
        (b'{"store":"a\x00b"}', "byte"),
        (
            b'{"store":"S1","channel":"pos","lines":[{"sku":"A","sku":"B","quantity":1}]}',
            '"sku" occurs twice',
        ),
        (
            b'{"store":"S1","store":"S1","channel":"pos","lines":[{"sku":"A","quantity":1}]}',
            '"store" occurs twice',
        ),
    ],
)
def test_what_is_no_json_is_400(till: Till, body: bytes, hint: str) -> None:
    answer = raw(till, body)
    assert (answer.status, answer.code) == (400, "malformed_json")
    assert hint in answer.json["detail"]


@pytest.mark.parametrize("depth", [40, 5_000, 100_000])
def test_depth_is_limited(till: Till, depth: int) -> None:
    facts = "[" * depth + "]" * depth
    cart = json.dumps(CART)[:-1]
    answer = raw(till, f'{cart},"facts":{{"a":{facts}}}}}', "/orders", key="deep")
    assert (answer.status, answer.code) == (400, "malformed_json")
    assert "deeply" in answer.json["detail"]


def test_size_is_limited(till: Till) -> None:
    answer = raw(till, b'{"store":"' + b"x" * (2 * 1024 * 1024) + b'"}')
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=gbk"]
)
def test_the_content_type_is_checked(till: Till, content_type: str) -> None:
    answer = raw(till, json.dumps(CART), content_type=content_type)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "Application/JSON;charset=utf-8"]
)
def test_json_by_any_spelling(till: Till, content_type: str) -> None:
    assert raw(till, json.dumps(CART), content_type=content_type).status == 200


@pytest.mark.parametrize(
    ("path", "query", "parameter", "code"),
    [
        ("/orders", "limit=0", "limit", "too_small"),
        ("/orders", "limit=201", "limit", "too_large"),
        ("/orders", "limit=ten", "limit", "wrong_type"),
        ("/orders", "limit=", "limit", "wrong_type"),
        ("/orders", "limit=1&limit=2", "limit", "duplicate"),
        ("/orders", "member=me", "member", "bad_format"),
        ("/orders", "from=2026-11-21", "from", "bad_format"),
        ("/orders", "from=2026-11-21T00:00:00", "from", "bad_format"),
        ("/orders", "page=2", "page", "unknown_field"),
        ("/orders", "cursor=abc", "cursor", "invalid_input"),
        ("/orders", "store=a%00b", "store", "null_character"),
        ("/orders", "a%00b=1", "a\0b", "null_character"),
        ("/members", "status=", "status", "not_a_choice"),
        ("/members", "text=" + "x" * 201, "text", "too_long"),
        ("/ping", "verbose=1", "verbose", "unknown_field"),
    ],
)
def test_parameters_are_checked_by_name(till: Till, path: str, query: str, parameter: str, code: str) -> None:
    answer = till.call("GET", path, query=query)
    assert answer.status == 422
    assert answer.code in {"invalid_request", "invalid_input"}
    assert [(item["parameter"], item["code"]) for item in answer.json["errors"]] == [(parameter, code)]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/",
        "/api/v1/nope",
        "/api/v1/orders/",
        "/api/",
        "/api/v2/ping",
        "/api/v1/a\nb",
        "/api/v1/会员",
    ],
)
def test_unknown_addresses(till: Till, path: str) -> None:
    answer = till.call("GET", path)
    assert (answer.status, answer.code) == (404, "unknown_path")


@pytest.mark.parametrize("method", ["DELETE", "PUT", "OPTIONS", "TRACE", "HEAD"])
def test_wrong_methods(till: Till, method: str) -> None:
    answer = till.call(method, "/orders")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    if method != "HEAD":
        assert answer.code == "method_not_allowed"


def test_paths_with_odd_ids(till: Till) -> None:
    for path in ("/orders/1", "/members/" + "x" * 500, "/stores/a\x00b", "/products/" + "9" * 300):
        assert till.get(path).status == 404


@pytest.mark.parametrize(
    ("language", "answered", "title", "detail"),
    [
        ("en", "en", "Not found", "There is no such order."),
        ("zh-CN,zh;q=0.9", "zh-hans", "未找到", "没有这笔订单。"),
        ("zh-TW", "zh-hant", "找不到", "沒有這筆訂單。"),
        ("fr", "zh-hans", "未找到", "没有这笔订单。"),
    ],
)
def test_refusals_speak_the_callers_language(
    till: Till, language: str, answered: str, title: str, detail: str
) -> None:
    answer = Till(till.secret, language).get("/orders/01a1fc5e-4940-7953-9531-2451e928925c")
    assert answer.code == "order_not_found"
    assert answer.headers["content-language"] == answered
    assert (answer.json["title"], answer.json["detail"]) == (title, detail)


def test_faults_speak_the_callers_language(till: Till) -> None:
    answer = raw(Till(till.secret, "zh-CN"), json.dumps(line(quantity=True, x=1)))
    assert [item["message"] for item in answer.json["errors"]] == [
        "此处应为：整数或文本；收到的是：true 或 false。",
        "没有这个字段。可用的字段：sku, quantity, unit_price_minor, list_minor, discounts, tax。",
    ]


def test_an_unforeseen_error_tells_nothing_but_its_id(
    till: Till, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = next(spec for spec in ENDPOINTS if spec.handler is service.ping)

    def broken(call: object) -> None:
        raise RuntimeError("secret 13812345678")

    monkeypatch.setattr(type(spec), "handler", property(lambda self: broken), raising=False)
    answer = till.get("/ping")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body


def test_a_broken_store_is_no_html_page(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Product.objects, "filter", fail)
    assert till.get("/products/A").code == "internal_error"


def test_the_body_limit_told_is_the_one_kept(settings: Any) -> None:
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == problems.BODY_LIMIT
