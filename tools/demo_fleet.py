"""A fleet that keeps a table fresh: ./dev demo --fleet [--scale 0.1] [--lake DIR]

Three ZooKeeper servers and four workers. TPC-H line items and orders arrive as Parquet files, in waves; jobs put them
into two tables, and a third, the revenue of each day, is kept fresh from the new rows of both. On the way a worker is
killed with -9, then the leader of the ensemble, then the leader among the workers. At last DuckDB sums up the files
themselves, and every day has the same revenue, to the last digit.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

import duckdb
import pyarrow as pa

from demo import BINARY, Ensemble, say

WORKERS = 4
WAVES = 3
PIECES = {"lineitem": 36, "orders": 12}
SESSION_MS = 4000  # after which a killed worker is missed
PATIENCE = 180     # for what must happen, on a machine that others load
REVENUE = """select o_orderdate as day, sum(l_extendedprice * (1 - l_discount)) as revenue
from tpch.lineitem join tpch.orders on l_orderkey = o_orderkey group by o_orderdate"""
BY_DAY = "select day, sum(revenue) as revenue from tpch.revenue group by day order by day"
BEGAN = time.monotonic()


def tell(text):
    say(f"{time.monotonic() - BEGAN:6.1f} s  {text}")


def typed(words, end=""):
    """As somebody would type it, the lake in the environment."""
    say(f"          $ {shlex.join(['parkeeper', *map(str, words)])}{end}")


class Lake:
    def __init__(self, url):
        self.url = url

    def call(self, *words, quiet=False):
        if not quiet:
            typed([word for word in words if word != "--json"])
        done = subprocess.run([BINARY, "--lake", self.url, "--quiet", *map(str, words)], capture_output=True)
        if done.returncode != 0:
            sys.exit(f"parkeeper {shlex.join(map(str, words))} failed ({done.returncode}): "
                     f"{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout

    def json(self, *words, quiet=True):
        return json.loads(self.call(*words, "--json", quiet=quiet))


class Fleet:
    """Worker processes, until the end of the with statement."""

    def __init__(self, lake):
        self.lake = lake
        self.workers = {}  # name to process

    def __enter__(self):
        return self

    def start(self, name):
        words = ["worker", "--slots", "1", "--memory", "512M", "--name", name]
        typed(words, " &")
        with open(f"{name}.log", "ab") as log:
            # Ctrl-C is for this program, which ends them.
            self.workers[name] = subprocess.Popen([BINARY, "--lake", self.lake.url, *words], stdin=subprocess.DEVNULL,
                                                  stdout=log, stderr=log, start_new_session=True)

    def kill(self, name):
        process = self.workers.pop(name)
        say(f"          $ kill -9 {process.pid}    # {name}")
        process.kill()
        process.wait()

    def leave(self):
        say(f"          $ kill -TERM {' '.join(str(process.pid) for process in self.workers.values())}")
        for process in self.workers.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.workers.items():
            if process.wait(timeout=PATIENCE) != 0:
                sys.exit(f"{name} ended with {process.returncode}")
        said = [pathlib.Path(f"{name}.log").read_text().splitlines()[-1] for name in self.workers]
        self.workers = {}
        return said

    def __exit__(self, *_):
        for process in self.workers.values():
            process.kill()
        for process in self.workers.values():
            process.wait()


def await_that(what, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"not within {PATIENCE} s: {what}")
        threading.Event().wait(0.2)


def make_sources(scale):
    """The pieces of each table, which have not arrived yet."""
    tool = pathlib.Path(sys.executable).parent / "tpchgen-cli"
    found = {}
    for table, pieces in PIECES.items():
        subprocess.run([tool, "parquet", "-s", str(scale), f"--tables={table}", f"--parts={pieces}",
                        "--output-dir=made"], check=True, capture_output=True)
        found[table] = sorted(pathlib.Path("made").rglob(f"{table}*.parquet"))
        assert len(found[table]) == pieces, found[table]
        pathlib.Path(table).mkdir()
    return found


def arrive(pieces, wave):
    """Every third piece of each table is moved to where the jobs look."""
    for table, files in pieces.items():
        for file in files[wave::WAVES]:
            file.rename(f"{table}/{file.name}")


def make_tables(lake, pieces):
    lake.call("namespace", "create", "tpch")
    for table, files in pieces.items():
        lake.call("table", "create", f"tpch.{table}", "--like", files[0])
    lake.call("table", "create", "tpch.revenue", "--schema", "day date, revenue decimal(38, 4)")


def submit_wave(lake):
    """The files that are in the tables already are not brought again."""
    return [lake.json("job", "submit", "ingest", f"{table}/*.parquet", "--into", f"tpch.{table}",
                      quiet=False)["job"] for table in PIECES]


def busy_worker(lake):
    """One that has a task of an ingest job, so that it dies in the middle of its work."""
    standing = {task["task"] for job in lake.json("job", "list", "--all")["jobs"] if job["kind"] != "ingest"
                for task in lake.json("job", "show", job["job"], "--tasks")["all-tasks"]}
    for worker in lake.json("worker", "list")["workers"]:
        if any(task["task"] not in standing for task in worker["tasks"]):
            return worker["name"]
    return None


def leading_worker(lake):
    nodes = [node for node in lake.json("node", "tree", "/jobs/leader")["nodes"] if node["path"][-10:].isdigit()]
    return min(nodes, key=lambda node: node["path"][-10:])["value"] if nodes else None


def kill_worker(lake, fleet, find, number):
    """The one that `find` finds, once it does; another one comes for it."""
    found = []

    def is_found():
        name = find(lake)
        found[:] = [name] if name in fleet.workers else []
        return bool(found)

    await_that("a worker to be killed", is_found)
    fleet.kill(found[0])
    fleet.start(f"worker-{number}")


def kill_ensemble_leader(ensemble):
    leader = ensemble.leader()
    say(f"          $ kill -9 {leader['pid']}    # server {leader['id']}, which leads the ensemble")
    os.kill(leader["pid"], signal.SIGKILL)


def is_fresh(lake):
    """Whether the revenue is made of all rows of the tables."""
    output = lake.json("table", "describe", "tpch.revenue")
    position = json.loads(output["properties"].get("parkeeper.position.default", "{}")).get("snapshots", {})
    inputs = [lake.json("table", "describe", f"tpch.{table}") for table in PIECES]
    return position == {each["key"]: each["current-snapshot"]["snapshot-id"] for each in inputs if
                        "current-snapshot" in each}


def from_files():
    """By a plain DuckDB query over the source files: rows of each table, and the revenue of each day."""
    connection = duckdb.connect()
    connection.execute("create schema tpch")
    for table in PIECES:
        connection.execute(f"create view tpch.{table} as from read_parquet('{table}/*.parquet')")
    counts = {table: connection.sql(f"select count(*) from tpch.{table}").fetchall()[0][0] for table in PIECES}
    return counts, dict(connection.sql(REVENUE).fetchall())


def from_tables(lake):
    counts = {table: int(lake.json("scan", f"tpch.{table}", "--count")["count"]) for table in PIECES}
    with pa.ipc.open_stream(lake.call("sql", BY_DAY, "--format", "arrow")) as stream:
        rows = stream.read_all()
    return counts, dict(zip(rows["day"].to_pylist(), rows["revenue"].to_pylist()))


def compare(lake):
    tell("Is it right? The tables against a plain DuckDB query over the source files")
    found_rows, found = from_tables(lake)
    rows, expected = from_files()
    for table in PIECES:
        say(f"          rows of {table}: files {rows[table]:,}, table {found_rows[table]:,}")
    say(f"          revenue of {len(expected):,} days: files {sum(expected.values()):,}, table {sum(found.values()):,}")
    if (rows, expected) != (found_rows, found):
        days = sorted(day for day in expected.keys() | found.keys() if expected.get(day) != found.get(day))
        sys.exit(f"THE TABLES ARE NOT THE FILES: {len(days)} days differ, such as "
                 f"{[(str(day), expected.get(day), found.get(day)) for day in days[:3]]}")
    say("          every day is the same, to the last digit")
    return rows


def run_waves(lake, fleet, ensemble, pieces):
    jobs = []
    for wave in range(WAVES):
        arrive(pieces, wave)
        tell(f"Wave {wave + 1} of {WAVES}: more files have arrived; they are submitted with those that were there")
        jobs += submit_wave(lake)
        if wave == 0:
            kill_worker(lake, fleet, busy_worker, WORKERS + 1)
        elif wave == 1:
            kill_ensemble_leader(ensemble)
        else:
            kill_worker(lake, fleet, leading_worker, WORKERS + 2)
    tell("Nobody is killed any more; the jobs are waited for")
    for job in jobs:
        lake.call("job", "show", job, "--watch")
    await_that("the revenue is fresh", lambda: is_fresh(lake))


def run(lake, ensemble, scale):
    tell(f"TPC-H at scale {scale:g}: {PIECES['lineitem']} files of line items, {PIECES['orders']} of orders")
    pieces = make_sources(scale)
    make_tables(lake, pieces)
    with Fleet(lake) as fleet:
        tell(f"{WORKERS} workers, and a job that keeps the revenue of each day fresh")
        for number in range(1, WORKERS + 1):
            fleet.start(f"worker-{number}")
        pathlib.Path("revenue.sql").write_text(REVENUE)
        kept = lake.json("job", "submit", "refresh", "@revenue.sql", "--into", "tpch.revenue", "--keep",
                         "--partial-aggregates", quiet=False)["job"]
        began = time.monotonic()
        run_waves(lake, fleet, ensemble, pieces)
        took = time.monotonic() - began
        say(lake.call("job", "list").decode().rstrip())
        rows = compare(lake)
        runs = int(lake.json("table", "describe", "tpch.revenue")["snapshots"])
        found = lake.json("doctor", "--deep", quiet=False)
        if found["findings"]:
            sys.exit(f"the doctor found: {found['findings']}")
        lake.call("job", "cancel", kept)
        for said in fleet.leave():
            say(f"          {said}")
    say()
    say(f"Done: {sum(rows.values()):,} rows in {took:.1f} s, the revenue refreshed {runs} times, with two workers and "
        f"the ensemble's leader killed: exact. {time.monotonic() - BEGAN:.0f} s in all.")


def main():
    parser = argparse.ArgumentParser(prog="./dev demo --fleet", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fleet", action="store_true", help="this demo")
    parser.add_argument("--scale", type=float, default=0.1, help="TPC-H scale factor (default 0.1: 600,000 line items)")
    parser.add_argument("--lake", help="an empty folder for the data, kept afterwards (default: a temporary one)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="parkeeper-demo-fleet-") as folder, contextlib.ExitStack() as stack:
        data = os.path.abspath(arguments.lake or os.path.join(folder, "data"))
        typed(["ensemble", "start", "--size", "3", "--port", "0"])
        ensemble = stack.enter_context(Ensemble(os.path.join(folder, "ensemble")))
        tell(f"Three ZooKeeper servers serve on {ensemble.connect}; server {ensemble.leader()['id']} leads")
        url = f"zk://{ensemble.connect}/demo?warehouse=file://{data}&session-timeout-ms={SESSION_MS}"
        say(f"          $ export PARKEEPER_LAKE='{url}'")
        os.chdir(folder)  # of the files, so that the commands are short
        run(Lake(url), ensemble, arguments.scale)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
