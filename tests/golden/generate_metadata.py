#!/usr/bin/env python3
"""Makes tests/golden/metadata/pyiceberg-*.json: table metadata as PyIceberg writes it.

Run with a Python that has pyiceberg, pyarrow and sqlalchemy:
    python tests/golden/generate_metadata.py
The files are the same after each run: ids come from a seed, times are counted, the warehouse has a
fixed name. Only commit a change that you understand; it is PyIceberg's then, not ours.
"""

import json
import pathlib
import random
import re
import tempfile
import uuid

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform, TruncateTransform
from pyiceberg.types import (
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType,
    ListType, LongType, MapType, NestedField, StringType, StructType, TimestampType,
    TimestamptzType, TimeType, UUIDType)

assert tuple(map(int, pyiceberg.__version__.split(".")[:2])) >= (0, 12), pyiceberg.__version__

FOLDER = pathlib.Path(__file__).parent / "metadata"
EVERY_TYPE = Schema(
    NestedField(1, "id", LongType(), required=True, doc='the "key"'),
    NestedField(2, "ts", TimestamptzType()),
    NestedField(3, "name", StringType()),
    NestedField(4, "flag", BooleanType()),
    NestedField(5, "small", IntegerType()),
    NestedField(6, "real", FloatType()),
    NestedField(7, "precise", DoubleType()),
    NestedField(8, "price", DecimalType(9, 2)),
    NestedField(9, "day", DateType()),
    NestedField(10, "clock", TimeType()),
    NestedField(11, "local", TimestampType()),
    NestedField(12, "guid", UUIDType()),
    NestedField(13, "code", FixedType(16)),
    NestedField(14, "bytes", BinaryType()),
    NestedField(15, "tags", ListType(16, StringType(), element_required=True)),
    NestedField(17, "counts", MapType(18, StringType(), 19, LongType(), value_required=False)),
    NestedField(20, "point", StructType(NestedField(21, "x", DoubleType(), required=True),
                                        NestedField(22, "y", DoubleType()))),
    identifier_field_ids=[1])
PAIR = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "name", StringType()))


def rows(start, count):
    return pa.table(
        {"id": pa.array(range(start, start + count), pa.int64()),
         "name": pa.array([f"name {i}" for i in range(start, start + count)], pa.large_string())},
        schema=pa.schema([pa.field("id", pa.int64(), nullable=False),
                          pa.field("name", pa.large_string())]))


def partitioned(catalog):
    """All types, a partition spec and its evolution, a sort order; no rows."""
    table = catalog.create_table(
        "ns.every_type", EVERY_TYPE,
        partition_spec=PartitionSpec(
            PartitionField(2, 1000, DayTransform(), "ts_day"),
            PartitionField(1, 1001, BucketTransform(16), "id_bucket"),
            PartitionField(3, 1002, TruncateTransform(4), "name_trunc")),
        sort_order=SortOrder(
            SortField(1, IdentityTransform(), SortDirection.DESC, NullOrder.NULLS_LAST),
            SortField(3, TruncateTransform(2))),
        properties={"write.metadata.previous-versions-max": "7", "owner": "Zoë"})
    with table.update_spec() as update:
        update.remove_field("name_trunc")
        update.add_field("day", IdentityTransform(), "day")
    return table


def history(catalog):
    """Appends, an overwrite, a delete, an evolved schema, a branch, a tag."""
    table = catalog.create_table("ns.history", PAIR)
    table.append(rows(0, 10))
    with table.update_schema() as update:
        update.add_column("more", IntegerType(), doc="came later")
    table.append(rows(10, 10))
    table.overwrite(rows(0, 3), overwrite_filter="id < 5")
    table.delete("id = 19")
    first = table.metadata.snapshots[0].snapshot_id
    table.manage_snapshots().create_tag(first, "first", max_ref_age_ms=86_400_000).commit()
    table.manage_snapshots().create_branch(
        first, "dev", min_snapshots_to_keep=2, max_snapshot_age_ms=1_000).commit()
    return table


def version_1(catalog):
    table = catalog.create_table("ns.version_1", PAIR, properties={"format-version": "1"})
    table.append(rows(0, 2))
    table.append(rows(2, 2))
    return table


def settled(text, folder):
    """The metadata with a fixed warehouse and with times counted from one fixed moment."""
    text = text.replace(folder, "/warehouse")
    times = re.findall(r'"(?:timestamp-ms|last-updated-ms)":\s*(\d+)', text)
    found = sorted({int(time) for time in times})
    for position, time in enumerate(found):
        text = text.replace(str(time), str(1_700_000_000_000 + position * 1_000))
    metadata = json.loads(text)
    # What varies with versions and file sizes, not with metadata.
    for snapshot in metadata.get("snapshots", []):
        for key in [k for k in snapshot.get("summary", {}) if k.endswith("files-size")]:
            snapshot["summary"][key] = "1000"
    return json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"


def main():
    ids = random.Random(20261122)
    uuid.uuid4 = lambda: uuid.UUID(int=ids.getrandbits(128), version=4)
    for make in (partitioned, history, version_1):
        with tempfile.TemporaryDirectory() as folder:
            catalog = SqlCatalog("golden", uri="sqlite://", warehouse=f"file://{folder}")
            catalog.create_namespace("ns")
            location = make(catalog).metadata_location.removeprefix("file://")
            text = settled(pathlib.Path(location).read_text(), folder)
        name = make.__name__.replace("_", "-")
        (FOLDER / f"pyiceberg-{name}.json").write_text(text)


main()
