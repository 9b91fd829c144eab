"""A lake on a real ensemble does what a lake in a folder does."""
import json
import os
import pathlib
import subprocess
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

from node_runner import BINARY, ZooKeeperTest, ensemble, leader


class LakeTest(ZooKeeperTest):
    def parquet(self, name, first, count):
        path = f"{self.folder}/{name}.parquet"
        pq.write_table(pa.table({"id": list(range(first, first + count))}), path)
        return path

    def count(self, table="ns.t"):
        return self.json("scan", table, "--count")["count"]

    def make_table(self):
        self.run_ok("namespace", "create", "ns")
        self.run_ok("table", "create", "ns.t", "--schema", "id bigint")

    def test_imports_scans_and_is_well(self):
        self.make_table()
        self.run_ok("import", self.parquet("a", 0, 1_000), "--into", "ns.t")
        self.run_ok("import", self.parquet("b", 1_000, 500), "--into", "ns.t")
        self.assertEqual(self.count(), 1_500)
        self.assertEqual(len(self.json("history", "ns.t")["snapshots"]), 2)
        self.assertEqual(self.json("doctor", "--deep")["findings"], [])
        self.assertIn("/warehouse", self.run_ok("node", "tree", "/", "--depth", "1", "--json"))

    def test_remembers_its_warehouse(self):
        self.make_table()
        self.assertEqual(self.json("namespace", "list", lake=self.bare)["namespaces"], ["ns"])
        self.assert_fails(5, f"{self.folder}/data", "namespace", "list", lake=f"{self.bare}?warehouse=file:///elsewhere")

    def test_needs_a_warehouse_at_first(self):
        self.assert_fails(2, "?warehouse=", "namespace", "create", "ns", lake=self.bare)

    def test_is_not_made_by_reading(self):
        self.assert_fails(3, "", "namespace", "list")

    def test_unreachable_is_said_soon(self):
        self.assert_fails(7, "127.0.0.1:1", "namespace", "list", lake="zk://127.0.0.1:1/x")

    def server_of(self, process):
        """The id of the server that the process is connected to."""
        inodes = {os.readlink(file) for file in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()}
        for line in pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
            _, _, remote, state, *_, inode = line.split()[:10]
            if state == "01" and f"socket:[{inode}]" in inodes:
                port = int(remote.split(":")[1], 16)
                return next(server["id"] for server in ensemble("status")["servers"] if server["port"] == port)
        self.fail("the watcher is connected to no server")

    def test_a_watch_misses_nothing_when_its_server_dies(self):
        self.make_table()
        watcher = self.start("--json", "watch", "ns.t")
        self.assertIn("watching ns.t", watcher.stderr.readline())
        changes = []
        for number in range(3):
            self.run_ok("import", self.parquet(f"before{number}", 10 * number, 10), "--into", "ns.t")
            changes.append(json.loads(watcher.stdout.readline()))
            killed = self.server_of(watcher)
            ensemble("stop", "--server", str(killed), "--kill")
            try:
                for more in "ab":
                    self.run_ok("import", self.parquet(f"{number}{more}", 100, 10), "--into", "ns.t")
                changes += [json.loads(watcher.stdout.readline()) for _ in range(2)]
            finally:
                ensemble("restart", "--server", str(killed))
        self.assertEqual([change["version"] for change in changes], list(range(1, 10)))
        told = [snapshot["snapshot-id"] for change in changes for snapshot in change["snapshots"]]
        self.assertEqual(told, [snapshot["snapshot-id"] for snapshot in self.json("history", "ns.t")["snapshots"]])
        self.interrupt(watcher)
        self.assertEqual(watcher.returncode, 130)

    def test_writers_at_once_lose_nothing_when_the_leader_dies(self):
        self.make_table()
        pieces = [self.parquet(f"p{i}", 100 * i, 100) for i in range(12)]
        writers = [subprocess.Popen([BINARY, "--lake", self.lake, "--quiet", "import", *pieces[i::3], "--into", "ns.t",
                                     "--commit-every", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                   for i in range(3)]
        killed = leader()
        ensemble("stop", "--server", str(killed), "--kill")
        try:
            for writer in writers:
                _, error = writer.communicate(timeout=120)
                self.assertEqual(writer.returncode, 0, error.decode())
        finally:
            ensemble("restart", "--server", str(killed))
        rows = pa.ipc.open_stream(self.call("scan", "ns.t", "--format", "arrow").stdout).read_all()
        self.assertEqual(sorted(rows["id"].to_pylist()), list(range(1_200)))
        self.assertEqual(self.json("doctor", "--deep")["findings"], [])


if __name__ == "__main__":
    unittest.main()
