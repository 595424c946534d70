"""The documentation page and the OpenAPI document: public, complete, and within the strict content policy."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from shuke.api.endpoint import ENDPOINTS
from shuke.api.schema import PREFIX, all_refusals
from tests.api.client import Till

# After each call the server looks at the connection that an earlier test may have left open.
pytestmark = pytest.mark.django_db


class Page(HTMLParser):
    """Collects what a strict policy forbids, and the anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.lang = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "html":
            self.lang = given["lang"]
        if tag == "a":
            self.links.append(given["href"])
        if tag == "style" or (tag == "script" and "src" not in given) or "style" in given:
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith("on")]
        for name in ("src", "href"):
            if given.get(name, "").startswith(("http", "//")):
                self.inline.append(given[name])


@pytest.mark.parametrize(
    ("language", "lang", "title"),
    [("en", "en", "API reference"), ("zh-CN", "zh-Hans", "API 参考"), ("zh-HK", "zh-Hant", "API 參考")],
)
def test_the_page(language: str, lang: str, title: str) -> None:
    answer = Till(language=language).get("/docs")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    text = answer.body.decode()
    page = Page(text)
    assert page.inline == []
    assert page.lang == lang
    assert f"<h1>{title}</h1>" in text
    assert len(page.ids) == len(set(page.ids))
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    for spec in ENDPOINTS:
        assert spec.name in page.ids
    for refusal in all_refusals():
        assert refusal.code in page.ids
    assert "%(" not in text


def test_the_language_can_be_chosen() -> None:
    assert 'lang="zh-Hant"' in Till(language="en").get("/docs", language="zh-hant").body.decode()


def test_every_refusal_has_an_explanation_to_link_to(till: Till) -> None:
    link = till.get("/orders/none").json["type"]
    path, _hash, anchor = link.partition("#")
    assert path == f"{PREFIX}/docs"
    assert anchor in Page(Till().get("/docs").body.decode()).ids


def test_the_document_is_public_and_whole() -> None:
    document = Till().get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(spec.method, PREFIX + spec.path) for spec in ENDPOINTS} | {
        ("GET", f"{PREFIX}/health")
    }
    refs = set(re.findall(r'"#/components/schemas/(\w+)"', Till().get("/openapi.json").body.decode()))
    assert refs == set(document["components"]["schemas"])
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["responses"]


# Lists of things that the programme or the file itself keeps few: they come whole.
WHOLE = {
    "/channels",
    "/members/{member_id}/balances",
    "/members/{member_id}/entitlements",
    "/members/{member_id}/plans",
    "/members/{member_id}/stored-value",
    "/members/{member_id}/tiers",
    "/plans",
    "/reports/liability",
    "/reports/settlement",
    "/rewards",
}


def test_every_list_has_pages() -> None:
    document = Till().get("/openapi.json").json
    shapes = document["components"]["schemas"]
    whole = set()
    for path, methods in document["paths"].items():
        answer = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        shape = answer.get("application/json", {}).get("schema", {})
        shape = shapes.get(shape.get("$ref", "").rpartition("/")[2], shape)
        fields = shape.get("properties", {})
        lists = [name for name, kind in fields.items() if kind.get("type") == "array"]
        # A single thing (an order with its lines) is not a list.
        single = path.endswith(("}", "explanation", "quote", "schema"))
        if lists and not single and not any(name.startswith("next") for name in fields):
            whole.add(path.removeprefix(PREFIX))
    assert whole == WHOLE
