"""Django settings, derived from the typed environment; nothing here reads os.environ itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from shuke.config.environment import environment
from shuke.config.supervisor import ACCESS_LOG, SUPERVISED
from shuke.kit.postgres.dsn import django_database

ENV = environment()
PACKAGE = Path(__file__).resolve().parent.parent

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.allowed_hosts)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_cotton.apps.SimpleAppConfig",
    "django_htmx",
    "procrastinate.contrib.django",
    "ninja",
    "shuke.core.apps.CoreConfig",
    "shuke.catalog.apps.CatalogConfig",
    "shuke.members.apps.MembersConfig",
    "shuke.ledger.apps.LedgerConfig",
    "shuke.rewards.apps.RewardsConfig",
    "shuke.loyalty.apps.LoyaltyConfig",
    "shuke.checkout.apps.CheckoutConfig",
    "shuke.integrations.apps.IntegrationsConfig",
    "shuke.analytics.apps.AnalyticsConfig",
    "shuke.api.apps.ApiConfig",
    "shuke.console.apps.ConsoleConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "shuke.core.requests.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "shuke.console.middleware.programme_time",
    "axes.middleware.AxesMiddleware",
]
# The API carries no cookies, sessions or pages, so it skips the layers that serve only those: they cost
# a fifth of a request. `config.wsgi` gives requests under /api/ this list instead.
API_MIDDLEWARE = ["shuke.core.requests.RequestIdMiddleware"]

ROOT_URLCONF = "shuke.config.urls"
WSGI_APPLICATION = "shuke.config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": False,
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shuke.console.context.shell",
            ],
        },
    }
]

DATABASES = {"default": django_database(ENV)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "core.Staff"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "console:login"
LOGIN_REDIRECT_URL = "console:overview"
LOGOUT_REDIRECT_URL = "console:login"

# Lock-out: per account and address, so that a stranger cannot lock a shop's staff out from elsewhere.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "console/locked_out.html"
AXES_USERNAME_CALLABLE = "shuke.core.logins.login_name"  # "Anna" and "anna" are one account, so one counter
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = ENV.secure_cookies
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SECURE = ENV.secure_cookies
CSRF_TRUSTED_ORIGINS = list(ENV.trusted_origins)
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "shuke.console.views.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("zh-hant", "繁體中文"), ("en", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_COOKIE_NAME = "shuke_language"

STATIC_URL = "/static/"
STATIC_ROOT = ENV.home / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "shuke.kit.assets.Assets"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

# JSON bodies beyond this are refused before they are read (order batches and imports go through files).
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# Somebody who runs `shuke serve` at a terminal wants to read what it says: there the lines of the requests go to a file.
ACCESS_TO_FILE = SUPERVISED in os.environ and sys.stderr.isatty()
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"plain": {"()": "shuke.core.requests.PlainErrors"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["plain"]},
        "access": {
            "class": "logging.FileHandler",
            "filename": ENV.home / ACCESS_LOG,
            "delay": True,
            "encoding": "utf-8",
            "formatter": "line",
        },
    },
    "root": {"handlers": ["stderr"], "level": ENV.log_level},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "axes": {"level": "ERROR"},
        "procrastinate": {"level": "WARNING"},
        **({"shuke.access": {"handlers": ["access"], "propagate": False}} if ACCESS_TO_FILE else {}),
    },
}
SILENCED_SYSTEM_CHECKS = ["axes.W006"]
PROCRASTINATE_ON_APP_READY = "shuke.kit.jobs.on_app_ready"
