"""The source files of the fleet test, and their way into the tables: who submits them, dies while at it and does it
again, and a folder into which some of them come that is followed."""
import os
import pathlib
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from with_ensemble import end_with_parent
from workers import AWAY

ROWS = 10         # of a file
KINDS = 20
KIND_FILES = 5
EVENTS, KINDS_TABLE = "fleet.events", "fleet.kinds"
POISON = b"PAR1 this is no Parquet file PAR1"
FOLLOWED_SHARE = 0.25   # of the files: they come into the folder that is followed
REPEATED_SHARE = 0.15   # of the files: they are in two jobs
KILLED_SHARE = 0.4      # of the submitters
SUBMITTERS = 3          # at once, at most


def events_of(file):
    numbers = range(ROWS)
    return pa.table({"file": [file] * ROWS, "number": list(numbers),
                     "kind": [(7 * file + number) % KINDS for number in numbers],
                     "value": [1000 * file + number for number in numbers]})


def kinds_of(file):
    numbers = range(file, KINDS, KIND_FILES)
    return pa.table({"kind": list(numbers), "name": [f"kind {number}" for number in numbers]})


class Sources:
    """In `folder`: sources/, kinds/, and incoming/, which is followed; the latter's files lie in staged/ until they come.
    """

    def __init__(self, folder, count, poisoned, chance):
        self.folder = pathlib.Path(folder)
        for name in ("sources", "kinds", "incoming", "staged"):
            (self.folder / name).mkdir(parents=True)
        followed = set(chance.sample(range(count), int(count * FOLLOWED_SHARE)))
        self.submitted = [self._write(f"sources/{file:05}", events_of(file)) for file in range(count) if
                          file not in followed]
        self.staged = [self._write(f"staged/{file:05}", events_of(file)) for file in sorted(followed)]
        self.kinds = [self._write(f"kinds/{file}", kinds_of(file)) for file in range(KIND_FILES)]
        # To be repaired.
        self.poisoned = {}
        for file in range(count, count + poisoned):
            path = self.folder / f"sources/{file:05}.parquet"
            path.write_bytes(POISON)
            self.poisoned[path] = file

    def _write(self, name, rows):
        path = self.folder / f"{name}.parquet"
        pq.write_table(rows, path)
        return path

    def more(self, first, count):
        return [self._write(f"sources/{file:05}", events_of(file)) for file in range(first, first + count)]

    def come(self, staged):
        """It is there now, whole; where it is."""
        return staged.rename(self.folder / "incoming" / staged.name)

    def repair(self):
        for path, file in self.poisoned.items():
            made = self._write(f"staged/{file:05}", events_of(file))
            os.replace(made, path)
        self.poisoned = {}

    def patterns(self, table):
        """Where all that belongs into a table lies, for DuckDB."""
        folders = ["kinds"] if table == KINDS_TABLE else ["sources", "incoming"]
        return [f"{self.folder}/{name}/*.parquet" for name in folders]


@dataclass
class Batch:
    """Files that one job is to bring."""
    due: float  # seconds from the beginning
    files: list = field(default_factory=list)
    table: str = EVENTS


def in_batches(files, chance):
    files = list(files)
    chance.shuffle(files)
    while files:
        size = chance.choice([3, 10, 40, 120])
        yield files[:size]
        del files[:size]


def plan(sources, seconds, chance):
    """(batches, arrivals): what is submitted, and (when, files) that come into the folder that is followed."""
    at_any_time = lambda: chance.uniform(0, seconds)
    first = sources.submitted + list(sources.poisoned)
    again = chance.sample(sources.submitted, int(len(sources.submitted) * REPEATED_SHARE))
    batches = [Batch(at_any_time(), files) for files in [*in_batches(first, chance), *in_batches(again, chance)]]
    batches += [Batch(at_any_time(), [file], KINDS_TABLE) for file in sources.kinds]
    arrivals = [(at_any_time(), files) for files in in_batches(sources.staged, chance)]
    return sorted(batches, key=lambda batch: batch.due), sorted(arrivals)


class Submitters:
    """Processes that submit the batches when they are due, each until one has said that its job is there. A kind of the
    nemesis, which does nothing but kill some of them. On `machines` in turn."""

    DEEDS = {}

    def __init__(self, binary, lake, sources, planned, chance, machines=()):
        self.binary, self.lake = binary, lake
        self.sources, self.random, self.machines = sources, chance, machines
        self.batches, self.arrivals = planned
        self.began = time.monotonic()
        self.running = []  # (process, its batch, when it is killed)
        self.done = Counter()
        self.surprises = []

    def left(self):
        """How much is to be submitted still."""
        return len(self.batches) + len(self.arrivals) + len(self.running)

    def look(self):
        now = time.monotonic() - self.began
        for entry in list(self.running):
            self._see_to(entry)
        while self.arrivals and self.arrivals[0][0] <= now:
            self._come(self.arrivals.pop(0)[1])
        while self.batches and self.batches[0].due <= now and len(self.running) < SUBMITTERS:
            self._submit(self.batches.pop(0))

    def _come(self, staged):
        files = [self.sources.come(file) for file in staged]
        self.done["files in the followed folder"] += len(files)
        if self.random.random() < REPEATED_SHARE:
            self._line_up(Batch(time.monotonic() - self.began, files))

    def _line_up(self, batch):
        self.batches.append(batch)
        self.batches.sort(key=lambda each: each.due)

    def _submit(self, batch):
        command = [self.binary, "--lake", self.lake, "--json", "job", "submit", "ingest", *map(str, batch.files), "--into",
                   batch.table]
        if self.machines:
            command = self.machines[self.done["submitters"] % len(self.machines)].inside(*command)
        self.done["submitters"] += 1
        killed = time.monotonic() + self.random.uniform(0.02, 1) if self.random.random() < KILLED_SHARE else float("inf")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, preexec_fn=end_with_parent)
        self.running.append((process, batch, killed))

    def _see_to(self, entry):
        process, batch, killed = entry
        if process.poll() is None:
            if time.monotonic() < killed:
                return
            process.kill()
        _, said = process.communicate()
        self.running.remove(entry)
        if process.returncode == 0:
            self.done["jobs submitted"] += 1
            return
        if process.returncode < 0:
            self.done["killed submitters"] += 1
        elif process.returncode in AWAY:
            self.done["submissions while the coordinator was away"] += 1
        else:
            self.surprises.append(f"a submission ended with {process.returncode}: {said[-400:].strip()}")
        batch.due = time.monotonic() - self.began + self.random.uniform(0, 2)
        self._line_up(batch)

    def relent(self):
        pass
