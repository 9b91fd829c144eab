"""appends of 1,000 rows to one table by 1, 8 and 32 processes at once"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from bench import child, report
from bench.commit_peers import SYSTEMS as PEERS
from bench.ensemble import Ensemble, writes_between
from bench.fleet import Fleet, summary

OURS = ["parkeeper-sqlite", "parkeeper-zookeeper"]
SYSTEMS = [*OURS, *PEERS]
ROWS = 1_000
LATENCY_MS = 50
LOCAL, SLOW = "local disk", f"{LATENCY_MS} ms added to each write of a file"
# DuckDB and its extensions of the version that packages hold, beside the newer DuckDB of the other benches.
DUCKLAKE = pathlib.Path(sys.prefix) / "ducklake"


def make_rows(file, rows=ROWS):
    import pyarrow as pa
    import pyarrow.parquet as pq
    pq.write_table(pa.table({"id": list(range(rows)), "amount": [i / 7 for i in range(rows)],
                             "name": [f"event {i}" for i in range(rows)]}), file)
    return file


class Ours:
    """One table in a lake of its own; `url` names it."""
    table = "bench.events"

    def __init__(self, url, rows):
        self.url, self.rows = url, rows
        self.call("namespace", "create", "bench")
        self.call("table", "create", self.table, "--like", rows)

    def parkeeper(self, *arguments):
        return [os.environ["PARKEEPER"], "--lake", self.url, "--quiet", *arguments]

    def call(self, *arguments):
        return json.loads(child.run(self.parkeeper("--json", *arguments)).output or "null")

    def command(self, seconds, latency_ms):
        return [_program("bench_commit_writer"), self.url, self.table, self.rows, seconds, latency_ms]

    environment = {}

    def faults(self, acknowledged, unknown, before=0):
        """What is wrong with the table, as sentences; nothing when all that was acknowledged is there once, beside
        the rows before."""
        found = []
        counted = self.call("scan", self.table, "--count")["count"]
        if not 0 <= counted - before - ROWS * acknowledged <= ROWS * unknown:
            found.append(f"a scan counts {counted} rows after {before} and {acknowledged} acknowledged commits")
        found += [f"doctor: {finding}" for finding in self.call("doctor", "--deep")["findings"]]
        from pyiceberg.table import StaticTable
        location = self.call("table", "describe", self.table)["metadata-location"]
        scan = StaticTable.from_metadata(location).scan()
        if scan.count() != counted:
            found.append(f"PyIceberg counts {scan.count()} rows, a scan {counted}")
        some = min(counted, 20 * ROWS)
        if StaticTable.from_metadata(location).scan(limit=some).to_arrow().num_rows != some:
            found.append(f"PyIceberg does not read {some} rows")
        return found


class Peer:
    def __init__(self, system, folder, rows):
        self.system, self.folder, self.rows = system, folder, rows
        self.environment = {"PYTHONPATH": str(DUCKLAKE)} if system == "ducklake" else {}
        self._call("create", rows)

    def _python(self, verb, *arguments):
        return [sys.executable, "-m", "bench.commit_peers", self.system, verb, self.folder, *arguments]

    def _call(self, verb, *arguments):
        return child.run(self._python(verb, *arguments), **self.environment).output

    def command(self, seconds, latency_ms):
        return self._python("write", self.rows, seconds)

    def faults(self, acknowledged, unknown):
        counted = int(self._call("count").splitlines()[-1])
        if counted == ROWS * acknowledged:
            return []
        return [f"it counts {counted} rows after {acknowledged} acknowledged commits"]


def _program(name):
    return pathlib.Path(os.environ["PARKEEPER"]).parent / name


def _write_limit(ensemble, writers, seconds):
    """Sets a second, by as many clients, each of its own node."""
    done = child.run([_program("bench_ensemble_limit"), f"zk://{ensemble.connect}", writers, max(1, seconds // 2)])
    said = json.loads(done.output.splitlines()[-1])
    return {"system": "ensemble", "case": "its own limit", "writers": writers, "unit": "writes/s", "failed": 0,
            "value": round(said["sets"] / said["seconds"], 1)}


class Bench:
    def __init__(self, folder, options, ensemble):
        self.folder, self.options, self.ensemble = folder, options, ensemble
        self.rows = make_rows(folder / "rows.parquet")
        self.limits = {}
        self.lakes = 0

    def _table(self, system):
        self.lakes += 1
        place = self.folder / f"{system}-{self.lakes}"
        place.mkdir()
        if system == "parkeeper-zookeeper":
            return Ours(f"zk://{self.ensemble.connect}/bench-{self.lakes}?warehouse=file://{place}", self.rows), place
        return (Ours(place, self.rows) if system in OURS else Peer(system, place, self.rows)), place

    def _measure(self, system, case, writers):
        table, place = self._table(system)
        seconds, on_ensemble = self.options.seconds, system == "parkeeper-zookeeper"
        commands = [table.command(seconds, LATENCY_MS if case == SLOW else 0)] * writers
        with Fleet(commands, **table.environment) as fleet:
            before = self.ensemble.zxid() if on_ensemble else None
            result = summary(fleet.run(seconds), seconds)
            if on_ensemble and result["acknowledged"]:
                writes = writes_between(before, self.ensemble.zxid())
                result["writes_per_commit"] = writes and round(writes / result["acknowledged"], 3)
        if on_ensemble:
            result["of_write_limit"] = round(result["value"] / self.limits[writers]["value"], 3)
        result["faults"] = table.faults(result["acknowledged"], result["unknown"])
        shutil.rmtree(place)
        return result

    def measure(self, system, case, writers):
        print(f"{case}: {system}, {writers} writers", file=sys.stderr, flush=True)
        result = {"system": system, "case": case, "writers": writers, "unit": "commits/s"}
        try:
            return {**result, **self._measure(system, case, writers)}
        except (child.ChildFailed, subprocess.SubprocessError) as failure:
            return {**result, "value": None, "failed": 1, "error": str(failure)}

    def run(self, systems):
        results = []
        for writers in self.options.writers:
            if self.ensemble:
                self.limits[writers] = _write_limit(self.ensemble, writers, self.options.seconds)
                results.append(self.limits[writers])
            results += [self.measure(system, LOCAL, writers) for system in systems]
        for writers in self.options.writers:
            results += [self.measure(system, SLOW, writers) for system in systems if system in OURS]
        return results


def _notes(systems):
    notes = [
        f"each commit appends {ROWS:,} rows as one Parquet file; a fresh table for every line, all writers begin at once",
        "ours sync every file and the commit to disk; peers leave files to the page cache (their catalogs in SQLite"
        " sync)",
        "after each line a scan counts exactly the acknowledged rows, `doctor --deep` finds nothing and PyIceberg reads"
        " the table; if not, it is said",
        "retries: pyiceberg commit.retry.num-retries 20, delta-rs max_commit_retries 100, ducklake"
        " ducklake_max_retry_count 100",
    ]
    if "ducklake" not in systems:
        notes.append("ducklake is left out: not asked for, or its extension is not in this Python's packages")
    return notes


def run(sources, folder, options):
    systems = [s for s in SYSTEMS if not options.only or s in options.only]
    if not DUCKLAKE.is_dir() and "ducklake" in systems:
        systems.remove("ducklake")
    if "parkeeper-zookeeper" not in systems:
        return Bench(folder, options, None).run(systems), _notes(systems)
    with Ensemble(folder / "ensemble") as ensemble:
        return Bench(folder, options, ensemble).run(systems), _notes(systems)


def is_bad(result):
    """Ours must not fail, and nothing may be lost or doubled; a peer's failed commits are what was measured."""
    return result["system"] in OURS and bool(result["failed"] or result.get("unknown") or result.get("faults"))


def _line(result, best):
    row = f"  {result['writers']:>7}  {result['system']:<20}"
    if result["value"] is None:
        return f"{row}{'failed':>10}  {result['error']}"
    ratio = f"{result['value'] / best:.1f}" if best and result["unit"] == "commits/s" else ""
    row += f"{result['value']:>10.1f} {result['unit']:<9}{ratio:>12}"
    if result["unit"] == "commits/s":
        row += (f"{result['failed']:>8}{result['unknown']:>9}{result.get('p50_ms', 0):>9.1f}"
                f"{result.get('p99_ms', 0):>10.1f}")
    if "writes_per_commit" in result:
        row += f"   {result['writes_per_commit']} writes a commit, {result['of_write_limit']:.2f} of the limit"
    return row


def show(name, results, notes):
    here = report.machine()
    print(f"\n{name} on {here['cores']} cores, {here['cpu']}; load now {here['load'][0]}")
    for case in dict.fromkeys(result["case"] for result in results):
        print(f"\n  {case}")
        print(f"  {'writers':>7}  {'system':<20}{'a second':>20}{'x best peer':>12}{'failed':>8}{'unknown':>9}"
              f"{'p50 ms':>9}{'p99 ms':>10}")
        for result in (r for r in results if r["case"] == case):
            best = max((r["value"] or 0 for r in results if r["case"] == LOCAL and r["system"] in PEERS
                        and r["writers"] == result["writers"]), default=0)
            print(_line(result, best if case == LOCAL else 0))
            for fault in [*result.get("faults", []), *([result["error"]] if result.get("unknown") or
                                                       (result["failed"] and result["value"]) else [])]:
                print(f"           {fault[:300]}")
    print()
    for note in notes:
        print(f"  {note}")
    sys.stdout.flush()
