"""Ingest jobs through the binary: workers killed with -9 at random, files that cannot be read, the
whole fleet dead. In the end every file's rows are in the table exactly once.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

from lake_runner import BINARY
from worker_runner import SECONDS_AT_MOST, WorkerTest

ROWS = 20
FILES = 400
WORKERS = 4
LEAST_KILLS = 6


class Jobs(WorkerTest):
    def setUp(self):
        super().setUp()
        self.sources = self.lake.folder / "sources"
        self.sources.mkdir()
        self.lake.run("import", self.make_file(0), "--into", "ns.t", "--create", "--quiet")

    def make_file(self, number):
        path = self.sources / f"{number:03}.parquet"
        pq.write_table(pa.table({"file": [number] * ROWS, "row": list(range(ROWS))}), path)
        return path

    def submit(self, *files):
        return super().submit("ingest", *files, "--into", "ns.t")

    def assert_files(self, numbers):
        table = self.lake.scan("ns.t")
        found = sorted(zip(table["file"].to_pylist(), table["row"].to_pylist()))
        self.assertEqual(found, sorted((f, r) for f in numbers for r in range(ROWS)))

    def test_rows_are_there_once_whichever_workers_are_killed(self):
        files = [self.make_file(number) for number in range(1, FILES + 1)]
        poison = self.sources / "poison.parquet"
        poison.write_bytes(b"PAR1 this is no Parquet file PAR1")
        job = self.submit(*files, poison)
        for _ in range(WORKERS):
            self.start_worker()
        chance = random.Random(11)
        kills = 0
        until = time.monotonic() + SECONDS_AT_MOST
        while time.monotonic() < until:
            shown = self.show(job)
            if shown["waiting"] == 0:
                break
            if kills < 3 * LEAST_KILLS:
                victim = self.workers.pop(chance.randrange(len(self.workers)))
                victim.kill()
                victim.communicate()
                kills += 1
                self.start_worker()
            threading.Event().wait(chance.uniform(0.05, 0.4))
        self.assertGreaterEqual(kills, LEAST_KILLS)
        self.assertEqual((shown["done"], shown["dead"], shown["waiting"]), (FILES, 1, 0))
        self.assertEqual(shown["state"], "running")
        self.assertIn("poison.parquet", shown["dead-letters"][0]["error"])
        self.assertEqual(shown["dead-letters"][0]["failures"], 1)
        self.assert_files(range(FILES + 1))
        self.assertEqual(self.lake.call("job", "show", job, "--watch", "--quiet").returncode, 5)

        self.make_file(FILES + 1).rename(poison)
        retried = json.loads(self.lake.run("job", "retry", job, "--json"))
        self.assertEqual(retried["retried"], 1)
        self.lake.run("job", "show", job, "--watch", "--quiet")
        self.assertEqual(self.show(job)["state"], "done")
        self.assert_files(range(FILES + 2))
        logs = json.loads(self.lake.run("job", "logs", job, "--json"))["logs"]
        self.assertTrue(any("poison.parquet" in log["text"] for log in logs))
        print(f"{FILES + 1} files, {kills} kills")

        # The same files again, beside a new one.
        again = self.submit(*files, poison, self.make_file(FILES + 2))
        self.lake.run("job", "show", again, "--watch", "--quiet")
        self.assert_files(range(FILES + 3))
        self.lake.run("doctor", "--deep")

    def test_a_job_may_make_the_table_that_it_fills(self):
        into = ["--into", "made.t", "--create", "--partition-by", "file", "--property", "owner=us"]
        jobs = [WorkerTest.submit(self, "ingest", self.make_file(number), *into) for number in (1, 2)]
        self.start_worker()
        for job in jobs:
            self.finish(job)
        self.assertEqual(sorted(self.lake.scan("made.t")["file"].to_pylist()), [1] * ROWS + [2] * ROWS)
        described = json.loads(self.lake.run("table", "describe", "made.t", "--json"))
        self.assertEqual(described["properties"]["owner"], "us")
        code, message = self.lake.error("job", "submit", "ingest", str(self.make_file(3)), "--into", "none.t")
        self.assertIn("none", message)

    def test_options_that_contradict_each_other_are_refused(self):
        pattern = str(self.sources / "*.parquet")
        for options, said in [(["ingest", pattern, "--follow", "--wait"], "--wait"),
                              (["transform", "select 1", "--split-size", "0"], "--split-size")]:
            done = self.lake.call("job", "submit", *options, "--into", "ns.t")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr.decode())
        self.assertEqual(json.loads(self.lake.run("job", "list", "--json"))["jobs"], [])

    def test_a_job_that_everybody_left_is_finished_by_the_next_worker(self):
        files = [self.make_file(number) for number in range(1, 13)]
        for _ in range(2):
            self.start_worker()
        submitter = subprocess.Popen(
            [BINARY, "--lake", str(self.lake.root), "job", "submit", "ingest", *map(str, files),
             "--into", "ns.t", "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until = time.monotonic() + SECONDS_AT_MOST
        jobs = []
        while not jobs and time.monotonic() < until:
            jobs = json.loads(self.lake.run("job", "list", "--json"))["jobs"]
        submitter.kill()
        submitter.communicate()
        self.kill_all()
        self.assertEqual(len(jobs), 1)
        self.assertEqual(json.loads(self.lake.run("worker", "list", "--json"))["workers"], [])

        self.start_worker()
        self.await_job(jobs[0]["job"], lambda shown: shown["state"] == "done")
        self.assert_files(range(13))

    def test_a_worker_that_is_asked_to_stop_finishes_what_it_has(self):
        worker = self.start_worker("--name", "first", "--queues", "jobs,nightly")
        until = time.monotonic() + SECONDS_AT_MOST
        listed = []
        while not listed and time.monotonic() < until:
            listed = json.loads(self.lake.run("worker", "list", "--json"))["workers"]
        self.assertEqual(listed[0]["name"], "first")
        self.assertEqual(listed[0]["labels"]["queues"], "jobs,nightly")
        self.assertEqual(listed[0]["labels"]["slots"], "1")
        job = self.submit(*[self.make_file(number) for number in range(1, 9)])
        self.await_job(job, lambda shown: shown["done"] > 0)
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=SECONDS_AT_MOST)
        self.assertEqual(worker.returncode, 0, err)
        self.assertIn("0 failed, 0 given back", out)
        self.assertEqual(json.loads(self.lake.run("worker", "list", "--json"))["workers"], [])
        # Nothing is left half done: no attempt but the first of any task.
        shown = self.show(job, "--tasks")
        self.assertEqual({task["attempt"] for task in shown["all-tasks"]}, {1})
        if shown["waiting"] > 0:
            self.assertEqual(self.lake.call("job", "cancel", job).returncode, 0)
        done = [task["part"] for task in shown["all-tasks"] if task["state"] == "done"]
        self.assert_files([0, *(int(pathlib.Path(path).stem) for path in done)])

    def children_of(self, worker):
        path = pathlib.Path(f"/proc/{worker.pid}/task")
        found = []
        for thread in path.iterdir():
            found += (thread / "children").read_text().split()
        return [int(pid) for pid in found]

    def test_an_attempt_that_wants_too_much_memory_costs_nothing_else(self):
        # Small as a file: eight values of 100 MB.
        hungry = self.sources / "hungry.parquet"
        pq.write_table(pa.table({"file": [1] * 8, "row": list(range(8)), "note": ["x" * 100_000_000] * 8}), hungry,
                       compression="zstd", use_dictionary=False)
        self.lake.run("table", "create", "ns.notes", "--schema", "file long, row long, note string")
        worker = self.start_worker()
        job = json.loads(self.lake.run(
            "job", "submit", "ingest", hungry, self.make_file(2), "--into", "ns.notes", "--attempts", "2",
            "--timeout", "60", "--json"))["job"]
        shown = self.await_job(job, lambda shown: shown["waiting"] == 0)
        self.assertEqual((shown["done"], shown["dead"]), (1, 1))
        self.assertEqual(shown["dead-letters"][0]["failures"], 2, shown)
        self.assertIsNone(worker.poll())

    def test_an_attempt_that_hangs_costs_nothing_else(self):
        worker = self.start_worker()
        over = threading.Event()

        def stop_all():
            while not over.wait(0.01):
                for child in self.children_of(worker):
                    try:
                        os.kill(child, signal.SIGSTOP)
                    except ProcessLookupError:
                        pass

        stopper = threading.Thread(target=stop_all)
        stopper.start()
        try:
            slow = json.loads(self.lake.run(
                "job", "submit", "ingest", self.make_file(3), "--into", "ns.t", "--attempts", "2",
                "--timeout", "1", "--json"))["job"]
            shown = self.await_job(slow, lambda shown: shown["waiting"] == 0)
        finally:
            over.set()
            stopper.join()
        self.assertEqual(shown["dead"], 1)
        self.assertIn("took longer than it may", shown["dead-letters"][0]["error"])
        self.lake.run("job", "retry", slow)
        self.lake.run("job", "show", slow, "--watch", "--quiet")
        self.assert_files([0, 3])
        self.assertIsNone(worker.poll())


if __name__ == "__main__":
    unittest.main()
