"""PyIceberg reads exactly the rows that our deletes left, and what it tells of the metadata fits them."""
import json
import unittest

import pyarrow as pa

from lake_runner import LakeTest

SCHEMA = "id bigint not null, cat string, x double"
DELETED = 2  # status of a manifest entry


def rows(first, last):
    ids = range(first, last)
    return pa.table({"id": pa.array(ids, pa.int64()), "cat": [f"c{i % 4}" for i in ids],
                     "x": [None if i % 5 == 0 else i + 0.5 for i in ids]},
                    schema=pa.schema([pa.field("id", pa.int64(), nullable=False), ("cat", pa.string()),
                                      ("x", pa.float64())]))


class DeletedRows(LakeTest):
    def make(self, table, *options, properties=()):
        for each in properties:
            options += ("--property", each)
        self.lake.run("table", "create", table, "--schema", SCHEMA, *options)
        self.want = {}
        for first in range(0, 400, 100):
            part = rows(first, first + 100)
            self.lake.import_rows(table, part)
            self.want.update({row["id"]: row for row in part.to_pylist()})

    def delete(self, table, where, matches):
        told = json.loads(self.lake.run("delete", table, "--where", where, "--json"))
        gone = [i for i, row in self.want.items() if matches(row)]
        self.assertEqual(told["rows"], len(gone), where)
        self.want = {i: row for i, row in self.want.items() if i not in gone}
        self.assert_reads(table)
        return told

    def assert_reads(self, table):
        want = list(self.want.values())
        seen = self.lake.pyiceberg(table)
        self.assert_same_rows(seen.scan().to_arrow(), want, "PyIceberg")
        self.assert_same_rows(self.lake.scan(table), want, "ours")
        snapshot = seen.metadata.current_snapshot()
        files = seen.inspect.files().to_pylist()
        self.assertEqual(int(snapshot.summary["total-data-files"]), len(files))
        self.assertEqual(int(snapshot.summary["total-records"]), len(want))
        self.assertEqual(sum(file["record_count"] for file in files), len(want))
        self.assertEqual(int(snapshot.summary["total-files-size"]),
                         sum(file["file_size_in_bytes"] for file in files))
        self.assert_entries(seen, snapshot, {file["file_path"] for file in files})
        self.assertEqual(json.loads(self.lake.run("doctor", "--deep", "--json"))["findings"], [])

    def assert_entries(self, seen, snapshot, live):
        """What the current snapshot's entries say is the difference to its parent's files."""
        entries = seen.inspect.entries().to_pylist()
        ours = [entry for entry in entries if entry["snapshot_id"] == snapshot.snapshot_id]
        parent = {file["file_path"] for file in seen.inspect.files(snapshot.parent_snapshot_id).to_pylist()}
        removed = {entry["data_file"]["file_path"] for entry in ours if entry["status"] == DELETED}
        added = {entry["data_file"]["file_path"] for entry in ours if entry["status"] != DELETED}
        self.assertEqual(removed, parent - live)
        self.assertEqual(added, live - parent)
        numbers = {each.snapshot_id: each.sequence_number for each in seen.metadata.snapshots}
        for entry in entries:
            if entry["status"] != DELETED:
                self.assertEqual(entry["sequence_number"] or 0, numbers[entry["snapshot_id"]] or 0)
        for manifest in snapshot.manifests(seen.io):
            self.assertLessEqual(manifest.min_sequence_number, manifest.sequence_number)
        self.assertEqual(int(snapshot.summary.get("deleted-data-files") or 0), len(removed))
        self.assertEqual(int(snapshot.summary.get("added-data-files") or 0), len(added))

    def delete_all_kinds(self, table):
        self.assertEqual(self.delete(table, "id < 150", lambda r: r["id"] < 150)["rewritten-files"] > 0, True)
        self.delete(table, "x > 380", lambda r: r["x"] is not None and r["x"] > 380)
        self.delete(table, "cat = 'c1' and id < 300", lambda r: r["cat"] == "c1" and r["id"] < 300)
        self.lake.import_rows(table, rows(1000, 1010))
        self.want.update({row["id"]: row for row in rows(1000, 1010).to_pylist()})
        self.delete(table, "x is null", lambda r: r["x"] is None)
        seen = self.lake.pyiceberg(table)
        operations = [str(each.summary.operation.value) for each in seen.metadata.snapshots]
        self.assertEqual(operations, ["append"] * 4 + ["overwrite"] * 3 + ["append", "overwrite"])
        self.assert_past(table, seen)
        self.delete(table, "true", lambda r: True)
        self.assertEqual(self.lake.pyiceberg(table).metadata.current_snapshot().summary.operation.value, "delete")

    def assert_past(self, table, seen):
        """The snapshots before the deletes still read as they were."""
        before = seen.metadata.snapshots[3].snapshot_id
        self.assertEqual(seen.scan(snapshot_id=before).to_arrow().num_rows, 400)
        self.assertEqual(self.lake.scan(table, as_of=before).num_rows, 400)

    def test_without_partitions(self):
        self.make("ns.plain")
        self.delete_all_kinds("ns.plain")

    def test_by_partition(self):
        self.make("ns.parts", "--partition-by", "cat")
        told = self.delete("ns.parts", "cat = 'c3'", lambda r: r["cat"] == "c3")
        self.assertEqual(told["rewritten-files"], 0)
        self.assertEqual(told["removed-files"], 4)
        self.delete("ns.parts", "cat = 'c2' and id >= 200 or id = 4",
                    lambda r: r["cat"] == "c2" and r["id"] >= 200 or r["id"] == 4)

    def test_format_version_1(self):
        self.make("ns.old", properties=["format-version=1"])
        self.delete_all_kinds("ns.old")

    def test_nothing_matches(self):
        self.make("ns.none")
        before = self.lake.describe("ns.none")["metadata-location"]
        told = json.loads(self.lake.run("delete", "ns.none", "--where", "id = 5000", "--json"))
        self.assertEqual((told["rows"], told["snapshot-id"]), (0, None))
        self.assertEqual(self.lake.describe("ns.none")["metadata-location"], before)

    def test_what_is_wrong(self):
        self.make("ns.wrong")
        for code, arguments in [(2, ["ns.wrong", "--where", "nope = 1"]), (2, ["ns.wrong", "--where", "id ="]),
                                (3, ["ns.missing", "--where", "true"]), (2, ["ns.wrong"]),
                                (2, ["ns.wrong", "--where", "true", "--tries", "0"])]:
            self.assertEqual(self.lake.error("delete", *arguments)[0], code, arguments)


if __name__ == "__main__":
    unittest.main()
