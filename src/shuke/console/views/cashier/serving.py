"""Whom the counter serves: a till must top up and sell plans for the member before it, wherever they joined."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest

from shuke.console.member_access import existing, may_open
from shuke.console.views.cashier.cart import read_cart
from shuke.members.values import Candidate


def serve_member(request: HttpRequest, member_id: UUID) -> Candidate:
    """The member, masked: one whose file this person may open, or who stands at their desk. Raises Http404 otherwise."""
    member = existing(member_id)
    if may_serve(request, member):
        return member
    raise Http404


def may_serve(request: HttpRequest, member: Candidate) -> bool:
    """Whether this person may open their file, or has them at their desk."""
    return may_open(request, member) or read_cart(request).member_id == member.member_id
