"""tasks submitted, claimed and completed by 1, 4 and 16 worker processes"""
import json
import os
import pathlib
import subprocess
import sys

from bench import child, report
from bench.ensemble import Ensemble, writes_between
from bench.fleet import Fleet, summary

SYSTEMS = ["parkeeper-sqlite", "parkeeper-zookeeper"]
# Of each worker's claims; a queue holds 160,000 tasks.
CAPACITY = 16
TASKS_A_SECOND = {"parkeeper-sqlite": 3_000, "parkeeper-zookeeper": 3_000}
MOST_TASKS = 150_000


def _program(name):
    return pathlib.Path(os.environ["PARKEEPER"]).parent / name


def _last_line(command):
    return json.loads(child.run(command).output.splitlines()[-1])


class Bench:
    def __init__(self, folder, options, ensemble):
        self.folder, self.options, self.ensemble = folder, options, ensemble
        self.limits = {}
        self.places = 0

    def _place(self, system):
        self.places += 1
        if system == "parkeeper-zookeeper":
            return f"zk://{self.ensemble.connect}/tasks-{self.places}"
        return self.folder / f"tasks-{self.places}"

    def _limit(self, workers):
        """Sets a second, by as many clients, each of its own node."""
        said = _last_line([_program("bench_ensemble_limit"), f"zk://{self.ensemble.connect}", workers,
                           max(1, round(self.options.seconds / 2))])
        return {"system": "ensemble", "case": "its own limit", "writers": workers, "unit": "writes/s", "failed": 0,
                "value": round(said["sets"] / said["seconds"], 1)}

    def _measure(self, system, workers, capacity):
        place, seconds = self._place(system), max(1, round(self.options.seconds))
        count = min(MOST_TASKS, seconds * TASKS_A_SECOND[system])
        submitted = _last_line([_program("bench_task_worker"), place, "submit", "bench", count])
        command = [_program("bench_task_worker"), place, "work", "bench", seconds, capacity]
        on_ensemble = system == "parkeeper-zookeeper"
        with Fleet([command] * workers) as fleet:
            before = self.ensemble.zxid() if on_ensemble else None
            tallies = fleet.run(seconds)
            after = self.ensemble.zxid() if on_ensemble else None
        result = summary(tallies, seconds)
        result["unit"] = "tasks/s"
        if result["acknowledged"] == count:  # they had nothing left to do
            result["value"] = round(count / max(tally["last_seconds"] for tally in tallies), 2)
        result["submitted_a_second"] = round(submitted["submitted"] / submitted["seconds"])
        if on_ensemble and result["acknowledged"]:
            writes = writes_between(before, after)
            result["writes_per_task"] = writes and round(writes / result["acknowledged"], 3)
            result["writes_of_limit"] = writes and round(writes / seconds / self.limits[workers]["value"], 3)
        return result

    def measure(self, system, workers, capacity):
        case = f"claims of up to {capacity}"
        print(f"{case}: {system}, {workers} workers", file=sys.stderr, flush=True)
        result = {"system": system, "case": case, "writers": workers}
        try:
            return {**result, **self._measure(system, workers, capacity)}
        except (child.ChildFailed, subprocess.SubprocessError) as failure:
            return {**result, "unit": "tasks/s", "value": None, "failed": 1, "error": str(failure)}

    def run(self, systems):
        results = []
        for workers in self.options.writers:
            if self.ensemble:
                self.limits[workers] = self._limit(workers)
                results.append(self.limits[workers])
            for capacity in (CAPACITY, 1):
                results += [self.measure(system, workers, capacity) for system in systems]
        return results


NOTES = ["a task is claimed and completed, nothing else; each worker is a process with a session of its own",
         "submitted: by one process, 100 tasks in a transaction",
         "the ensemble's own limit: as many clients set a node of their own, one request in flight each"]


def run(sources, folder, options):
    systems = [system for system in SYSTEMS if not options.only or system in options.only]
    if "parkeeper-zookeeper" not in systems:
        return Bench(folder, options, None).run(systems), NOTES
    with Ensemble(folder / "ensemble") as ensemble:
        return Bench(folder, options, ensemble).run(systems), NOTES


def is_bad(result):
    """No completion may fail; a claim that met a faster worker is no failure."""
    return bool(result["failed"] or result.get("unknown"))


def show(name, results, notes):
    here = report.machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}")
    for case in dict.fromkeys(result["case"] for result in results):
        print(f"\n  {case}")
        print(f"  {'workers':>7}  {'system':<20}{'a second':>20}{'p50 ms':>9}{'p99 ms':>9}{'submitted/s':>13}")
        for result in (r for r in results if r["case"] == case):
            row = f"  {result['writers']:>7}  {result['system']:<20}"
            if result["value"] is None:
                print(f"{row}{'failed':>10}  {result['error']}")
                continue
            row += f"{result['value']:>10.1f} {result['unit']:<9}"
            if result["unit"] == "tasks/s":
                row += (f"{result.get('p50_ms', 0):>9.1f}{result.get('p99_ms', 0):>9.1f}"
                        f"{result['submitted_a_second']:>13}")
            if "writes_per_task" in result:
                row += f"   {result['writes_per_task']} writes a task, {result['writes_of_limit']} of the limit"
            print(row)
            if result["failed"] or result.get("unknown"):
                print(f"           {result['error'][:300]}")
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()
