"""Tables that PyIceberg writes, for us to read: one function each, in a folder of ours.

Metadata, manifest lists and manifests hold absolute locations, so the tables are made anew in each
test's lake instead of being kept; what is kept under tests/golden are the files on their own.
"""
import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq

import manifest_dump  # noqa: F401  (gives PyIceberg its snappy)
import samples
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import (
    BucketTransform, DayTransform, HourTransform, IdentityTransform, MonthTransform,
    TruncateTransform, VoidTransform, YearTransform)
from pyiceberg.types import (
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType,
    ListType, LongType, MapType, NestedField, StringType, StructType, TimestampType,
    TimestamptzType, TimeType, UUIDType)

EVERY_TYPE = Schema(
    NestedField(1, "id", LongType(), required=True),
    *(NestedField(number, name, kind) for number, (name, kind) in enumerate([
        ("b", BooleanType()), ("i", IntegerType()), ("f", FloatType()), ("d", DoubleType()),
        ("d9", DecimalType(9, 2)), ("d18", DecimalType(18, 4)), ("d38", DecimalType(38, 10)),
        ("dt", DateType()), ("tm", TimeType()), ("ts", TimestampType()), ("tz", TimestamptzType()),
        ("s", StringType()), ("u", UUIDType()), ("fx", FixedType(4)), ("bn", BinaryType()),
        ("l", ListType(30, IntegerType(), False)),
        ("st", StructType(NestedField(31, "x", IntegerType()), NestedField(32, "y", StringType()))),
        ("m", MapType(33, StringType(), 34, IntegerType(), False))], start=2)))
PARTITIONS = {
    "i": ("i", IdentityTransform()), "s": ("s", IdentityTransform()), "dt": ("dt", IdentityTransform()),
    "flag": ("b", IdentityTransform()), "price": ("d9", IdentityTransform()),
    "s_bucket": ("s", BucketTransform(4)), "i_cut": ("i", TruncateTransform(100000000)),
    "s_cut": ("s", TruncateTransform(2)), "year": ("dt", YearTransform()),
    "month": ("ts", MonthTransform()), "day": ("tz", DayTransform()), "hour": ("ts", HourTransform()),
    "void": ("i", VoidTransform())}


def by_value(transform, source):
    """PyIceberg's transform of one value, for Arrow columns: what it does itself only with a library more."""
    function = transform.transform(source)
    day = isinstance(transform, DayTransform)  # its values are counted as a number, too
    result = pa.int32() if day else schema_to_pyarrow(transform.result_type(source))

    def apply(column):
        if pa.types.is_temporal(column.type):
            column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
        return pa.array([None if value is None else function(value) for value in column.to_pylist()], result)
    return apply


for kind in (BucketTransform, TruncateTransform, YearTransform, MonthTransform, DayTransform, HourTransform):
    kind.pyarrow_transform = by_value


def rows(start, count):
    fields = [field for field in samples.ARROW if field.name != "deep"]
    schema = pa.schema([pa.field("u", pa.uuid()) if f.name == "u" else f for f in fields])
    plain = samples.table(start, count).drop_columns("deep")
    return pa.Table.from_arrays(
        [column.cast(pa.uuid()) if name == "u" else column
         for name, column in zip(plain.column_names, plain.columns)], schema=schema)


def catalog_in(folder):
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("theirs", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace_if_not_exists("theirs")
    return catalog


def every_type(catalog, name, version, codec):
    table = catalog.create_table(f"theirs.{name}", EVERY_TYPE, properties={
        "format-version": str(version), "write.avro.compression-codec": codec})
    for start in (0, 30, 60):
        table.append(rows(start, 30))
    return table


def partitioned(catalog, name, version):
    ids = {field.name: field.field_id for field in EVERY_TYPE.fields}
    source, transform = PARTITIONS[name]
    spec = PartitionSpec(PartitionField(ids[source], 1000, transform, f"p_{name}"))
    table = catalog.create_table(f"theirs.by_{name}_{version}", EVERY_TYPE, partition_spec=spec,
                                 properties={"format-version": str(version)})
    table.append(rows(0, 22))
    table.append(rows(22, 11))
    return table


def overwritten(catalog, version):
    """Upserts, overwrites, deletes and merged manifests: entries existing and deleted."""
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "k", StringType()),
                    NestedField(3, "n", IntegerType()), identifier_field_ids=[1])
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "k"))
    table = catalog.create_table(f"theirs.overwritten_{version}", schema, partition_spec=spec, properties={
        "format-version": str(version), "commit.manifest-merge.enabled": "true",
        "commit.manifest.min-count-to-merge": "2"})
    shape = pa.schema([pa.field("id", pa.int64(), nullable=False), ("k", pa.string()), ("n", pa.int32())])

    def part(ids, n):
        return pa.Table.from_pylist([{"id": i, "k": ["a/b", None, "c d", "%"][i % 4], "n": n}
                                     for i in ids], shape)

    for start in range(0, 40, 10):
        table.append(part(range(start, start + 10), 1))
    table.upsert(part(range(35, 45), 2))
    table.delete(EqualTo("id", 3))
    table.delete(EqualTo("k", "c d"))
    table.overwrite(part(range(50, 55), 3), And(GreaterThanOrEqual("id", 10), LessThan("id", 13)))
    table.dynamic_partition_overwrite(part([60, 64], 4))
    table.append(part(range(70, 73), 5))
    return table


def evolved(catalog, version):
    """Columns renamed, added, dropped, moved and promoted, the partition spec changed on the way."""
    schema = Schema(
        NestedField(1, "id", LongType(), required=True), NestedField(2, "i", IntegerType()),
        NestedField(3, "f", FloatType()), NestedField(4, "price", DecimalType(9, 2)),
        NestedField(5, "gone", StringType()), NestedField(6, "day", DateType()),
        NestedField(7, "st", StructType(NestedField(8, "x", IntegerType()),
                                        NestedField(9, "y", StringType()))))
    table = catalog.create_table(f"theirs.evolved_{version}", schema,
                                 properties={"format-version": str(version)})
    shape = {"id": pa.int64(), "i": pa.int32(), "f": pa.float32(), "price": pa.decimal128(9, 2),
             "gone": pa.string(), "day": pa.date32(),
             "st": pa.struct([("x", pa.int32()), ("y", pa.string())])}

    def append(first, **changes):
        kinds = {name: kind for name, kind in (shape | changes).items() if kind is not None}
        values = {"id": range(first, first + 6), "i": range(6), "whole": range(6), "f": [1.5] * 6,
                  "price": [decimal.Decimal("12.50")] * 6, "gone": ["old"] * 6, "added": ["new"] * 6,
                  "day": [datetime.date(2020 + j, 1, 5) for j in range(6)],
                  "st": [{"x": j, "y": "s", "z": j} for j in range(6)]}
        fields = [pa.field(name, kind, nullable=name != "id") for name, kind in kinds.items()]
        table.append(pa.table([pa.array([None if j == 2 and field.name != "id" else v
                                         for j, v in enumerate(values[field.name])], field.type)
                               for field in fields], schema=pa.schema(fields)))

    append(0)
    with table.update_spec() as update:
        update.add_field("day", YearTransform(), "year")
    append(6)
    with table.update_schema() as update:
        update.rename_column("i", "whole")
        update.update_column("f", DoubleType())
        update.update_column("price", DecimalType(18, 2))
        update.add_column("added", StringType())
        update.add_column(("st", "z"), IntegerType())
    wide = {"i": None, "whole": pa.int32(), "f": pa.float64(), "price": pa.decimal128(18, 2),
            "added": pa.string(), "st": pa.struct([("x", pa.int32()), ("y", pa.string()), ("z", pa.int32())])}
    append(12, **wide)
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.update_column("whole", LongType())
        update.delete_column("gone")
        update.move_first("added")
        update.rename_column("st.x", "ex")
        update.delete_column("st.y")
    with table.update_schema() as update:
        update.add_column("gone", IntegerType())  # the name again, of another column
    with table.update_spec() as update:
        update.remove_field("year")
        update.add_field("whole", BucketTransform(3), "bucket")
    append(18, **wide | {"whole": pa.int64(), "gone": None, "st": pa.struct([("z", pa.int32())])})
    return table


def branched(catalog):
    table = catalog.create_table("theirs.branched", EVERY_TYPE)
    table.append(rows(0, 5))
    first = table.current_snapshot().snapshot_id
    table.append(rows(5, 5))
    table.manage_snapshots().create_tag(first, "v1").create_branch(first, "side").commit()
    table.append(rows(100, 3), branch="side")
    table.append(rows(10, 5))
    return table


def rolled_back(catalog):
    table = catalog.create_table("theirs.rolled_back", EVERY_TYPE, sort_order=SortOrder(
        SortField(13, IdentityTransform()), SortField(1, IdentityTransform())))
    for start in (0, 5, 10):
        table.append(rows(start, 5))
    table.manage_snapshots().rollback_to_snapshot(table.snapshots()[1].snapshot_id).commit()
    return table


def with_files_added(catalog, folder):
    """Files without field ids, taken in where they lie; names are mapped."""
    table = catalog.create_table("theirs.added", EVERY_TYPE)
    table.append(rows(0, 5))
    path = folder / "plain.parquet"
    pq.write_table(rows(5, 5).drop_columns(["u"]), path)
    table.add_files([f"file://{path}"])
    return table
