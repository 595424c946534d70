"""Kill the database, the web server, the job worker or the whole house while tills sell and jobs run: nothing that was
acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.concurrency.house import FIGURES, STATE, Fall, Heard, House, Load, Sent
from tests.config.test_serve import until

FALLS: dict[str, Fall] = {
    "database": House.kill_database,
    "web server": House.kill_web,
    "job worker": House.kill_worker,
    "everything": House.kill_everything,
}


@pytest.fixture
def house(server_home) -> Iterator[House]:
    opened = House(server_home)
    try:
        yield opened
    finally:
        opened.close()


def play(house: House, what: str, *, seed: int, mixed: bool = False) -> Counter[str]:
    """One fall under load, and the whole proof after it. Returns what the tills heard. A `mixed` load also puts money on
    cards, pays with it and gives sales back."""
    dice = random.Random(seed)
    web = house.web_processes()
    if mixed or what == "job worker":
        house.inside("ripen")
    load = Load(house, seed, mixed=mixed)
    load.start()
    load.wait_for(dice.randint(60, 250))
    time.sleep(dice.uniform(0, 0.05))
    FALLS[what](house)
    sent = load.finish()
    if what in ("database", "job worker"):
        assert house.web_processes() == web, "the web server was to heal by itself"

    acknowledged = [s for s in sent if s.is_sale and s.heard is not None and s.heard.status == 201]
    for sale in sent:
        assert_honest(sale)
    assert_recorded(house, acknowledged)
    assert house.inside("prove")["differences"] == []

    first = house.send_again(sent)
    for sale, again in zip(sent, first, strict=True):
        assert again is not None and again.status == 201, again
        if sale.heard is not None and sale.heard.status == 201:
            assert again.replayed and again.body == sale.heard.body
    # By now every sale is recorded, so that sending them all once more must change nothing at all.
    recorded = house.rows(STATE)
    second = house.send_again(sent)
    assert [again.body for again in second if again] == [again.body for again in first if again]
    assert all(again is not None and again.replayed for again in second)
    assert house.rows(STATE) == recorded
    assert house.inside("prove")["differences"] == []
    assert_recorded(
        house,
        [Sent(s.number, s.key, s.body, again) for s, again in zip(sent, first, strict=True) if s.is_sale],
    )
    kept = sum(
        1 for sale, again in zip(sent, first, strict=True) if not sale.heard and again and again.replayed
    )
    kinds = Counter("sales" if act.is_sale else act.path.rpartition("/")[2] for act in sent)
    return Counter(word(act.heard) for act in sent) + Counter({"kept though unanswered": kept}) + kinds


def word(heard: Heard | None) -> str:
    return "no answer" if heard is None else str(heard.status)


def assert_honest(sale: Sent) -> None:
    """No answer, the order that was asked for, or a problem document that says it is our fault."""
    heard = sale.heard
    if heard is None:
        return
    if heard.status == 201:
        assert not sale.is_sale or json.loads(heard.body)["number"] == sale.number
        return
    assert heard.content_type == "application/problem+json", heard
    problem = json.loads(heard.body)
    assert (heard.status, problem["code"]) == (503, "database_unavailable"), problem


def assert_recorded(house: House, acknowledged: list[Sent]) -> None:
    """Each of these orders exists once, with the figures and the lines that were answered."""
    columns = ", ".join(FIGURES)
    rows = house.rows(
        "WITH told AS (SELECT payload->>'order_id' AS id, count(*) AS n FROM core_outboxevent"
        "   WHERE name = 'checkout.order_committed.v1' GROUP BY 1),"
        " lines AS (SELECT order_id AS id, count(*) AS n FROM checkout_orderline GROUP BY 1)"
        f" SELECT o.number, o.id::text, o.member_id::text, {columns.replace(', ', ', o.')},"
        " coalesce(lines.n, 0), coalesce(told.n, 0)"
        " FROM checkout_order o LEFT JOIN lines ON lines.id = o.id LEFT JOIN told ON told.id = o.id::text"
        " WHERE o.system = 'crash'"
    )
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == len(rows)
    for sale in acknowledged:
        assert sale.heard is not None
        said = json.loads(sale.heard.body)
        figures = tuple(said[figure] for figure in FIGURES)
        assert found.get(sale.number) == (said["id"], said["member"]["id"], *figures, len(said["lines"]), 1)


def assert_jobs_end(house: House) -> None:
    """What a killed worker left is taken up by another within minutes, and every lot has been seen to, once."""
    until(lambda: house.inside("prove")["overdue"] == 0)
    assert house.inside("prove")["differences"] == []


def test_no_acknowledged_sale_is_lost_whatever_is_killed(house: House) -> None:
    for seed, what in enumerate(FALLS):
        heard = play(house, what, seed=seed)
        print(f"fall of the {what}: {dict(heard)}")
        assert heard["201"] > 50, heard
    assert_jobs_end(house)


@pytest.mark.slow
def test_many_falls_in_a_row_at_random_moments_under_a_mixed_load(house: House) -> None:
    """`SHUKE_CRASH_ROUNDS` says how many; a failure prints the seed."""
    seed = random.SystemRandom().randrange(10**9)
    dice = random.Random(seed)
    for number in range(int(os.environ.get("SHUKE_CRASH_ROUNDS", "50"))):
        what = dice.choice(list(FALLS))
        print(f"seed {seed}, fall {number} of the {what}")
        heard = play(house, what, seed=seed + number, mixed=True)
        print(dict(heard))
        assert heard["201"] > 50, heard
        assert heard["refund"] and heard["top-ups"], heard
    assert_jobs_end(house)
