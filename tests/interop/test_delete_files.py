"""Delete files that others wrote: a scan must not show the rows that they hide, and tell them as
changes; appends must carry them on. PyIceberg applies position deletes, but writes none: they are made
here with its manifest writers and pyarrow. Equality deletes it does not read at all: what is left is
what pyarrow leaves out. Tables that Iceberg's Java library wrote are in tests/golden/deletes."""
import collections
import json
import unittest

import pyarrow as pa
import pyarrow.compute  # noqa: F401  (as pa.compute)
import pyarrow.parquet as pq

import pyiceberg_tables
from lake_runner import LakeTest
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DataFile, DataFileContent, FileFormat, ManifestContent, ManifestEntry, ManifestEntryStatus,
    ManifestWriterV2, write_manifest_list)
from pyiceberg.typedef import Record

SNAPSHOT = 4242424242


class DeleteManifestWriter(ManifestWriterV2):
    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


def field(name, kind, number):
    return pa.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(number)})


def position_deletes(data_file, positions):
    schema = pa.schema([field("file_path", pa.string(), 2147483546), field("pos", pa.int64(), 2147483545)])
    return pa.table([[data_file] * len(positions), positions], schema=schema)


def key_deletes(name, number, values):
    return pa.table([pa.array(values)], schema=pa.schema([field(name, pa.array(values).type, number)]))


def with_deletes(table, content, rows, equality_ids=None, file_format=FileFormat.PARQUET):
    """A metadata file of one snapshot more, which adds a delete file with these rows."""
    folder, last = table.location().removeprefix("file://"), table.current_snapshot()
    path = f"{folder}/data/deletes-{int(content)}.parquet"
    pq.write_table(rows, path)
    with open(path, "rb") as file:
        size = len(file.read())
    io, sequence = PyArrowFileIO(), table.metadata.last_sequence_number + 1
    output = io.new_output(f"file://{folder}/metadata/deletes-{int(content)}.avro")
    with DeleteManifestWriter(table.spec(), table.schema(), output, SNAPSHOT, "deflate") as writer:
        writer.add_entry(ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED, snapshot_id=SNAPSHOT, sequence_number=None,
            file_sequence_number=None, data_file=DataFile.from_args(
                content=content, file_path=f"file://{path}", file_format=file_format,
                partition=Record(), record_count=rows.num_rows, file_size_in_bytes=size,
                column_sizes=None, value_counts=None, null_value_counts=None, nan_value_counts=None,
                lower_bounds=None, upper_bounds=None, key_metadata=None, split_offsets=None,
                equality_ids=equality_ids, sort_order_id=None)))
    manifest = writer.to_manifest_file()
    listed = f"file://{folder}/metadata/snap-{int(content)}.avro"
    with write_manifest_list(2, io.new_output(listed), SNAPSHOT, last.snapshot_id, sequence,
                             "deflate") as out:
        out.add_manifests([*last.manifests(io), manifest])
    metadata = json.loads(table.metadata.model_dump_json())
    metadata["last-sequence-number"] = sequence
    metadata["current-snapshot-id"] = SNAPSHOT
    metadata["refs"]["main"]["snapshot-id"] = SNAPSHOT
    metadata["snapshots"].append({
        "snapshot-id": SNAPSHOT, "parent-snapshot-id": last.snapshot_id, "sequence-number": sequence,
        "timestamp-ms": last.timestamp_ms + 1, "manifest-list": listed,
        "schema-id": table.schema().schema_id, "summary": {"operation": "overwrite"}})
    metadata["snapshot-log"].append({"snapshot-id": SNAPSHOT, "timestamp-ms": last.timestamp_ms + 1})
    metadata["last-updated-ms"] = last.timestamp_ms + 1
    name = f"{folder}/metadata/00009-deletes-{int(content)}.metadata.json"
    with open(name, "w") as file:
        json.dump(metadata, file)
    return f"file://{name}"


class DeleteFiles(LakeTest):
    def table(self):
        catalog = pyiceberg_tables.catalog_in(self.lake.root / "theirs")
        return pyiceberg_tables.every_type(catalog, "t", 2, "gzip")

    def first_file(self, table):
        return next(iter(table.scan().plan_files())).file.file_path

    def changes(self, table):
        rows = self.lake.run("scan", "ns.t", "--from", table.current_snapshot().snapshot_id, "--changes",
                             "--columns", "id", "--format", "json")
        return [json.loads(line) for line in rows.splitlines()]

    def test_position_deletes_hide_what_pyiceberg_hides(self):
        table = self.table()
        rows = position_deletes(self.first_file(table), [0, 2])
        location = with_deletes(table, DataFileContent.POSITION_DELETES, rows)
        self.lake.run("table", "register", "ns.t", location)
        theirs = self.lake.pyiceberg("ns.t").scan().to_arrow()
        self.assertEqual(theirs.num_rows, 88)
        self.assert_same_rows(self.lake.scan("ns.t"), theirs)
        self.assertEqual(self.lake.scan("ns.t", as_of=table.current_snapshot().snapshot_id).num_rows, 90)
        self.assertEqual(json.loads(self.lake.run("scan", "ns.t", "--count", "--json")), {"count": 88})
        gone = set(table.scan().to_arrow()["id"].to_pylist()) - set(theirs["id"].to_pylist())
        self.assertEqual(
            sorted(self.changes(table), key=lambda row: row["id"]),
            [{"id": number, "_change_type": "delete", "_change_ordinal": 0, "_commit_snapshot_id": SNAPSHOT}
             for number in sorted(gone)])
        code, message = self.lake.error("scan", "ns.t", "--from", table.current_snapshot().snapshot_id)
        self.assertEqual(code, 2)
        self.assertIn("--changes", message)

    def test_equality_deletes_hide_rows_with_their_keys(self):
        table = self.table()
        rows = key_deletes("id", table.schema().find_field("id").field_id, [3, 5, 1000])
        location = with_deletes(table, DataFileContent.EQUALITY_DELETES, rows,
                                [table.schema().find_field("id").field_id])
        self.lake.run("table", "register", "ns.t", location)
        before = table.scan().to_arrow()
        left = before.filter(pa.compute.invert(pa.compute.is_in(before["id"], pa.array([3, 5]))))
        self.assertLess(left.num_rows, before.num_rows)
        self.assert_same_rows(self.lake.scan("ns.t"), left)
        self.assertEqual(self.lake.scan("ns.t", "id = 5").num_rows, 0)
        plan = self.lake.explain("ns.t", "id = 5")
        self.assertEqual([plan["delete-files-to-read"], plan["delete-files"][0]["columns"]], [1, ["id"]])
        self.assertEqual({row["id"] for row in self.changes(table)}, {3, 5})

    def test_other_formats_are_refused_by_name(self):
        table = self.table()
        rows = position_deletes(self.first_file(table), [0, 2])
        location = with_deletes(table, DataFileContent.POSITION_DELETES, rows, None, FileFormat.ORC)
        self.lake.run("table", "register", "ns.t", location)
        code, message = self.lake.error("scan", "ns.t")
        self.assertEqual(code, 2)
        self.assertIn("format ORC", message)
        self.assertIn("deletes-1.parquet", message)

    def test_changes_lead_from_one_snapshot_to_another(self):
        catalog = pyiceberg_tables.catalog_in(self.lake.root / "theirs")
        table = pyiceberg_tables.overwritten(catalog, 2)
        self.lake.run("table", "register", "ns.t", table.metadata_location)
        snapshots = table.metadata.snapshots
        self.assertGreater(len({snapshot.summary.operation for snapshot in snapshots}), 2)
        rows = collections.Counter(map(str, table.scan(snapshot_id=snapshots[0].snapshot_id)
                                       .to_arrow().to_pylist()))
        told = self.lake.run("scan", "ns.t", "--from", snapshots[0].snapshot_id, "--changes",
                             "--format", "json")
        for line in told.splitlines():
            row = json.loads(line)
            kind, snapshot = row.pop("_change_type"), row.pop("_commit_snapshot_id")
            row.pop("_change_ordinal")
            self.assertIn(snapshot, {snapshot.snapshot_id for snapshot in snapshots[1:]})
            rows[str(row)] += 1 if kind == "insert" else -1
            self.assertGreaterEqual(rows[str(row)], 0, row)
        self.assertEqual(+rows, collections.Counter(map(str, table.scan().to_arrow().to_pylist())))

    def test_an_append_carries_deletes_on(self):
        table = self.table()
        rows = position_deletes(self.first_file(table), [0, 2])
        self.lake.run("table", "register", "ns.t",
                      with_deletes(table, DataFileContent.POSITION_DELETES, rows))
        self.lake.import_rows("ns.t", pyiceberg_tables.rows(90, 7))
        theirs = self.lake.pyiceberg("ns.t").scan().to_arrow()
        self.assertEqual(theirs.num_rows, 95)
        self.assert_same_rows(self.lake.scan("ns.t"), theirs)
        self.lake.run("doctor", "--deep")


if __name__ == "__main__":
    unittest.main()
