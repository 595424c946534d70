"""Envelope encryption and blind indexes.

Each member has a data key (AES-256). It is stored wrapped by a key-encryption key of the keyset, which lives in a file
of mode 0600 outside the database. Destroying the wrapped key makes every copy of the member's data unreadable,
backups included. Rotation adds a key and makes it primary; old keys still unwrap, and `needs_rewrap` finds what to renew.

Look-up without reading: `blind_index` is HMAC-SHA256 under a key derived per column, truncated to 16 bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
INDEX_BYTES = 16


class Undecipherable(Exception):
    """The ciphertext was made under another key, for another row, or was altered."""


class Keyset:
    """Key-encryption keys by id, one of them primary, and the secret that blind indexes derive from."""

    def __init__(self, *, primary: str, keys: dict[str, bytes], index_key: bytes) -> None:
        if (
            primary not in keys
            or any(len(k) != KEY_BYTES for k in keys.values())
            or len(index_key) != KEY_BYTES
        ):
            raise ValueError("the keyset is damaged: restore it from the backup of the secrets folder")
        self.primary = primary
        self._aead = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._keys = keys
        self._index_key = index_key
        self._column_keys: dict[str, bytes] = {}

    @classmethod
    def generate(cls) -> Keyset:
        """A fresh keyset with one key."""
        return cls(
            primary="k1",
            keys={"k1": secrets.token_bytes(KEY_BYTES)},
            index_key=secrets.token_bytes(KEY_BYTES),
        )

    def rotated(self) -> Keyset:
        """This keyset with one more key, which becomes primary. The index key stays."""
        new_id = f"k{len(self._keys) + 1}"
        return Keyset(
            primary=new_id,
            keys={**self._keys, new_id: secrets.token_bytes(KEY_BYTES)},
            index_key=self._index_key,
        )

    def index_mark(self) -> bytes:
        """Tells index keys apart without giving them away; rotating the keys does not change it."""
        return self.derive("index mark")[:INDEX_BYTES]

    def dumps(self) -> str:
        """The keyset as JSON, for its file."""
        keys = {key_id: base64.b64encode(key).decode() for key_id, key in self._keys.items()}
        index = base64.b64encode(self._index_key).decode()
        return json.dumps({"primary": self.primary, "keys": keys, "index_key": index}, indent=1)

    @classmethod
    def loads(cls, text: str) -> Keyset:
        """Read what `dumps` wrote. Raises ValueError when it is damaged."""
        try:
            raw = json.loads(text)
            keys = {key_id: base64.b64decode(key) for key_id, key in raw["keys"].items()}
            return cls(primary=raw["primary"], keys=keys, index_key=base64.b64decode(raw["index_key"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                "the keyset is damaged: restore it from the backup of the secrets folder"
            ) from error

    def new_data_key(self, owner: bytes) -> tuple[bytes, bytes]:
        """(plain, wrapped) data key bound to `owner` (the member id's 16 bytes)."""
        plain = secrets.token_bytes(KEY_BYTES)
        return plain, self.wrap(plain, owner)

    def wrap(self, plain: bytes, owner: bytes) -> bytes:
        """Wrap a data key under the primary key: id length, id, nonce, ciphertext."""
        key_id = self.primary.encode()
        nonce = os.urandom(NONCE_BYTES)
        return bytes([len(key_id)]) + key_id + nonce + self._aead[self.primary].encrypt(nonce, plain, owner)

    def unwrap(self, wrapped: bytes, owner: bytes) -> bytes:
        """The plain data key. Raises Undecipherable."""
        wrapped = bytes(wrapped)
        size = 1 + wrapped[0]
        aead = self._aead.get(wrapped[1:size].decode("ascii", "replace"))
        if aead is None:
            raise Undecipherable("the key that wrapped this data key is not in the keyset")
        try:
            return aead.decrypt(wrapped[size : size + NONCE_BYTES], wrapped[size + NONCE_BYTES :], owner)
        except InvalidTag as error:
            raise Undecipherable("the data key does not belong to this owner") from error

    def needs_rewrap(self, wrapped: bytes) -> bool:
        """True when a data key was wrapped under a key that is no longer primary."""
        return bytes(wrapped)[1 : 1 + wrapped[0]] != self.primary.encode()

    def blind_index(self, column: str, value: str) -> bytes:
        """A keyed, deterministic 16-byte index of a normalised value; equal values in other columns differ."""
        key = self._column_keys.get(column)
        if key is None:
            key = hmac.new(self._index_key, b"column:" + column.encode(), hashlib.sha256).digest()
            self._column_keys[column] = key
        return hmac.digest(key, value.encode(), "sha256")[:INDEX_BYTES]

    def derive(self, purpose: str, context: bytes = b"") -> bytes:
        """32 secret bytes for one purpose and context, always the same; rotating the keys does not change them."""
        key = hmac.new(self._index_key, b"derive:" + purpose.encode(), hashlib.sha256).digest()
        return hmac.digest(key, context, "sha256")


def encrypt(data_key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """AES-256-GCM; `context` (what and whose this is) is authenticated, not stored."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(data_key).encrypt(nonce, plaintext, context)


def decrypt(data_key: bytes, ciphertext: bytes, context: bytes) -> bytes:
    """Undo `encrypt`. Raises Undecipherable."""
    ciphertext = bytes(ciphertext)
    try:
        return AESGCM(data_key).decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], context)
    except InvalidTag as error:
        raise Undecipherable("the ciphertext was altered or belongs to another row") from error


def ensure_keyset(path: Path) -> None:
    """Create the keyset file on first start (mode 0600); two processes starting at once agree on one."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(path, Keyset.generate().dumps(), exclusive=True)


def rotate_keyset(path: Path) -> Keyset:
    """Add a key to the file and make it primary. Running processes read it at their next start."""
    keyset = Keyset.loads(path.read_text(encoding="utf-8")).rotated()
    _write_private(path, keyset.dumps(), exclusive=False)
    keyset_at.cache_clear()
    return keyset


@lru_cache(maxsize=4)
def keyset_at(path: Path) -> Keyset:
    """The keyset of a file, read once per process."""
    return Keyset.loads(path.read_text(encoding="utf-8"))


def _write_private(path: Path, text: str, *, exclusive: bool) -> None:
    """Write through a temporary file so that a crash never leaves half a keyset."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        if exclusive:
            try:
                os.link(draft, path)  # fails when another process was first: its keyset wins
            except FileExistsError:
                return
        else:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
