"""One simulation from end to end: the real sales of a period under two programmes, and the report of what differs.

Members are replayed one after another, a batch at a time, so that memory is that of a batch; several processes share the
batches, and what each counted is added up in their order. Where members draw on a budget together, the order in which they
bought decides who gets what: then one process replays the period day by day, and every member who bought is kept until its
end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from shuke.checkout.errors import NoProgramme
from shuke.checkout.simulate.book import Book
from shuke.checkout.simulate.reading import Reader, Wanted, had_discount
from shuke.checkout.simulate.report import report
from shuke.checkout.simulate.tally import Between, Side
from shuke.checkout.simulate.values import Did, Event, RefundOf, Sale, Start
from shuke.core.errors import InvalidInput
from shuke.kit.clock import local_date
from shuke.kit.crew import work_through
from shuke.loyalty.document import digest_of
from shuke.loyalty.programme import compile_programme
from shuke.loyalty.queries import programme_at, version_by_id, version_by_number

MEMBERS_PER_BATCH = 200
SALES_PER_BATCH = 1_000
"""A batch ends with the member whose sales reach it: as long as it takes to replay is how often progress is heard of."""
SALES_PER_PROCESS = 3_000
"""What is replayed in about the time that a second process takes to be ready: it pays from twice of it on."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Against:
    """What the draft is held against: a published version, for the whole period."""

    number: int
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A checked draft, the period [since, until), and the programme that it is compared with."""

    document: Mapping[str, Any]
    since: datetime
    until: datetime
    against: Against


@dataclass(slots=True)
class Progress:
    """How far a run has come: `done` of `total` batches' worth, and what it needs to go on (None: it cannot be taken up)."""

    done: int
    total: int
    kept: dict[str, Any] | None = None


Watch = Callable[[Progress], None]


@dataclass(slots=True)
class _Run:
    current: Side
    draft: Side
    between: Between
    reader: Reader
    question: Question
    last: UUID | None = None

    def dump(self) -> dict[str, Any]:
        return {
            "current": self.current.dump(),
            "draft": self.draft.dump(),
            "between": self.between.dump(),
            "last": str(self.last),
        }

    def add(self, kept: Mapping[str, Any]) -> None:
        self.current.add(kept["current"])
        self.draft.add(kept["draft"])
        self.between.add(kept["between"])
        self.last = UUID(kept["last"])

    def take(self, last: UUID) -> dict[str, Any]:
        """What was counted since the last time, up to this member."""
        between, self.between = self.between, Between()
        return {
            "current": self.current.take(),
            "draft": self.draft.take(),
            "between": between.dump(),
            "last": str(last),
        }


class _Pair:
    """One member under both programmes."""

    __slots__ = ("current", "draft", "start")

    def __init__(self, run: _Run, start: Start) -> None:
        self.current = Book(run.current, start)
        self.draft = Book(run.draft, start)
        self.start = start

    def play(self, event: Event, returned: set[UUID]) -> None:
        if isinstance(event, Sale):
            self._sell(event, will_return=event.id in returned)
            return
        for book in (self.current, self.draft):
            if isinstance(event, RefundOf):
                book.give_back(event)
            elif isinstance(event, Did):
                book.did(event)
            else:
                book.moved(event)

    def _sell(self, sale: Sale, *, will_return: bool) -> None:
        first = self.start.first_order_at
        is_first = first is None or first >= sale.at
        plans = self.start.codes("plan", sale.at)
        settled = sale.settled
        if settled is None:
            settled = not sale.is_discounted and had_discount(
                sale.version_id, sale.tier, plans, self.start.levels(sale.at)
            )
        for book in (self.current, self.draft):
            book.sell(sale, is_first=is_first, settled=settled, will_return=will_return)

    def close(self, run: _Run) -> None:
        until = run.question.until
        self.current.close(until)
        self.draft.close(until)
        worth = [book.benefit_minor + book.side.cash(book.points_net) for book in (self.current, self.draft)]
        run.between.count(
            difference=worth[1] - worth[0],
            levels=self.current.levels(),
            draft_levels=self.draft.levels(),
            orders=self.current.orders,
            sales_minor=self.current.sales_minor,
            has_plan=self.start.had_plan(run.question.since, until),
            had_given=self.start.had_given,
        )


def ask(
    *,
    document: Mapping[str, Any],
    since: datetime,
    until: datetime,
    now: datetime,
    against: int | None = None,
) -> Question:
    """A question that can be answered. `against`: a version's number; None: what is in force now.

    Raises InvalidInput for a period that is none or not over yet, NoProgramme, UnknownVersion, and InvalidInput for a draft
    in another currency.
    """
    if not since < until:
        raise InvalidInput(field="from", reason="The period must end after it begins.")
    if until > now:
        raise InvalidInput(field="to", reason="The period must be over.")
    return Question(document, since, until, held_against(document, now=now, against=against))


def held_against(document: Mapping[str, Any], *, now: datetime, against: int | None = None) -> Against:
    """What a checked draft is compared with. `against`: a version's number; None: what is in force now.

    Raises NoProgramme, UnknownVersion, and InvalidInput for a draft in another currency.
    """
    if against is not None:
        version = version_by_number(against)
    else:
        in_force = programme_at(now)
        if in_force is None:
            raise NoProgramme
        version = version_by_id(in_force.version_id)
    if document["currency"] != version.document["currency"]:
        raise InvalidInput(field="currency", reason="The draft must keep the currency of the programme.")
    return Against(version.number, version.document)


def simulate(
    question: Question,
    *,
    watch: Watch = lambda _p: None,
    kept: Mapping[str, Any] | None = None,
    processes: int = 1,
) -> dict[str, Any]:
    """Replay the period and report. Same question and same books: the same report, byte for byte, whatever `processes` is.

    `processes`: at most so many share the work, fewer where there is little to do. `watch` hears of every batch; `kept` is
    what it heard of an earlier run of the same question, which is then gone on with. Writes nothing.
    """
    run = _prepared(question)
    if run.reader.wanted.shared_budgets:
        _by_day(run, watch)
    else:
        if kept:
            run.add(kept)
        worth_it = run.reader.has_sales(processes * SALES_PER_PROCESS) // SALES_PER_PROCESS
        _by_member(run, watch, min(processes, worth_it))
    return report(question.since, question.until, _named(question), run.current, run.draft, run.between)


def _prepared(question: Question) -> _Run:
    current, draft = compile_programme(question.against.document), compile_programme(question.document)
    reader = Reader(Wanted(question.since, question.until, (current, draft)))
    sides = [Side(programme, reader.budgets(programme)) for programme in (current, draft)]
    return _Run(sides[0], sides[1], Between(), reader, question)


def _by_member(run: _Run, watch: Watch, processes: int) -> None:
    total = run.reader.count_members()
    batches = _members_in_batches(run.reader, run.last)
    with closing(work_through(batches, make=_player, setting=run.question, processes=processes)) as played:
        for found in played:
            run.add(found)
            done = run.between.members
            watch(Progress(done, max(total, done), run.dump()))


def _members_in_batches(reader: Reader, last: UUID | None) -> Iterator[list[UUID]]:
    while members := reader.members_after(last, MEMBERS_PER_BATCH):
        batch: list[UUID] = []
        sales = 0
        for member_id, own in members:
            batch.append(member_id)
            sales += own
            if sales >= SALES_PER_BATCH:
                break
        last = batch[-1]
        yield batch


def _player(question: Question) -> Callable[[Sequence[UUID]], dict[str, Any]]:
    """A process's own part: replays one batch of members after another and tells what each brought."""
    run = _prepared(question)

    def play(members: Sequence[UUID]) -> dict[str, Any]:
        with transaction.atomic():
            starts = run.reader.starts(members)
            events, returned = run.reader.events(members, question.since, question.until)
        pairs = {member_id: _Pair(run, starts[member_id]) for member_id in members}
        for event in events:
            pairs[event.member_id].play(event, returned)
        for member_id in members:
            pairs[member_id].close(run)
        return run.take(members[-1])

    return play


def _by_day(run: _Run, watch: Watch) -> None:
    question, pairs = run.question, dict[UUID, _Pair]()
    zone = run.current.programme.zone
    days = (local_date(question.until, zone) - local_date(question.since, zone)).days + 1
    at, done = question.since, 0
    while at < question.until:
        end = min(at + DAY, question.until)
        with transaction.atomic():
            events, returned = run.reader.events(None, at, end)
            new = sorted({event.member_id for event in events} - pairs.keys())
            for batch in _batches(new):
                starts = run.reader.starts(batch)
                pairs.update((member_id, _Pair(run, starts[member_id])) for member_id in batch)
        for event in events:
            pairs[event.member_id].play(event, returned)
        at, done = end, done + 1
        watch(Progress(done, days + 1))
    while found := run.reader.members_after(run.last, MEMBERS_PER_BATCH):
        members = [member_id for member_id, _sales in found]
        others = [member_id for member_id in members if member_id not in pairs]
        starts = run.reader.starts(others)
        for member_id in members:
            (pairs.pop(member_id, None) or _Pair(run, starts[member_id])).close(run)
        run.last = members[-1]
    watch(Progress(days + 1, days + 1))


def _batches(members: Sequence[UUID]) -> list[Sequence[UUID]]:
    return [members[i : i + MEMBERS_PER_BATCH] for i in range(0, len(members), MEMBERS_PER_BATCH)]


def _named(question: Question) -> dict[str, Any]:
    return {
        "current": {"version": question.against.number, "digest": digest_of(question.against.document)},
        "draft": {"digest": digest_of(question.document)},
    }
