"""Explicit-state search: visits every state that a model can reach, shortest ways first.

A model has
    initial()        its first state, any hashable value
    steps(state)     yields (what happens, the state after it), in a fixed order
    INVARIANTS       {name: function(model, state) -> None, or what is wrong with the state}
    settled(state)   whether everybody has an answer
    SETTLES          the name of the property that from *every* reachable state some settled one stays reachable
"""
from array import array
from typing import NamedTuple, Optional
import time


class Verdict(NamedTuple):
    states: int
    steps: int
    seconds: float
    exhausted: bool = True
    violated: Optional[str] = None  # the name of the invariant, or SETTLES
    why: str = ""
    trace: tuple = ()  # a shortest way there


def search(model, limit, only=None):
    """Stops at the first violation (of `only`, if it is named), or at `limit` states: then it is not exhausted."""
    began = time.monotonic()
    first = model.initial()
    number = {first: 0}  # states in the order in which they were found
    states, parent = [first], array("q", [-1])
    sources, targets = array("q"), array("q")

    invariants = [(name, broken) for name, broken in model.INVARIANTS.items() if only in (None, name)]

    def verdict(**more):
        return Verdict(len(states), len(sources), time.monotonic() - began, **more)

    at = 0
    while at < len(states):
        state = states[at]
        for name, broken in invariants:
            why = broken(model, state)
            if why:
                return verdict(violated=name, why=why, trace=_trace(model, states, parent, at))
        for _, after in model.steps(state):
            index = number.get(after)
            if index is None:
                if len(states) == limit:
                    return verdict(exhausted=False)
                index = number[after] = len(states)
                states.append(after)
                parent.append(at)
            sources.append(at)
            targets.append(index)
        at += 1

    stuck = _stuck(model, states, sources, targets) if only in (None, model.SETTLES) else None
    if stuck:
        return verdict(violated=model.SETTLES, why=f"{len(stuck)} states from which nobody can go on to an answer",
                       trace=_trace(model, states, parent, stuck[0]))
    return verdict()


def _trace(model, states, parent, at):
    """What happened on the way to a state. Labels are not kept, so each step is made again."""
    way = []
    while parent[at] >= 0:
        before, after = states[parent[at]], states[at]
        way.append(next(label for label, state in model.steps(before) if state == after))
        at = parent[at]
    return tuple(reversed(way))


def _stuck(model, states, sources, targets):
    """The states from which no settled one can be reached, in the order of their distance."""
    into = array("q", [0]) * (len(states) + 1)  # edges by target, as one array
    for target in targets:
        into[target + 1] += 1
    for index in range(len(states)):
        into[index + 1] += into[index]
    free, edges = array("q", into), array("q", [0]) * len(targets)
    for source, target in zip(sources, targets):
        edges[free[target]] = source
        free[target] += 1
    good = bytearray(1 if model.settled(state) else 0 for state in states)
    todo = [index for index in range(len(states)) if good[index]]
    while todo:
        index = todo.pop()
        for source in edges[into[index]:into[index + 1]]:
            if not good[source]:
                good[source] = 1
                todo.append(source)
    return [index for index in range(len(states)) if not good[index]]
