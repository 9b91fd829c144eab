"""One table: direct commits, the queue, combiners, cancelling, sweeping, dropping, ids that are given again.

What is assumed of the coordinator is less than ZooKeeper gives: a request that was sent may be applied at any
later time, whatever became of its sender, or never; a reply may be lost. A request is applied wholly or not at
all. Reads show the present state: one that is behind equals one that was made earlier, and whoever cancels expects
the version up to which it read.

Nobody looks at the lease: any combiner may work at any time. It wakes people up (waking.py); it keeps nothing
safe.

Entries are ephemeral: the coordinator may end a session at any moment, and what was created in it goes. A creation
that is under way in it comes to nothing then, but until then may still arrive, also when its writer has taken the
session for lost and goes on in a new one.

Time: each id carries one, the record of version n has time n. A record may be swept at any moment, however
young.
"""
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, Optional

COMMITTED, REJECTED, UNJUDGED = "committed", "rejected", "unjudged"  # what a record says of an id
UNKNOWN = "unknown"  # what an asker may be told besides


class Head(NamedTuple):
    version: int
    floor: int  # the oldest record that is kept
    swept_to: int  # the youngest time of anything swept; -1: nothing was
    dropped: bool
    table: tuple  # the ids of the commits that the table holds: what its metadata file says


class Entry(NamedTuple):
    id: str
    since: int  # its writer knows that no record up to this version names the id
    session: tuple  # in which it was made: (writer, which of his sessions)


class Writer(NamedTuple):
    """Asks for one commit. `at`: start; direct, create, cancel (a request is under way); spent, look, wait,
    deadline, done, dead."""
    at: str
    sent: int = 0  # requests so far; a reply counts only for the last one
    since: int = 0
    told: str = ""
    session: int = 0


class Combiner(NamedTuple):
    """`at`: idle, listed, ready, sent, dead."""
    at: str
    listed: tuple = ()
    head: Optional[Head] = None
    judged: tuple = ()  # of each listed entry what the records say, None when it may be applied


class Create(NamedTuple):
    kind: str
    writer: int
    number: int
    entry: Entry


class Round(NamedTuple):
    """The one transaction that moves a head: set it expecting a version, create the record, remove the entries."""
    kind: str  # "direct", "round" or "cancel": a writer's own, which keeps the table as it is
    sender: int
    number: int
    expected: int
    head: Head
    record: tuple  # ((id, outcome), ...)
    removed: tuple  # ids: each must have an entry


class Budget(NamedTuple):
    """How often each of these may happen in one run: this is what bounds the state space."""
    losses: int = 0  # a reply that is lost
    cancels: int = 0
    sweeps: int = 0
    rejects: int = 0  # a commit that does not apply
    deaths: int = 0  # of combiners
    drops: int = 0
    ends: int = 0  # of sessions


class State(NamedTuple):
    head: Head
    records: tuple  # ((version, ((id, outcome), ...)), ...): those kept
    queue: tuple  # entries in the order of their creation
    sent: tuple  # requests under way, sorted
    writers: tuple
    combiners: tuple
    budget: Budget
    first: tuple  # ((id, outcome), ...): the first record that named an id, kept or swept. No process can read this
    of_dead: tuple = ()  # ids that a round applied when their entry was gone. Nor this


@dataclass(frozen=True)
class Rules:
    """All True is the protocol; each broken variant lacks one."""
    expect_version: bool = True  # a round expects the head's version; else only its record's name must be new
    read_records: bool = True  # who combines looks for the ids in the records
    all_after_since: bool = True  # ... in every record after the entry's `since`; else in those since it took over
    since_is_read: bool = True  # who asks again reads the records up to its `since`; else it takes the head's version
    refuse_swept: bool = True  # records after `since` are gone: only a younger id is applied
    sweep_covers_ids: bool = True  # `swept_to` is raised to the times of the ids too; else to the record's only
    unjudged_is_unknown: bool = True  # too old to judge is told as unknown; else as rejected
    record_rejections: bool = True  # else a rejected entry is just removed, and 'gone, in no record' means rejected
    gone_means_nothing: bool = True  # entry gone, head unchanged: create again; else it is taken for rejected
    line_up_again: bool = True  # gone while it waited, in no record: create again too; else it waits for a record
    needs_entry: bool = True  # a round that removes an entry is refused if it is gone; else it applies what was read
    cancel_records: bool = True  # cancelling records the rejection; else it only removes the entry
    cancel_reads: bool = True  # ... after it has read the records up to the head
    cancel_expects: bool = True  # ... expecting that head's version; else whatever it is by now
    cancel_until_known: bool = True  # ... again if it has no reply; else that is taken for cancelled
    cancel_refused: bool = True  # ... and again if it is refused; else that is taken for cancelled too
    send_until_spent: bool = True  # a direct commit is sent until its version is spent; else 'still there' = failed
    ask_record: bool = True  # then the record tells; else the metadata log, which holds one entry here
    tombstone_reads: bool = True  # a dropped table: the records first, then 'rejected'


class Commits:
    SETTLES = "EverybodyIsAnswered"

    def __init__(self, writers, combiners, budget, rules=Rules(), young=()):
        """`writers`: (id, way) each. Ways: queue and direct make the id in this very call, again was given it.
        `young`: ids whose clock ran far ahead."""
        self.asks, self.combiners, self.budget, self.rules = writers, combiners, budget, rules
        self.time = {id: 99 if id in young else 0 for id, _ in writers}

    def initial(self):
        return State(Head(0, 1, -1, False, ()), (), (), (), (Writer("start"),) * len(self.asks),
                     (Combiner("idle"),) * self.combiners, self.budget, ())

    def settled(self, state):
        return all(writer.at in ("done", "dead") for writer in state.writers)

    def steps(self, state):
        for label, after in self.all_steps(state):
            yield label, self.without_spent(after)

    def all_steps(self, state):
        for index in range(len(self.asks)):
            yield from self.writer_steps(state, index)
        for index in range(self.combiners):
            yield from self.combiner_steps(state, index)
        if self.combiners and all(combiner.at == "dead" for combiner in state.combiners):
            yield "a waiter becomes combiner 0", self.combiner(state, 0, Combiner("idle"))
        if state.budget.ends:
            yield from self.ends(state)
        for request in state.sent:
            yield from self.arrivals(state, request)

    # ---- what anybody can read

    def first_named(self, state, id, after):
        """What the first kept record after a version says of an id."""
        for version, record in state.records:
            if version > after:
                for named, outcome in record:
                    if named == id:
                        return outcome
        return None

    def is_certain(self, head, id, after):
        """Whether 'no kept record after this version names the id' means that no record does: none of them is
        swept, or the id is younger than whatever is."""
        return head.floor <= after + 1 or self.time[id] > head.swept_to

    def told(self, outcome):
        if outcome == UNJUDGED:
            return UNKNOWN if self.rules.unjudged_is_unknown else REJECTED
        return outcome

    # ---- one who wants a commit

    def writer_steps(self, state, index):
        id, way = self.asks[index]
        writer, name = state.writers[index], f"writer {index} ({id})"
        version, budget = state.head.version, state.budget

        def become(at, told="", **more):
            return self.writer(state, index, writer._replace(at=at, told=told, **more))

        if writer.at == "start":
            yield from self.begin(state, index, id, way, name)
        elif writer.at in ("direct", "create", "cancel") and budget.losses:
            after = become({"direct": "spent", "create": "look", "cancel": "deadline"}[writer.at])
            if writer.at == "cancel" and not self.rules.cancel_until_known:
                after = become("done", REJECTED)
            yield f"{name} hears nothing of its {writer.at}", spend(after, losses=1)
            if writer.at == "create" and budget.ends:
                after = become("look", session=writer.session + 1)
                yield f"{name} hears nothing of its create, goes on in a new session", spend(after, losses=1)
        elif writer.at == "spent":  # what became of a direct commit that expected version `since`?
            if version == writer.since:
                if self.rules.send_until_spent:
                    after = self.send_direct(state, index)
                    yield f"{name} finds version {version} unspent, sends the same again", after
                else:
                    yield f"{name} finds version {version} still there: rejected", become("done", REJECTED)
            elif not self.rules.ask_record:
                last = state.records[-1][1] if state.records else ()
                told = COMMITTED if (id, COMMITTED) in last else REJECTED
                yield f"{name} looks for its file in the metadata log: {told}", become("done", told)
            else:
                yield f"{name} finds version {writer.since} spent", become("look")
        elif writer.at in ("look", "wait"):
            yield from self.look(state, index, id, name, become)
            if budget.cancels:
                for label, after in self.cancel(state, index, id, name, become):
                    yield label, spend(after, cancels=1)
        elif writer.at == "deadline":  # its cancelling was refused, or had no reply
            yield from self.cancel(state, index, id, name, become)

    def begin(self, state, index, id, way, name):
        version = state.head.version
        if way == "direct":
            after = self.writer(state, index, state.writers[index]._replace(since=version))
            yield f"{name} sends a direct commit expecting version {version}", self.send_direct(after, index)
        elif way == "queue":
            yield f"{name} makes the id, creates its entry, since {version}", self.send_create(state, index, version)
        elif any(self.asks[other][0] == id and self.asks[other][1] != "again" and state.writers[other].at == "start"
                 for other in range(len(self.asks))):
            return  # nobody can be given an id that was not made yet
        elif not self.rules.since_is_read:
            yield f"{name} asks again, reads no record, since {version}", self.send_create(state, index, version)
        else:
            outcome = self.first_named(state, id, 0)
            if outcome is None and not self.is_certain(state.head, id, 0):
                outcome = UNJUDGED
            if outcome is None:
                yield f"{name} asks again, in no record, since {version}", self.send_create(state, index, version)
            else:
                done = state.writers[index]._replace(at="done", told=self.told(outcome))
                yield f"{name} asks again and reads: {outcome}", self.writer(state, index, done)

    def outcome(self, state, id, after):
        """What the head and the records after a version say of an id; None: nothing yet."""
        if state.head.dropped and not self.rules.tombstone_reads:
            return REJECTED
        outcome = self.first_named(state, id, after)
        if outcome is None and not self.is_certain(state.head, id, after):
            return UNJUDGED
        if outcome is None and state.head.dropped:
            return REJECTED  # no version will follow
        return outcome

    def look(self, state, index, id, name, become):
        """Reads the entry, then the records after `since`."""
        writer, head = state.writers[index], state.head
        if self.is_queued(state, id) and not head.dropped:
            if writer.at == "look":
                yield f"{name} sees its entry, waits", become("wait")
            return
        outcome = self.outcome(state, id, writer.since)
        if outcome is None and not self.rules.gone_means_nothing and head.version == writer.since:
            outcome = REJECTED
        if outcome is None and not self.rules.record_rejections and writer.at == "wait":
            outcome = REJECTED
        if outcome is not None:
            yield f"{name} finds no entry, and of the records: {outcome}", become("done", self.told(outcome))
        elif writer.at == "look" or self.rules.line_up_again:
            yield (f"{name} finds neither entry nor record, creates its entry, since {head.version}",
                   self.send_create(state, index, head.version))

    def cancel(self, state, index, id, name, become):
        """At its deadline: reads the records after `since`; in none: a round of its own that rejects the id. If one
        that had no reply expects the same version, this is as good as sending that again."""
        version = state.head.version
        outcome = self.outcome(state, id, state.writers[index].since) if self.rules.cancel_reads else None
        if outcome is not None:
            yield f"{name} is at its deadline, reads: {outcome}", become("done", self.told(outcome))
            return
        removed = (id,) if self.is_queued(state, id) else ()
        record = ((id, REJECTED),) if self.rules.cancel_records else ()
        sent = state.writers[index].sent + 1
        request = Round("cancel", index, sent, version, state.head._replace(version=version + 1), record, removed)
        label = f"{name} is at its deadline, cancels, expecting version {version}"
        yield label, self.send(become("cancel", sent=sent, since=version), request)

    def is_queued(self, state, id):
        return any(entry.id == id for entry in state.queue)

    def send_create(self, state, index, since):
        old = state.writers[index]
        writer = old._replace(at="create", sent=old.sent + 1, since=since)
        entry = Entry(self.asks[index][0], since, (index, old.session))
        return self.send(self.writer(state, index, writer), Create("create", index, writer.sent, entry))

    def send_direct(self, state, index):
        id, head = self.asks[index][0], state.head
        writer = state.writers[index]._replace(at="direct", sent=state.writers[index].sent + 1)
        request = Round("direct", index, writer.sent, head.version,
                        head._replace(version=head.version + 1, table=head.table + (id,)), ((id, COMMITTED),), ())
        return self.send(self.writer(state, index, writer), request)

    # ---- who carries out what is queued

    def combiner_steps(self, state, index):
        combiner, name = state.combiners[index], f"combiner {index}"
        if combiner.at == "dead":
            return
        if combiner.at == "idle" and (state.queue or state.budget.drops) and not state.head.dropped:
            # The list may be older than the head: entries that were read are not read again.
            listed = ", ".join(f"{entry.id} since {entry.since}" for entry in state.queue) or "empty"
            yield f"{name} lists the queue: {listed}", self.combiner(state, index, Combiner("listed", state.queue))
        elif combiner.at == "listed":
            read = Combiner("ready", combiner.listed, state.head, self.judge(state, combiner.listed))
            if state.head.dropped:
                read = Combiner("idle")
            label = f"{name} reads the head, version {state.head.version}, and records"
            yield label, self.combiner(state, index, read)
        elif combiner.at == "ready":
            yield from self.rounds(state, index, name)
        elif combiner.at == "sent" and state.budget.losses:
            after = self.combiner(state, index, Combiner("idle"))
            yield f"{name} hears nothing, starts over", spend(after, losses=1)
        if combiner.at != "idle" and state.budget.deaths:
            yield f"{name} dies", spend(self.combiner(state, index, Combiner("dead")), deaths=1)

    def judge(self, state, listed):
        """Rule 5: who knows every record after an entry's `since` may apply it."""
        known_after = min((entry.since for entry in listed), default=0)
        if not self.rules.all_after_since:
            known_after = state.head.version
        if not self.rules.read_records:
            return (None,) * len(listed)

        def one(entry):
            outcome = self.first_named(state, entry.id, known_after)
            if outcome is None and self.rules.refuse_swept and not self.is_certain(state.head, entry.id, entry.since):
                outcome = UNJUDGED
            return outcome
        return tuple(one(entry) for entry in listed)

    def rounds(self, state, index, name):
        """Every round that may follow from what was read: each commit may not apply, a record may be swept."""
        combiner = state.combiners[index]
        head, budget = combiner.head, state.budget
        choices = []
        for entry, outcome in zip(combiner.listed, combiner.judged):
            if outcome is not None:
                choices.append(((entry, outcome, False),))
            else:
                choices.append(((entry, COMMITTED, True), (entry, REJECTED, False)))
        for chosen in product(*choices):
            rejects = sum(1 for (_, outcome, _), judged in zip(chosen, combiner.judged)
                          if judged is None and outcome == REJECTED)
            applied = tuple(entry.id for entry, _, applies in chosen if applies)
            after = head._replace(version=head.version + 1, table=head.table + applied)
            record = tuple((entry.id, outcome) for entry, outcome, _ in chosen
                           if outcome != REJECTED or self.rules.record_rejections)
            removed = tuple(entry.id for entry, _, _ in chosen)
            if budget.drops and not applied:  # a drop rejects what is queued behind it
                request = Round("round", index, 0, head.version, after._replace(dropped=True), record, removed)
                yield from self.send_round(spend(state, drops=1), index, name + " drops the table:", request)
            if rejects > budget.rejects or not chosen:
                continue
            for sweep in (0, 1) if budget.sweeps and head.floor <= head.version else (0,):
                swept = self.sweep(state, after) if sweep else after
                if swept is None:
                    continue
                request = Round("round", index, 0, head.version, swept, record, removed)
                yield from self.send_round(spend(state, rejects=rejects, sweeps=sweep), index, name, request)

    def sweep(self, state, head):
        """The oldest record goes, and the head says how young anything was that is gone."""
        record = dict(state.records).get(head.floor)
        if record is None:
            return None  # swept by another meanwhile: this round would be refused
        youngest = max([head.floor] + [self.time[id] for id, _ in record if self.rules.sweep_covers_ids])
        return head._replace(floor=head.floor + 1, swept_to=max(head.swept_to, youngest))

    def send_round(self, state, index, name, request):
        if request in state.sent:
            return
        says = ", ".join(f"{id} {outcome}" for id, outcome in request.record) or "nothing"
        head = state.combiners[index].head
        sweeps = f", sweeps record {head.floor}" if request.head.floor > head.floor else ""
        after = self.combiner(state, index, Combiner("sent", (), head, ()))
        label = f"{name} sends round {request.expected} -> {request.head.version}: {says}{sweeps}"
        yield label, self.send(after, request)

    # ---- what the coordinator does with sessions

    def ends(self, state):
        """A session ends in which something is: its entries vanish, what is under way in it is refused from now on."""
        creates = [request for request in state.sent if request.kind == "create"]
        for session in sorted({entry.session for entry in state.queue} | {each.entry.session for each in creates}):
            after = spend(state, ends=1)._replace(
                queue=tuple(entry for entry in state.queue if entry.session != session),
                sent=tuple(request for request in state.sent
                           if request.kind != "create" or request.entry.session != session))
            index, writer = session[0], state.writers[session[0]]
            if writer.session != session[1] or writer.at == "done":
                yield f"an earlier session of writer {index} ends", after
                continue
            goes_on = writer._replace(at="look" if writer.at == "create" else writer.at, session=writer.session + 1)
            yield f"the session of writer {index} ends, it goes on in a new one", self.writer(after, index, goes_on)
            yield f"writer {index} is dead, its session ends", self.writer(after, index, Writer("dead"))

    # ---- what the coordinator does with a request

    def arrivals(self, state, request):
        state = state._replace(sent=tuple(other for other in state.sent if other != request))
        if request.kind == "create":
            yield self.arrive_create(state, request)
        else:
            yield self.arrive_round(state, request)

    def arrive_create(self, state, request):
        waits = self.is_waiting(state, request)
        label = f"create of {request.entry.id}, since {request.entry.since}, arrives{'' if waits else ' LATE'}"
        looks = state.writers[request.writer]._replace(at="look")
        after = self.writer(state, request.writer, looks) if waits else state
        if self.is_queued(state, request.entry.id):
            return label + ": exists", after
        return label, after._replace(queue=state.queue + (request.entry,))

    def arrive_round(self, state, request):
        waits = self.is_waiting(state, request)
        if request.kind == "cancel" and not self.rules.cancel_expects:
            version = state.head.version
            request = request._replace(expected=version, head=state.head._replace(version=version + 1))
        what = {"direct": "direct commit", "cancel": "cancelling round", "round": "round"}[request.kind]
        label = f"{what} {request.expected} -> {request.head.version} arrives{'' if waits else ' LATE'}"
        applies = self.may_apply(state, request)
        after = state
        if applies:
            of_dead = [id for id in request.head.table[len(state.head.table):]
                       if request.kind == "round" and not self.is_queued(state, id)]
            queue = tuple(entry for entry in state.queue if entry.id not in request.removed)
            kept = tuple((version, record) for version, record in state.records if version >= request.head.floor)
            first = dict(request.record) | dict(state.first)
            after = state._replace(
                head=request.head, records=kept + ((request.head.version, request.record),), queue=queue,
                first=tuple(sorted(first.items())), of_dead=state.of_dead + tuple(of_dead))
        if waits and request.kind == "direct":
            now = Writer("done", told=COMMITTED) if applies else state.writers[request.sender]._replace(at="spent")
            after = self.writer(after, request.sender, now)
        elif waits and request.kind == "cancel":
            done = applies or not self.rules.cancel_refused
            now = state.writers[request.sender]._replace(at="deadline")
            after = self.writer(after, request.sender, Writer("done", told=REJECTED) if done else now)
        elif waits:
            after = self.combiner(after, request.sender, Combiner("idle"))
        return label + (": done" if applies else ": refused"), after

    def may_apply(self, state, request):
        if self.rules.expect_version:
            if request.expected != state.head.version or state.head.dropped:
                return False
        elif request.head.version in dict(state.records):
            return False
        return not self.rules.needs_entry or all(self.is_queued(state, id) for id in request.removed)

    def is_waiting(self, state, request):
        """Whether the sender still waits for this very reply."""
        if request.kind == "round":
            combiner = state.combiners[request.sender]
            return combiner.at == "sent" and combiner.head.version == request.expected
        sender = request.writer if request.kind == "create" else request.sender
        return state.writers[sender].at == request.kind and state.writers[sender].sent == request.number

    # ---- states

    def writer(self, state, index, writer):
        if writer.at == "done":
            writer = Writer("done", told=writer.told)
        return state._replace(writers=replace(state.writers, index, writer))

    def combiner(self, state, index, combiner):
        return state._replace(combiners=replace(state.combiners, index, combiner))

    def send(self, state, request):
        return state._replace(sent=tuple(sorted(state.sent + (request,))))

    def without_spent(self, state):
        """Forgets rounds that nobody waits for and whose version is spent: nothing can come of them."""
        if not self.rules.expect_version or not self.rules.cancel_expects:
            return state
        sent = tuple(request for request in state.sent
                     if request.kind == "create" or request.expected == state.head.version
                     or self.is_waiting(state, request))
        return state if len(sent) == len(state.sent) else state._replace(sent=sent)

    # ---- what must hold in every state

    def applied_once(self, state):
        twice = [id for id in state.head.table if state.head.table.count(id) > 1]
        return f"{twice[0]} is in the table twice" if twice else None

    def told_committed_is_there(self, state):
        for (id, _), writer in zip(self.asks, state.writers):
            if writer.told == COMMITTED and id not in state.head.table:
                return f"a writer was told committed, and the table lacks {id}"
        return None

    def told_rejected_is_never_there(self, state):
        for (id, _), writer in zip(self.asks, state.writers):
            if writer.told == REJECTED and id in state.head.table:
                return f"a writer was told rejected, and the table has {id}"
        return None

    def first_record_rules(self, state):
        says = sorted(id for id, outcome in state.first if outcome == COMMITTED)
        if says != sorted(set(state.head.table)):
            return f"first records say {says} committed, the table has {sorted(set(state.head.table))}"
        return None

    def history_has_no_gap(self, state):
        versions = [version for version, _ in state.records]
        if versions != list(range(state.head.floor, state.head.version + 1)):
            return f"head {state.head.version}, floor {state.head.floor}, records {versions}"
        return None

    def unknown_only_after_a_sweep(self, state):
        if state.head.swept_to < 0 and any(writer.told == UNKNOWN for writer in state.writers):
            return "a writer was told unknown, and every record is kept"
        return None

    def nothing_of_the_dead(self, state):
        if state.of_dead:
            return f"{state.of_dead[0]} was applied after the session had ended in which its entry was made"
        return None

    INVARIANTS = {"AppliedOnce": applied_once, "CommittedIsThere": told_committed_is_there,
                  "RejectedIsNeverThere": told_rejected_is_never_there, "HistoryHasNoGap": history_has_no_gap,
                  "FirstRecordRules": first_record_rules, "UnknownOnlyAfterASweep": unknown_only_after_a_sweep,
                  "NothingOfTheDead": nothing_of_the_dead}


def replace(values, index, value):
    return values[:index] + (value,) + values[index + 1:]


def spend(state, **amounts):
    spent = {name: getattr(state.budget, name) - amount for name, amount in amounts.items()}
    return state._replace(budget=state.budget._replace(**spent))
