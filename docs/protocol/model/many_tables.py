"""Commits to two tables A and B at once. One transaction enqueues such a commit in both queues, nobody overtakes it
there, and whoever finds it at the head of both executes it: sets both heads, or neither. Requests may arrive
late, as in commits.py.

Only what is new with several tables is modelled: all records are kept, so what they name is what the tables
hold; nothing is cancelled or rejected. That nobody overtakes is taken for granted here: without it a commit to
both could starve, which no search for reachable states shows.
"""
from dataclasses import dataclass
from typing import NamedTuple


class Writer(NamedTuple):
    at: str  # start, half, sent, look, wait, refused, dead, done
    sent: int = 0


class Helper(NamedTuple):
    """Whoever combines: it listed one queue and read what its table's records name."""
    at: str  # idle, listed, sent
    table: int = 0
    queue: tuple = ()
    version: int = 0
    held: tuple = ()
    request: tuple = ()


class Enqueue(NamedTuple):
    kind: str
    id: str
    writer: int
    number: int


class Round(NamedTuple):
    """Sets one head: "round" answers single commits, "direct" is one that was never queued."""
    kind: str
    table: int
    expected: int
    ids: tuple  # whose entries it removes
    held: tuple  # what the table's new metadata says
    sender: int


class Execute(NamedTuple):
    """Sets both heads and answers one commit to both."""
    kind: str
    id: str
    expected: tuple
    held: tuple  # of both tables
    sender: int


class State(NamedTuple):
    versions: tuple  # of the two heads
    held: tuple  # of each table: the ids that its metadata holds, in order
    queues: tuple
    sent: tuple
    writers: tuple
    helpers: tuple
    losses: int
    deaths: int


@dataclass(frozen=True)
class Rules:
    one_enqueue: bool = True  # one transaction makes the entries of both queues; else one after the other
    read_records: bool = True  # who executes looks for the id in the records
    expect_both: bool = True  # executing expects both versions; else only the first table's


class ManyTables:
    SETTLES = "EverybodyIsAnswered"

    def __init__(self, both, single, helpers, direct=0, losses=0, deaths=0, rules=Rules()):
        """`both` writers commit to both tables, `single` and `direct` ones to B and A in turn, queued or not."""
        self.both = [f"both{index}" for index in range(both)]
        self.single = [f"one{index}" for index in range(single)] + [f"direct{index}" for index in range(direct)]
        self.helpers, self.losses, self.deaths, self.rules = helpers, losses, deaths, rules

    def initial(self):
        writers = (Writer("start"),) * (len(self.both) + len(self.single))
        helpers = (Helper("idle"),) * self.helpers
        return State((0, 0), ((), ()), ((), ()), (), writers, helpers, self.losses, self.deaths)

    def settled(self, state):
        return all(writer.at in ("done", "dead") for writer in state.writers) and state.queues == ((), ())

    def steps(self, state):
        for label, after in self.all_steps(state):
            yield label, self.without_spent(after)

    def all_steps(self, state):
        for index in range(len(state.writers)):
            if index < len(self.both):
                yield from self.both_steps(state, index, self.both[index])
            else:
                yield from self.single_steps(state, index, self.single[index - len(self.both)])
        for index in range(self.helpers):
            yield from self.helper_steps(state, index)
        for request in state.sent:
            yield self.arrival(state._replace(sent=tuple(other for other in state.sent if other != request)), request)

    # ---- writers

    def both_steps(self, state, index, id):
        writer = state.writers[index]
        if writer.at == "start" and self.rules.one_enqueue:
            yield f"{id} enqueues in A and B", self.enqueue(state, index, id)
        elif writer.at == "start":
            yield f"{id} enqueues in {'AB'[index % 2]}", become(append(state, (index % 2,), id), index, "half")
        elif writer.at == "half":
            yield f"{id} enqueues in {'BA'[index % 2]}", become(append(state, (1 - index % 2,), id), index, "wait")
            if state.deaths:
                yield f"{id}'s writer dies", become(state._replace(deaths=state.deaths - 1), index, "dead")
        elif writer.at == "sent" and state.losses:
            yield f"{id} hears nothing", become(state._replace(losses=state.losses - 1), index, "look")
        elif writer.at in ("look", "wait"):
            if id in state.queues[0] + state.queues[1]:
                if writer.at == "look":
                    yield f"{id} sees its entries, waits", become(state, index, "wait")
            elif id in state.held[0] + state.held[1]:
                yield f"{id} reads its record", become(state, index, "done")
            elif writer.at == "look":
                yield f"{id} finds neither entry nor record, enqueues again", self.enqueue(state, index, id)

    def enqueue(self, state, index, id):
        number = state.writers[index].sent + 1
        return send(become(state, index, "sent", number), Enqueue("enqueue", id, index, number))

    def single_steps(self, state, index, id):
        table, at = self.table_of(id), state.writers[index].at
        if at == "start" and id.startswith("direct"):
            version = state.versions[table]
            request = Round("direct", table, version, (), state.held[table] + (id,), index)
            label = f"{id} sends a direct commit to {'AB'[table]}, version {version}"
            yield label, send(become(state, index, "sent"), request)
        elif at in ("start", "refused"):
            yield f"{id} enqueues in {'AB'[table]}", become(append(state, (table,), id), index, "wait")
        elif at == "wait" and id in state.held[table]:
            yield f"{id} reads its record", become(state, index, "done")

    def table_of(self, id):
        return 1 - int(id[-1]) % 2

    # ---- helpers

    def helper_steps(self, state, index):
        helper = state.helpers[index]
        if helper.at == "idle":
            for table in (0, 1):
                if state.queues[table]:
                    listed = Helper("listed", table, state.queues[table], state.versions[table], state.held[table])
                    yield f"helper {index} lists {'AB'[table]}: {list(listed.queue)}", self.helper(state, index, listed)
        elif helper.at == "listed":
            yield from self.requests(state, index, helper)
            yield f"helper {index} looks elsewhere", self.helper(state, index, Helper("idle"))
        elif helper.at == "sent" and state.losses:
            after = self.helper(state._replace(losses=state.losses - 1), index, Helper("idle"))
            yield f"helper {index} hears nothing", after

    def requests(self, state, index, helper):
        first = helper.queue[0]
        if first not in self.both:
            behind = [place for place, id in enumerate(helper.queue) if id in self.both]  # nobody overtakes these
            ids = helper.queue[:behind[0]] if behind else helper.queue
            request = Round("round", helper.table, helper.version, ids, helper.held + ids, index)
            yield f"helper {index} sends a round on {'AB'[helper.table]}: {list(ids)}", self.sent(state, index, request)
            return
        other = 1 - helper.table
        if state.queues[other][:1] != (first,):
            return
        versions, held = list(state.versions), list(state.held)  # it reads the other table now
        versions[helper.table], held[helper.table] = helper.version, helper.held
        repeated = self.rules.read_records and any(first in table for table in held)  # then it is answered, not applied
        after = tuple(table if repeated else table + (first,) for table in held)
        request = Execute("execute", first, tuple(versions), after, index)
        yield f"helper {index} executes {first} on versions {tuple(versions)}", self.sent(state, index, request)

    def sent(self, state, index, request):
        return send(self.helper(state, index, Helper("sent", request=request)), request)

    def helper(self, state, index, helper):
        return state._replace(helpers=state.helpers[:index] + (helper,) + state.helpers[index + 1:])

    # ---- what the coordinator does

    def arrival(self, state, request):
        if request.kind == "enqueue":
            writer = state.writers[request.writer]
            waits = writer.at == "sent" and writer.sent == request.number
            after = become(state, request.writer, "wait") if waits else state
            label = f"{request.id} arrives in both queues{'' if waits else ' LATE'}"
            if request.id in state.queues[0] + state.queues[1]:
                return label + ": exists", after
            return label, append(after, (0, 1), request.id)
        if request.kind == "direct":
            label = f"direct commit to {'AB'[request.table]} arrives"
            if state.versions[request.table] != request.expected:
                return label + ": refused", become(state, request.sender, "refused")
            return label + ": done", become(move(state, {request.table: request.held}), request.sender, "done")
        waits = state.helpers[request.sender] == Helper("sent", request=request)
        after = self.helper(state, request.sender, Helper("idle")) if waits else state
        late = "" if waits else " LATE"
        if request.kind == "round":
            label = f"round on {'AB'[request.table]} arrives{late}"
            version, queue = state.versions[request.table], state.queues[request.table]
            if version != request.expected or not set(request.ids) <= set(queue):
                return label + ": refused", after
            return label + ": done", move(after, {request.table: request.held}, request.ids)
        label = f"execution of {request.id} arrives{late}"
        if not self.versions_hold(state, request) or any(request.id not in queue for queue in state.queues):
            return label + ": refused", after
        return label + ": done", move(after, dict(enumerate(request.held)), (request.id,))

    def versions_hold(self, state, request):
        compared = 2 if self.rules.expect_both else 1
        return state.versions[:compared] == request.expected[:compared]

    def without_spent(self, state):
        """Forgets what nobody waits for and what expects a version that is spent."""
        def matters(request):
            if request.kind in ("enqueue", "direct") or state.helpers[request.sender].request == request:
                return True
            if request.kind == "round":
                return state.versions[request.table] == request.expected
            return self.versions_hold(state, request)
        return state._replace(sent=tuple(request for request in state.sent if matters(request)))

    # ---- what must hold in every state

    def in_both_or_none(self, state):
        for id in self.both:
            if state.held[0].count(id) != state.held[1].count(id):
                return f"{id} is in one table only: {state.held}"
        return None

    def applied_once(self, state):
        for table in state.held:
            if len(set(table)) != len(table):
                return f"applied twice: {table}"
        return None

    def same_order(self, state):
        orders = [[id for id in table if id in self.both] for table in state.held]
        return f"orders differ: {state.held}" if orders[0] != orders[1] else None

    def committed_is_there(self, state):
        for index, id in enumerate(self.both + self.single):
            if state.writers[index].at == "done" and id not in state.held[0] + state.held[1]:
                return f"{id} was told committed, and no table has it: {state.held}"
        return None

    INVARIANTS = {"InBothOrNone": in_both_or_none, "AppliedOnce": applied_once, "SameOrder": same_order,
                  "CommittedIsThere": committed_is_there}


def become(state, index, at, sent=None):
    writer = Writer(at, state.writers[index].sent if sent is None else sent)
    return state._replace(writers=state.writers[:index] + (writer,) + state.writers[index + 1:])


def append(state, tables, id):
    return state._replace(queues=tuple(queue + (id,) if table in tables else queue
                                       for table, queue in enumerate(state.queues)))


def send(state, request):
    return state._replace(sent=tuple(sorted(set(state.sent) | {request})))


def move(state, held, answered=()):
    """Sets the heads of some tables, each to what its new metadata says, and removes the entries of those answered."""
    return state._replace(
        versions=tuple(version + (table in held) for table, version in enumerate(state.versions)),
        held=tuple(held.get(table, old) for table, old in enumerate(state.held)),
        queues=tuple(tuple(id for id in queue if table not in held or id not in answered)
                     for table, queue in enumerate(state.queues)))
