"""Who wakes a waiter? Writers create entries; one of them combines under the lease. It may finish, be killed, or hang
with its session alive. A waiter watches its entry, and looks every half a second whether there is a lease and whether
the head moves. Entries and lease are ephemeral: whose session ends starts again.

Only waking is modelled: each round commits all that is queued, and nothing is lost on the way. What a round may
commit, and that two combiners at once do no harm, is commits.py.
"""
from dataclasses import dataclass
from typing import NamedTuple, Optional


class State(NamedTuple):
    lease: Optional[int]  # the writer that holds it
    queue: tuple  # writers whose entry waits, sorted
    writers: tuple  # of each: start, created, reach, wait, combine, release, again, done, dead, hangs
    deaths: int  # how many more may happen
    hangs: int
    ends: int  # of sessions whose writers live on


@dataclass(frozen=True)
class Rules:
    look_at_lease: bool = True  # a waiter's timer: without a lease it takes it
    replace_lease: bool = True  # the same timer: while the head stands still, the lease is replaced
    list_again: bool = True  # who released the lease lists the queue once more


class Waking:
    SETTLES = "NobodyWaitsForEver"

    def __init__(self, writers, deaths=0, hangs=0, ends=0, rules=Rules()):
        self.first = State(None, (), ("start",) * writers, deaths, hangs, ends)
        self.rules = rules

    def initial(self):
        return self.first

    def settled(self, state):
        return all(at in ("done", "dead", "hangs") for at in state.writers)

    def steps(self, state):
        for index, at in enumerate(state.writers):
            yield from getattr(self, at)(state, index)  # the method of that name says what may happen next
            if at in ("combine", "release", "again") and state.deaths:
                after = self.end_session(state, index)._replace(deaths=state.deaths - 1)
                yield f"writer {index} is killed, its session ends", become(after, index, "dead")
            if at in ("created", "wait", "reach", "combine", "release", "again") and state.ends:
                queued = index in state.queue
                ended = self.end_session(state, index)._replace(ends=state.ends - 1)
                yield f"the session of writer {index} ends", become(ended, index, "start" if queued else "done")

    def start(self, state, index):
        queue = tuple(sorted(state.queue + (index,)))
        yield f"writer {index} creates its entry", become(state._replace(queue=queue), index, "created")

    def created(self, state, index):
        if state.lease is None:
            yield f"writer {index} sees no lease", become(state, index, "reach")
        else:
            yield f"writer {index} sees the lease of writer {state.lease}, waits", become(state, index, "wait")

    def wait(self, state, index):
        if index not in state.queue:
            yield f"writer {index} is woken: its entry is gone", become(state, index, "done")
        elif state.lease is None:
            if self.rules.look_at_lease:
                yield f"writer {index} looks after half a second, sees no lease", become(state, index, "reach")
        elif self.rules.replace_lease and state.writers[state.lease] == "hangs":
            after = become(state._replace(lease=index), index, "combine")
            yield f"writer {index} sees the head stand still, replaces the lease of writer {state.lease}", after

    def reach(self, state, index):
        if index not in state.queue:
            yield f"writer {index} finds its entry gone", become(state, index, "done")
        elif state.lease is None:
            yield f"writer {index} takes the lease", become(state._replace(lease=index), index, "combine")
        else:
            yield f"writer {index} finds the lease taken, waits", become(state, index, "wait")

    def combine(self, state, index):
        if state.queue:
            yield f"writer {index} commits what is queued: {list(state.queue)}", state._replace(queue=())
        else:
            yield f"writer {index} lists: empty", become(state, index, "release")
        if state.hangs:
            after = become(state._replace(hangs=state.hangs - 1), index, "hangs")
            yield f"writer {index} hangs, its session lives", after

    def release(self, state, index):
        after = self.drop_lease(state, index)
        yield f"writer {index} releases the lease", become(after, index, "again" if self.rules.list_again else "done")

    def again(self, state, index):
        if state.queue and state.lease is None:
            after = become(state._replace(lease=index), index, "combine")
            yield f"writer {index} finds late entries, takes the lease again", after
        else:
            yield f"writer {index} has nothing left to do", become(state, index, "done")

    def done(self, state, index):
        return ()

    dead = hangs = done

    def drop_lease(self, state, index):
        """The lease goes, if it is still this writer's. Nobody is woken."""
        return state._replace(lease=None) if state.lease == index else state

    def end_session(self, state, index):
        """What it created goes: its lease and its entry."""
        queue = tuple(other for other in state.queue if other != index)
        return self.drop_lease(state, index)._replace(queue=queue)

    INVARIANTS = {}


def become(state, index, at):
    return state._replace(writers=state.writers[:index] + (at,) + state.writers[index + 1:])
