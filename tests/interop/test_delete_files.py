"""Delete files that others wrote: we do not apply them yet, so a scan must say so and never show the
deleted rows; appends must carry them on. PyIceberg applies position deletes, but writes none: they are
made here with its manifest writers."""
import json
import unittest

import pyarrow as pa
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


def write_position_deletes(path, data_file, positions):
    def field(name, kind, number):
        return pa.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(number)})

    schema = pa.schema([field("file_path", pa.string(), 2147483546), field("pos", pa.int64(), 2147483545)])
    pq.write_table(pa.table([[data_file] * len(positions), positions], schema=schema), path)


def with_deletes(table, content, equality_ids=None):
    """A metadata file of one snapshot more, which deletes rows 0 and 2 of the table's first file."""
    folder, last = table.location().removeprefix("file://"), table.current_snapshot()
    data_file = next(iter(table.scan().plan_files())).file.file_path
    path = f"{folder}/data/deletes-{int(content)}.parquet"
    write_position_deletes(path, data_file, [0, 2])
    with open(path, "rb") as file:
        size = len(file.read())
    io, sequence = PyArrowFileIO(), table.metadata.last_sequence_number + 1
    output = io.new_output(f"file://{folder}/metadata/deletes-{int(content)}.avro")
    with DeleteManifestWriter(table.spec(), table.schema(), output, SNAPSHOT, "deflate") as writer:
        writer.add_entry(ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED, snapshot_id=SNAPSHOT, sequence_number=None,
            file_sequence_number=None, data_file=DataFile.from_args(
                content=content, file_path=f"file://{path}", file_format=FileFormat.PARQUET,
                partition=Record(), record_count=2, file_size_in_bytes=size, column_sizes=None,
                value_counts=None, null_value_counts=None, nan_value_counts=None, lower_bounds=None,
                upper_bounds=None, key_metadata=None, split_offsets=None, equality_ids=equality_ids,
                sort_order_id=None)))
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
    def check(self, content, equality_ids=None):
        catalog = pyiceberg_tables.catalog_in(self.lake.root / "theirs")
        table = pyiceberg_tables.every_type(catalog, "t", 2, "gzip")
        self.lake.run("table", "register", "ns.t", with_deletes(table, content, equality_ids))
        code, message = self.lake.error("scan", "ns.t")
        self.assertIn("the snapshot has delete files", message)
        self.assertIn("deletes-", message)
        self.assertEqual(self.lake.scan("ns.t", as_of=table.current_snapshot().snapshot_id).num_rows, 90)
        return code

    def test_position_deletes_are_refused_by_name(self):
        code = self.check(DataFileContent.POSITION_DELETES)
        self.assertEqual(code, 2)

    def test_equality_deletes_are_refused_by_name(self):
        self.check(DataFileContent.EQUALITY_DELETES, [1])

    def test_an_append_carries_deletes_on(self):
        self.check(DataFileContent.POSITION_DELETES)
        self.assertEqual(self.lake.pyiceberg("ns.t").scan().to_arrow().num_rows, 88)
        self.lake.import_rows("ns.t", pyiceberg_tables.rows(90, 7))
        seen = self.lake.pyiceberg("ns.t")
        self.assertEqual(seen.scan().to_arrow().num_rows, 95)
        self.lake.error("scan", "ns.t")
        self.lake.run("doctor", "--deep")


if __name__ == "__main__":
    unittest.main()
