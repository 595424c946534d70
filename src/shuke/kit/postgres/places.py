"""Where the parts of one home's server lie, and as whom it runs. Nothing here ever widens an existing
directory.

PostgreSQL refuses to run as root, so under root it gets a system user that owns its data and socket
directories and nothing else. When that user cannot pass through to the home (one below /root, say), both go
to /var/lib/shuke/<name> instead, and the home records it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shuke.kit.postgres import binaries
from shuke.kit.postgres.errors import PostgresProblem

SYSTEM_USER = "shuke-pg"
SYSTEM_PLACE = Path("/var/lib/shuke")
ELSEWHERE_FILE = "postgres_place"
LONGEST_SOCKET_PATH = 107
LONGEST_SOCKET_NAME = "/.s.PGSQL.65535.lock"


@dataclass(frozen=True, kw_only=True)
class User:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Places:
    """``user`` is None when the server runs as whoever starts it."""

    data_dir: Path
    socket_dir: Path
    log_file: Path
    bin_dir: Path
    user: User | None


def arrange_places(home: Path, *, say: Callable[[str], None]) -> Places:
    """Find or make all places of a home; call it only while holding the home's lock.

    :raises PostgresProblem: when they cannot be had safely.
    """
    base = base_directory(home)
    if os.geteuid() != 0:
        data_dir = base / "postgres"
        if data_dir.exists() and data_dir.stat().st_uid != os.geteuid():
            owner = _user_of(data_dir)
            raise PostgresProblem(
                f"The database in {data_dir} belongs to the user {owner.name}. Start as that user or as root."
            )
        if not os.access(base, os.W_OK | os.X_OK):
            raise PostgresProblem(f"{base} cannot be written by this user. Choose another SHUKE_HOME.")
        user = None
    else:
        user = _system_user(say)
        owner = _user_of(base / "postgres") if (base / "postgres").exists() else user
        if owner.uid != user.uid:
            raise PostgresProblem(
                f"The database in {base / 'postgres'} belongs to the user {owner.name}. Start as that user "
                f"(runuser -u {owner.name} -- shuke …), or hand it over: chown -R {user.name} {base / 'postgres'}"
            )
        if not may_pass(user, base):
            base = _elsewhere(home, base, user, say)
        data_dir = base / "postgres"
    return Places(
        data_dir=data_dir,
        socket_dir=short_directory(base, "socket", user),
        log_file=_log_file(home),
        bin_dir=_programs_for(user, say),
        user=user,
    )


def base_directory(home: Path) -> Path:
    """The directory that holds data and socket: the home itself, or the other one that it records."""
    record = home / ELSEWHERE_FILE
    if not record.exists():
        return home
    base = Path(record.read_text(encoding="utf-8").strip())
    if not base.is_dir():
        raise PostgresProblem(
            f"{record} says that the database lies in {base}, but it is missing. Restore it from a "
            f"backup; only if the data may be lost, delete {record} to begin with an empty database."
        )
    return base


def short_directory(base: Path, name: str, user: User | None) -> Path:
    """A directory (0700, owned by ``user`` or us) whose path will do for a socket.

    That is 107 bytes at most, and neither comma nor quote, since PostgreSQL reads it as a list.
    """
    preferred = base / name
    is_short = len(os.fsencode(preferred)) + len(LONGEST_SOCKET_NAME) <= LONGEST_SOCKET_PATH
    if is_short and not set(str(preferred)) & set(",\"'"):
        return _own_private(preferred, user)
    return _own_private(_runtime_place() / f"shuke-{os.geteuid()}-{_digest(base)}-{name}", user)


def may_pass(user: User, directory: Path) -> bool:
    """Whether ``user`` may enter ``directory`` and everything above it, by owner, group and other bits."""
    return all(_may_enter(user, step) for step in (directory, *directory.resolve().parents))


def _runtime_place() -> Path:
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.geteuid() == 0:
        return Path("/run") if os.access("/run", os.W_OK) else Path("/tmp")  # noqa: S108 - owner is checked
    if own and Path(own).is_dir() and Path(own).stat().st_uid == os.geteuid():
        return Path(own)
    return Path("/tmp")  # noqa: S108 - the directory made in it is private and its owner is checked


def _own_private(path: Path, user: User | None) -> Path:
    uid, gid = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise PostgresProblem(f"{path} is not a directory. Remove it and start again.") from None
        if found.st_uid not in {uid, os.geteuid()}:
            raise PostgresProblem(
                f"{path} belongs to the user {_user_of(path).name}. Start as that user (runuser -u USER -- shuke …), "
                "or choose another SHUKE_HOME."
            ) from None
        if stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
    if path.lstat().st_uid != uid:
        os.chown(path, uid, gid, follow_symlinks=False)
    return path


def _may_enter(user: User, directory: Path) -> bool:
    found = directory.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == user.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _user_of(path: Path) -> User:
    found = path.stat()
    try:
        entry = pwd.getpwuid(found.st_uid)
    except KeyError:
        return User(name=str(found.st_uid), uid=found.st_uid, gid=found.st_gid)
    return User(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _system_user(say: Callable[[str], None]) -> User:
    """The account that owns the database when root starts it; made on first need."""
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        say(f"Running as root, which PostgreSQL refuses: making the system user {SYSTEM_USER} for it.")
        _make_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    if entry.pw_uid == 0:
        raise PostgresProblem(
            f"The user {SYSTEM_USER} has the id 0. Give it another, or run as an ordinary user."
        )
    return User(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _make_system_user() -> None:
    # One name, no home, no shell, no password; the second form is for systems with BusyBox.
    useradd = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    forms = (
        [*useradd, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
        ["adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", SYSTEM_USER],
    )
    complaint = "neither useradd nor adduser exists here"
    for command in forms:
        program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
        if program is None:
            continue
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)  # noqa: S603
        # A rival start may have made it in the meantime; the account is what counts, not who made it.
        if done.returncode == 0 or _exists(SYSTEM_USER):
            return
        complaint = done.stderr.strip() or f"{command[0]} ended with {done.returncode}"
    raise PostgresProblem(
        f"The system user {SYSTEM_USER} for PostgreSQL could not be made ({complaint}). Make it yourself "
        f"(useradd --system {SYSTEM_USER}), run as an ordinary user, or set DATABASE_URL."
    )


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _elsewhere(home: Path, base: Path, user: User, say: Callable[[str], None]) -> Path:
    """Choose, make and record the place outside a home that ``user`` cannot enter."""
    if (base / "postgres").exists():
        raise PostgresProblem(
            f"The database in {base / 'postgres'} belongs to {user.name}, who cannot enter {base}. Let "
            "that user pass (chmod o+x on the directories above it) or move the home."
        )
    SYSTEM_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    # A fresh name each time: an earlier home at this path may have left its database, which is not ours.
    place = Path(tempfile.mkdtemp(prefix=f"{_digest(home)}-", dir=SYSTEM_PLACE))
    place.chmod(0o711)
    if not may_pass(user, place):
        raise PostgresProblem(f"{user.name} can enter neither {home} nor {place}. Choose another SHUKE_HOME.")
    (home / ELSEWHERE_FILE).write_text(f"{place}\n", encoding="utf-8")
    say(f"{user.name} cannot enter {home}, which stays closed: the database lies in {place}.")
    return place


def _programs_for(user: User | None, say: Callable[[str], None]) -> Path:
    installed = binaries.installation()
    if user is None or may_pass(user, installed / "bin"):
        return installed / "bin"
    SYSTEM_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    copied = binaries.copy_installation(SYSTEM_PLACE)
    say(f"{user.name} cannot enter {installed}: PostgreSQL's programs run from the copy in {copied}.")
    return copied / "bin"


def _log_file(home: Path) -> Path:
    folder = home / "log"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / "postgres.log"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
