"""Addresses of the console. Each page is one line here and one entry in navigation.py."""

from __future__ import annotations

from django.urls import path

from shuke.console.views import overview, session

app_name = "console"

urlpatterns = [
    path("", session.home, name="home"),
    path("login", session.sign_in, name="login"),
    path("logout", session.sign_out, name="logout"),
    path("language", session.choose_language, name="language"),
    path("store", session.choose_store, name="choose_store"),
    path("store/menu", session.store_menu, name="store_menu"),
    path("overview", overview.overview, name="overview"),
]
