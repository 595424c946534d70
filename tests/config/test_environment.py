"""Every variable is read, checked, and refused with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from shuke.config.environment import VARIABLES, EnvironmentProblem, read_environment, unknown_variables


def test_defaults_suit_one_machine(tmp_path: Path) -> None:
    env = read_environment({"SHUKE_HOME": str(tmp_path)})
    assert (env.host, env.port, env.web_workers, env.web_threads) == ("127.0.0.1", None, 2, 8)
    assert env.database_url is None
    assert not env.debug and not env.secure_cookies
    assert env.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert env.keyset_path == tmp_path / "secrets" / "keyset.json"


def test_the_default_home_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_environment({}).home == tmp_path / ".shuke"


def test_everything_can_be_set(tmp_path: Path) -> None:
    env = read_environment(
        {
            "SHUKE_HOME": str(tmp_path / "home"),
            "SHUKE_SECRETS": str(tmp_path / "mounted"),
            "DATABASE_URL": "postgres://u:p@h:5432/n",
            "SHUKE_HOST": "0.0.0.0",
            "SHUKE_PORT": "9000",
            "SHUKE_WEB_WORKERS": "3",
            "SHUKE_WEB_THREADS": "5",
            "SHUKE_DEBUG": "Yes",
            "SHUKE_ALLOWED_HOSTS": "shop.example, www.shop.example",
            "SHUKE_TRUSTED_ORIGINS": "https://shop.example",
            "SHUKE_SECURE_COOKIES": "on",
            "SHUKE_API_RATE_PER_MINUTE": "0",
            "SHUKE_LOG_LEVEL": "warning",
            "SHUKE_POSTGRES_PORT": "5433",
            "SHUKE_TEST_DB": "ledger",
        }
    )
    assert env.secrets_dir == tmp_path / "mounted"
    assert (env.host, env.port, env.web_workers, env.web_threads) == ("0.0.0.0", 9000, 3, 5)
    assert env.debug and env.secure_cookies
    assert env.allowed_hosts == ("shop.example", "www.shop.example")
    assert env.trusted_origins == ("https://shop.example",)
    assert (env.api_rate_per_minute, env.log_level, env.postgres_port) == (0, "WARNING", 5433)
    assert env.database_url == "postgres://u:p@h:5432/n"
    assert env.test_db == "ledger"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHUKE_PORT", "abc"),
        ("SHUKE_PORT", "0"),
        ("SHUKE_PORT", "65536"),
        ("SHUKE_PORT", "-1"),
        ("SHUKE_PORT", "٣"),
        ("SHUKE_WEB_WORKERS", "0"),
        ("SHUKE_WEB_THREADS", "4.5"),
        ("SHUKE_DEBUG", "maybe"),
        ("SHUKE_SECURE_COOKIES", "2"),
        ("SHUKE_ALLOWED_HOSTS", "https://shop.example"),
        ("SHUKE_ALLOWED_HOSTS", "shop.example:8000"),
        ("SHUKE_TRUSTED_ORIGINS", "shop.example"),
        ("SHUKE_TRUSTED_ORIGINS", "https://shop.example/path"),
        ("SHUKE_API_RATE_PER_MINUTE", "many"),
        ("SHUKE_LOG_LEVEL", "loud"),
        ("SHUKE_POSTGRES_PORT", "80"),
        ("SHUKE_TEST_DB", "a-b; drop"),
        ("DATABASE_URL", "mysql://u@h/n"),
        ("DATABASE_URL", "postgres://u@h"),
        ("DATABASE_URL", "postgres://u@h:port/n"),
        ("DATABASE_URL", "postgres://u:100%@h/n"),
        ("DATABASE_URL", "postgres://u@h/n?nonsense=1"),
    ],
)
def test_a_bad_value_is_named_and_leaves_nothing_behind(tmp_path: Path, name: str, value: str) -> None:
    home = tmp_path / "home"
    with pytest.raises(EnvironmentProblem, match=name) as caught:
        read_environment({"SHUKE_HOME": str(home), name: value})
    assert caught.value.variable == name
    assert not home.exists()


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    env = read_environment({"SHUKE_HOME": str(tmp_path), "DATABASE_URL": "postgres://u:geheim@h/n"})
    assert "geheim" not in repr(env)
    assert env.secret_key not in repr(env)
    with pytest.raises(EnvironmentProblem) as caught:
        read_environment({"SHUKE_HOME": str(tmp_path), "DATABASE_URL": "postgres://u:geheim@h:x/n"})
    assert "geheim" not in str(caught.value)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="SHUKE_HOME"):
        read_environment({"SHUKE_HOME": str(tmp_path / "file")})


def test_a_home_on_a_disk_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(EnvironmentProblem, match="SHUKE_HOME"):
        read_environment({"SHUKE_HOME": "/proc/shuke"})


def test_an_emptied_secret_is_named(tmp_path: Path) -> None:
    read_environment({"SHUKE_HOME": str(tmp_path)})
    (tmp_path / "secrets" / "django_secret_key").write_text("")
    with pytest.raises(EnvironmentProblem, match="django_secret_key is empty"):
        read_environment({"SHUKE_HOME": str(tmp_path)})


def test_typing_errors_in_names_are_found() -> None:
    assert unknown_variables({"SHUKE_PROT": "1", "SHUKE_PORT": "2", "PATH": ""}) == ["SHUKE_PROT"]
    assert all(meaning for meaning in VARIABLES.values())
