"""What other rooms read from the member file."""

from shuke.members.queries.finding import find_member, get_member, identify, identify_id_by_phone, joined_days
from shuke.members.queries.hot import candidate_by_phone, candidates_exactly
from shuke.members.queries.listing import count_members, list_members, tags_in_use
from shuke.members.queries.reading import (
    get_candidate,
    list_attribute_definitions,
    list_identifiers,
    open_profiles,
)

__all__ = [
    "candidate_by_phone",
    "candidates_exactly",
    "count_members",
    "find_member",
    "get_candidate",
    "get_member",
    "identify",
    "identify_id_by_phone",
    "joined_days",
    "list_attribute_definitions",
    "list_identifiers",
    "list_members",
    "open_profiles",
    "tags_in_use",
]
