"""A whole `shuke serve` to be killed, and tills that sell through it and remember every answer they got."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from shuke.kit.postgres.processes import server_processes
from shuke.kit.postgres.state import State, read_state
from tests.concurrency.inside import SPENDERS
from tests.config.test_serve import Shop, answers, lives, offspring, until

TILLS = 8
SALES = "/api/v1/orders"
MOST_PER_TILL = 40
ENOUGH_AFTERWARDS = 5
PAUSE_SECONDS = 0.005
ANSWER_SECONDS = 60
MOST_SECONDS_FOR_A_JOB = 5
AT_WORK = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name LIKE 'ledger.%'"

FIGURES = ("list_minor", "discount_minor", "sales_minor", "points_minor", "payable_minor", "points_used",
           "points_earned", "growth_earned")  # fmt: skip

STATE = """
WITH moved AS (SELECT id FROM ledger_transfer WHERE kind <> 'expire')
SELECT (SELECT count(*) FROM checkout_order), (SELECT count(*) FROM checkout_orderline),
  (SELECT count(*) FROM moved), (SELECT count(*) FROM loyalty_tierchange),
  (SELECT count(*) FROM checkout_refund), (SELECT count(*) FROM checkout_topup), (SELECT count(*) FROM checkout_tender),
  (SELECT count(*) FROM core_idempotentcall),
  (SELECT count(*) FROM core_outboxevent WHERE name NOT LIKE 'ledger.points_%'),
  (SELECT md5(string_agg(e::text, '|' ORDER BY e.transfer_id, e.seq)) FROM ledger_entry e
    JOIN moved ON moved.id = e.transfer_id),
  (SELECT md5(string_agg(s::text, '|' ORDER BY s.member_id)) FROM loyalty_standing s),
  (SELECT md5(string_agg(c::text, '|' ORDER BY c.budget, c.period)) FROM loyalty_counter c)
"""
"""All that tills write. What the jobs write meanwhile stays out; balances and lots are proved from the entries."""


@dataclass(frozen=True)
class Heard:
    """An answer as it came off the wire."""

    status: int
    content_type: str
    replayed: bool
    body: bytes


@dataclass
class Sent:
    """One act as it was sent: a sale, or something else at `path`; `heard` is None when no answer came."""

    number: str
    key: str
    body: bytes
    heard: Heard | None = None
    path: str = SALES

    @property
    def is_sale(self) -> bool:
        return self.path == SALES


@dataclass
class Till:
    """Sells one sale after another over one kept connection, as a cash register does."""

    port: int
    secret: str
    line: http.client.HTTPConnection | None = None

    def send(self, sale: Sent) -> Heard | None:
        """The answer; None when the connection ended before it. Raises OSError when nothing was sent."""
        if self.line is None:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
            line.connect()
            self.line = line
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Idempotency-Key": sale.key,
            "Content-Type": "application/json",
        }
        try:
            self.line.request("POST", sale.path, sale.body, headers)
            answer = self.line.getresponse()
            kind, replayed = answer.getheader("Content-Type", ""), answer.getheader("Idempotency-Replayed")
            return Heard(answer.status, kind, replayed == "true", answer.read())
        except (OSError, http.client.HTTPException):
            self.hang_up()
            return None

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None


@dataclass
class Load:
    """Tills at work in threads, from `start` until `finish`."""

    house: House
    seed: int
    sent: list[list[Sent]] = field(default_factory=list)
    fallen: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    after: list[int] = field(default_factory=lambda: [0] * TILLS)
    threads: list[threading.Thread] = field(default_factory=list)
    mixed: bool = False

    def start(self) -> None:
        self.sent = [[] for _ in range(TILLS)]
        self.threads = [threading.Thread(target=self._sell, args=(n,), daemon=True) for n in range(TILLS)]
        for thread in self.threads:
            thread.start()

    def wait_for(self, sales: int) -> None:
        """Until so many were sent: a moment under load, however fast the machine is."""
        until(lambda: sum(map(len, self.sent)) >= sales)

    def finish(self) -> list[Sent]:
        """Wait until every till has sold again after the fall; returns all that was sent."""
        self.fallen.set()
        try:
            until(lambda: min(self.after) >= ENOUGH_AFTERWARDS)
        finally:
            self.over.set()
        for thread in self.threads:
            thread.join(ANSWER_SECONDS)
            assert not thread.is_alive()
        return [sale for sales in self.sent for sale in sales]

    def _sell(self, number: int) -> None:
        till, dice = Till(self.house.port, self.house.secret), random.Random(f"{self.seed} {number}")
        sale: Sent | None = None
        while not self.over.is_set():
            if len(self.sent[number]) >= MOST_PER_TILL and not self.fallen.is_set():
                time.sleep(0.02)
                continue
            fell = self.fallen.is_set()
            sale = sale or self._next(number, dice)
            try:
                sale.heard = till.send(sale)
            except OSError:
                time.sleep(0.05)  # nobody listens: nothing was sent, so this sale comes next again
                continue
            self.sent[number].append(sale)
            if sale.heard is None or sale.heard.status != 201:
                time.sleep(0.05)
            elif fell:
                self.after[number] += 1
            sale = None
            time.sleep(PAUSE_SECONDS)
        till.hang_up()

    def _next(self, number: int, dice: random.Random) -> Sent:
        """A sale; under a mixed load also money put on a card, and part of an own sale given back."""
        chance = dice.random() if self.mixed else 1
        if chance < 0.12:
            return self.house.next_top_up(dice)
        sold = self.sent[number][-1] if self.sent[number] else None
        if chance < 0.35 and sold and sold.is_sale and sold.heard and sold.heard.status == 201:
            return self.house.next_refund(sold, dice)
        return self.house.next_sale(dice, mixed=self.mixed)


class House(Shop):
    """A `shuke serve` with seeded members, in a home of its own, with its own durable PostgreSQL."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.ready()
        found = self.inside("seed")
        self.secret: str = found["secret"]
        self.members: list[str] = found["members"]

    def open(self) -> None:
        self.variables["SHUKE_API_RATE_PER_MINUTE"] = "9000000"
        super().open()

    def ready(self) -> None:
        until(lambda: answers(self.port))

    def inside(self, what: str) -> dict[str, Any]:
        """Run `tests.concurrency.inside` against this house."""
        run = subprocess.run(
            [sys.executable, "-m", "tests.concurrency.inside", what],
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr
        found: dict[str, Any] = json.loads(run.stdout)
        return found

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.state().dsn) as connection:
            return connection.execute(statement).fetchall()

    def state(self) -> State:
        found = read_state(self.home)
        assert found is not None
        return found

    def next_top_up(self, dice: random.Random) -> Sent:
        """Money on the card of one of those who spend."""
        number = uuid4().hex
        body = {
            "store": "S1",
            "system": "crash",
            "number": number,
            "amount_minor": dice.choice([1_000, 10_000]),
            "tender": "wechat",
        }
        path = f"/api/v1/members/{dice.choice(self.members[:SPENDERS])}/top-ups"
        return Sent(number, f"k-{number}", json.dumps(body).encode(), path=path)

    def next_refund(self, sale: Sent, dice: random.Random) -> Sent:
        """A sale that was answered is given back: all of it, one unit, or an amount."""
        assert sale.heard is not None
        number, order = uuid4().hex, json.loads(sale.heard.body)
        part = dice.choice(
            [{}, {"lines": [{"line_no": 1, "quantity": "1"}]}, {"sales_minor": order["sales_minor"] // 3}]
        )
        body = json.dumps({"reason": "returned", **part}).encode()
        return Sent(number, f"k-{number}", body, path=f"{SALES}/{order['id']}/refund")

    def next_sale(self, dice: random.Random, *, mixed: bool = False) -> Sent:
        """A third goes to one member, a quarter pays with points; members are named by their id. In a `mixed` load some
        pay with stored value, as far as it goes."""
        chance = dice.random()
        spends = chance < 0.25
        index = (
            dice.randrange(SPENDERS) if spends else 0 if chance < 0.6 else dice.randrange(len(self.members))
        )
        number = uuid4().hex
        tenders = [{"kind": "stored_value"}] if mixed and chance < 0.5 else []
        body = {
            **({"tenders": tenders} if tenders else {}),
            "store": "S1",
            "channel": "pos",
            "system": "crash",
            "number": number,
            "member": {"kind": "id", "value": self.members[index]},
            "points_to_use": dice.choice([100, 200, 300]) if spends else 0,
            "lines": [
                {"sku": dice.choice("AB"), "quantity": dice.randint(1, 9)} for _ in range(dice.randint(1, 3))
            ],
        }
        return Sent(number, f"k-{number}", json.dumps(body).encode())

    def web_processes(self) -> list[int]:
        leader = self.serving().children["The web server"]
        return [leader, *offspring(leader)]

    def kill_database(self) -> None:
        kill(server_processes(Path(self.state().data_dir)))

    def kill_web(self) -> None:
        kill(self.web_processes())

    def kill_worker(self) -> None:
        """In the middle of a job, as far as one can be caught in it; the supervisor starts another worker."""
        # One that ended with the database a moment ago is just being started again.
        until(lambda: "The job worker" in self.serving().children)
        leader = self.serving().children["The job worker"]
        deadline = time.monotonic() + MOST_SECONDS_FOR_A_JOB
        while not self.rows(AT_WORK)[0][0] and time.monotonic() < deadline:
            time.sleep(0.002)
        kill([leader, *offspring(leader)])
        until(lambda: self.serving().children.get("The job worker", leader) != leader)

    def kill_everything(self) -> None:
        """`shuke serve` with all it started, the database included; then open the shop again."""
        victims = [self.process.pid, *offspring(self.process.pid)]
        kill(victims)
        self.process.wait()
        until(lambda: not any(map(lives, victims)))
        self.open()

    def send_again(self, sales: Sequence[Sent]) -> list[Heard | None]:
        """Send every sale once more, through as many tills as sold them."""
        heard: list[Heard | None] = [None] * len(sales)

        def work(first: int) -> None:
            till = Till(self.port, self.secret)
            for index in range(first, len(sales), TILLS):
                heard[index] = till.send(sales[index])
            till.hang_up()

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(TILLS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ANSWER_SECONDS * 2)
            assert not thread.is_alive()
        return heard

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


Fall = Callable[[House], None]


def kill(pids: Sequence[int]) -> None:
    """SIGKILL to each; some may be gone, taken along by others."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
