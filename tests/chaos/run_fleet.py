"""Workers that ingest files and keep tables fresh on a real ensemble, while workers, submitters and servers are killed and
stopped and the network between them is cut; then an account of every row.

    unshare --net --mount --pid --fork --kill-child --mount-proc run_fleet.py --servers FOLDER [--seconds S] [--seed N]
            [--files N] [--workers N]
    with_ensemble.py FOLDER -- run_fleet.py ...
    run_fleet.py --embedded ...

The second form is for machines without network namespaces: there nothing is cut. The third has no servers. PARKEEPER names
the binary; tests/zookeeper must be in PYTHONPATH. Prints the seed and what was done; ends with 1 and one line per finding.
What belongs to a finding (logs, the lake) is kept in the folder that is named then.

    fleet.events   <- source files: in jobs, some of them in two; from a folder that is followed; some that cannot be read
    fleet.kept     <- refresh --keep, a projection and a filter of fleet.events
    fleet.named    <- refresh --keep, fleet.events joined with fleet.kinds, which gets files meanwhile too
"""
import argparse
import json
import logging
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter

from kazoo.client import KazooClient

import sources
from account import Judge, check_coordinator, check_dead_letters, check_position, data_files
from nemesis import AgainstServers, Nemesis
from servers import open_servers
from sources import EVENTS, KINDS_TABLE, Sources, Submitters
from workers import AWAY, AgainstWorkers, Workers

BINARY = os.environ["PARKEEPER"]
SESSION_MS = 4000
EMBEDDED_SESSION_MS = 10_000  # not to be chosen
KEPT = {
    "fleet.kept": (f"select file, number, value * 2 as twice from {EVENTS} where number % 3 <> 0",
                   "file bigint, number bigint, twice bigint", [EVENTS]),
    "fleet.named": (f"select e.file, e.number, k.name from {EVENTS} e join {KINDS_TABLE} k on e.kind = k.kind",
                    "file bigint, number bigint, name string", [EVENTS, KINDS_TABLE]),
}
POISONED = 5
LAST_FILES = 40       # of the job that everybody leaves
STILL_SECONDS = 120   # that nothing may happen for, while something is waited for
MOST_SECONDS = 900    # that anything is waited for
TRIES = 3             # of a command, on a machine that starves it


class Lake:
    def __init__(self, url):
        self.url = url

    def call(self, *arguments, seconds=120, tries=TRIES):
        command = [BINARY, "--lake", self.url, "--quiet", "--json", *map(str, arguments)]
        for left in reversed(range(tries)):
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
            if done.returncode == 0:
                return json.loads(done.stdout or "null")
            if not left or done.returncode not in AWAY:
                raise AssertionError(f"{arguments} gave {done.returncode}: {done.stderr}")

    def describe(self, table):
        return self.call("table", "describe", table)

    def jobs(self):
        return self.call("job", "list", "--all")["jobs"]

    def ending_jobs(self):
        return [job for job in self.jobs() if job["kind"] == "ingest"]

    def show(self, job):
        return self.call("job", "show", job["job"], "--tasks")


def await_that(what, left):
    """Until nothing is `left`; seconds. Fails when what is left stays the same for long."""
    began = changed = time.monotonic()
    before = None
    pause = threading.Event()
    while True:
        now_left = left()
        now = time.monotonic()
        if not now_left:
            return now - began
        if now_left != before:
            before, changed = now_left, now
        if now > min(changed + STILL_SECONDS, began + MOST_SECONDS):
            raise AssertionError(f"not within {now - began:.0f} s: {what}; left: {str(now_left)[:500]}")
        pause.wait(0.5)


def what_is_left(lake):
    """Tasks of the jobs that end, unless they are dead letters; tables that are behind what they are made of."""
    found = []
    for job in lake.ending_jobs():
        if job["left"]:
            waiting = lake.show(job)["waiting"]
            found += [f"{waiting} tasks of job {job['job']}"] if waiting or job["state"] != "running" else []
    return found + positions(lake)


def positions(lake):
    found = []
    for table, (_, _, inputs) in KEPT.items():
        # First what is made, so that it cannot be ahead.
        output = lake.describe(table)
        found += check_position(output, [lake.describe(name) for name in inputs])
    return found


class LeaderOnZooKeeper:
    """Who holds /jobs/leader: the first in its queue says its name."""

    def __init__(self, hosts):
        self.client = KazooClient(hosts=hosts, timeout=10)
        self.client.start_async()

    def __call__(self):
        try:
            waiting = [name for name in self.client.get_children_async("/jobs/leader").get(timeout=1)
                       if name[-10:].isdigit()]
            first = min(waiting, key=lambda name: name[-10:])
            return self.client.get_async(f"/jobs/leader/{first}").get(timeout=1)[0].decode()
        except Exception:  # kazoo's errors have no common ancestor; a server that is away is no reason to stop
            return None

    def close(self):
        self.client.stop()
        self.client.close()


class LeaderOnOneMachine:
    def __init__(self, lake):
        self.lake = lake

    def __call__(self):
        try:
            nodes = self.lake.call("node", "tree", "/jobs/leader", seconds=3, tries=1)["nodes"]
            waiting = [node for node in nodes if node["path"][-10:].isdigit()]
            return min(waiting, key=lambda node: node["path"][-10:])["value"] if waiting else None
        except (AssertionError, subprocess.TimeoutExpired):  # it waits for a process that stands still
            return None

    def close(self):
        pass


class Setting:
    """What a run is made on: an ensemble that can be hurt, or the embedded coordinator."""

    def __init__(self, arguments, folder):
        data = folder / "data"
        self.servers, self.machines, self.partitions = None, (), None
        self.session_seconds = EMBEDDED_SESSION_MS / 1000
        if arguments.embedded:
            self.lake = Lake(str(data))
            self.leader = LeaderOnOneMachine(self.lake)
            return
        self.session_seconds = SESSION_MS / 1000
        self.servers, self.machines, self.partitions = open_servers(BINARY, arguments.servers)
        self.lake = Lake(f"zk://{self.servers.connect}/fleet?warehouse=file://{data}&session-timeout-ms={SESSION_MS}")
        self.leader = LeaderOnZooKeeper(f"{self.servers.connect}/fleet")

    def enemies(self, chance):
        kinds = [AgainstServers(self.servers, chance)] if self.servers else []
        return ([self.partitions(self.servers, chance)] if self.partitions else []) + kinds


class Run:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.chance = random.Random(arguments.seed)
        self.setting = Setting(arguments, folder)
        self.lake = self.setting.lake
        self.sources = Sources(folder / "files", arguments.files, POISONED, self.chance)
        self.workers = Workers(BINARY, self.lake.url, folder / "workers", arguments.workers, self.setting.machines)
        self.findings = []
        self.began = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def begin(self):
        self.lake.call("namespace", "create", "fleet")
        self.lake.call("table", "create", EVENTS, "--schema", "file bigint, number bigint, kind bigint, value bigint")
        self.lake.call("table", "create", KINDS_TABLE, "--schema", "kind bigint, name string")
        for table, (sql, schema, _) in KEPT.items():
            self.lake.call("table", "create", table, "--schema", schema)
            self.lake.call("job", "submit", "refresh", sql, "--into", table, "--keep")
        self.lake.call("job", "submit", "ingest", f"{self.sources.folder}/incoming/*.parquet", "--into", EVENTS, "--follow",
                       "--settled", "1")
        for worker in range(self.workers.count):
            self.workers.start(worker)

    def rage(self):
        seconds = self.arguments.seconds
        planned = sources.plan(self.sources, 0.9 * seconds, self.chance)
        submitters = Submitters(BINARY, self.lake.url, self.sources, planned, self.chance, self.setting.machines)
        against_workers = AgainstWorkers(self.workers, self.chance, self.setting.leader, self.setting.session_seconds)
        nemesis = Nemesis(self.chance, against_workers, submitters, *self.setting.enemies(self.chance))
        try:
            nemesis.rage(seconds)
        finally:
            nemesis.relent()
        self.say("the nemesis is done: " + ", ".join(f"{count} x {deed}" for deed, count in sorted(nemesis.done.items())))

        def to_be_submitted():
            submitters.look()
            return submitters.left()

        await_that("all is submitted", to_be_submitted)
        self.say("submitted: " + ", ".join(f"{count} {what}" for what, count in sorted(submitters.done.items())))
        self.say(f"{self.workers.could_not_begin} x a worker could not begin, the coordinator being away")
        self.findings += submitters.surprises

    def account(self, when):
        """Every row of every table, once. The sources are read as they are now."""
        patterns = {table: self.sources.patterns(table) for table in (EVENTS, KINDS_TABLE)}
        bad = {str(path) for path in self.sources.poisoned}
        files = {table: [str(path) for pattern in found for path in sorted(pathlib.Path("/").glob(pattern[1:]))
                         if str(path) not in bad] for table, found in patterns.items()}
        judge = Judge(files)
        queries = {table: f"select * from {table}" for table in files} | {table: sql for table, (sql, *_) in KEPT.items()}
        described = {table: self.lake.describe(table) for table in queries}
        for table, sql in queries.items():
            self.findings += judge.compare(table, data_files(described[table]["metadata-location"]), sql)
        self.findings += positions(self.lake)
        self.say(f"{when}: " + ", ".join(f"{table} {judge.rows(sql)} rows" for table, sql in queries.items())
                 + f"; {len(self.findings)} findings")
        return {described[table]["key"]: found for table, found in files.items()}

    def check_jobs(self):
        shown = [self.lake.show(job) for job in self.lake.ending_jobs()]
        attempts = Counter(task.get("attempt") for job in shown for task in job["all-tasks"])
        self.say(f"{len(shown)} jobs; tasks by attempts: {dict(sorted(attempts.items()))}")
        self.findings += check_dead_letters(shown, [str(path) for path in self.sources.poisoned])
        standing = [job for job in self.lake.jobs() if job["kind"] != "ingest"]
        self.findings += [f"job {job['job']} is over: {job}" for job in standing if job["left"] != 1]

    def settle(self, what):
        def left():
            self.workers.look_for_surprises()
            return what_is_left(self.lake)

        seconds = await_that(what, left)
        self.say(f"{what}: after {seconds:.1f} s")

    def repair(self):
        repaired = set(self.sources.poisoned)
        self.sources.repair()
        retried = 0
        for job in self.lake.ending_jobs():
            if job["left"]:
                retried += self.lake.call("job", "retry", job["job"])["retried"]
        self.settle(f"{len(repaired)} files repaired, {retried} tasks tried again")

    def everybody_dies(self):
        """The submitter as soon as its job is there, and all workers; then one fresh worker."""
        files = self.sources.more(self.arguments.files + POISONED, LAST_FILES)
        before = len(self.lake.jobs())
        submitter = subprocess.Popen([BINARY, "--lake", self.lake.url, "job", "submit", "ingest", *map(str, files), "--into",
                                      EVENTS, "--wait"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_that("the last job is there", lambda: len(self.lake.jobs()) <= before)
        submitter.kill()
        submitter.wait()
        self.workers.kill_all()
        left = sum(job["left"] for job in self.lake.ending_jobs())
        self.workers.start(0)
        self.settle(f"the submitter and all workers were killed with {left} tasks left, and one worker came")

    def end(self):
        keys = self.account("in the end")
        self.sources.poisoned = {}
        self.check_jobs()
        for job in self.lake.jobs():
            if job["kind"] != "ingest":
                self.lake.call("job", "cancel", job["job"])
        self.workers.finish(60)
        self.findings += self.workers.surprises
        nodes = {node["path"]: node["value"] for root in ("/jobs/seen", "/t", "/tasks/run")
                 for node in self.lake.call("node", "tree", root)["nodes"]}
        self.findings += check_coordinator(nodes, keys)
        found = self.lake.call("doctor", "--deep", seconds=300)
        self.findings += [f"doctor: {finding}" for finding in found["findings"]]
        left = sum(1 for _ in self.folder.glob("data/**/*.parquet")) - found["data-files"]
        self.say(f"doctor: {found['data-files']} data files of tables; {left} left by the killed")

    def all(self):
        self.say(f"{self.arguments.files} files and {POISONED} that cannot be read, {self.workers.count} workers")
        try:
            self.begin()
            self.rage()
            self.settle("all that can be done is done")
            self.account("after the nemesis")
            self.check_jobs()
            self.repair()
            self.everybody_dies()
            self.end()
        except AssertionError as error:
            self.findings += [str(error), *self.workers.surprises]
        finally:
            self.workers.kill_all()
            self.setting.leader.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="that the nemesis rages")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("PARKEEPER_SEED", random.randrange(1, 10**6))))
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--servers", help="a folder, which is emptied, for servers in a network that is cut")
    parser.add_argument("--embedded", action="store_true", help="without servers")
    arguments = parser.parse_args()
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # its servers come and go, as they are meant to
    print(f"seed {arguments.seed}; PARKEEPER_SEED draws its schedule again", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="parkeeper-fleet-"))
    run = Run(arguments, folder)
    run.all()
    for finding in run.findings[:50]:
        print(f"FINDING {finding}")
    if run.findings:
        print(f"{len(run.findings)} findings, seed {arguments.seed}; all of it is kept in {folder}")
        return 1
    print(f"seed {arguments.seed}: every row is there once")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
