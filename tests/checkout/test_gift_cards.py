from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier, Thread
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from shuke.checkout import errors
from shuke.checkout.funds import read_cards
from shuke.checkout.gift_card_queries import cards_by_code
from shuke.checkout.gift_card_returns import return_gift_card
from shuke.checkout.gift_cards import (
    activate_gift_cards,
    block_gift_card,
    codes_of,
    issue_gift_cards,
    read_gift_card,
)
from shuke.checkout.gift_codes import ALPHABET, gift_card_code, read_gift_card_code
from shuke.checkout.invariants import verify_orders
from shuke.checkout.models import GiftCard, Order, OrderTender
from shuke.checkout.operations import commit_order, quote_order
from shuke.checkout.refunds import refund_order
from shuke.checkout.values import TenderRequest
from shuke.core import rate
from shuke.core.errors import TooManyWrongCodes
from shuke.core.models import AuditEvent, OutboxEvent
from shuke.kit.crypto import Keyset
from shuke.ledger.models import Account, Transfer
from shuke.ledger.operations import expire_lots
from shuke.ledger.queries import reconcile
from tests.core.races import race
from tests.factories.checkout import TILL, make_shop, publish, sale, sell
from tests.factories.members import make_member

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
KEYSET = Keyset.generate()
database = pytest.mark.django_db(transaction=True)


@given(st.uuids(), st.integers(0, 15), st.integers(0, 15), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_or_two_swapped_ones_never_make_a_code(card_id, first, second, letter):
    code = gift_card_code(KEYSET, card_id)
    assert read_gift_card_code(code) == code
    wrong = code[:first] + letter + code[first + 1 :]
    assert wrong == code or read_gift_card_code(wrong) is None
    swapped = list(code)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    assert "".join(swapped) == code or read_gift_card_code("".join(swapped)) is None


def test_codes_are_read_as_people_write_them_and_depend_on_the_house():
    code = gift_card_code(KEYSET, UUID(int=5))
    assert read_gift_card_code(" ".join(re.findall("....", code)).lower()) == code
    assert gift_card_code(Keyset.generate(), UUID(int=5)) != code
    assert read_gift_card_code("O" * 16) is None
    assert read_gift_card_code("") is None


def cards(count=1, face=10_000, **more):
    made = issue_gift_cards(actor=TILL, face_minor=face, count=count, now=NOW)
    return made, codes_of([card.id for card in made])


def activate(codes, now=NOW, **more):
    return activate_gift_cards(
        actor=TILL, codes=codes, store="S1", tender=more.pop("tender", "card"), now=now, **more
    )


def assert_books_are_right():
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


@database
def test_a_card_is_worth_nothing_before_it_is_sold_and_its_code_is_stored_nowhere():
    make_shop(gift_cards={})
    made, codes = cards(2)
    assert codes == codes_of([card.id for card in made])
    assert read_gift_card(asker=TILL, code=codes[0], now=NOW)["usable_minor"] == 0
    with pytest.raises(errors.GiftCardNotActive):
        sell(("A", 1), now=NOW, tenders=(TenderRequest("gift_card", 100, codes[0]),))
    activate(codes)
    told = read_gift_card(asker=TILL, code=codes[0], now=NOW)
    assert (told["status"], told["usable_minor"], told["expires_at"]) == ("active", 10_000, None)
    with pytest.raises(errors.GiftCardNotIssued):
        activate(codes[:1])
    plain = codes[0].replace("-", "")
    rows = json.dumps(
        [
            list(GiftCard.objects.values()),
            list(OutboxEvent.objects.values()),
            list(AuditEvent.objects.values()),
        ],
        default=str,
    )
    assert plain not in rows and codes[0] not in rows
    assert OutboxEvent.objects.filter(name="checkout.gift_cards_activated.v1").count() == 1
    assert_books_are_right()


@database
def test_two_cards_and_a_member_pay_one_sale_together():
    make_shop(gift_cards={}, stored_value={})
    member = make_member(now=NOW)
    made, codes = cards(2, face=3_000)
    activate(codes)
    cart = sale(
        ("A", 10),
        member=member,
        tenders=(
            TenderRequest("gift_card", None, codes[0]),
            TenderRequest("gift_card", 1_000, codes[1].lower().replace("-", " ")),
            TenderRequest("cash"),
        ),
    )
    quote = quote_order(actor=TILL, sale=cart, now=NOW)
    answer = json.loads(commit_order(actor=TILL, sale=cart, now=NOW).body)
    assert answer["tenders"] == json.loads(json.dumps(quote["tenders"], default=str))
    assert [(t["kind"], t["amount_minor"]) for t in answer["tenders"]] == [
        ("gift_card", 3_000),
        ("gift_card", 1_000),
        ("cash", 6_000),
    ]
    assert [read_gift_card(asker=TILL, code=code, now=NOW)["usable_minor"] for code in codes] == [0, 2_000]
    holders = set(Transfer.objects.filter(kind="pay").values_list("member_id", flat=True))
    assert holders == {card.id for card in made}
    assert set(OrderTender.objects.filter(kind="gift_card").values_list("holder_id", flat=True)) == holders
    assert_books_are_right()


@database
def test_whoever_knows_the_code_pays_without_a_member():
    make_shop(gift_cards={})
    _made, codes = cards()
    activate(codes)
    answer = sell(("A", 3), now=NOW, tenders=(TenderRequest("gift_card", None, codes[0]),))
    assert (answer["due_minor"], read_gift_card(asker=TILL, code=codes[0], now=NOW)["usable_minor"]) == (
        0,
        7_000,
    )
    assert_books_are_right()


@database
@pytest.mark.parametrize(
    ("code", "refusal"),
    [("ABCD", errors.BadGiftCardCode), (gift_card_code(KEYSET, UUID(int=9)), errors.UnknownGiftCard)],
    ids=["too short", "nobody's"],  # the code depends on the key, which is another one in every process
)
def test_a_code_that_is_none_is_refused_and_sells_nothing(code, refusal):
    make_shop(gift_cards={})
    with pytest.raises(refusal) as refused:
        sell(("A", 1), now=NOW, tenders=(TenderRequest("cash", 1), TenderRequest("gift_card", None, code)))
    assert (refused.value.field, Order.objects.count()) == ("tenders/1/code", 0)


@database
def test_a_blocked_card_does_not_pay_until_it_is_let_go():
    make_shop(gift_cards={})
    _made, codes = cards()
    activate(codes)
    told = block_gift_card(actor=TILL, code=codes[0], reason="reported lost", now=NOW)
    assert (told["status"], told["usable_minor"]) == ("blocked", 0)
    with pytest.raises(errors.GiftCardNotActive):
        sell(("A", 1), now=NOW, tenders=(TenderRequest("gift_card", None, codes[0]),))
    block_gift_card(actor=TILL, code=codes[0], reason="found again", now=NOW, blocked=False)
    block_gift_card(actor=TILL, code=codes[0], reason="once more", now=NOW, blocked=False)
    assert AuditEvent.objects.filter(action__startswith="checkout.gift_card_").count() == 2
    sell(("A", 1), now=NOW, tenders=(TenderRequest("gift_card", None, codes[0]),))
    assert_books_are_right()


@database
def test_legal_limits_of_bearer_cards():
    make_shop(gift_cards={})
    member = make_member(now=NOW)
    with pytest.raises(errors.CardLimitExceeded):
        cards(face=100_001)
    _made, codes = cards(50, face=100_000)
    with pytest.raises(errors.BuyerRequired):
        activate(codes[:10])
    assert not Account.objects.exists()
    activate(codes[:10], buyer_id=member.id)
    with pytest.raises(errors.CashNotAllowed):
        activate(codes[10:15], tender="cash", organisation=True)
    assert GiftCard.objects.filter(status="active", buyer_id=member.id).count() == 10


@database
def test_a_term_shorter_than_the_law_allows_is_refused_and_a_lapsed_card_pays_nothing():
    make_shop(gift_cards={"valid_months": 12})
    with pytest.raises(errors.GiftCardTermTooShort):
        cards()
    from tests.factories.checkout import publish

    publish(effective_at=NOW, gift_cards={"valid_months": 36})
    _made, codes = cards()
    activate(codes)
    assert read_gift_card(asker=TILL, code=codes[0], now=NOW)["expires_at"] == datetime(
        2029, 3, 10, 16, tzinfo=UTC
    )
    later = datetime(2029, 3, 10, 16, tzinfo=UTC)
    with pytest.raises(errors.NotEnoughOnGiftCard):
        sell(("A", 1), now=later, tenders=(TenderRequest("gift_card", 100, codes[0]),))
    while expire_lots(now=later):
        pass
    assert Account.objects.get(asset="gift_card").balance == 0
    assert_books_are_right()


@database
def test_rivals_with_members_and_cards_crosswise_never_block_each_other_and_never_overspend():
    make_shop(gift_cards={}, stored_value={})
    members = [make_member(now=NOW) for _ in range(2)]
    _made, codes = cards(2, face=10_000)
    activate(codes)
    barrier, outcomes = Barrier(8), []

    def spend(number):
        barrier.wait()
        try:
            for turn in range(3):
                order = codes if (number + turn) % 2 else codes[::-1]
                tenders = tuple(TenderRequest("gift_card", 1_000, code) for code in order)
                try:
                    sell(("A", 2), member=members[number % 2], now=NOW, tenders=tenders)
                    outcomes.append("sold")
                except errors.NotEnoughOnGiftCard:
                    outcomes.append("refused")
        except Exception as error:
            outcomes.append(repr(error))
        finally:
            connection.close()

    threads = [Thread(target=spend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 14 + ["sold"] * 10
    assert [
        read_gift_card(asker=TILL, code=code, now=NOW + timedelta(1))["usable_minor"] for code in codes
    ] == [0, 0]
    assert_books_are_right()


def balance(card_id) -> int:
    return Account.objects.get(member_id=card_id, asset="gift_card").balance


def give_back(code: str, **more):
    asked = {"store": "S1", "tender": "cash", "reason": "unwanted", **more}
    return return_gift_card(actor=TILL, code=code, now=NOW, **asked)


@database
def test_a_twin_that_finds_the_card_spent_gets_the_answer_of_the_one_that_spent_it(monkeypatch):
    make_shop(gift_cards={})
    _, codes = cards(1, face=1_000)
    activate(codes)
    request = sale(("A", 1), tenders=(TenderRequest("gift_card", 1_000, codes[0]),))
    twins = []

    def commit():
        return commit_order(actor=TILL, sale=request, now=NOW, key="k", input_hash=b"h")

    def read_cards_after_the_twin(blinds):
        if not twins:
            twins.append(None)
            twins[0] = commit()
        return read_cards(blinds)

    monkeypatch.setattr("shuke.checkout.funds.read_cards", read_cards_after_the_twin)
    late = commit()
    assert (late.body, late.replayed, twins[0].replayed) == (twins[0].body, True, False)
    assert Order.objects.count() == 1
    assert_books_are_right()


@database
def test_a_returned_card_pays_out_what_is_left_and_nothing_more():
    make_shop(gift_cards={"returnable": True})
    made, codes = cards()
    with pytest.raises(errors.GiftCardNotActive):
        give_back(codes[0])
    activate(codes)
    pay = (TenderRequest("gift_card", None, codes[0]),)
    sold = sell(("A", 1), now=NOW, tenders=pay)
    face = made[0].face_minor
    assert give_back(codes[0])["paid_minor"] == face - 1_000
    assert (read_gift_card(asker=TILL, code=codes[0], now=NOW)["status"], balance(made[0].id)) == (
        "returned",
        0,
    )
    with pytest.raises(errors.NothingToReturn):
        give_back(codes[0])
    with pytest.raises(errors.GiftCardNotActive):
        sell(("A", 1), now=NOW, tenders=pay)
    # What it paid comes back onto it, cannot be spent, and is paid out like the rest.
    refund_order(actor=TILL, order_id=sold["id"], reason="broken", now=NOW)
    assert balance(made[0].id) == 1_000
    block_gift_card(actor=TILL, code=codes[0], reason="lost", now=NOW)
    block_gift_card(actor=TILL, code=codes[0], reason="found", now=NOW, blocked=False)
    assert GiftCard.objects.get(id=made[0].id).status == "returned"
    assert give_back(codes[0])["paid_minor"] == 1_000
    told = OutboxEvent.objects.filter(name="checkout.gift_card_returned.v1")
    assert [event.payload["paid_minor"] for event in told.order_by("id")] == [face - 1_000, 1_000]
    assert AuditEvent.objects.filter(action="checkout.gift_card_returned.v1").count() == 2
    assert reconcile().differences == ()
    assert verify_orders()[1] == []


@database
def test_a_card_is_returned_only_where_the_programme_says_so_and_only_what_has_not_lapsed():
    make_shop(gift_cards={"valid_months": 36})
    made, codes = cards(2)
    activate(codes)
    with pytest.raises(errors.GiftCardNotReturnable):
        give_back(codes[0])
    publish(effective_at=NOW, gift_cards={"valid_months": 36, "returnable": True})
    block_gift_card(actor=TILL, code=codes[1], reason="lost", now=NOW)
    with pytest.raises(errors.GiftCardNotActive):
        give_back(codes[1])
    with pytest.raises(errors.UnknownStore):
        give_back(codes[0], store="S9")
    late = NOW + timedelta(days=4 * 366)
    with pytest.raises(errors.NothingToReturn):
        return_gift_card(actor=TILL, code=codes[0], store="S1", tender="cash", reason="x", now=late)
    assert balance(made[0].id) == made[0].face_minor


@database
def test_of_many_returns_of_a_card_and_a_sale_it_pays_the_money_goes_once():
    make_shop(gift_cards={"returnable": True})
    made, codes = cards()
    activate(codes)
    pay = partial(sell, ("A", 1), now=NOW, tenders=(TenderRequest("gift_card", None, codes[0]),))
    outcomes = race([partial(give_back, codes[0])] * 3 + [pay])
    paid = [each["paid_minor"] for each in outcomes[:3] if isinstance(each, dict)]
    assert len(paid) == 1
    refused = (errors.NothingToReturn, errors.GiftCardNotActive)
    assert all(isinstance(each, (dict, *refused)) for each in outcomes), outcomes
    assert sum(paid) + 1_000 * isinstance(outcomes[3], dict) == made[0].face_minor
    assert balance(made[0].id) == 0
    assert reconcile().differences == ()


GUESSED = [gift_card_code(KEYSET, UUID(int=n)) for n in range(1, 6)]


def paying(code, member):
    tenders = (TenderRequest("gift_card", 1, code=code), TenderRequest("cash"))
    return sale(("A", 1), member=member, tenders=tenders)


@database
@pytest.mark.parametrize("ask", [quote_order, commit_order])
def test_a_card_that_pays_a_cart_is_no_way_round_the_limit_of_guessing(ask, monkeypatch):
    monkeypatch.setattr(rate, "_wrong_codes", rate.RateLimiter(3))
    make_shop(gift_cards={})
    (code,) = cards()[1]
    activate([code])
    guesser, other = make_member(now=NOW), make_member(now=NOW)
    for wrong in GUESSED[:3]:
        with pytest.raises(errors.UnknownGiftCard):
            ask(actor=TILL, sale=paying(wrong, guesser), now=NOW)
    with pytest.raises(TooManyWrongCodes):
        ask(actor=TILL, sale=paying(code, guesser), now=NOW)
    ask(actor=TILL, sale=paying(code, other), now=NOW)
    ask(actor=TILL, sale=paying(code, None), now=NOW)
    ask(actor=TILL, sale=sale(("A", 1), member=guesser), now=NOW)


@database
def test_every_way_to_ask_for_a_card_counts_wrong_codes_together(monkeypatch):
    monkeypatch.setattr(rate, "_wrong_codes", rate.RateLimiter(5))
    make_shop(gift_cards={"returnable": True})
    asks = (
        lambda code: read_gift_card(asker=TILL, code=code, now=NOW),
        lambda code: activate([code]),
        lambda code: block_gift_card(actor=TILL, code=code, reason="lost", now=NOW),
        lambda code: return_gift_card(
            actor=TILL, code=code, store="S1", tender="cash", reason="no need", now=NOW
        ),
        lambda code: cards_by_code([code], asker=TILL, now=NOW),
    )
    for ask, code in zip(asks, GUESSED, strict=True):
        with pytest.raises(errors.UnknownGiftCard):
            ask(code)
    for ask in asks:
        with pytest.raises(TooManyWrongCodes):
            ask(GUESSED[0])
