"""Products and stores: find, look at, change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from shuke.analytics.zone import reporting_currency
from shuke.catalog import operations, queries
from shuke.catalog.models import Product, Store
from shuke.catalog.values import ProductPage
from shuke.console import scope
from shuke.console.access import requires, staff_of
from shuke.console.days import EARLIEST_DAY, LATEST_DAY
from shuke.console.refusals import attempt
from shuke.core.errors import InvalidInput
from shuke.core.values import Permission
from shuke.kit import clock
from shuke.kit.errors import ShukeError
from shuke.kit.money import BadAmount, to_minor, to_text

ROWS = 50
LONGEST_PATH = 240


class ProductForm(forms.Form):
    """A product as people write it: the price in the major unit, the category as levels between slashes."""

    sku = forms.CharField(
        label=gettext_lazy("SKU"),
        max_length=64,
        help_text=gettext_lazy("The code on the label or in the till. It cannot be changed later."),
    )
    name = forms.CharField(label=gettext_lazy("Product name"), max_length=160)
    category = forms.CharField(
        label=gettext_lazy("Category"),
        max_length=LONGEST_PATH,
        required=False,
        help_text=gettext_lazy(
            "Levels between slashes, for example Food/Drinks/Tea. New levels are created."
        ),
        widget=forms.TextInput(attrs={"list": "categories", "autocomplete": "off"}),
    )
    brand = forms.CharField(
        label=gettext_lazy("Brand"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"list": "brands", "autocomplete": "off"}),
    )
    price = forms.CharField(
        label=pgettext_lazy("product", "List price"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("Left empty, the till must state the price."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    cost = forms.CharField(
        label=gettext_lazy("Cost price"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("What one unit costs the shop. Simulations then tell margins, too."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    is_active = forms.BooleanField(label=gettext_lazy("On sale"), required=False, initial=True)

    def __init__(self, *args: Any, currency: str, with_cost: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_cost:
            del self.fields["cost"]
        self.currency = currency
        self.fields["price"].label = _("List price (%(currency)s)") % {"currency": currency}

    def clean_price(self) -> int | None:
        return self._minor("price")

    def clean_cost(self) -> int | None:
        return self._minor("cost")

    def _minor(self, field: str) -> int | None:
        text = self.cleaned_data[field]
        try:
            minor = to_minor(text, self.currency) if text else None
        except BadAmount:
            minor = -1
        if minor is not None and minor < 0:
            raise forms.ValidationError(_("Write the price as a number such as 12.90."))
        return minor


class StoreForm(forms.Form):
    """A store; the code is given once."""

    code = forms.CharField(
        label=gettext_lazy("Store code"),
        max_length=40,
        help_text=gettext_lazy("As tills and imports name it. It cannot be changed later."),
    )
    name = forms.CharField(label=gettext_lazy("Store name"), max_length=120)
    region = forms.CharField(
        label=gettext_lazy("Region"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"list": "regions", "autocomplete": "off"}),
    )
    opened_on = forms.DateField(
        label=gettext_lazy("Open since"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(EARLIEST_DAY), MaxValueValidator(LATEST_DAY)],
    )


# Products --------------------------------------------------------------------------------------------


@requires(Permission.CATALOG_VIEW)
def products(request: HttpRequest) -> HttpResponse:
    """One page of products; the whole choice is in the address."""
    asked = request.GET
    text, brand = asked.get("text", "").strip(), asked.get("brand", "").strip()[:80]
    category = asked.get("category", "").strip("/ ")[:LONGEST_PATH]
    everything = asked.get("show") == "all"
    page, problem = _page(text, asked.get("cursor", ""), category, brand, everything)
    context = {
        "page": page,
        "problem": problem,
        "text": text,
        "brand": brand,
        "category": category,
        "show": "all" if everything else "",
        "shown": [("", _("On sale")), ("all", _("All, also ended ones"))],
        "categories": _category_options(category),
        "brands": queries.list_brands(),
        "filtered": bool(text or brand or category or everything),
        "may_write": staff_of(request).may(Permission.CATALOG_WRITE),
    }
    return render(request, "console/products.html", context)


def _page(text: str, cursor: str, category: str, brand: str, everything: bool) -> tuple[ProductPage, str]:
    try:
        found = queries.find_products(
            text, cursor or None, category, brand, limit=ROWS, include_inactive=everything
        )
    except InvalidInput as error:
        return queries.find_products("", None, category, brand, limit=ROWS, include_inactive=everything), str(
            error
        )
    return found, ""


def _category_options(path: str) -> list[tuple[str, str]]:
    """The way down to the chosen category and what lies right below it: a tree of thousands in a short list."""
    options = [("", _("All categories"))]
    parts = path.split("/") if path else []
    for depth in range(len(parts)):
        options.append(("/".join(parts[: depth + 1]), "\u2003" * depth + parts[depth]))
    options += [(each.path, "\u2003" * len(parts) + each.name) for each in queries.list_categories(path)]
    return options


@requires(Permission.CATALOG_VIEW)
def product(request: HttpRequest, product_id: UUID) -> HttpResponse:
    """One product."""
    found = _product(product_id)
    return render(
        request,
        "console/product.html",
        {
            "product": found,
            "sees_cost": _sees_cost(request),
            "may_write": staff_of(request).may(Permission.CATALOG_WRITE),
            "may_audit": staff_of(request).may(Permission.AUDIT_VIEW),
        },
    )


@requires(Permission.CATALOG_WRITE)
def product_new(request: HttpRequest) -> HttpResponse:
    """Add a product."""
    currency = reporting_currency(clock.now())
    form = ProductForm(request.POST or None, currency=currency, with_cost=_sees_cost(request))
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form,
            lambda: operations.create_product(
                actor=staff_of(request).as_actor(),
                now=clock.now(),
                sku=data["sku"],
                name=data["name"],
                category=data["category"],
                brand=data["brand"],
                price_minor=data["price"],
                cost_minor=data.get("cost"),
                currency=currency,
                is_active=data["is_active"],
            ),
            fields={"price_minor": "price", "cost_minor": "cost"},
        )
        if made:
            messages.success(request, _("The product was added."))
            return redirect("console:product", made.id)
    return _product_form(request, form, None)


@requires(Permission.CATALOG_WRITE)
def product_edit(request: HttpRequest, product_id: UUID) -> HttpResponse:
    """Change a product; its SKU stays."""
    found = _product(product_id)
    initial = {
        "name": found.name,
        "category": found.category_id or "",
        "brand": found.brand,
        "price": "" if found.price_minor is None else to_text(found.price_minor, found.currency),
        "cost": "" if found.cost_minor is None else to_text(found.cost_minor, found.currency),
        "is_active": found.is_active,
    }
    form = ProductForm(
        request.POST or None, initial=initial, currency=found.currency, with_cost=_sees_cost(request)
    )
    del form.fields["sku"]
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        changes = {key: data[key] for key in ("name", "category", "brand", "is_active")}
        if "cost" in data:
            changes["cost_minor"] = data["cost"]
        changed = attempt(
            form,
            lambda: operations.change_product(
                actor=staff_of(request).as_actor(),
                now=clock.now(),
                product_id=product_id,
                changes={**changes, "price_minor": data["price"]},
            ),
            fields={"price_minor": "price", "cost_minor": "cost"},
        )
        if changed:
            messages.success(request, _("The product was changed."))
            return redirect("console:product", product_id)
    return _product_form(request, form, found)


def _sees_cost(request: HttpRequest) -> bool:
    return staff_of(request).may(Permission.FINANCE_VIEW)


def _product_form(request: HttpRequest, form: ProductForm, found: Product | None) -> HttpResponse:
    context = {
        "form": form,
        "product": found,
        "brands": queries.list_brands(),
        "categories": queries.list_category_paths(),
    }
    return render(request, "console/product_form.html", context, status=422 if form.errors else 200)


def _product(product_id: UUID) -> Product:
    found = queries.get_product(product_id)
    if found is None:
        raise Http404
    return found


# Stores ----------------------------------------------------------------------------------------------


@requires(Permission.CATALOG_VIEW)
def stores(request: HttpRequest) -> HttpResponse:
    """The stores that the person covers, by code, a page at a time; `after` is the last code of the page before."""
    staff = staff_of(request)
    covered = scope.stores_of(staff)
    regions = sorted({store.region for store in covered if store.region})
    region = request.GET.get("region", "")
    state = request.GET.get("state", "")
    wanted = request.GET.get("text", "").strip().casefold()[:120]
    rows = [
        store
        for store in covered
        if (not region or store.region == region)
        and (state not in ("open", "closed") or store.is_open == (state == "open"))
        and wanted in f"{store.name} {store.code}".casefold()
    ]
    codes = [store.code for store in rows]
    after = request.GET.get("after", "")
    rest = rows[codes.index(after) + 1 :] if after in codes else rows
    context = {
        "rows": rest[:ROWS],
        "found": len(rows),
        "next": rest[ROWS - 1].code if len(rest) > ROWS else "",
        "total": len(covered),
        "regions": [("", _("All regions")), *((each, each) for each in regions)],
        "region": region,
        "states": [("", _("Open and closed")), ("open", _("Open only")), ("closed", _("Closed only"))],
        "state": state,
        "text": request.GET.get("text", "").strip()[:120],
        "may_add": staff.may(Permission.CATALOG_WRITE) and staff.all_stores,
    }
    return render(request, "console/stores.html", context)


@requires(Permission.CATALOG_VIEW)
def store(request: HttpRequest, store_id: UUID) -> HttpResponse:
    """One store."""
    staff = staff_of(request)
    context = {
        "store": _store(request, store_id),
        "may_write": staff.may(Permission.CATALOG_WRITE),
        "may_audit": staff.may(Permission.AUDIT_VIEW),
    }
    return render(request, "console/store.html", context)


@requires(Permission.CATALOG_WRITE)
def store_new(request: HttpRequest) -> HttpResponse:
    """Open a store; only for somebody who covers all stores."""
    staff = staff_of(request)
    if not staff.all_stores:
        raise PermissionDenied
    form = StoreForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = attempt(
            form,
            lambda: operations.create_store(actor=staff.as_actor(), now=clock.now(), **form.cleaned_data),
        )
        if made:
            messages.success(request, _("The store was added."))
            return redirect("console:store", made.id)
    return _store_form(request, form, None)


@requires(Permission.CATALOG_WRITE)
def store_edit(request: HttpRequest, store_id: UUID) -> HttpResponse:
    """Change a store; its code stays."""
    found = _store(request, store_id)
    initial = {"name": found.name, "region": found.region, "opened_on": found.opened_on}
    form = StoreForm(request.POST or None, initial=initial)
    del form.fields["code"]
    if request.method == "POST" and form.is_valid():
        changed = attempt(
            form,
            lambda: operations.change_store(
                actor=staff_of(request).as_actor(),
                now=clock.now(),
                store_id=store_id,
                changes=form.cleaned_data,
            ),
        )
        if changed:
            messages.success(request, _("The store was changed."))
            return redirect("console:store", store_id)
    return _store_form(request, form, found)


@requires(Permission.CATALOG_WRITE)
@require_POST
def store_state(request: HttpRequest, store_id: UUID) -> HttpResponse:
    """Open or close a store."""
    found = _store(request, store_id)
    is_open = request.POST.get("open") == "yes"
    try:
        operations.change_store(
            actor=staff_of(request).as_actor(),
            now=clock.now(),
            store_id=found.id,
            changes={"is_open": is_open},
        )
    except ShukeError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The store is open.") if is_open else _("The store is closed."))
    return redirect("console:store", store_id)


def _store_form(request: HttpRequest, form: StoreForm, found: Store | None) -> HttpResponse:
    regions = sorted({each.region for each in scope.stores_of(staff_of(request)) if each.region})
    context = {"form": form, "store": found, "regions": regions}
    return render(request, "console/store_form.html", context, status=422 if form.errors else 200)


def _store(request: HttpRequest, store_id: UUID) -> Store:
    """The store, if the person covers it: of others they need not learn that they exist."""
    found = next((each for each in scope.stores_of(staff_of(request)) if each.id == store_id), None)
    if found is None:
        raise Http404
    return found
