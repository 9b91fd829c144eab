"""Who wakes a waiter? Writers create entries; one of them combines under the lease, an ephemeral node; it may
finish, be killed, or hang with its session alive.

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


@dataclass(frozen=True)
class Rules:
    watch_lease: bool = True  # a waiter watches the lease besides its entry
    replace_lease: bool = True  # a timer: while the head stands still, the lease is replaced
    list_again: bool = True  # who released the lease lists the queue once more


class Waking:
    SETTLES = "NobodyWaitsForEver"

    def __init__(self, writers, deaths=0, hangs=0, rules=Rules()):
        self.first = State(None, (), ("start",) * writers, deaths, hangs)
        self.rules = rules

    def initial(self):
        return self.first

    def settled(self, state):
        return all(at in ("done", "dead", "hangs") for at in state.writers)

    def steps(self, state):
        for index, at in enumerate(state.writers):
            yield from getattr(self, at)(state, index)  # the method of that name says what may happen next
            if at in ("combine", "release", "again") and state.deaths:
                after = self.drop_lease(state, index)._replace(deaths=state.deaths - 1)
                yield f"writer {index} is killed, its session ends", become(after, index, "dead")

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
        elif self.rules.replace_lease and state.lease is not None and state.writers[state.lease] == "hangs":
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
        """The lease goes, if it is still this writer's, and whoever watches it looks again."""
        if state.lease != index:
            return state
        woken = tuple("reach" if at == "wait" and self.rules.watch_lease else at for at in state.writers)
        return state._replace(lease=None, writers=woken)

    INVARIANTS = {}


def become(state, index, at):
    return state._replace(writers=state.writers[:index] + (at,) + state.writers[index + 1:])
