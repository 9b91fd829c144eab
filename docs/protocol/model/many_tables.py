"""Commits to two tables A and B at once. One transaction sets both heads, or neither. If somebody is in the way, one
transaction makes an entry in both queues, in one session, so both vanish together; nobody takes what is younger; its
writer carries it out, or a helper whom it holds up. Requests may arrive late, as in commits.py.

The first table, A, is the fence: a transaction without reply is sent again until A's version is spent, and A's record
tells of this very attempt. If it did not move the heads, its files are discarded.

Only what is new with several tables is modelled: all records are kept, so what they name is what the tables
hold; nothing is cancelled or rejected. That nobody overtakes is taken for granted here: without it a commit to
both could starve, which no search for reachable states shows.
"""
from dataclasses import dataclass
from typing import NamedTuple


class Actor(NamedTuple):
    """A writer or a helper, whoever combines. `at` of writers: start, enqueue (under way), look, wait, refused, dead,
    done; of helpers: idle, listed, round; of both, about a transaction for both tables: execute, repeat (under way for
    the first time, or again), unsure (no reply), refused again."""
    at: str
    sent: int = 0  # enqueue requests of this writer so far
    session: int = 0  # of this writer
    table: int = 0  # that this helper listed: its queue, and what its head says
    queue: tuple = ()
    version: int = 0
    held: tuple = ()
    request: tuple = ()


class Enqueue(NamedTuple):
    kind: str
    id: str
    sender: int
    number: int
    session: int


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
    queued: bool  # it removes the entries
    sender: int


class State(NamedTuple):
    versions: tuple  # of the two heads
    held: tuple  # of each table: the ids that its metadata holds, in order
    queues: tuple  # of each table: (id, the session in which the entry was made)
    sent: tuple
    actors: tuple  # writers to both, single writers, helpers
    losses: int
    ends: int
    executed: tuple = ()  # attempts that moved the heads, (sender, expected): what A's records say
    discarded: tuple = ()  # attempts under way whose files their sender has discarded
    of_dead: tuple = ()  # ids applied when their entries were gone


@dataclass(frozen=True)
class Rules:
    read_records: bool = True  # who executes looks for the id in the records
    expect_both: bool = True  # executing expects both versions; else only the first table's
    remove_entries: bool = True  # ... and removes the entries
    send_until_spent: bool = True  # without reply it is sent again until A's version is spent; else 'still there' = no
    spend_first: bool = True  # refused because entries are gone, after a lost reply: A's version is spent first


class ManyTables:
    SETTLES = "EverybodyIsAnswered"

    def __init__(self, both, single, helpers, direct=0, losses=0, ends=0, rules=Rules()):
        """`both` writers commit to both tables, `single` and `direct` ones to B and A in turn, queued or not."""
        self.both = [f"both{index}" for index in range(both)]
        self.single = [f"one{index}" for index in range(single)] + [f"direct{index}" for index in range(direct)]
        self.writers = self.both + self.single
        self.helpers, self.losses, self.ends, self.rules = helpers, losses, ends, rules

    def initial(self):
        actors = (Actor("start"),) * len(self.writers) + (Actor("idle"),) * self.helpers
        return State((0, 0), ((), ()), ((), ()), (), actors, self.losses, self.ends)

    def settled(self, state):
        return state.queues == ((), ()) and all(
            actor.at in ("done", "dead") for actor in state.actors[:len(self.writers)])

    def steps(self, state):
        for label, after in self.all_steps(state):
            yield label, self.without_spent(after)

    def all_steps(self, state):
        for index, actor in enumerate(state.actors):
            name = self.name(index)
            if actor.at in ("execute", "repeat", "unsure", "refused again"):
                yield from self.settle(state, index, name)
            elif index < len(self.both):
                yield from self.both_steps(state, index, name)
            elif index < len(self.writers):
                yield from self.single_steps(state, index, name)
            else:
                yield from self.helper_steps(state, index, name)
        if state.ends:
            yield from self.session_ends(state)
        for place, request in enumerate(state.sent):
            yield self.arrival(state._replace(sent=state.sent[:place] + state.sent[place + 1:]), request)

    def name(self, index):
        return self.writers[index] if index < len(self.writers) else f"helper {index - len(self.writers)}"

    # ---- writers

    def both_steps(self, state, index, id):
        actor = state.actors[index]
        if actor.at == "start":
            yield f"{id} enqueues in A and B", self.enqueue(state, index)
            if state.queues == ((), ()):
                yield f"{id} finds both quiet, " + self.sends(state), self.execute(state, index, id, False)
        elif actor.at == "enqueue" and state.losses:
            after = state._replace(losses=state.losses - 1)
            yield f"{id} hears nothing", become(after, index, at="look")
            if state.ends:
                yield f"{id} hears nothing, goes on in a new session", become(
                    after, index, at="look", session=actor.session + 1)
        elif actor.at in ("look", "wait"):
            if self.is_named(state, id) and self.rules.read_records:
                yield f"{id} reads its record", become(forget(state, id), index, at="done")
            elif not self.is_queued(state, id):
                yield f"{id} finds neither entry nor record, enqueues again", self.enqueue(state, index)
            elif actor.at == "look":
                yield f"{id} sees its entries", become(state, index, at="wait")
            else:
                yield f"{id} carries it out, " + self.sends(state), self.execute(state, index, id, True)

    def enqueue(self, state, index):
        actor = state.actors[index]
        request = Enqueue("enqueue", self.writers[index], index, actor.sent + 1, actor.session)
        return send(become(state, index, at="enqueue", sent=actor.sent + 1), request)

    def single_steps(self, state, index, id):
        table, at = self.table_of(id), state.actors[index].at
        if at == "start" and id.startswith("direct"):
            version = state.versions[table]
            request = Round("direct", table, version, (), state.held[table] + (id,), index)
            label = f"{id} sends a direct commit to {'AB'[table]}, version {version}"
            yield label, send(become(state, index, at="direct"), request)
        elif at in ("start", "refused"):
            yield f"{id} enqueues in {'AB'[table]}", become(append(state, (table,), (id, 0)), index, at="wait")
        elif at == "wait" and id in state.held[table]:
            yield f"{id} reads its record", become(state, index, at="done")

    def table_of(self, id):
        return 1 - int(id[-1]) % 2

    # ---- helpers

    def helper_steps(self, state, index, name):
        helper = state.actors[index]
        if helper.at == "idle":
            for table in (0, 1):
                if state.queues[table]:
                    ids = tuple(id for id, _ in state.queues[table])
                    listed = Actor("listed", table=table, queue=ids, version=state.versions[table],
                                   held=state.held[table])
                    yield f"{name} lists {'AB'[table]}: {list(ids)}", put(state, index, listed)
        elif helper.at == "listed":
            yield f"{name} looks elsewhere", put(state, index, Actor("idle"))
            first = helper.queue[0]
            if first not in self.both:
                behind = [place for place, id in enumerate(helper.queue) if id in self.both]  # nobody overtakes these
                ids = helper.queue[:behind[0]] if behind else helper.queue
                request = Round("round", helper.table, helper.version, ids, helper.held + ids, index)
                yield (f"{name} sends a round on {'AB'[helper.table]}: {list(ids)}",
                       send(put(state, index, Actor("round", request=request)), request))
            elif self.is_named(state, first) and self.rules.read_records:
                yield f"{name} removes entries of {first}, which is decided", put(
                    forget(state, first), index, Actor("idle"))
            elif self.is_queued(state, first):
                yield f"{name} is held up by {first}, " + self.sends(state), self.execute(state, index, first, True)
        elif helper.at == "round" and state.losses:
            after = put(state._replace(losses=state.losses - 1), index, Actor("idle"))
            yield f"{name} hears nothing, starts over", after

    # ---- whoever carries out a commit to both

    def is_named(self, state, id):
        return id in state.held[0] + state.held[1]

    def is_queued(self, state, id):
        return any(entry[0] == id for entry in state.queues[0] + state.queues[1])

    def sends(self, state):
        return f"sends the transaction for versions {state.versions}"

    def execute(self, state, index, id, queued):
        """It reads heads, records and entries at one point, and finds the id in no record."""
        after = tuple(table + (id,) for table in state.held)
        request = Execute("execute", id, state.versions, after, queued, index)
        return send(become(state, index, at="execute", request=request), request)

    def settle(self, state, index, name):
        actor = state.actors[index]
        request = actor.request
        spent = state.versions[0] != request.expected[0]
        if actor.at in ("execute", "repeat"):
            if state.losses:
                after = become(state._replace(losses=state.losses - 1), index, at="unsure")
                yield f"{name} hears nothing of the transaction", after
        elif spent:
            if attempt(request) in state.executed:
                yield f"{name} reads A's record: its own", self.ended(state, index, True)
            else:
                yield f"{name} reads A's record: not its own, discards its files", self.ended(state, index, False)
        elif actor.at == "unsure" and self.rules.send_until_spent:
            yield f"{name} sends the same again", send(become(state, index, at="repeat"), request)
        elif actor.at == "refused again" and self.rules.spend_first:
            after = state._replace(versions=(state.versions[0] + 1, state.versions[1]))
            yield f"{name} spends A's version by a round that changes nothing", after
        else:
            yield f"{name} finds A's version still there, discards its files", self.ended(state, index, False)

    def ended(self, state, index, applied):
        """The sender of a transaction for both takes it for applied, or for never."""
        request = state.actors[index].request
        if not applied:
            state = state._replace(discarded=tuple(sorted({*state.discarded, attempt(request)})))
        if index >= len(self.writers):
            return put(state, index, Actor("idle"))
        return become(state, index, at="done" if applied else "look", request=())

    # ---- what the coordinator does

    def session_ends(self, state):
        """Entries that were made in it vanish; what is under way in it is refused from now on."""
        alive = {(id, session) for queue in state.queues for id, session in queue if id in self.both}
        alive |= {(request.id, request.session) for request in state.sent if request.kind == "enqueue"}
        for id, session in sorted(alive):
            after = state._replace(
                ends=state.ends - 1,
                queues=tuple(tuple(entry for entry in queue if entry != (id, session)) for queue in state.queues),
                sent=tuple(request for request in state.sent
                           if request.kind != "enqueue" or (request.id, request.session) != (id, session)))
            index = self.both.index(id)
            actor = state.actors[index]
            if actor.session != session or actor.at == "done":
                yield f"an earlier session of {id}'s writer ends", after
                continue
            at = "look" if actor.at == "enqueue" else actor.at
            yield f"the session of {id}'s writer ends, it goes on in a new one", become(
                after, index, at=at, session=session + 1)
            yield f"{id}'s writer is dead, its session ends", put(after, index, Actor("dead"))

    def arrival(self, state, request):
        actor = state.actors[request.sender]
        if request.kind == "enqueue":
            waits = actor.at == "enqueue" and actor.sent == request.number
            after = become(state, request.sender, at="wait") if waits else state
            label = f"{request.id} arrives in both queues{'' if waits else ' LATE'}"
            if self.is_queued(state, request.id):
                return label + ": exists", after
            return label, append(after, (0, 1), (request.id, request.session))
        if request.kind == "direct":
            label = f"direct commit to {'AB'[request.table]} arrives"
            if state.versions[request.table] != request.expected:
                return label + ": refused", become(state, request.sender, at="refused")
            return label + ": done", become(move(state, {request.table: request.held}), request.sender, at="done")
        if request.kind == "round":
            waits = actor == Actor("round", request=request)
            after = put(state, request.sender, Actor("idle")) if waits else state
            label = f"round on {'AB'[request.table]} arrives{'' if waits else ' LATE'}"
            queued = {id for id, _ in state.queues[request.table]}
            if state.versions[request.table] != request.expected or not set(request.ids) <= queued:
                return label + ": refused", after
            return label + ": done", move(after, {request.table: request.held}, request.ids)
        return self.arrive_execute(state, request, actor)

    def arrive_execute(self, state, request, actor):
        waits = actor.at in ("execute", "repeat") and actor.request == request
        label = f"transaction for {request.id} arrives{'' if waits else ' LATE'}"
        queued = self.is_queued(state, request.id)
        if not self.versions_hold(state, request) or request.queued and self.rules.remove_entries and not queued:
            if not waits:
                return label + ": refused", state
            if actor.at == "repeat":  # an earlier copy may have been applied, or come yet
                return label + ": refused", become(state, request.sender, at="refused again")
            return label + ": refused", self.ended(state, request.sender, False)
        of_dead = state.of_dead + ((request.id,) if request.queued and not queued else ())
        after = move(state, dict(enumerate(request.held)), (request.id,) if request.queued else ())
        after = after._replace(executed=tuple(sorted({*after.executed, attempt(request)})), of_dead=of_dead)
        return label + ": done", self.ended(after, request.sender, True) if waits else after

    def versions_hold(self, state, request):
        compared = 2 if self.rules.expect_both else 1
        return state.versions[:compared] == request.expected[:compared]

    def without_spent(self, state):
        """Forgets what nobody waits for and what expects a version that is spent."""
        def matters(request):
            if request.kind in ("enqueue", "direct"):
                return True
            actor = state.actors[request.sender]
            if actor.request == request and actor.at in ("round", "execute", "repeat"):
                return True
            if request.kind == "round":
                return state.versions[request.table] == request.expected
            return self.versions_hold(state, request)
        sent = tuple(request for request in state.sent if matters(request))
        possible = {attempt(request) for request in sent if request.kind == "execute"} | set(state.executed)
        return state._replace(sent=sent, discarded=tuple(each for each in state.discarded if each in possible))

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
        for index, id in enumerate(self.writers):
            if state.actors[index].at == "done" and id not in state.held[0] + state.held[1]:
                return f"{id} was told committed, and no table has it: {state.held}"
        return None

    def discarded_is_never_there(self, state):
        for each in state.discarded:
            if each in state.executed:
                return f"{self.name(each[0])} has discarded the files of versions that the heads moved to"
        return None

    def nothing_of_the_dead(self, state):
        if state.of_dead:
            return f"{state.of_dead[0]} was applied after the session had ended in which its entries were made"
        return None

    INVARIANTS = {"InBothOrNone": in_both_or_none, "AppliedOnce": applied_once, "SameOrder": same_order,
                  "CommittedIsThere": committed_is_there, "DiscardedIsNeverThere": discarded_is_never_there,
                  "NothingOfTheDead": nothing_of_the_dead}


def attempt(request):
    return request.sender, request.expected


def put(state, index, actor):
    if actor.at == "done":
        actor = Actor("done")
    return state._replace(actors=state.actors[:index] + (actor,) + state.actors[index + 1:])


def become(state, index, **fields):
    return put(state, index, state.actors[index]._replace(**fields))


def append(state, tables, entry):
    return state._replace(queues=tuple(queue + (entry,) if table in tables else queue
                                       for table, queue in enumerate(state.queues)))


def forget(state, id):
    """Removes entries that came by a late copy of a request: a record names the id."""
    return state._replace(queues=tuple(tuple(entry for entry in queue if entry[0] != id) for queue in state.queues))


def send(state, request):
    return state._replace(sent=tuple(sorted(state.sent + (request,))))


def move(state, held, answered=()):
    """Sets the heads of some tables, each to what its new metadata says, and removes the entries of those answered."""
    return state._replace(
        versions=tuple(version + (table in held) for table, version in enumerate(state.versions)),
        held=tuple(held.get(table, old) for table, old in enumerate(state.held)),
        queues=tuple(tuple(entry for entry in queue if table not in held or entry[0] not in answered)
                     for table, queue in enumerate(state.queues)))
