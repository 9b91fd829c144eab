"""Runs every model of the protocol: it must hold in all states that can be reached, and each variant that lacks one
rule must be refuted. Usage: check.py [--quick] [--only TEXT]

Prints states, steps and seconds of each, and of each broken variant a shortest way to the harm. Exits with 1 when the
protocol does not hold, a state space is not exhausted, a variant is not refuted, or ../README.md says otherwise.
"""
import argparse
import gc
import pathlib
import sys
from typing import NamedTuple

import commits
import many_tables
import tasks
import waking
from commits import Commits
from many_tables import ManyTables
from search import search
from tasks import Tasks
from waking import Waking

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
MOST_STATES = 2_000_000  # of one model; more would not fit into memory

# Who asks for what: (commit id, way).
ONE = (("a", "queue"),)
TWO = (("a", "queue"), ("b", "queue"))
GIVEN_AGAIN = (("a", "queue"), ("a", "again"))
TWICE_AT_ONCE = (("a", "again"), ("a", "again"))


class Holds(NamedTuple):
    what: str
    model: object
    quick: bool = False


class Refuted(NamedTuple):
    what: str  # what the variant lacks
    invariant: str  # what it violates
    model: object


def budget(**happens):
    return commits.Budget(**happens)


HOLDS = [
    Holds("commits: two direct", Commits((("a", "direct"), ("b", "direct")), 1, budget(losses=2)), quick=True),
    Holds("commits: direct, its id given again",
          Commits((("a", "direct"), ("a", "again")), 1, budget(losses=2, sweeps=1)), quick=True),
    Holds("commits: direct and queued",
          Commits((("a", "direct"), ("b", "queue")), 1, budget(losses=1, cancels=1, sweeps=1))),
    Holds("commits: one id, a combiner dies",
          Commits(ONE, 2, budget(losses=1, cancels=1, rejects=1, deaths=1)), quick=True),
    Holds("commits: one id, everything happens",
          Commits(ONE, 2, budget(losses=2, cancels=1, sweeps=1, rejects=1, deaths=1))),
    Holds("commits: one id, its sessions end",
          Commits(ONE, 1, budget(losses=1, cancels=1, rejects=1, ends=2)), quick=True),
    Holds("commits: one id, its sessions end, 2 combiners",
          Commits(ONE, 2, budget(losses=1, cancels=1, sweeps=1, rejects=1, ends=2))),
    Holds("commits: an id given again", Commits(GIVEN_AGAIN, 1, budget(losses=1, sweeps=1, rejects=1)), quick=True),
    Holds("commits: an id given again, 2 losses, cancelled",
          Commits(GIVEN_AGAIN, 1, budget(losses=2, cancels=1, sweeps=1, rejects=1))),
    Holds("commits: an id given again, 2 combiners",
          Commits(GIVEN_AGAIN, 2, budget(losses=1, cancels=1, sweeps=1))),
    Holds("commits: an id given again, a session ends",
          Commits(GIVEN_AGAIN, 1, budget(losses=1, ends=1)), quick=True),
    Holds("commits: an id given again, two sessions end",
          Commits(GIVEN_AGAIN, 1, budget(losses=1, sweeps=1, ends=2))),
    Holds("commits: an id given again, cancelled twice, a session ends",
          Commits(GIVEN_AGAIN, 1, budget(losses=1, cancels=2, sweeps=1, ends=1))),
    Holds("commits: an id given again, 2 combiners, a session ends",
          Commits(GIVEN_AGAIN, 2, budget(cancels=2, ends=1))),
    Holds("commits: an id asked for twice at once",
          Commits(TWICE_AT_ONCE, 1, budget(losses=1, cancels=2, ends=1))),
    Holds("commits: an id from a clock ahead, given again",
          Commits(GIVEN_AGAIN, 1, budget(losses=1, sweeps=2), young=("a",)), quick=True),
    Holds("commits: two ids, one from a clock ahead",
          Commits(TWO, 1, budget(losses=1, sweeps=1), young=("a",)), quick=True),
    Holds("commits: two ids, cancelled, swept", Commits(TWO, 1, budget(losses=1, cancels=1, sweeps=1))),
    Holds("commits: two ids, 2 combiners", Commits(TWO, 2, budget(losses=1))),
    Holds("commits: two ids, 2 combiners, a session ends", Commits(TWO, 2, budget(ends=1))),
    Holds("commits: the table is dropped",
          Commits(GIVEN_AGAIN, 1, budget(losses=1, cancels=1, sweeps=1, drops=1))),
    Holds("commits: the table is dropped, two ids", Commits(TWO, 1, budget(losses=1, drops=1))),
    Holds("commits: the table is dropped, a session ends",
          Commits(GIVEN_AGAIN, 1, budget(cancels=1, drops=1, ends=1))),
    Holds("waking: death, hang, session's end, 3 writers", Waking(3, deaths=1, hangs=1, ends=1), quick=True),
    Holds("waking: death, hang, session's end, 4 writers", Waking(4, deaths=1, hangs=1, ends=1)),
    Holds("many tables: one to both, one queued, a session ends", ManyTables(1, 1, 1, losses=1, ends=1), quick=True),
    Holds("many tables: the same, one direct", ManyTables(1, 1, 1, direct=1, losses=1, ends=1)),
    Holds("many tables: the same, 2 helpers", ManyTables(1, 1, 2, losses=1, ends=1)),
    Holds("many tables: two to both, a session ends", ManyTables(2, 0, 1, losses=1, ends=1)),
    Holds("many tables: two to both, 2 helpers", ManyTables(2, 0, 2, losses=1)),
    Holds("tasks: 2 workers", Tasks(2, 2, tasks.Budget(losses=1, pauses=1, deaths=1, rejects=1)), quick=True),
    Holds("tasks: 2 workers, cancelled",
          Tasks(2, 2, tasks.Budget(losses=1, pauses=1, deaths=1, rejects=1, cancels=1)), quick=True),
    Holds("tasks: 2 workers, 3 attempts", Tasks(2, 3, tasks.Budget(losses=2, pauses=1, deaths=1, rejects=1))),
]


def without(rule):
    return commits.Rules(**{rule: False})


THERE, NEVER, ONCE = "CommittedIsThere", "RejectedIsNeverThere", "AppliedOnce"
DEAD, DISCARDED = "NothingOfTheDead", "DiscardedIsNeverThere"
REFUTED = [
    Refuted("a round expects no version, only a new record name", THERE,
            Commits((("d", "direct"), *TWO), 1, budget(sweeps=1), without("expect_version"))),
    Refuted("nobody looks for the id in the records", ONCE, Commits(ONE, 1, budget(losses=1), without("read_records"))),
    Refuted("the combiner trusts `since`, but knows only later records", ONCE,
            Commits(ONE, 1, budget(losses=1), without("all_after_since"))),
    Refuted("`since` is the head's version, the records unread", ONCE,
            Commits(GIVEN_AGAIN, 1, budget(), without("since_is_read"))),
    Refuted("swept records are taken for silent", ONCE,
            Commits(TWO, 1, budget(losses=1, sweeps=1), without("refuse_swept"))),
    Refuted("`swept_to` leaves out the times of the ids", ONCE,
            Commits(TWO, 1, budget(losses=1, sweeps=1), without("sweep_covers_ids"), young=("a",))),
    Refuted("too old to judge is told as rejected", NEVER,
            Commits(TWO, 1, budget(losses=1, sweeps=1), without("unjudged_is_unknown"))),
    Refuted("rejections are in no record", NEVER,
            Commits(ONE, 1, budget(losses=1, rejects=1), without("record_rejections"))),
    Refuted("entry gone and head unchanged is taken for rejected", NEVER,
            Commits(ONE, 1, budget(losses=1), without("gone_means_nothing"))),
    Refuted("entry gone, in no record: it waits on", Commits.SETTLES,
            Commits(ONE, 1, budget(ends=1), without("line_up_again"))),
    Refuted("a round is not refused when its entry is gone", DEAD,
            Commits(ONE, 1, budget(ends=1), without("needs_entry"))),
    Refuted("cancelling only removes the entry, and records nothing", NEVER,
            Commits(ONE, 1, budget(losses=1, cancels=1), without("cancel_records"))),
    Refuted("cancelling looks in no record", NEVER, Commits(ONE, 1, budget(cancels=1), without("cancel_reads"))),
    Refuted("cancelling expects no version", NEVER,
            Commits(ONE, 1, budget(losses=1, cancels=1), without("cancel_expects"))),
    Refuted("no reply to cancelling is taken for cancelled", NEVER,
            Commits(ONE, 1, budget(losses=1, cancels=1), without("cancel_until_known"))),
    Refuted("cancelling is refused: taken for cancelled", NEVER,
            Commits(ONE, 1, budget(cancels=1), without("cancel_refused"))),
    Refuted("the old version still there is taken for failed", NEVER,
            Commits((("a", "direct"),), 1, budget(losses=1), without("send_until_spent"))),
    Refuted("the metadata log is asked instead of the record", NEVER,
            Commits((("a", "direct"), ("b", "direct")), 1, budget(losses=1), without("ask_record"))),
    Refuted("dropped is taken for rejected, the records unread", NEVER,
            Commits(ONE, 1, budget(drops=1), without("tombstone_reads"))),
    Refuted("waiters do not look for the lease; the combiner leaves", Waking.SETTLES,
            Waking(2, rules=waking.Rules(look_at_lease=False, list_again=False))),
    Refuted("waiters do not look for the lease; the combiner dies", Waking.SETTLES,
            Waking(2, deaths=1, rules=waking.Rules(look_at_lease=False))),
    Refuted("nobody replaces the lease of one that hangs", Waking.SETTLES,
            Waking(2, hangs=1, rules=waking.Rules(replace_lease=False))),
    Refuted("who executes looks in no record", ONCE,
            ManyTables(1, 0, 1, losses=1, rules=many_tables.Rules(read_records=False))),
    Refuted("executing expects one version only", THERE,
            ManyTables(1, 0, 1, direct=1, rules=many_tables.Rules(expect_both=False))),
    Refuted("executing removes no entries", DEAD,
            ManyTables(1, 0, 1, ends=1, rules=many_tables.Rules(remove_entries=False))),
    Refuted("no reply, and the first head still there: failed", DISCARDED,
            ManyTables(1, 0, 1, losses=1, rules=many_tables.Rules(send_until_spent=False))),
    Refuted("no reply, then refused, as entries are gone: failed", DISCARDED,
            ManyTables(1, 0, 1, losses=1, ends=1, rules=many_tables.Rules(spend_first=False))),
    Refuted("the record is read later, and swept before", Tasks.SETTLES,
            Tasks(2, 2, tasks.Budget(sweeps=1), tasks.Rules(links=False))),
    Refuted("the same, and no record means: again", "OpenHasNoEffect",
            Tasks(2, 2, tasks.Budget(sweeps=1), tasks.Rules(links=False, missing_is_retry=True))),
    Refuted("a late claim is never looked for", Tasks.SETTLES,
            Tasks(2, 2, tasks.Budget(losses=1), tasks.Rules(list_own_claims=False))),
    Refuted("completing does not need the claim", "EffectOnce",
            Tasks(2, 2, tasks.Budget(pauses=1), tasks.Rules(claim_fences=False))),
    Refuted("cancelling leaves the claim, which is enough to complete", "CancelledHasNoEffect",
            Tasks(2, 2, tasks.Budget(cancels=1), tasks.Rules(version_fences=False))),
]


def show_trace(verdict):
    for number, step in enumerate(verdict.trace, 1):
        print(f"  {number:4d}. {step}")
    print(f"        {verdict.violated}: {verdict.why}")


def check_holds(check, readme):
    verdict = search(check.model, MOST_STATES)
    good = verdict.exhausted and verdict.violated is None
    says = "holds" if good else "VIOLATED" if verdict.violated else "NOT EXHAUSTED"
    print(f"{check.what:58}{verdict.states:>10,}{verdict.steps:>12,}{verdict.seconds:>8.1f}  {says}", flush=True)
    if verdict.violated:
        show_trace(verdict)
    row = f"| {check.what} | {verdict.states:,} | {verdict.steps:,} |"
    return good and named(row, readme)


def check_refuted(check, readme):
    assert check.invariant in {*check.model.INVARIANTS, check.model.SETTLES}, check.invariant
    verdict = search(check.model, MOST_STATES, only=check.invariant)
    good = verdict.violated == check.invariant
    print(f"\nwithout a rule: {check.what}")
    if good:
        show_trace(verdict)
    else:
        print(f"  NOT REFUTED: {check.invariant} holds in all {verdict.states:,} states", flush=True)
    return named(f"| {check.what} | `{check.invariant}` |", readme) and good


def named(row, readme):
    if row not in readme:
        print(f"  NOT IN {README.name}: {row}", flush=True)
    return row in readme


def invariants():
    return {name for model in (Commits, Waking, ManyTables, Tasks) for name in (*model.INVARIANTS, model.SETTLES)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the small state spaces, and all broken variants")
    parser.add_argument("--only", default="", metavar="TEXT", help="only checks whose description has it")
    options = parser.parse_args()
    gc.disable()  # states hold no cycles, and looking for some takes half of the time

    holds = [check for check in HOLDS if options.only in check.what and (check.quick or not options.quick)]
    refuted = [check for check in REFUTED if options.only in check.what]
    if not holds + refuted:
        parser.error(f"no check's description has '{options.only}'")
    readme = README.read_text()
    print(f"{'the protocol':58}{'states':>10}{'steps':>12}{'s':>8}")
    bad = [check.what for check in holds if not check_holds(check, readme)]
    bad += [check.what for check in refuted if not check_refuted(check, readme)]
    bad += [name for name in sorted(invariants()) if not named(f"`{name}`", readme)]
    print(f"\n{len(holds)} state spaces, {len(refuted)} broken variants: {len(bad)} are not as they must be")
    for what in bad:
        print(f"  {what}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
