"""Import a file: find out whether it was imported, go on where it was interrupted, or begin; and report.

Orders are planned first and written by lanes; everything else is written in file order. A dry run and an all-or-nothing
run do the same within one transaction, which a dry run rolls back in the end, and the other one at the first error.

Such a transaction keeps the tills of its members waiting. A dry run of orders lets go of each chunk as soon as it is counted,
unless budgets tie all chunks together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction

from shuke.integrations.files import open_source, read_headers
from shuke.integrations.journal import digest_of, find_run, finish_run, refusals_of, start_run
from shuke.integrations.lanes import run_lanes
from shuke.integrations.mapping import Mapping, complete, guess, with_options
from shuke.integrations.models import ImportRun, RunStatus
from shuke.integrations.orders_lane import LaneReader, comes_apart, hold_books, write_lane
from shuke.integrations.orders_plan import make_plan, read_facts
from shuke.integrations.parsing import parse
from shuke.integrations.reports import collect_row_errors, error_values, write_errors
from shuke.integrations.rows import Rows, refuse_duplicates, write_rows
from shuke.integrations.values import Counts, Kind, Options, Outcome, Work
from shuke.integrations.workspace import has_plan, open_plan, remove, staging, workspace

Clock = Callable[[], datetime]
Progress = Callable[[Work], None]


def errors_path(path: Path) -> Path:
    """Where the rows that were refused are listed."""
    return path.with_name(f"{path.name}.errors.csv")


def mapping_for(path: Path, kind: Kind, mapping: Mapping | None, options: Options) -> Mapping:
    """The mapping as it applies to this file: the given one, or a guess. Raises MappingInvalid, FileUnreadable."""
    bare = mapping or Mapping(kind=kind, columns={})
    bare = with_options(bare, encoding=options.encoding, sheet=options.sheet)
    headers = read_headers(path, bare)
    if mapping is None:
        bare = with_options(guess(headers, kind), encoding=options.encoding, sheet=options.sheet)
    return complete(bare, headers)


def run_import(
    *, kind: Kind, path: Path, mapping: Mapping | None, options: Options, clock: Clock, progress: Progress
) -> Outcome:
    """Import a file. What is right is imported, what is wrong is listed in the error file; orders are whole or not at all.

    Raises FileUnreadable, MappingInvalid, ImportRunning, ImportFailed. Whatever was committed before an error stays
    and is not imported again.
    """
    whole = mapping_for(path, kind, mapping, options)
    file_digest, mapping_digest = digest_of(path), whole.digest()
    found = None
    if not options.dry_run:
        found = find_run(kind=kind, file_digest=file_digest, mapping_digest=mapping_digest)
        if found is not None and found.status == RunStatus.DONE and not options.restart:
            return Outcome(found.id, Counts(**found.counts), found.rows, already_imported=True)
    one_transaction = options.dry_run or options.all_or_nothing
    if found is not None and (options.restart or one_transaction or found.status == RunStatus.DONE):
        found = None
    if found is not None and kind is Kind.ORDERS and not has_plan(found.id):
        # Chunks are numbered by the plan. Without it the run is given up; what it wrote is found by order number.
        found = None
    with _perhaps_one_transaction(one_transaction):
        run = found or start_run(
            kind=kind,
            file_name=path.name,
            file_digest=file_digest,
            mapping_digest=mapping_digest,
            now=clock(),
        )
        with workspace(run.id) as directory:
            job = _Job(run, path, whole, options, directory, clock, progress, one_transaction)
            outcome = job.orders() if kind is Kind.ORDERS else job.rows()
            outcome.resumed = found is not None
            remove(directory)
        if options.dry_run or (options.all_or_nothing and outcome.error_rows):
            transaction.set_rollback(True)
            outcome.rolled_back = True
            outcome.run_id = None
    return outcome


@contextmanager
def _perhaps_one_transaction(wanted: bool) -> Iterator[None]:
    if wanted:
        with transaction.atomic():
            yield
    else:
        yield


@dataclass(slots=True)
class _Job:
    """One run under way."""

    run: ImportRun
    path: Path
    mapping: Mapping
    options: Options
    directory: Path
    clock: Clock
    progress: Progress
    one_transaction: bool

    def orders(self) -> Outcome:
        began = time.monotonic()
        workers = 1 if self.one_transaction else max(self.options.workers, 1)
        resumed = has_plan(self.run.id)
        if not resumed:
            self.progress(Work("plan", 0, 0))
            make_plan(self.path, self.mapping, self.directory, lanes=workers, now=self.clock())
        planned = time.monotonic()
        with open_plan(self.directory) as plan:
            facts = read_facts(plan)
            tries = self.options.dry_run and comes_apart(plan, by_time=facts.by_time)
            if self.one_transaction and not tries:
                self.progress(Work("hold", 0, 0))
                hold_books(plan)
            total = Counts()
            self.progress(Work("orders", 0, facts.orders))
            for counts in self._write_orders(facts.lanes, facts.orders, tries):
                total.add(counts)
                done = total.imported + total.skipped + total.refused
                self.progress(Work("orders", done, facts.orders))
            counts = finish_run(run=self.run, rows=facts.rows, refused=facts.refused, now=self.clock())
            codes = write_errors(errors_path(self.path), plan, self.mapping, refusals_of(self.run.id))
        seconds = {"plan": planned - began, "write": time.monotonic() - planned}
        return self._outcome(counts, facts.rows, codes, seconds)

    def _write_orders(self, lanes: int, orders: int, tries: bool) -> Iterator[Counts]:
        codes = [name.partition(":")[2] for name in self.mapping.fields() if name.startswith("discount:")]
        if lanes == 1 or orders == 0:
            with open_plan(self.directory) as plan:
                reader = LaneReader(plan, self.mapping.settled, codes)
                yield from write_lane(run=self.run, reader=reader, lane=0, clock=self.clock, tries=tries)
        else:
            settled = "settled" if self.mapping.settled else "open"
            yield from run_lanes([str(self.run.id), str(self.directory)], lanes, [settled, json.dumps(codes)])

    def rows(self) -> Outcome:
        began = time.monotonic()
        with staging(self.directory) as db:
            self.progress(Work("plan", 0, 0))
            source = open_source(db, self.path, self.mapping, self.directory)
            columns = parse(db, source, self.mapping, self.clock())
            db.execute("ATTACH ':memory:' AS plan")
            db.execute("CREATE TABLE errors (row BIGINT, field VARCHAR, code VARCHAR)")
            collect_row_errors(db, source, columns)
            refuse_duplicates(db, columns, self.mapping.kind)
            error_values(db, source, self.mapping, columns)
            bad = db.execute("SELECT count(*) FROM bad_rows").fetchone()
            last = db.execute("SELECT coalesce(max(row), 0) FROM parsed").fetchone()
            assert bad is not None and last is not None
            planned = time.monotonic()
            total = Counts()
            self.progress(Work("rows", 0, source.rows))
            for counts in write_rows(
                run=self.run,
                rows=Rows(db, columns, last[0]),
                on_existing=self.options.on_existing,
                currency=self.mapping.currency,
                clock=self.clock,
            ):
                total.add(counts)
                done = total.imported + total.updated + total.skipped + total.refused + bad[0]
                self.progress(Work("rows", done, source.rows))
            counts = finish_run(run=self.run, rows=source.rows, refused=bad[0], now=self.clock())
            codes = write_errors(
                errors_path(self.path), db, self.mapping, refusals_of(self.run.id), table="plan.errors"
            )
        seconds = {"plan": planned - began, "write": time.monotonic() - planned}
        return self._outcome(counts, source.rows, codes, seconds)

    def _outcome(
        self, counts: Counts, rows: int, codes: dict[str, int], seconds: dict[str, float]
    ) -> Outcome:
        errors = sum(codes.values())
        return Outcome(
            self.run.id,
            counts,
            rows,
            errors_file=errors_path(self.path) if errors else None,
            error_rows=errors,
            error_codes=dict(codes),
            seconds=seconds,
        )
