"""One task whose completion is a commit to a table. Its worker may die, be taken for dead while it is only paused,
hear nothing of what it sent; requests may arrive late, as in commits.py.

The task is one node at a time: ready/<attempt>, run/<worker>/<attempt> (this node is the claim), then only its
definition. Completing removes the run node and creates the queue entry in one transaction; the entry says what
becomes of the task, and the round that decides the commit does it ("links").
"""
from dataclasses import dataclass
from typing import NamedTuple, Optional


class Task(NamedTuple):
    at: str  # ready, run, committing, done, given up, cancelled
    attempt: int = 0
    worker: Optional[int] = None  # whose claim stands


class Worker(NamedTuple):
    at: str  # idle, claiming, working, completing, dead
    attempt: int = 0


class Request(NamedTuple):
    kind: str  # claim, complete, take back, cancel
    worker: Optional[int]
    attempt: int


class Budget(NamedTuple):
    losses: int = 0
    pauses: int = 0
    deaths: int = 0
    rejects: int = 0
    sweeps: int = 0
    cancels: int = 0


class State(NamedTuple):
    task: Task
    table: tuple  # the attempts whose commit the table holds
    entry: Optional[int]  # the attempt whose commit is queued
    result: Optional[tuple]  # without links: what a record says of it, until it is swept
    sent: tuple
    workers: tuple
    budget: Budget
    cancelled: bool = False  # somebody was told so


@dataclass(frozen=True)
class Rules:
    links: bool = True  # the round moves the task on; else somebody reads the record later
    missing_is_retry: bool = False  # without links: no entry and no record means that the task is open again; else wait
    list_own_claims: bool = True  # a worker looks for claims under its own name that it does not know of
    claim_fences: bool = True  # completing removes the claim of this very attempt; else it queues the commit anyway
    version_fences: bool = True  # who ends a claim expects the definition's version, which cancelling spends


class Tasks:
    SETTLES = "EveryTaskEnds"

    def __init__(self, workers, attempts, budget, rules=Rules()):
        self.workers, self.attempts, self.budget, self.rules = workers, attempts, budget, rules

    def initial(self):
        return State(Task("ready"), (), None, None, (), (Worker("idle"),) * self.workers, self.budget)

    def settled(self, state):
        return state.task.at in ("done", "given up", "cancelled")

    def steps(self, state):
        for index, worker in enumerate(state.workers):
            yield from self.worker_steps(state, index, worker, f"worker {index}")
        task = state.task
        if task.at == "run" and state.workers[task.worker].at == "dead":
            after = send(state, "take back", task.worker, task.attempt)
            yield f"the claim of dead worker {task.worker} is taken back", after
        if all(worker.at == "dead" for worker in state.workers):
            yield "a new worker starts as 0", become(state, 0, "idle")
        yield from self.round_steps(state)
        if task.at in ("ready", "run") and state.budget.cancels:
            yield "somebody cancels the task", spend(send(state, "cancel", None, task.attempt), cancels=1)
        for request in state.sent:
            yield self.arrival(state._replace(sent=tuple(other for other in state.sent if other != request)), request)

    def worker_steps(self, state, index, worker, name):
        task, budget = state.task, state.budget
        if worker.at == "idle":
            if task.at == "ready" and Request("claim", index, task.attempt) not in state.sent:
                after = send(state, "claim", index, task.attempt)
                yield f"{name} claims attempt {task.attempt}", become(after, index, "claiming", task.attempt)
            if self.rules.list_own_claims and task.at == "run" and task.worker == index:
                after = become(state, index, "working", task.attempt)
                yield f"{name} finds attempt {task.attempt} under its own name", after
        elif worker.at == "claiming" and budget.losses:
            mine = task == Task("run", worker.attempt, index)
            after = become(state, index, "working" if mine else "idle", worker.attempt if mine else 0)
            yield f"{name} hears nothing of its claim, looks: {'mine' if mine else 'not mine'}", spend(after, losses=1)
        elif worker.at == "working" and Request("complete", index, worker.attempt) not in state.sent:
            after = become(send(state, "complete", index, worker.attempt), index, "completing", worker.attempt)
            yield f"{name} wrote its files, completes attempt {worker.attempt}", after
        elif worker.at == "completing" and budget.losses:
            yield f"{name} hears nothing of its completion", spend(become(state, index, "idle"), losses=1)
        if worker.at in ("claiming", "working", "completing") and budget.deaths:
            yield f"{name} is killed", spend(become(state, index, "dead"), deaths=1)
        if task.at == "run" and task.worker == index and worker.at in ("working", "completing") and budget.pauses:
            after = spend(send(state, "take back", index, task.attempt), pauses=1)
            yield f"{name} is paused past its session, its claim is taken back", after

    def round_steps(self, state):
        entry, task = state.entry, state.task
        if entry is not None:
            ours = task.at == "committing" and task.attempt == entry and self.rules.links
            result = None if self.rules.links else (entry, "committed")
            after = state._replace(table=state.table + (entry,), entry=None, result=result,
                                   task=Task("done") if ours else task)
            yield f"a round commits the entry of attempt {entry}", after
            if state.budget.rejects:
                result = None if self.rules.links else (entry, "rejected")
                after = state._replace(entry=None, result=result, task=self.again(entry) if ours else task)
                yield f"a round rejects the entry of attempt {entry}", spend(after, rejects=1)
        if self.rules.links:
            return
        if state.result and state.budget.sweeps:
            yield "the record is swept", spend(state._replace(result=None), sweeps=1)
        if task.at == "committing" and entry is None and state.result:
            ended = Task("done") if state.result[1] == "committed" else self.again(task.attempt)
            yield f"somebody reads the record: {state.result[1]}", state._replace(task=ended)
        elif task.at == "committing" and entry is None and self.rules.missing_is_retry:
            after = state._replace(task=self.again(task.attempt))
            yield "somebody finds neither entry nor record: the task is open again", after

    def again(self, attempt):
        return Task("ready", attempt + 1) if attempt + 1 < self.attempts else Task("given up")

    def arrival(self, state, request):
        kind, index, attempt = request
        claimed = Task("run", attempt, index)
        if kind == "cancel":
            applies = state.task.at in ("ready", "run") and state.task.attempt == attempt
            task = state.task._replace(at="cancelled")
            after = state._replace(task=task, cancelled=True) if applies else state
            return f"cancelling of attempt {attempt} arrives: {'done' if applies else 'refused'}", after
        worker = state.workers[index]
        left = Task("cancelled", attempt, index)  # the claim of a cancelled task
        if kind == "claim":
            offered = {Task("ready", attempt): claimed, Task("cancelled", attempt): left}
            waits, applies = worker == Worker("claiming", attempt), state.task in offered
            after = state._replace(task=offered.get(state.task, state.task))
            if waits:
                works = after.task == claimed  # of a cancelled one it clears the claim away, which changes nothing
                after = become(after, index, "working" if works else "idle", attempt if works else 0)
        elif kind == "complete":
            waits, applies = worker == Worker("completing", attempt), state.task == claimed
            if not self.rules.claim_fences:
                applies = state.entry is None
            if not self.rules.version_fences:
                applies = applies or state.task == left
            after = state._replace(task=Task("committing", attempt), entry=attempt) if applies else state
            if waits:
                after = become(after, index, "idle")
        else:
            waits, applies = True, state.task == claimed
            if not self.rules.version_fences:
                applies = applies or state.task == left
            after = state._replace(task=self.again(attempt)) if applies else state
        label = f"{kind} of worker {index}, attempt {attempt}, arrives{'' if waits else ' LATE'}"
        return f"{label}: {'done' if applies else 'refused'}", after

    # ---- what must hold in every state

    def effect_once(self, state):
        return f"the table has the commits of attempts {state.table}" if len(state.table) > 1 else None

    def done_has_its_effect(self, state):
        if state.task.at == "done" and not state.table:
            return "the task is done, and the table lacks its commit"
        return None

    def open_has_no_effect(self, state):
        if state.table and state.task.at in ("ready", "run", "given up"):
            return f"the table has the commit of attempt {state.table[0]}, and the task is {state.task.at}"
        return None

    def cancelled_has_no_effect(self, state):
        if state.cancelled and state.table:
            return f"the table has the commit of attempt {state.table[0]}, and the task was cancelled"
        return None

    INVARIANTS = {"EffectOnce": effect_once, "DoneHasItsEffect": done_has_its_effect,
                  "OpenHasNoEffect": open_has_no_effect, "CancelledHasNoEffect": cancelled_has_no_effect}


def become(state, index, at, attempt=0):
    return state._replace(workers=state.workers[:index] + (Worker(at, attempt),) + state.workers[index + 1:])


def send(state, kind, worker, attempt):
    requests = set(state.sent) | {Request(kind, worker, attempt)}
    return state._replace(sent=tuple(sorted(requests, key=str)))


def spend(state, **amounts):
    spent = {name: getattr(state.budget, name) - amount for name, amount in amounts.items()}
    return state._replace(budget=state.budget._replace(**spent))
