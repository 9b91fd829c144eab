"""Importers that are killed with -9 at random, many rounds, over one lake on SQLite.

Each writer imports small files, one commit each. A file whose import was not acknowledged is
imported again only if its rows are not there. In the end every file's rows are there exactly once,
and a deep doctor finds nothing. PARKEEPER names the binary, PARKEEPER_KILL_SECONDS how long.
"""

import os
import random
import subprocess
import tempfile
import threading
import time
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

PARKEEPER = os.environ.get("PARKEEPER", "parkeeper")
SECONDS = float(os.environ.get("PARKEEPER_KILL_SECONDS", "12"))
# On a machine that is so busy that too little has happened by then.
SECONDS_AT_MOST = SECONDS + 180
LEAST_KILLS = 6
WRITERS = 4
ROWS = 20


class Kill(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.lake = os.path.join(self.folder.name, "lake")
        self.lock = threading.Lock()
        self.running = {}
        self.acknowledged = set()
        self.given_up = set()
        self.kills = 0
        self.failures = []

    def command(self, *arguments):
        return [PARKEEPER, "--lake", self.lake, "-q", *arguments]

    def run_ok(self, *arguments):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def make_file(self, number):
        path = os.path.join(self.folder.name, f"{number}.parquet")
        rows = {"file": [number] * ROWS, "row": list(range(ROWS))}
        pq.write_table(pa.table(rows), path)
        return path

    def import_once(self, writer, path):
        process = subprocess.Popen(
            self.command("import", path, "--into", "n.t"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with self.lock:
            self.running[writer] = process
        out, err = process.communicate()
        with self.lock:
            del self.running[writer]
        return process.returncode, out + err

    def rows_of(self, number):
        rows = self.run_ok("scan", "n.t", "--where", f"file = {number}", "--count")
        return int("".join(c for c in rows if c.isdigit()) or 0)

    def goes_on(self):
        spent = time.monotonic() - self.begin
        enough = self.kills >= LEAST_KILLS and len(self.acknowledged) > WRITERS
        return spent < (SECONDS if enough else SECONDS_AT_MOST) and not self.failures

    def write(self, writer):
        number = writer * 1_000_000
        try:
            while self.goes_on():
                number += 1
                path = self.make_file(number)
                while True:
                    code, text = self.import_once(writer, path)
                    if code == 0:
                        self.acknowledged.add(number)
                        break
                    if code not in (-9, 7, 8):
                        raise AssertionError(f"import of {number}: {code} {text}")
                    present = self.rows_of(number)
                    if present not in (0, ROWS):
                        raise AssertionError(f"{present} rows of the file {number}")
                    if present == ROWS:
                        self.acknowledged.add(number)  # applied, the reply lost with the process
                        break
                    if not self.goes_on():
                        self.given_up.add(number)
                        break
        except AssertionError as failure:
            self.failures.append(failure)

    def kill_some(self, usual):
        """At intervals that leave an import, which takes `usual` seconds here, a chance."""
        chance = random.Random(7)
        while self.goes_on():
            threading.Event().wait(chance.uniform(0.1, 2) * max(usual, 0.2))
            with self.lock:
                if self.running:
                    chance.choice(list(self.running.values())).kill()
                    self.kills += 1

    def test_acknowledged_rows_are_there_once_whoever_is_killed(self):
        self.run_ok("namespace", "create", "n")
        first = self.make_file(0)
        before = time.monotonic()
        self.run_ok("import", first, "--into", "n.t", "--create")
        self.acknowledged.add(0)
        self.begin = time.monotonic()
        threads = [threading.Thread(target=self.write, args=(writer,)) for writer in range(1, WRITERS + 1)]
        threads.append(threading.Thread(target=self.kill_some, args=(self.begin - before,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.failures, [])
        self.assertGreaterEqual(self.kills, LEAST_KILLS)
        self.assertGreater(len(self.acknowledged), WRITERS)
        self.run_ok("doctor", "--deep")
        output = os.path.join(self.folder.name, "all.parquet")
        self.run_ok("scan", "n.t", "--format", "parquet", "--output", output)
        table = pq.read_table(output)
        found = sorted(zip(table["file"].to_pylist(), table["row"].to_pylist()))
        wanted = sorted((f, r) for f in self.acknowledged for r in range(ROWS))
        self.assertEqual(found, wanted)
        print(f"{len(self.acknowledged)} files, {self.kills} kills, {len(self.given_up)} given up")


if __name__ == "__main__":
    unittest.main()
