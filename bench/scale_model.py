"""The parts of the simulation: events, an ensemble, storage, tables, writers. docs/scale.md says what they leave out.

Times are in milliseconds, sizes in kB.
"""
import heapq
import math
import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Assumptions:
    # Of the ensemble. The three costs are what bench/server_cost.py measured, rounded up; they add up on the leader,
    # which does one thing after the other.
    request_us: float = 300.0   # of the leader's processor for each modification
    operation_us: float = 35.0  # and for each operation after the first, in a transaction
    read_us: float = 200.0      # of the server that a client is connected to
    voters: int = 3
    sync_ms: float = 1.0        # median of an append with fdatasync
    sync_sigma: float = 0.4     # of its logarithm: 0.4 makes the p99 2.5 times the median
    sync_most: int = 1000       # requests in one
    round_trip_ms: float = 0.5  # between any two machines
    # Of storage.
    put_ms: float = 61.0        # median of writing a small object
    get_ms: float = 30.0
    storage_sigma: float = 0.5  # p99 3.2 times the median
    kb_per_ms: float = 100.0    # of one stream
    # Of a table and its writers.
    metadata_kb: float = 700.0  # a metadata file with 1,000 snapshots
    round_cpu_ms: float = 5.0   # to make a round's metadata and manifests
    commit_cpu_ms: float = 0.1  # and for each commit in it
    group_most: int = 500       # entries in a round
    think_ms: float = 10_000.0  # mean time until a writer has its next file


class Simulation:
    """Events in the order of their time; the same seed gives the same run."""

    def __init__(self, seed):
        self.now, self.random = 0.0, random.Random(seed)
        self._events, self._count = [], 0

    def after(self, delay, call, *arguments):
        self._count += 1
        heapq.heappush(self._events, (self.now + delay, self._count, call, arguments))

    def run(self, until):
        while self._events and self._events[0][0] <= until:
            self.now, _, call, arguments = heapq.heappop(self._events)
            call(*arguments)
        self.now = until

    def lognormal(self, median, sigma):
        return median * math.exp(sigma * self.random.gauss(0.0, 1.0))


class Ensemble:
    """Modifications go through the leader's processor one after the other, and then to the logs of the voters: while
    one sync runs the next group gathers. A group counts when a majority has it."""

    def __init__(self, simulation, assumptions):
        self.simulation, self.assumptions = simulation, assumptions
        self.free_at, self.gathered, self.syncing = 0.0, [], False
        self.writes, self.busy_ms, self.syncs = 0, 0.0, 0

    def modify(self, operations, done, *arguments):
        a, simulation = self.assumptions, self.simulation
        cost = (a.request_us + a.operation_us * (operations - 1)) / 1000
        self.free_at = max(self.free_at, simulation.now + a.round_trip_ms / 2) + cost
        simulation.after(self.free_at - simulation.now, self._logged, cost, (done, arguments))

    def _logged(self, cost, request):
        self.writes += 1
        self.busy_ms += cost
        self.gathered.append(request)
        if not self.syncing:
            self._sync()

    def _sync(self):
        a, simulation = self.assumptions, self.simulation
        group, self.gathered = self.gathered[:a.sync_most], self.gathered[a.sync_most:]
        self.syncing, self.syncs = True, self.syncs + 1
        each = sorted(simulation.lognormal(a.sync_ms, a.sync_sigma) for _ in range(a.voters))
        simulation.after(each[a.voters // 2], self._synced, group)

    def _synced(self, group):
        # The followers hear of it and say so in a round trip; the reply takes half of one.
        for done, arguments in group:
            self.simulation.after(1.5 * self.assumptions.round_trip_ms, done, *arguments)
        self.syncing = False
        if self.gathered:
            self._sync()


class Storage:
    def __init__(self, simulation, assumptions):
        self.simulation, self.assumptions = simulation, assumptions

    def put_ms(self, kilobytes=1.0):
        a = self.assumptions
        return self.simulation.lognormal(a.put_ms, a.storage_sigma) + kilobytes / a.kb_per_ms

    def get_ms(self, kilobytes=1.0):
        a = self.assumptions
        return self.simulation.lognormal(a.get_ms, a.storage_sigma) + kilobytes / a.kb_per_ms

    def round_ms(self):
        """Manifest, manifest list and metadata, written at once."""
        return max(self.put_ms(), self.put_ms(), self.put_ms(self.assumptions.metadata_kb))


@dataclass
class Seen:
    """What happened after `since` (before it, the simulation warms up)."""
    since: float
    latencies: list = field(default_factory=list)  # from 'my files are durable' to the answer
    groups: list = field(default_factory=list)
    rounds_ms: float = 0.0   # of all rounds of a combiner
    storage_ms: float = 0.0  # of it, until their files were durable


class Table:
    """A head version and a queue. Whoever combines is not told apart from a writer; the lease costs nothing here."""

    def __init__(self, simulation, ensemble, storage, seen):
        self.simulation, self.ensemble, self.storage, self.seen = simulation, ensemble, storage, seen
        self.version, self.queue, self.combining = 0, [], False

    def enqueue(self, answer):
        """The entry is there: who combines is woken, or begins."""
        self.queue.append(answer)
        if not self.combining:
            self.combining = True
            self._round()

    def _round(self):
        a = self.ensemble.assumptions
        group, self.queue = self.queue[:a.group_most], self.queue[a.group_most:]
        # It lists the queue and reads the entries, one round trip each.
        storage_ms = self.storage.round_ms()
        files = 2 * a.round_trip_ms + self.cpu_ms(len(group)) + storage_ms
        self.simulation.after(files, self._send, group, self.version, self.simulation.now, storage_ms)

    def cpu_ms(self, commits):
        a = self.ensemble.assumptions
        return a.round_cpu_ms + commits * a.commit_cpu_ms

    def _send(self, group, *more):
        self.ensemble.modify(2 + len(group), self._decided, group, *more)

    def _decided(self, group, expected, began, storage_ms):
        a = self.ensemble.assumptions
        if expected != self.version:  # a direct commit came first: the files are made again
            again = self.storage.round_ms()
            self.simulation.after(a.round_trip_ms + self.cpu_ms(len(group)) + again, self._send, group, self.version,
                                  began, storage_ms + again)
            return
        self.version += 1
        if self.simulation.now >= self.seen.since:
            self.seen.groups.append(len(group))
            self.seen.rounds_ms += self.simulation.now - began
            self.seen.storage_ms += storage_ms
        for answer in group:  # its watch tells, and it reads the record
            self.simulation.after(1.5 * a.round_trip_ms, answer)
        if self.queue:
            self._round()
        else:
            self.combining = False


class Writer:
    """Thinks, writes a data file, commits, and begins again. `pick` gives the table of the next commit."""

    def __init__(self, simulation, pick, way, seen):
        self.simulation, self.pick, self.way, self.seen = simulation, pick, way, seen

    def start(self):
        mean = self.pick().ensemble.assumptions.think_ms
        self.simulation.after(self.simulation.random.expovariate(1 / mean) if mean else 0.0, self._write)

    def _write(self):
        table = self.pick()
        self.simulation.after(table.storage.put_ms(), self._commit, table)

    def _commit(self, table):
        began, a = self.simulation.now, table.ensemble.assumptions
        if self.way == "race":
            self._race(table, began)
        elif self.way == "server":  # one process serves the table and gathers: no entries
            self.simulation.after(a.round_trip_ms, table.enqueue, lambda: self._answered(began))
        elif table.combining or table.queue:
            self._enqueue(table, began)
        else:  # one direct try
            files = a.round_trip_ms + table.cpu_ms(1) + table.storage.round_ms()
            self.simulation.after(files, self._try, table, began, table.version, self._enqueue)

    def _try(self, table, began, expected, otherwise):
        table.ensemble.modify(2, self._tried, table, began, expected, otherwise)

    def _tried(self, table, began, expected, otherwise):
        if expected == table.version:
            table.version += 1
            if self.simulation.now >= self.seen.since:
                self.seen.groups.append(1)
            self._answered(began)
        else:
            otherwise(table, began)

    def _enqueue(self, table, began):
        table.ensemble.modify(1, table.enqueue, lambda: self._answered(began))

    def _race(self, table, began):
        """What catalogs without a queue do: read the newest metadata, write the next, try, and do all of it again."""
        a, storage = table.ensemble.assumptions, table.storage
        read = a.round_trip_ms + storage.get_ms(a.metadata_kb)
        # The version is what it reads at the beginning; the files come after it.
        files = read + table.cpu_ms(1) + storage.round_ms()
        self.simulation.after(files, self._try, table, began, table.version, self._race)

    def _answered(self, began):
        if self.simulation.now >= self.seen.since:
            self.seen.latencies.append(self.simulation.now - began)
        self.start()
