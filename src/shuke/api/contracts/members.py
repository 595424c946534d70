"""Members on the wire. Names, phones and e-mails are masked, except in `Personal`, which needs its own scope."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from shuke.api.contracts.shared import Code, Cursor, In, Limit, NextCursor, Out, SearchText

Name = Annotated[str, Meta(max_length=120)]
Phone = Annotated[str, Meta(max_length=40, description="E.164, or a number of mainland China.")]
Email = Annotated[str, Meta(max_length=254)]
Gender = Literal["", "female", "male", "other"]
Address = Annotated[str, Meta(max_length=300)]
Note = Annotated[str, Meta(max_length=2000)]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=50)]
AttributeValue = Annotated[str, Meta(max_length=500)] | int | bool | None
Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], AttributeValue],
    Meta(
        max_length=50, description="Custom attributes by code; dates and decimals as text; null removes one."
    ),
]
Status = Literal["active", "frozen", "closed"]


class ExternalId(In):
    """The member's id in another system."""

    system: Code
    value: Annotated[str, Meta(min_length=1, max_length=128)]


class MemberIn(In):
    """A member to register."""

    name: Name = ""
    phone: Phone = ""
    email: Email = ""
    birthday: date | None = None
    gender: Gender = ""
    address: Address = ""
    note: Note = ""
    number: Annotated[
        Annotated[str, Meta(pattern="^[0-9]{12}$")] | None,
        Meta(description="Without it, a new number is given."),
    ] = None
    cards: Annotated[list[Annotated[str, Meta(min_length=1, max_length=60)]], Meta(max_length=20)] = []
    external_ids: Annotated[list[ExternalId], Meta(max_length=20)] = []
    tags: Tags = []
    attributes: Attributes = {}
    join_store: Annotated[Code | None, Meta(description="Code of the store where the member joins.")] = None
    join_channel: Annotated[
        Code | None, Meta(description="Code of the channel through which the member joins.")
    ] = None


class MemberChange(In):
    """What changes; the rest stays. An empty text or null clears a field. `reason` is needed with `status`."""

    name: Name | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    birthday: date | UnsetType | None = UNSET
    gender: Gender | UnsetType | None = UNSET
    address: Address | UnsetType | None = UNSET
    note: Note | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    reason: Annotated[str, Meta(min_length=1, max_length=300)] | UnsetType = UNSET


class TagsIn(In):
    """All tags of the member; those not named are taken away."""

    tags: Tags


class IdentifyIn(In):
    """What was typed or scanned: a number, phone, e-mail, card, external id, member code, last four digits or a name.

    With `kind`, the text is read as that identifier and nothing else.
    """

    text: SearchText
    kind: Literal["any", "number", "phone", "email", "card"] = "any"


class MembersQuery(In):
    """Filters of the list of members."""

    text: (
        Annotated[SearchText, Meta(description="Anything that identify takes, but for member codes.")]
        | UnsetType
    ) = UNSET
    status: Status | UnsetType = UNSET
    tag: Annotated[str, Meta(min_length=1, max_length=40)] | UnsetType = UNSET
    store: Annotated[Code, Meta(description="Code of the store of joining.")] | UnsetType = UNSET
    joined_from: (
        Annotated[datetime, Meta(tz=True, description="Joined at or after this instant.")] | UnsetType
    ) = UNSET
    joined_to: Annotated[datetime, Meta(tz=True, description="Joined before this instant.")] | UnsetType = (
        UNSET
    )
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50


class MemberQuery(In):
    """What to include."""

    include: (
        Annotated[
            Literal["personal"],
            Meta(description="Clear personal data; needs members:personal and is audited."),
        ]
        | UnsetType
    ) = UNSET


class EntriesQuery(In):
    """Filters of the ledger entries."""

    asset: Annotated[str, Meta(min_length=1, max_length=30, examples=["points"])] | UnsetType = UNSET
    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 50


class Member(Out):
    """A member, masked: 林*溪, 138****6621, l***@example.com."""

    id: UUID
    number: str
    status: Status
    name: str
    phone: str
    email: str
    tags: list[str]
    attributes: dict[str, Any]
    join_store: str | None
    join_channel: str | None
    joined_at: datetime


class Personal(Out):
    """The clear personal data of a member, with the personal attributes in `extra`."""

    name: str
    phone: str
    email: str
    birthday: date | None
    gender: str
    address: str
    note: str
    extra: dict[str, str]


class MemberDetail(Member):
    """A member with the tier held, and clear personal data where it was asked for."""

    tier: Annotated[str | None, Meta(description="Code of the tier; null before the first programme.")]
    tier_since: datetime | None
    tier_review_at: datetime | None
    personal: Personal | None


class Candidate(Member):
    """A member who may be meant. `matched_by` says by what."""

    matched_by: Literal["number", "phone", "email", "card", "external", "qr", "search"]


class Candidates(Out):
    """Who may be meant: one for an exact identifier, up to ten otherwise, none when nobody is."""

    candidates: list[Candidate]


class MemberList(Out):
    """One page, newest first."""

    members: list[Member]
    next_cursor: NextCursor


class QrCode(Out):
    """A member code for one minute and one use."""

    token: str
    expires_at: datetime


class Expiring(Out):
    """`amount` units lapse at `at`, unless used before."""

    at: datetime
    amount: int


class Balance(Out):
    """balance + debt = usable + pending + lapsed + held; `expiring` is what of `usable` lapses within 60 days."""

    asset: str
    balance: int
    usable: int
    pending: int
    lapsed: int
    held: Annotated[int, Meta(description="Set aside by open holds.")]
    debt: int
    expiring: list[Expiring]


class Balances(Out):
    """Every asset that ever moved for the member."""

    member_id: UUID
    balances: list[Balance]


class EntryOut(Out):
    """One movement of a member's balance. `explanation` says in words what `explain` says in structure."""

    transfer_id: UUID
    seq: int
    kind: Annotated[
        str, Meta(description="earn, redeem, reversal, expire, adjust and others; more may come.")
    ]
    asset: str
    amount: int
    occurred_at: datetime
    recorded_at: datetime
    order_id: UUID | None
    refund_id: UUID | None
    store_id: UUID | None
    programme_version_id: UUID | None
    lot_id: UUID | None
    lot_expires_at: datetime | None
    actor: str
    reason: str
    explanation: str
    explain: dict[str, Any] | None


class Entries(Out):
    """One page, newest first."""

    entries: list[EntryOut]
    next_cursor: NextCursor
