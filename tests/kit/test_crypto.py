"""Envelope encryption: only the right key, for the right row, unaltered; and the keyset file."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shuke.kit.crypto import (
    KEY_BYTES,
    Keyset,
    Undecipherable,
    decrypt,
    encrypt,
    ensure_keyset,
    keyset_at,
    rotate_keyset,
)
from shuke.kit.ids import uuid7

KEYSET = Keyset.generate()


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_round_trip(plaintext: bytes, context: bytes) -> None:
    key, _wrapped = KEYSET.new_data_key(b"owner")
    sealed = encrypt(key, plaintext, context)
    assert decrypt(key, sealed, context) == plaintext
    assert decrypt(key, memoryview(sealed), context) == plaintext  # type: ignore[arg-type]


def test_equal_plaintexts_look_different() -> None:
    key, _wrapped = KEYSET.new_data_key(b"owner")
    assert len({encrypt(key, b"13800138000", b"") for _ in range(100)}) == 100


def test_every_altered_byte_other_key_and_other_row_is_refused() -> None:
    key, _wrapped = KEYSET.new_data_key(b"owner")
    sealed = encrypt(key, b"13800138000", b"member:1")
    for position in range(len(sealed)):
        broken = bytearray(sealed)
        broken[position] ^= 1
        with pytest.raises(Undecipherable):
            decrypt(key, bytes(broken), b"member:1")
    with pytest.raises(Undecipherable):
        decrypt(key, sealed, b"member:2")
    with pytest.raises(Undecipherable):
        decrypt(KEYSET.new_data_key(b"owner")[0], sealed, b"member:1")


def test_data_keys_belong_to_their_owner() -> None:
    plain, wrapped = KEYSET.new_data_key(uuid7().bytes)
    with pytest.raises(Undecipherable):
        KEYSET.unwrap(wrapped, uuid7().bytes)
    owner = uuid7().bytes
    plain, wrapped = KEYSET.new_data_key(owner)
    assert KEYSET.unwrap(wrapped, owner) == plain and len(plain) == KEY_BYTES and plain not in wrapped
    with pytest.raises(Undecipherable):
        Keyset.generate().unwrap(wrapped, owner)


def test_rotation_keeps_the_old_readable_and_says_what_to_renew() -> None:
    owner = b"o" * 16
    plain, wrapped = KEYSET.new_data_key(owner)
    rotated = KEYSET.rotated()
    assert rotated.unwrap(wrapped, owner) == plain
    assert rotated.needs_rewrap(wrapped) and not KEYSET.needs_rewrap(wrapped)
    renewed = rotated.wrap(plain, owner)
    assert not rotated.needs_rewrap(renewed) and rotated.unwrap(renewed, owner) == plain
    with pytest.raises(Undecipherable, match="not in the keyset"):
        KEYSET.unwrap(renewed, owner)
    assert rotated.blind_index("phone", "x") == KEYSET.blind_index("phone", "x"), (
        "look-ups survive a rotation"
    )
    assert rotated.rotated().primary == "k3"


def test_blind_index_is_deterministic_per_column_and_keyset() -> None:
    index = KEYSET.blind_index("members.phone", "+8613800138000")
    assert len(index) == 16 and index == KEYSET.blind_index("members.phone", "+8613800138000")
    assert index != KEYSET.blind_index("members.email", "+8613800138000")
    assert index != KEYSET.blind_index("members.phone", "+8613800138001")
    assert index != Keyset.generate().blind_index("members.phone", "+8613800138000")
    assert KEYSET.blind_index("name", "张三") != KEYSET.blind_index("name", "李四")


def test_file_round_trip() -> None:
    rotated = KEYSET.rotated()
    again = Keyset.loads(rotated.dumps())
    owner = b"o" * 16
    plain, wrapped = rotated.new_data_key(owner)
    assert again.unwrap(wrapped, owner) == plain and again.primary == rotated.primary
    assert again.blind_index("c", "v") == rotated.blind_index("c", "v")


def _without(key: str) -> str:
    raw = json.loads(KEYSET.dumps())
    del raw[key]
    return json.dumps(raw)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "not json", KEYSET.dumps()[:-20], _without("primary"), _without("keys"),
        _without("index_key"), KEYSET.dumps().replace('"k1"', '"k9"', 1),
        '{"primary":"a","keys":{"a":"AAAA"},"index_key":"AAAA"}',
        '{"primary":"a","keys":{"a":7},"index_key":"AAAA"}', '{"primary":"a","keys":["a"],"index_key":"AAAA"}',
    ],
    ids=lambda text: None if len(text) < 60 else f"damaged{len(text)}",
)  # fmt: skip
def test_damaged_keyset_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Keyset.loads(text)


def test_keyset_file_is_private_made_once_and_survives_a_race(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "keyset.json"
    threads = [threading.Thread(target=ensure_keyset, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = path.read_text()
    ensure_keyset(path)
    assert path.read_text() == first and Keyset.loads(first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["keyset.json"], "no draft is left"


def test_rotating_the_file_reaches_this_process(tmp_path: Path) -> None:
    path = tmp_path / "keyset.json"
    ensure_keyset(path)
    owner = b"o" * 16
    plain, wrapped = keyset_at(path).new_data_key(owner)
    rotate_keyset(path)
    assert keyset_at(path).primary == "k2" and keyset_at(path).unwrap(wrapped, owner) == plain
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
