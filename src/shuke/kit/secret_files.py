"""Secrets are made on first start, so that no installation ever runs with a default one.

They live in one directory (0700), one file each (0600). Several processes may start at the same moment: the
first file linked into place wins and everybody reads that one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def ensure_private_directory(path: Path) -> Path:
    """Create ``path`` with mode 0700 ; a directory that others could enter is closed to them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def ensure_secret(path: Path, *, entropy_bytes: int = 48) -> str:
    """Return the secret kept in ``path``; the first caller on this machine generates it (URL-safe text)."""
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    ensure_private_directory(path.parent)
    create_private_file(path, secrets.token_urlsafe(entropy_bytes))
    return _read(path)


def create_private_file(path: Path, content: str) -> bool:
    """Create ``path`` (0600) with its whole content at once; False, and nothing changed, when it exists."""
    # mkstemp makes the file 0600 from its first moment.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike rename, refuses to replace: a rival's secret is never lost
        except FileExistsError:
            return False
        return True
    finally:
        Path(temporary).unlink()


def _read(path: Path) -> str:
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        raise ValueError(
            f"{path} is empty. If nothing was ever stored with it, delete the file and start again; "
            "otherwise restore it from your backup."
        )
    return secret
