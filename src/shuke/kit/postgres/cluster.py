"""Make a database cluster once, all or nothing, and choose the server's options for this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from shuke.kit.postgres.binaries import server_version
from shuke.kit.postgres.errors import PostgresProblem
from shuke.kit.postgres.places import Places, User
from shuke.kit.secret_files import ensure_secret

ADMIN_ROLE = "postgres"
APPLICATION_ROLE = "shuke"
DATABASE = "shuke"
ADMIN_PASSWORD_FILE = "postgres_admin_password"  # noqa: S105 - the name of a file
PASSWORD_FILE = "postgres_password"  # noqa: S105 - the name of a file
OLDEST_MAJOR = 15
MEBIBYTE = 1024 * 1024


def ensure_cluster(
    places: Places, *, secrets_dir: Path, options: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Create the cluster if there is none; refuse one that these programs cannot serve.

    It is made under a draft name, with role and database, and renamed when complete: a start that was
    killed in the middle is begun again, never continued.

    :raises PostgresProblem: when the data belong to another major version, or initdb fails.
    """
    if places.data_dir.exists():
        _check_version(places)
        if not (secrets_dir / PASSWORD_FILE).exists():
            say(f"{secrets_dir / PASSWORD_FILE} is missing: giving the database role a new password.")
            password = ensure_secret(secrets_dir / PASSWORD_FILE)
            _run_single_user(
                places, places.data_dir, f"ALTER ROLE {APPLICATION_ROLE} PASSWORD '{password}';\n"
            )
        return
    say(f"Making the database in {places.data_dir}.")
    draft = places.data_dir.with_name("postgres.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if places.user:
        os.chown(draft, places.user.uid, places.user.gid)
    durable = options.get("fsync") != "off"
    _initdb(places, draft, ensure_secret(secrets_dir / ADMIN_PASSWORD_FILE), durable)
    # The role may create databases (tests, scenarios) but is no superuser.
    password = ensure_secret(secrets_dir / PASSWORD_FILE)
    _run_single_user(
        places,
        draft,
        f"CREATE ROLE {APPLICATION_ROLE} LOGIN CREATEDB PASSWORD '{password}';\n"
        f"CREATE DATABASE {DATABASE} OWNER {APPLICATION_ROLE};\n",
        durable=durable,
    )
    draft.rename(places.data_dir)
    if durable:
        _sync_directory(places.data_dir.parent)


def dsn(places: Places, *, secrets_dir: Path, port: int) -> str:
    """The URL of the application's role; its password was generated, so it needs no quoting."""
    password = ensure_secret(secrets_dir / PASSWORD_FILE)
    socket_dir = quote(str(places.socket_dir), safe="/")
    return f"postgresql://{APPLICATION_ROLE}:{password}@/{DATABASE}?host={socket_dir}&port={port}"


def server_arguments(places: Places, *, port: int | None, options: Mapping[str, str]) -> list[str]:
    """The command line of the server: durable and local; memory by what this machine has.

    :param port: also listen on 127.0.0.1 there; None means the socket only.
    """
    memory = memory_bytes()
    chosen = {
        "listen_addresses": "127.0.0.1" if port else "",
        "port": str(port or 5432),
        "unix_socket_directories": str(places.socket_dir),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        "shared_buffers": f"{_between(memory // 8 // MEBIBYTE, 128, 4096)}MB",
        "effective_cache_size": f"{max(memory // 2 // MEBIBYTE, 256)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{_between(memory // 32 // MEBIBYTE, 64, 512)}MB",
        "random_page_cost": "1.1",
        "jit": "off",
        "fsync": "on",
        "synchronous_commit": "on",
        "max_wal_size": "2GB",
        "wal_compression": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        **options,
    }
    settings = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    return [str(places.bin_dir / "postgres"), "-D", str(places.data_dir), *settings]


def child_options(user: User | None) -> dict[str, object]:
    """How a program of PostgreSQL is started: its own user, a plain environment, a neutral place."""
    identity = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    return {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL, "umask": 0o077, **identity}


def memory_bytes() -> int:
    """The memory this process may use: the machine's, or less inside a container."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical


def _check_version(places: Places) -> None:
    marker = places.data_dir / "PG_VERSION"
    if not marker.exists():
        raise PostgresProblem(
            f"{places.data_dir} is no database directory (it has no PG_VERSION). Move it away, start again."
        )
    made_by = marker.read_text(encoding="ascii").strip()
    version = server_version(places.bin_dir)
    if made_by != version.split(".")[0]:
        raise PostgresProblem(
            f"The database in {places.data_dir} was made by PostgreSQL {made_by}, but the programs here are "
            f"{version}, unable to read it. Install the release that brought PostgreSQL {made_by}, dump the "
            "database with it (pg_dump), move the directory away, and load the dump with this one."
        )


def _initdb(places: Places, draft: Path, password: str, durable: bool) -> None:
    version = int(server_version(places.bin_dir).split(".")[0])
    if version < OLDEST_MAJOR:
        raise PostgresProblem(f"PostgreSQL {version} is too old; {OLDEST_MAJOR} or newer is needed.")
    handle, password_file = tempfile.mkstemp(dir=places.socket_dir)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(password)
            if places.user:
                os.fchown(handle, places.user.uid, places.user.gid)
        command = [str(places.bin_dir / "initdb"), "-D", str(draft), "-U", ADMIN_ROLE, "-A", "scram-sha-256"]
        command += [f"--pwfile={password_file}", "--encoding=UTF8", "--data-checksums"]
        if version >= 17:  # the same order of text on every machine, whatever C library it has
            command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            command += ["--locale=C.UTF-8"]
        command += [] if durable else ["--no-sync"]
        _run(command, places.user, "initdb")
    finally:
        Path(password_file).unlink()


def _run_single_user(places: Places, data_dir: Path, statements: str, *, durable: bool = True) -> None:
    """Run statements, one a line, on a cluster that no server holds; nothing of them reaches a log."""
    command = [str(places.bin_dir / "postgres"), "--single", "-D", str(data_dir), "-c", "exit_on_error=on"]
    command += [
        "-c",
        "log_statement=none",
        "-c",
        "log_min_error_statement=panic",
        "-c",
        "log_checkpoints=off",
    ]
    command += ["-c", f"fsync={'on' if durable else 'off'}", "postgres"]
    _run(command, places.user, "the set-up of the role", statements)


def _run(command: list[str], user: User | None, what: str, text: str | None = None) -> None:
    options = child_options(user)
    if text is not None:
        options.pop("stdin")
        options["input"] = text
    done = subprocess.run(  # noqa: S603 - our own located programs
        command,
        text=True,
        capture_output=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode != 0:
        complaint = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise PostgresProblem(
            f"PostgreSQL could not be set up; {what} ended with {done.returncode}:\n{complaint}"
        )


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _between(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
