"""A code of a refusal has one home: callers tell refusals apart by it, and a class that shares it would say something else."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator

import shuke
from shuke.kit.errors import ShukeError


def refusals(base: type[ShukeError] = ShukeError) -> Iterator[type[ShukeError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from refusals(kind)


def test_each_code_belongs_to_one_class() -> None:
    for module in pkgutil.walk_packages(shuke.__path__, "shuke."):
        if module.name.rpartition(".")[2] == "errors":
            importlib.import_module(module.name)
    homes: dict[str, set[str]] = defaultdict(set)
    for kind in refusals():
        if kind.__module__.startswith("shuke."):  # a test may make one of its own
            homes[kind.code].add(f"{kind.__module__}.{kind.__qualname__}")
    assert len(homes) > 150
    assert {code: names for code, names in homes.items() if len(names) > 1} == {}
