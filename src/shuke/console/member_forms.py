"""Forms of the member pages. They only collect: the member file itself checks, and its refusals land at the field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shuke.catalog.models import Channel, Store
from shuke.console.member_words import PROFILE_LABELS, attribute_label
from shuke.kit.errors import ShukeError
from shuke.members.models import AttributeDefinition, AttributeKind, MemberStatus
from shuke.members.profile import PROFILE_FIELDS, Gender, Profile

ATTRIBUTE = "attr_"
MOST_TAGS_TEXT = 2400
_FIELD_OF = {"cards": "card", "join_store_id": "store", "join_channel": "channel"}


def refuse(form: forms.Form, error: ShukeError) -> None:
    """Show a refusal at the field it is about; above the form when it is about none of them."""
    name = (error.field or "").replace("attributes/", ATTRIBUTE, 1)
    name = _FIELD_OF.get(name, name)
    form.add_error(name if name in form.fields else None, str(error))


class ProfileForm(forms.Form):
    """The personal data. `to_profile` and `changes` say what was typed."""

    name = forms.CharField(label=PROFILE_LABELS["name"], required=False, max_length=120)
    phone = forms.CharField(label=PROFILE_LABELS["phone"], required=False, max_length=60)
    email = forms.CharField(label=PROFILE_LABELS["email"], required=False, max_length=254)
    birthday = forms.DateField(
        label=PROFILE_LABELS["birthday"],
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "max": "9999-12-31"}),
    )
    gender = forms.ChoiceField(label=PROFILE_LABELS["gender"], required=False)
    address = forms.CharField(label=PROFILE_LABELS["address"], required=False, max_length=300)
    note = forms.CharField(
        label=PROFILE_LABELS["note"],
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        gender = self.fields["gender"]
        assert isinstance(gender, forms.ChoiceField)
        gender.choices = [("", _("Not stated")), *Gender.choices]
        for name, mode in (("phone", "tel"), ("email", "email")):
            self.fields[name].widget.attrs["inputmode"] = mode
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"

    def to_profile(self) -> Profile:
        """What was typed as the profile of somebody new."""
        typed: dict[str, Any] = {
            field: self.cleaned_data.get(field) or _empty(field) for field in PROFILE_FIELDS
        }
        return Profile(**typed)


class ProfileChangeForm(ProfileForm):
    """Changes to personal data. The fields begin empty, unless the person unmasked the member (`known`)."""

    known = forms.BooleanField(required=False, widget=forms.HiddenInput)
    remove = forms.MultipleChoiceField(
        label=gettext_lazy("Take out of the file"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        remove = self.fields["remove"]
        assert isinstance(remove, forms.MultipleChoiceField)
        remove.choices = [(field, PROFILE_LABELS[field]) for field in PROFILE_FIELDS]
        if not self.prefilled:
            gender = self.fields["gender"]
            assert isinstance(gender, forms.ChoiceField)
            gender.choices = [("", _("Leave as it is")), *Gender.choices]

    @property
    def prefilled(self) -> bool:
        """True when the fields hold the member's data, so that an empty one asks for removal."""
        return self["known"].value() in (True, "True")

    def changes(self) -> dict[str, Any]:
        """The fields to change. An empty field means no change, unless the data was there to be emptied."""
        data = self.cleaned_data
        if data["known"]:
            return {field: data.get(field) or None for field in PROFILE_FIELDS}
        typed = {field: data[field] for field in PROFILE_FIELDS if data.get(field)}
        return {**dict.fromkeys(data.get("remove", ())), **typed}


class AttributeFields(forms.Form):
    """A form with one field for each attribute that the business defined."""

    definitions: Mapping[str, AttributeDefinition] = {}

    def add_attributes(
        self, definitions: Iterable[AttributeDefinition], values: Mapping[str, Any] | None = None
    ) -> None:
        """Add the fields, filled with `values`."""
        self.definitions = {each.code: each for each in definitions}
        for code, definition in self.definitions.items():
            field = _attribute_field(definition)
            if values and values.get(code) is not None:
                value = values[code]
                field.initial = str(value).lower() if isinstance(value, bool) else value
            self.fields[ATTRIBUTE + code] = field

    @property
    def attribute_fields(self) -> list[forms.BoundField]:
        """The fields, for the template."""
        return [self[ATTRIBUTE + code] for code in self.definitions]

    def typed_attributes(self) -> dict[str, str]:
        """What was typed, by code; an empty text when nothing was."""
        return {code: self.cleaned_data.get(ATTRIBUTE + code, "") for code in self.definitions}


class AttributesForm(AttributeFields):
    """Change a member's attributes; personal ones begin empty unless `known`."""

    known = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def changes(self) -> dict[str, str | None]:
        """The attributes to set; None takes one away."""
        known = self.cleaned_data["known"]
        return {
            code: value or None
            for code, value in self.typed_attributes().items()
            if value or known or not self.definitions[code].is_personal
        }


class RegisterForm(ProfileForm, AttributeFields):
    """A new member."""

    store = forms.ChoiceField(label=gettext_lazy("Joins at"), required=False)
    channel = forms.ChoiceField(label=gettext_lazy("Channel"), required=False)
    card = forms.CharField(label=gettext_lazy("Card number"), required=False, max_length=60)
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        max_length=MOST_TAGS_TEXT,
        help_text=gettext_lazy("Separate tags with commas."),
    )

    def __init__(
        self,
        *args: Any,
        stores: Sequence[Store],
        channels: Sequence[Channel],
        may_skip_store: bool,
        definitions: Iterable[AttributeDefinition],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        store, channel = self.fields["store"], self.fields["channel"]
        assert isinstance(store, forms.ChoiceField)
        assert isinstance(channel, forms.ChoiceField)
        empty = ("", _("No store") if may_skip_store else _("Choose a store"))
        store.choices = [empty, *((str(each.id), f"{each.code} · {each.name}") for each in stores)]
        store.required = not may_skip_store
        channel.choices = [("", _("Not stated")), *((each.code, each.name) for each in channels)]
        for field in ("card", "tags"):
            self.fields[field].widget.attrs["autocomplete"] = "off"
        self.add_attributes(definitions)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not any(data.get(field) for field in ("name", "phone", "email", "card")):
            self.add_error("phone", _("Enter at least a phone, a name, an e-mail or a card."))
        return data


class TagsForm(forms.Form):
    """All tags of a member."""

    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        max_length=MOST_TAGS_TEXT,
        help_text=gettext_lazy("Separate tags with commas."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class StatusForm(forms.Form):
    """Another status, and why."""

    status = forms.ChoiceField(label=gettext_lazy("Status"), choices=MemberStatus.choices)
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class UnmaskForm(forms.Form):
    """Why somebody needs to see the personal data."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "unmask-reasons"}),
    )


def split_tags(text: str) -> list[str]:
    """Tags as people type them: parted by commas of any script or by line breaks."""
    for comma in "，、;；\n":
        text = text.replace(comma, ",")
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def _empty(field: str) -> date | str | None:
    return None if field == "birthday" else ""


def _attribute_field(definition: AttributeDefinition) -> forms.Field:
    label = attribute_label(definition, definition.code)
    match definition.kind:
        case AttributeKind.BOOLEAN:
            choices = [("", "–"), ("true", _("Yes")), ("false", _("No"))]
            return forms.ChoiceField(label=label, required=False, choices=choices)
        case AttributeKind.CHOICE:
            choices = [("", "–"), *((each, each) for each in definition.choices)]
            return forms.ChoiceField(label=label, required=False, choices=choices)
    attrs = {"autocomplete": "off"}
    if definition.kind == AttributeKind.DATE:
        attrs |= {"type": "date", "max": "9999-12-31"}
    elif definition.kind != AttributeKind.TEXT:
        attrs["inputmode"] = "numeric" if definition.kind == AttributeKind.INTEGER else "decimal"
    return forms.CharField(label=label, required=False, max_length=500, widget=forms.TextInput(attrs=attrs))
