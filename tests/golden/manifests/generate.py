"""Writes the golden manifests and lists of this folder with PyIceberg, and expected.json, what PyIceberg
reads in them. Usage, from anywhere: python generate.py. The same PyIceberg writes the same files.
"""
import datetime
import decimal
import json
import pathlib
import sys
import uuid

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "interop"))

import manifest_dump  # noqa: E402
import pyiceberg  # noqa: E402
import pyiceberg.avro.file  # noqa: E402
from pyiceberg.conversions import to_bytes  # noqa: E402
from pyiceberg.io.pyarrow import PyArrowFileIO  # noqa: E402
from pyiceberg.manifest import (  # noqa: E402
    DataFile, DataFileContent, FileFormat, ManifestContent, ManifestEntry, ManifestEntryStatus,
    ManifestWriterV2, write_manifest, write_manifest_list)
from pyiceberg.partitioning import PartitionField, PartitionSpec  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402
from pyiceberg.transforms import (  # noqa: E402
    BucketTransform, DayTransform, HourTransform, IdentityTransform, MonthTransform,
    TruncateTransform, VoidTransform, YearTransform)
from pyiceberg.typedef import Record  # noqa: E402
from pyiceberg.types import (  # noqa: E402
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType,
    LongType, NestedField, StringType, TimestampType, TimestamptzType, TimeType, UUIDType)

SNAPSHOT = 3051729675574597004
COLUMNS = [
    ("flag", BooleanType()), ("small", IntegerType()), ("big", LongType()), ("real", FloatType()),
    ("precise", DoubleType()), ("price", DecimalType(9, 2)), ("huge", DecimalType(38, 10)),
    ("day", DateType()), ("at", TimeType()), ("ts", TimestampType()), ("tz", TimestamptzType()),
    ("name", StringType()), ("key", UUIDType()), ("code", FixedType(5)), ("raw", BinaryType())]
SCHEMA = Schema(*[NestedField(i + 1, name, kind, required=False)
                  for i, (name, kind) in enumerate(COLUMNS)], schema_id=3)
TRANSFORMS = [
    ("small", BucketTransform(16), "small_bucket"), ("name", BucketTransform(4), "name bucket"),
    ("key", BucketTransform(8), "1key_bucket"), ("small", TruncateTransform(10), "small_trunc"),
    ("price", TruncateTransform(50), "price_trunc"), ("name", TruncateTransform(2), "name_trunc"),
    ("raw", TruncateTransform(1), "raw_trunc"), ("day", YearTransform(), "day_year"),
    ("ts", MonthTransform(), "ts_month"), ("tz", DayTransform(), "tz_day"),
    ("ts", HourTransform(), "ts_hour"), ("big", VoidTransform(), "big_void")]


def all_fields_spec():
    fields = [(name, IdentityTransform(), name) for name, _ in COLUMNS] + TRANSFORMS
    ids = {field.name: field.field_id for field in SCHEMA.fields}
    return PartitionSpec(*[PartitionField(ids[source], 1000 + i, transform, name)
                           for i, (source, transform, name) in enumerate(fields)], spec_id=2)


def row(i):
    """Column values as PyIceberg holds them; every fourth value is null, each in another row."""
    sign = -1 if i % 2 else 1
    micros = sign * (1510871468000000 + i * 3600000000)
    values = [
        i % 2 == 0, sign * i * 1000, sign * (1 << 40) * i, sign * 1.5 * i, sign * 2.25 * i,
        decimal.Decimal(sign * 1420 * i).scaleb(-2), decimal.Decimal(sign * 10 ** 25 * i).scaleb(-10),
        sign * (17486 + i), 81068000000 + i, micros, micros + 1, f"n\u00e4me-{i}",
        uuid.UUID(int=0xF79C3E09677C4BBDA479512F87E7F5C4 + i), bytes([i, 0, 255, 1, 2]),
        bytes([255 - i]) * i]
    return [None if (i + position) % 4 == 3 else value for position, value in enumerate(values)]


def partition_of(i, spec):
    values = dict(zip([field.field_id for field in SCHEMA.fields], row(i)))
    out = []
    for field in spec.fields:
        source = SCHEMA.find_field(field.source_id)
        out.append(field.transform.transform(source.field_type)(values[field.source_id]))
    return Record(*out)


def data_file(i, spec, content=DataFileContent.DATA):
    values = row(i)
    bounds = {field.field_id: to_bytes(field.field_type, value)
              for field, value in zip(SCHEMA.fields, values) if value is not None}
    plain = i % 5 == 4  # no metrics
    ids = range(1, len(COLUMNS) + 1)
    return DataFile.from_args(
        content=content, file_path=f"s3://bucket/t/data/{i:05}.parquet",
        file_format=FileFormat.PARQUET, partition=partition_of(i, spec), record_count=100 * i,
        file_size_in_bytes=5000 + i,
        column_sizes=None if plain else {c: 10 * c + i for c in ids},
        value_counts=None if plain else {c: 100 * i for c in ids},
        null_value_counts=None if plain else {c: c % 3 for c in ids},
        nan_value_counts=None if plain else {4: i, 5: 0},
        lower_bounds=None if plain else bounds, upper_bounds=None if plain else bounds,
        key_metadata=b"\x00key" if i == 2 else None,
        split_offsets=[4, 4 + i * 1000, 1 << 33] if i % 2 else None,
        equality_ids=[1, 3] if content == DataFileContent.EQUALITY_DELETES else None,
        sort_order_id=i if i % 3 == 0 else None)


def entry(i, spec, content):
    status = ManifestEntryStatus([1, 1, 0, 2, 1, 0][i % 6])
    added = status == ManifestEntryStatus.ADDED
    return ManifestEntry.from_args(
        status=status, snapshot_id=SNAPSHOT if added else 77 + i,
        sequence_number=None if added else 5 + i, file_sequence_number=None if added else 4 + i,
        data_file=data_file(i, spec, content))


class DeleteWriter(ManifestWriterV2):
    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


def manifest(name, version, codec, spec, count, writer=write_manifest, content=DataFileContent.DATA):
    output = PyArrowFileIO().new_output(str(FOLDER / name))
    if writer is DeleteWriter:
        opened = DeleteWriter(spec, SCHEMA, output, SNAPSHOT, codec)
    else:
        opened = write_manifest(version, spec, SCHEMA, output, SNAPSHOT, codec)
    with opened as out:
        for i in range(count):
            out.add_entry(entry(i, spec, content))
    line = out.to_manifest_file()
    line.sequence_number = 0 if version == 1 else 34
    line.min_sequence_number = 0 if version == 1 else 7
    dumped = manifest_dump.dump_manifest_file(line)
    dumped["manifest_path"] = name
    return line, {"file": name, "spec": spec.model_dump_json(), "line": dumped,
                  "entries": manifest_dump.dump_manifest(line, SCHEMA, spec)}


def manifest_list(name, version, codec, lines):
    output = PyArrowFileIO().new_output(str(FOLDER / name))
    with write_manifest_list(version, output, SNAPSHOT, 12, 34, codec) as out:
        out.add_manifests(lines)
    return {"file": name, "manifests": manifest_dump.dump_manifest_list(FOLDER / name)}


def main():
    pyiceberg.avro.file.os.urandom = lambda size: bytes(range(size))
    spec, unpartitioned = all_fields_spec(), PartitionSpec()
    made = [manifest(f"v2-{codec}.avro", 2, codec, spec, 9)
            for codec in ("null", "deflate", "zstandard", "snappy")]
    made.append(manifest("v1-deflate.avro", 1, "deflate", spec, 9))
    made.append(manifest("v2-unpartitioned.avro", 2, "deflate", unpartitioned, 30))
    made.append(manifest("v2-equality-deletes.avro", 2, "zstandard", spec, 4, DeleteWriter,
                         DataFileContent.EQUALITY_DELETES))
    lines = []
    for line, dumped in made:
        line._data[0] = "s3://bucket/t/metadata/" + dumped["file"]
        lines.append(line)
    lists = [manifest_list(f"list-v2-{codec}.avro", 2, codec, lines)
             for codec in ("null", "deflate", "zstandard", "snappy")]
    lists.append(manifest_list("list-v1-deflate.avro", 1, "deflate", lines[4:6]))
    expected = {"written_by": f"PyIceberg {pyiceberg.__version__}", "schema": SCHEMA.model_dump_json(),
                "manifests": [dumped for _, dumped in made], "lists": lists}
    (FOLDER / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
