"""10,000 small files compacted by 1 and 4 workers while four processes append: the time, and whether any had to wait"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from bench import child, report
from bench.commits import ROWS, Ours, make_rows
from bench.ensemble import Ensemble
from bench.fleet import Fleet, counts

SYSTEMS = ["parkeeper-sqlite", "parkeeper-zookeeper"]
WRITERS = 4
SMALL_ROWS = 100
COMMITS = 4  # by which the small files come into the table
LONGEST_SECONDS = 900
# Who is starved: made less than this share of what the writers made on average, or waited so long for one commit.
LEAST_SHARE, LONGEST_WAIT_MS = 0.5, 10_000


class Workers:
    """Processes of `parkeeper worker`, there when the with statement begins and gone when it ends."""

    def __init__(self, table, count):
        self.table, self.count, self.children = table, count, []

    def __enter__(self):
        try:
            self.children = [subprocess.Popen(self.table.parkeeper("worker", "--slots", "1", "--memory", "512M"),
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                             for _ in range(self.count)]
            deadline = time.monotonic() + 60
            while len(self.table.call("worker", "list")["workers"]) < self.count:
                if time.monotonic() > deadline or any(one.poll() is not None for one in self.children):
                    raise child.ChildFailed("the workers do not come")
                time.sleep(0.1)
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for one in self.children:
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
        for one in self.children:
            try:
                one.wait(timeout=90)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def _files(table):
    return int(table.call("table", "describe", table.table)["current-snapshot"]["summary"]["total-data-files"])


def _compact(table):
    """The tasks of the job, when all are done."""
    command = table.parkeeper("--json", "job", "submit", "compact", table.table, "--wait")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        raise child.ChildFailed(f"the compaction takes longer than {LONGEST_SECONDS} s") from None
    if done.returncode != 0:
        raise child.ChildFailed(f"job submit compact: {done.stderr.strip()} {done.stdout[-800:].strip()}")
    return json.loads(done.stdout)["tasks"]


def _rates(tallies):
    return [round(tally["acknowledged"] / tally["seconds"], 2) if tally["seconds"] else 0.0 for tally in tallies]


def _starved(rates, longest_ms):
    least = LEAST_SHARE * sum(rates) / len(rates)
    found = [f"a writer made {rate} commits a second beside {rates}" for rate in rates if rate < least or rate == 0]
    if longest_ms > LONGEST_WAIT_MS:
        found.append(f"a commit waited {longest_ms / 1000:.1f} s")
    return found


class Bench:
    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.rows = make_rows(folder / "rows.parquet")
        self.few_rows = make_rows(folder / "few-rows.parquet", SMALL_ROWS)

    def _measure(self, url, workers):
        table = Ours(url, self.rows)
        program = pathlib.Path(os.environ["PARKEEPER"]).parent / "bench_small_files"
        child.run([program, url, table.table, self.few_rows, self.options.files, COMMITS])
        writers = [table.command(LONGEST_SECONDS, 0)] * WRITERS
        with Fleet(writers) as fleet:
            fleet.begin()
            time.sleep(self.options.seconds)
            alone = fleet.stop()
        before = _files(table)
        with Workers(table, workers), Fleet(writers) as fleet:
            fleet.begin()
            start = time.perf_counter()
            tasks = _compact(table)
            seconds = time.perf_counter() - start
            beside = fleet.stop()
        both, during = counts(alone + beside), counts(beside)
        rates, longest_ms = _rates(beside), during.get("max_ms", 0)
        return {"value": round(seconds, 2), "tasks": tasks, "files_before": before, "files_after": _files(table),
                "appended": during["acknowledged"], "failed": both["failed"], "unknown": both["unknown"],
                "rates_alone": _rates(alone), "rates": rates, "longest_ms": longest_ms,
                "longest_alone_ms": counts(alone).get("max_ms", 0), "error": both.get("error"),
                "faults": _starved(rates, longest_ms) + table.faults(
                    both["acknowledged"], both["unknown"], before=self.options.files * SMALL_ROWS)}

    def measure(self, system, workers, ensemble=None):
        print(f"{system}, {workers} workers", file=sys.stderr, flush=True)
        result = {"system": system, "case": f"{self.options.files:,} files of {SMALL_ROWS} rows", "workers": workers,
                  "unit": "s"}
        place = self.folder / f"{system}-{workers}"
        place.mkdir()
        url = f"zk://{ensemble.connect}/compact-{workers}?warehouse=file://{place}" if ensemble else place
        try:
            return {**result, **self._measure(url, workers)}
        except (child.ChildFailed, subprocess.SubprocessError) as failure:
            return {**result, "value": None, "failed": 1, "error": str(failure)}
        finally:
            shutil.rmtree(place)

    def run(self, system):
        if system == "parkeeper-sqlite":
            return [self.measure(system, workers) for workers in self.options.writers]
        with Ensemble(self.folder / "ensemble") as ensemble:
            return [self.measure(system, workers, ensemble) for workers in self.options.writers]


def run(sources, folder, options):
    bench = Bench(folder, options)
    systems = [system for system in SYSTEMS if not options.only or system in options.only]
    return [result for system in systems for result in bench.run(system)], [
        f"{WRITERS} processes append all the time, {ROWS:,} rows a commit; workers are processes with one slot each",
        "appends alone: the same before, without a job; slowest and fastest writer, and its longest commit",
        "after each line a scan counts exactly the rows before and those acknowledged, `doctor --deep` finds nothing"
        " and PyIceberg reads the table; if not, it is said",
        f"so is a writer that made less than {LEAST_SHARE:.0%} of the average, or waited longer than"
        f" {LONGEST_WAIT_MS / 1000:.0f} s for a commit"]


def is_bad(result):
    return bool(result["failed"] or result.get("unknown") or result.get("faults"))


def _appends(rates, longest_ms):
    return f"{min(rates):.1f} to {max(rates):.1f}/s, {longest_ms:.0f} ms"


def show(name, results, notes):
    here = report.machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}")
    for case in dict.fromkeys(result["case"] for result in results):
        print(f"\n  {case}")
        print(f"  {'workers':>7}  {'system':<20}{'seconds':>9}{'faster':>8}{'tasks':>7}{'files':>8}{'after':>7}"
              f"{'appended':>10}   {'each of them':<26}{'appends alone':<26}")
        first = {}
        for result in (r for r in results if r["case"] == case):
            row = f"  {result['workers']:>7}  {result['system']:<20}"
            if result["value"] is None:
                print(f"{row}{'failed':>9}  {result['error'][:600]}")
                continue
            one = first.setdefault(result["system"], result["value"])
            print(f"{row}{result['value']:>9.1f}{one / result['value']:>8.2f}{result['tasks']:>7}"
                  f"{result['files_before']:>8}{result['files_after']:>7}{result['appended']:>10}   "
                  f"{_appends(result['rates'], result['longest_ms']):<26}"
                  f"{_appends(result['rates_alone'], result['longest_alone_ms']):<26}")
            for fault in [*result["faults"], *([result["error"]] if result["error"] else [])]:
                print(f"           {fault[:300]}")
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()
