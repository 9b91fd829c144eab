"""`parkeeper watch` and `scan --from` on a lake in a folder: each commit is told once and in order, whoever is killed."""
import json
import os
import signal
import subprocess
import unittest

import pyarrow as pa

from lake_runner import BINARY, LakeTest


class Watcher:
    """A watch of ns.t that has begun when this returns."""

    def __init__(self, test, *options, table="ns.t"):
        self.process = subprocess.Popen([BINARY, "--lake", str(test.lake.root), "--json", "watch", table, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        test.addCleanup(self.close)
        self.begun = self.process.stderr.readline()
        test.assertIn("watching", self.begun)

    def next(self):
        return json.loads(self.process.stdout.readline())

    def end(self, by=signal.SIGINT):
        self.process.send_signal(by)
        return self.process.wait(timeout=60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def ids(change):
    return [snapshot["snapshot-id"] for snapshot in change["snapshots"]]


class WatchTest(LakeTest):
    def setUp(self):
        super().setUp()
        self.lake.run("table", "create", "ns.t", "--schema", "id bigint, part string")
        self.rows = 0

    def append(self, count=10):
        """Appends `count` rows; the id of the snapshot."""
        rows = pa.table({"id": list(range(self.rows, self.rows + count)), "part": ["a"] * count})
        self.rows += count
        self.lake.import_rows("ns.t", rows)
        return self.history()[-1]["snapshot-id"]

    def history(self):
        return json.loads(self.lake.run("history", "ns.t", "--json"))["snapshots"]

    def ids_of(self, *options):
        lines = self.lake.run("scan", "ns.t", "--format", "json", *options).decode().splitlines()
        return sorted(json.loads(line)["id"] for line in lines)

    def test_a_line_for_each_commit_as_it_happens(self):
        self.append()
        watcher = Watcher(self)
        for version in (2, 3, 4):
            made = self.append(version)
            change = watcher.next()
            self.assertEqual((change["version"], ids(change)), (version, [made]))
            self.assertEqual(change["snapshots"][0]["summary"]["added-records"], str(version))
            self.assertEqual(change["snapshot-id"], made)
            self.assertEqual(len(change["commits"]), 1)
        self.lake.run("table", "rename", "ns.t", "ns.renamed")
        self.lake.run("table", "rename", "ns.renamed", "ns.t")
        made = self.append()
        self.assertEqual(ids(watcher.next()), [made])
        self.assertEqual(watcher.end(), 130)
        self.assertIn("stopped", watcher.process.stderr.read())

    def test_people_read_what_happened(self):
        made = self.append(7)
        text = self.lake.run("watch", "ns.t", "--from", "start", "--limit", "1").decode()
        self.assertRegex(text, rf"^\d+-\d\d-\d\d \S+  version 1  snapshot {made}  append  \+7 rows  total 7\n$")

    def test_who_is_killed_goes_on_after_its_last_snapshot(self):
        watcher = Watcher(self)
        told, made = [], [self.append()]
        told += ids(watcher.next())
        for by in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            self.assertNotEqual(watcher.end(by), 0)
            made += [self.append(), self.append()]
            watcher = Watcher(self, "--from", str(told[-1]))
            told += ids(watcher.next())
            made.append(self.append())
            told += ids(watcher.next())
        self.assertEqual(told, made)
        self.assertEqual(made, [snapshot["snapshot-id"] for snapshot in self.history()])

    def test_who_stands_still_misses_nothing(self):
        watcher = Watcher(self)
        watcher.process.send_signal(signal.SIGSTOP)
        made = [self.append() for _ in range(3)]
        watcher.process.send_signal(signal.SIGCONT)
        self.assertEqual([ids(watcher.next()) for _ in range(3)], [[one] for one in made])

    def test_ends_with_the_table(self):
        watcher = Watcher(self)
        self.append()
        self.lake.run("table", "drop", "ns.t", "--purge")
        self.assertFalse(watcher.next()["dropped"])
        self.assertTrue(watcher.next()["dropped"])
        self.assertEqual(watcher.process.wait(timeout=60), 0)
        self.assertIn("was dropped", watcher.process.stderr.read())

    def test_what_it_cannot_do_is_said(self):
        for code, text, *arguments in ((3, "ns.u", "watch", "ns.u"), (2, "'x'", "watch", "ns.t", "--from", "x"),
                                       (5, "follow from now", "watch", "ns.t", "--from", "5"),
                                       (2, "--limit", "watch", "ns.t", "--limit", "0")):
            got, message = self.lake.error(*arguments)
            self.assertEqual(got, code, message)
            self.assertIn(text, message)

    def test_scans_what_was_appended_between_two_snapshots(self):
        first, second, third = self.append(), self.append(), self.append()
        self.assertEqual(self.ids_of("--from", first), list(range(10, 30)))
        self.assertEqual(self.ids_of("--from", first, "--to", second), list(range(10, 20)))
        self.assertEqual(self.ids_of("--from", first, "--where", "id >= 25"), list(range(25, 30)))
        self.assertEqual(self.ids_of("--from", third), [])
        self.assertIn(f"appended after snapshot {second}",
                      self.lake.run("scan", "ns.t", "--from", second, "--explain").decode())
        for code, text, *options in ((2, "no ancestor", "--from", third, "--to", first),
                                     (2, "--to goes with --from", "--to", first),
                                     (2, "exclude each other", "--from", first, "--as-of", second),
                                     (3, "--to 'nope'", "--from", first, "--to", "nope")):
            got, message = self.lake.error("scan", "ns.t", *options)
            self.assertEqual(got, code, message)
            self.assertIn(text, message)

    def test_the_reader_of_its_lines_may_go_away(self):
        read, write = os.pipe()
        process = subprocess.Popen([BINARY, "--lake", str(self.lake.root), "watch", "ns.t"], stdout=write,
                                   stderr=subprocess.PIPE, text=True)
        os.close(write)
        self.assertIn("watching", process.stderr.readline())
        os.close(read)
        self.append()
        self.assertEqual(process.wait(timeout=60), 141)
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
