"""Compaction leaves exactly the rows that were there, for us and for PyIceberg, while others write."""
import json
import subprocess
import unittest

import pyarrow as pa
import pyarrow.compute  # noqa: F401  (as pa.compute)

import pyiceberg_tables
from lake_runner import BINARY, LakeTest
from pyiceberg.manifest import DataFileContent, ManifestContent
from test_delete_files import key_deletes, position_deletes, with_deletes

SCHEMA = "id bigint not null, cat string, x double"
PARTITIONS, FILES, ROWS = 4, 75, 20  # so many files of so many rows in each partition


def rows(first, last):
    ids = range(first, last)
    return pa.table({"id": pa.array(ids, pa.int64()), "cat": [f"c{i % PARTITIONS}" for i in ids],
                     "x": [None if i % 5 == 0 else i + 0.5 for i in ids]},
                    schema=pa.schema([pa.field("id", pa.int64(), nullable=False), ("cat", pa.string()),
                                      ("x", pa.float64())]))


class Compact(LakeTest):
    def make(self):
        """300 small files: each import of a file of rows gives one a partition."""
        self.lake.run("table", "create", "ns.t", "--schema", SCHEMA, "--partition-by", "cat")
        step, self.want = ROWS * PARTITIONS, {}
        paths = []
        for number in range(FILES):
            part = rows(number * step, (number + 1) * step)
            paths.append(self.lake.write_parquet(f"{number}.parquet", part))
            self.want.update({row["id"]: row for row in part.to_pylist()})
        self.lake.run("import", *paths, "--into", "ns.t", "--commit-every", "1", "--writers", "1", "--quiet")
        self.assertEqual(self.files("ns.t"), PARTITIONS * FILES)

    def files(self, table):
        return len(self.lake.pyiceberg(table).inspect.data_files())

    def compact(self, table, *options):
        return json.loads(self.lake.run("compact", table, "--json", *options))

    def assert_reads(self, table):
        want = list(self.want.values())
        self.assert_same_rows(self.lake.pyiceberg(table).scan().to_arrow(), want, "PyIceberg")
        self.assert_same_rows(self.lake.scan(table), want, "ours")
        self.assertEqual(json.loads(self.lake.run("doctor", "--deep", "--json"))["findings"], [])

    def test_while_another_process_appends(self):
        self.make()
        told = json.loads(self.lake.run("delete", "ns.t", "--where", "id < 400 and x is null", "--json"))
        gone = [i for i, row in self.want.items() if i < 400 and row["x"] is None]
        self.assertEqual(told["rows"], len(gone))
        self.want = {i: row for i, row in self.want.items() if i not in gone}
        self.assert_reads("ns.t")
        before, at = dict(self.want), self.lake.pyiceberg("ns.t").metadata.current_snapshot().snapshot_id
        dry = self.compact("ns.t", "--dry-run")
        self.assertEqual(len(dry["groups"]), PARTITIONS)
        self.assertEqual(sum(group["files"] for group in dry["groups"]), self.files("ns.t"))
        self.assertEqual(sum(group["rows"] for group in dry["groups"]), len(self.want))

        first, more = 100_000, []
        for number in range(40):
            part = rows(first + number * 8, first + number * 8 + 8)
            more.append(self.lake.write_parquet(f"more-{number}.parquet", part))
            self.want.update({row["id"]: row for row in part.to_pylist()})
        appending = subprocess.Popen(
            [BINARY, "--lake", str(self.lake.root), "import", *map(str, more), "--into", "ns.t",
             "--commit-every", "1", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            compacted = self.compact("ns.t")
            _, errors = appending.communicate(timeout=60)
        finally:
            appending.kill()
        self.assertEqual((appending.returncode, errors), (0, b""))
        self.assertEqual((compacted["groups"], compacted["rejected"]), (PARTITIONS, []))
        self.assertGreaterEqual(compacted["files-before"], dry["files"])
        self.assertEqual(compacted["written-files"], PARTITIONS)
        self.assert_reads("ns.t")
        rest = self.compact("ns.t", "--min-files", "2")
        self.assertEqual(self.files("ns.t"), PARTITIONS)
        self.assert_reads("ns.t")
        last = self.compact("ns.t", "--min-files", "2")
        self.assertEqual((last["groups"], last["snapshot-id"]), (0, None))
        # Old snapshots are what they were.
        seen = self.lake.pyiceberg("ns.t")
        self.assert_same_rows(seen.scan(snapshot_id=at).to_arrow(), list(before.values()), "PyIceberg, past")
        self.assert_same_rows(self.lake.scan("ns.t", as_of=at), list(before.values()), "ours, past")
        operations = [each.summary.operation.value for each in seen.metadata.snapshots]
        self.assertEqual(operations.count("replace"), PARTITIONS + rest["groups"])
        self.assertEqual(operations.count("append"), FILES + 40)

    def test_only_files_that_a_filter_takes(self):
        self.make()
        told = self.compact("ns.t", "--where", "cat = 'c2'", "--target-size", "64M", "--threads", "2")
        self.assertEqual((told["files-before"], told["files-after"], told["groups"]), (FILES, 1, 1))
        self.assertEqual(self.files("ns.t"), FILES * (PARTITIONS - 1) + 1)
        self.assert_reads("ns.t")
        plain = self.lake.run("compact", "ns.t", "--min-files", "100").decode()
        self.assertIn("nothing to compact", plain)
        plain = self.lake.run("compact", "ns.t").decode()
        self.assertIn(f"{FILES * (PARTITIONS - 1) + 1} files", plain)
        self.assertIn(f"became {PARTITIONS} ", plain)

    def with_their_deletes(self, content, make_rows):
        """A table of PyIceberg with a delete file of the kind, ours by now; what is left of its rows."""
        catalog = pyiceberg_tables.catalog_in(self.lake.root / "theirs")
        table = pyiceberg_tables.every_type(catalog, "t", 2, "gzip")
        location = with_deletes(table, content, *make_rows(table))
        self.lake.run("table", "register", "ns.theirs", location)
        return table

    def delete_files(self, table):
        seen = self.lake.pyiceberg(table)
        manifests = seen.metadata.current_snapshot().manifests(seen.io)
        return [entry.data_file.file_path for manifest in manifests
                if manifest.content == ManifestContent.DELETES
                for entry in manifest.fetch_manifest_entry(seen.io, discard_deleted=True)]

    def assert_compacts(self, left):
        self.assertEqual(len(self.delete_files("ns.theirs")), 1)
        self.assert_same_rows(self.lake.scan("ns.theirs"), left)
        told = self.compact("ns.theirs", "--min-files", "2")
        self.assertEqual((told["files-after"], told["removed-delete-files"]), (1, 1))
        self.assertEqual(told["rows"], left.num_rows)
        self.assert_same_rows(self.lake.scan("ns.theirs"), left)
        self.assert_same_rows(self.lake.pyiceberg("ns.theirs").scan().to_arrow(), left)
        self.assertEqual(self.delete_files("ns.theirs"), [])
        self.assertEqual(json.loads(self.lake.run("doctor", "--deep", "--json"))["findings"], [])

    def test_position_deletes_of_others(self):
        def deletes(table):
            self.files_before = [task.file.file_path for task in table.scan().plan_files()]
            return [position_deletes(self.files_before[0], [0, 2])]
        self.with_their_deletes(DataFileContent.POSITION_DELETES, deletes)
        self.assertGreater(len(self.files_before), 1)
        self.assert_compacts(self.lake.pyiceberg("ns.theirs").scan().to_arrow())

    def test_equality_deletes_of_others(self):
        """PyIceberg cannot read such a table, and can when it is compacted."""
        def deletes(table):
            number = table.schema().find_field("id").field_id
            return [key_deletes("id", number, [3, 5, 1000]), [number]]
        table = self.with_their_deletes(DataFileContent.EQUALITY_DELETES, deletes)
        before = table.scan().to_arrow()
        self.assert_compacts(before.filter(pa.compute.invert(pa.compute.is_in(before["id"], pa.array([3, 5])))))

    def test_what_is_wrong(self):
        self.lake.run("table", "create", "ns.t", "--schema", SCHEMA)
        self.assertIn("nothing to compact", self.lake.run("compact", "ns.t").decode())
        for code, arguments in [(3, ["ns.none"]), (2, ["ns.t", "--where", "nope = 1"]), (2, []),
                                (2, ["ns.t", "--where", "id ="]), (2, ["ns.t", "--min-files", "1"]),
                                (2, ["ns.t", "--threads", "0"]), (2, ["ns.t", "--target-size", "x"]),
                                (2, ["ns.t", "--tries", "0"])]:
            self.assertEqual(self.lake.error("compact", *arguments)[0], code, arguments)


if __name__ == "__main__":
    unittest.main()
