"""A form's choice of stores: all of them, or some. Offered are only the stores that the person who grants covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from shuke.catalog.models import Store


class StoreChoice(forms.Form):
    """Two fields for other forms to inherit; `c-store-choice` draws them. `everywhere` allows the choice of all stores."""

    all_stores = forms.BooleanField(label=_("All stores, also those opened later"), required=False)
    store_ids = forms.MultipleChoiceField(
        label=_("Stores"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox"}),
        error_messages={"invalid_choice": _("One of these stores is not yours to give.")},
    )

    def __init__(self, *args: Any, stores: Sequence[Store], everywhere: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is chosen already comes first: in a list of hundreds nobody would find it.
        chosen = set(self.initial.get("store_ids", ()))
        ordered = sorted(stores, key=lambda each: str(each.id) not in chosen)
        self.fields["store_ids"].choices = [(str(each.id), f"{each.name} · {each.code}") for each in ordered]  # type: ignore[attr-defined]
        if not everywhere:
            del self.fields["all_stores"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        data.setdefault("all_stores", False)
        data["store_ids"] = [] if data["all_stores"] else [UUID(each) for each in data.get("store_ids", ())]
        if not data["all_stores"] and not data["store_ids"] and "store_ids" not in self.errors:
            self.add_error("store_ids", _("Choose at least one store, or all of them."))
        return data
