"""The programme: what is in force in human words, its versions, what changed between them, and publishing the next one."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from shuke.checkout.impact.runs import start_impact
from shuke.console import formats
from shuke.console.access import requires, staff_of
from shuke.console.days import EARLIEST_DAY, LATEST_DAY, end_of, start_of
from shuke.console.editor.fields import sections
from shuke.console.editor.places import said_place
from shuke.console.editor.tree import evenly
from shuke.console.programme_words import tell
from shuke.console.refusals import attempt
from shuke.console.side_by_side import compare
from shuke.console.views.impact import told_cautions
from shuke.console.views.simulations import simulate_form
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.loyalty import queries
from shuke.loyalty.diff import diff_documents
from shuke.loyalty.document import validate
from shuke.loyalty.errors import InvalidProgramme, Problem, Unconfirmed, UnknownVersion
from shuke.loyalty.models import ProgrammeVersion
from shuke.loyalty.operations import publish_programme
from shuke.loyalty.source import MAX_BYTES
from shuke.loyalty.versions import cancel_version

STARTER = """\
shuke: 1
code: club
name: {zh-Hans: 会员俱乐部, zh-Hant: 會員俱樂部, en: Club}
currency: CNY
time_zone: Asia/Shanghai

assets:
  points:
    name: {zh-Hans: 积分, zh-Hant: 積分, en: Points}
    expiry: {model: rolling, months: 12, round_to: month_end}

earning:
  - id: base
    name: {zh-Hans: 消费积分, zh-Hant: 消費積分, en: Points on every purchase}
    give: 1
    per: 1.00

tiers:
  metric: spend
  levels:
    - {code: classic, name: {zh-Hans: 普通会员, zh-Hant: 普通會員, en: Classic}, threshold: 0}
    - {code: gold, name: {zh-Hans: 金卡会员, zh-Hant: 金卡會員, en: Gold}, threshold: 3000, multiplier: 1.2}

redemption: {points: 100, worth: 1.00, max_percent: 50}
"""
"""What the editor holds before the first version: small, complete and ready to be changed."""


class SourceForm(forms.Form):
    """A document: typed, or a file, which then counts instead."""

    source = forms.CharField(
        label=gettext_lazy("Document"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 26,
                "wrap": "off",
                "spellcheck": "false",
                "autocapitalize": "none",
                "data-editor": "",
                "lang": "en",
            }
        ),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.json", "class": "file-pick"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        file = data.get("file")
        if file is not None and file.size > MAX_BYTES:
            self.add_error("file", _("The file is larger than 1 MB."))
        elif file is None and not data.get("source", "").strip() and "source" not in self.errors:
            self.add_error("source", _("Paste a document, or choose a file."))
        return data

    def document(self) -> str | bytes:
        """What was given. Lines end as in a file: a browser sends them with a carriage return."""
        file: UploadedFile[bytes] | None = self.cleaned_data.get("file")
        if file is not None:
            return bytes(file.read())
        return str(self.cleaned_data["source"]).replace("\r\n", "\n")


class PublishForm(forms.Form):
    """The last step: when it begins, and why."""

    source = forms.CharField(strip=False, widget=forms.HiddenInput)
    note = forms.CharField(
        label=gettext_lazy("What changes, and why"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("Shown in the list of versions and in the audit log."),
    )
    effective_at = forms.DateTimeField(
        label=gettext_lazy("Begins"),
        required=False,
        help_text=gettext_lazy("Left empty, it begins at once."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["effective_at"].validators += [
            MinValueValidator(start_of(EARLIEST_DAY)),
            MaxValueValidator(end_of(LATEST_DAY)),
        ]


@requires(Permission.PROGRAMME_VIEW)
def programme(request: HttpRequest) -> HttpResponse:
    """The rules in force now."""
    now = clock.now()
    versions = queries.list_versions(now)
    in_force = next((row for row in versions if row.status == "in_force"), None)
    context: dict[str, Any] = {
        "tab": "rules",
        "row": None,
        "told": None,
        "scheduled": [row for row in versions if row.status == "scheduled"],
        "may_publish": staff_of(request).may(Permission.PROGRAMME_PUBLISH),
    }
    if in_force:
        context["row"] = in_force
        context["told"] = tell(queries.version_by_number(in_force.number).document)
    return render(request, "console/programme.html", context)


@requires(Permission.PROGRAMME_VIEW)
def programme_versions(request: HttpRequest) -> HttpResponse:
    """Every version there ever was, and the choice of two to compare."""
    versions = queries.list_versions(clock.now())
    context = {
        "tab": "versions",
        "versions": versions,
        "choices": _choices(versions),
        "old": versions[1].number if len(versions) > 1 else None,
        "new": versions[0].number if versions else None,
        "may_publish": staff_of(request).may(Permission.PROGRAMME_PUBLISH),
    }
    return render(request, "console/programme_versions.html", context)


@requires(Permission.PROGRAMME_VIEW)
def programme_version(request: HttpRequest, number: int) -> HttpResponse:
    """One version in words, and its document as it was applied."""
    try:
        version = queries.version_by_number(number)
        source = queries.source_of(number)
    except UnknownVersion:
        raise Http404 from None
    if request.GET.get("as") == "yaml":
        answer = HttpResponse(source, content_type="text/yaml; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="programme-{number}.yaml"'
        return answer
    versions = queries.list_versions(clock.now())
    context = {
        "tab": "versions",
        "row": next(row for row in versions if row.number == number),
        "told": tell(version.document),
        "source": source,
        "previous": number - 1 if number > 1 else None,
        "may_publish": staff_of(request).may(Permission.PROGRAMME_PUBLISH),
    }
    return render(request, "console/programme_version.html", context)


@requires(Permission.PROGRAMME_VIEW)
def programme_compare(request: HttpRequest) -> HttpResponse:
    """What changes from one version to another: in words, and both documents side by side."""
    versions = queries.list_versions(clock.now())
    known = {str(row.number): row.number for row in versions}
    old, new = known.get(request.GET.get("old", "")), known.get(request.GET.get("new", ""))
    if old is None or new is None:
        messages.error(request, _("Choose two versions that exist."))
        return redirect("console:programme_versions")
    context = {
        "choices": _choices(versions),
        "old": old,
        "new": new,
        "changes": queries.diff_versions(old, new),
        "pairs": compare(queries.source_of(old), queries.source_of(new)),
    }
    return render(request, "console/programme_compare.html", context)


@requires(Permission.PROGRAMME_PUBLISH)
def programme_publish(request: HttpRequest) -> HttpResponse:
    """Write the next version in three steps on one address: the document, what it changes, and the confirmation.

    The document travels with the forms; nothing is kept until it is published.
    """
    step = request.POST.get("step", "") if request.method == "POST" else "write"
    if step == "publish":
        return _publish(request)
    if step == "check":
        return _check(request)
    source = request.POST.get("source", "") if step == "edit" else source_in_force()
    return show_source(request, SourceForm(initial={"source": source.replace("\r\n", "\n")}), ())


@require_POST
@requires(Permission.PROGRAMME_PUBLISH)
def programme_cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Take back a version that has not begun."""
    try:
        cancel_version(actor=staff_of(request).as_actor(), number=number, now=clock.now())
        messages.success(
            request, _("Version %(number)d was taken back; it will not begin.") % {"number": number}
        )
    except ShukeError as error:
        messages.error(request, str(error))
    return redirect("console:programme_version", number)


def source_in_force() -> str:
    """The document in force as it was applied; a small one to begin with when there is none."""
    in_force = queries.programme_at(clock.now())
    return queries.source_of(in_force.number) if in_force else STARTER


def _check(request: HttpRequest) -> HttpResponse:
    form = SourceForm(request.POST, request.FILES)
    if not form.is_valid():
        return show_source(request, form, ())
    return review_source(request, form.document())


def review_source(request: HttpRequest, source: str | bytes, *, by_forms: bool = False) -> HttpResponse:
    """What a draft would change, and what has to be confirmed; or everything that is wrong with it.

    `by_forms`: the forms wrote the draft, which wrap lines anew; both texts are then compared as they would write them.
    """
    try:
        document = validate(source)
    except InvalidProgramme as error:
        text = source if isinstance(source, str) else source.decode("utf-8-sig", "replace")
        shown = SourceForm(initial={"source": text.replace("\r\n", "\n").replace("\x00", "\ufffd")})
        return show_source(request, shown, error.problems)
    text = source if isinstance(source, str) else source.decode("utf-8-sig")
    return _review(request, PublishForm(initial={"source": text}), document, text, by_forms=by_forms)


def show_source(request: HttpRequest, form: SourceForm, problems: tuple[Problem, ...]) -> HttpResponse:
    """The YAML view of the editor, with everything that is wrong beside its line."""
    text = str(form["source"].value() or "")
    lines = text.splitlines()
    in_force = queries.programme_at(clock.now())
    context = {
        "form": form,
        "problems": [
            (each, lines[each.line - 1].strip()[:160] if each.line <= len(lines) else "") for each in problems
        ],
        "bad_lines": " ".join(str(line) for line in sorted({each.line for each in problems})),
        "line_numbers": range(1, max(len(lines), 1) + 1),
        "in_force": in_force,
        "holds": _held(text, in_force.number if in_force else None),
    }
    status = 422 if problems or form.errors else 200
    return render(request, "console/programme_publish.html", context, status=status)


def _held(text: str, number: int | None) -> str:
    """What the editor holds: the document in force, a start, or a draft."""
    text = text.replace("\r\n", "\n").strip()
    if number is None:
        return "start" if text == STARTER.strip() else "draft"
    return "in_force" if text == queries.source_of(number).replace("\r\n", "\n").strip() else "draft"


def _review(
    request: HttpRequest,
    form: PublishForm,
    document: dict[str, Any],
    source: str,
    *,
    by_forms: bool,
    status: int = 200,
) -> HttpResponse:
    now = clock.now()
    in_force = queries.programme_at(now)
    begins: datetime | None = getattr(form, "cleaned_data", {}).get("effective_at")
    starts = max(begins, now) if begins else None
    then = queries.programme_at(starts or now)
    changes, pairs = None, None
    if in_force:
        changes = diff_documents(queries.version_by_id(in_force.version_id).document, document)
        texts = (queries.source_of(in_force.number), source)
        pairs = compare(*(map(evenly, texts) if by_forms else texts))
    cautions = told_cautions(document, starts)
    if cautions["uncounted"] and then:
        start_impact(actor=staff_of(request).as_actor(), now=now, source=source, against=then.number)
    context = {
        "form": form,
        "source": source,
        "in_force": in_force,
        "changes": changes,
        "pairs": pairs,
        "by_forms": by_forms,
        "told": tell(document),
        "against": then.number if then else "",
        "now": now,
        **cautions,
        "accepted": request.POST.getlist("accept"),
        "simulate": simulate_form(source),
        "whole_chain": staff_of(request).all_stores,
    }
    return render(request, "console/programme_review.html", context, status=status)


def _publish(request: HttpRequest) -> HttpResponse:
    source = request.POST.get("source", "").replace("\r\n", "\n")
    try:
        document = validate(source)
    except InvalidProgramme as error:
        return show_source(
            request, SourceForm(initial={"source": source.replace("\x00", "\ufffd")}), error.problems
        )
    # Before the first version the shop has no zone yet: its beginning is typed, and told, in that of the draft.
    own = nullcontext() if queries.programme_at(clock.now()) else timezone.override(document["time_zone"])
    with own:
        return _publish_in_zone(request, document, source)


def _publish_in_zone(request: HttpRequest, document: dict[str, Any], source: str) -> HttpResponse:
    form = PublishForm(request.POST)
    if form.is_valid():
        begins: datetime | None = form.cleaned_data["effective_at"]
        version = attempt(
            form,
            lambda: _published(
                document,
                actor=staff_of(request).as_actor(),
                now=clock.now(),
                source=source,
                effective_at=begins,
                note=form.cleaned_data["note"],
                accepted=request.POST.getlist("accept"),
                may_count=False,
            ),
        )
        if version:
            words = _("Version %(number)d is published; it begins %(moment)s.")
            when = formats.moment(version.effective_at)
            messages.success(request, words % {"number": version.number, "moment": when})
            return redirect("console:programme_version", version.number)
    return _review(request, form, document, source, by_forms="by_forms" in request.POST, status=422)


def _published(document: dict[str, Any], **given: Any) -> ProgrammeVersion:
    """The version. What is not confirmed is called by its place in words: who reads it here has no path before him."""
    try:
        return publish_programme(**given)
    except Unconfirmed as error:
        told = [replace(each, path=said_place(each.path, document, sections())) for each in error.cautions]
        raise Unconfirmed(told) from None


def _choices(versions: list[queries.VersionRow]) -> list[tuple[int, str]]:
    label = _("Version %(number)d · %(day)s")
    return [
        (row.number, label % {"number": row.number, "day": formats.day(row.effective_at)}) for row in versions
    ]
