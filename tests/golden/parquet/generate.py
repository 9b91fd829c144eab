"""Parquet files as pyarrow writes them, for the tests of the reader. Run in this folder."""
import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq


def field(name, kind, number, nullable=True):
    return pa.field(name, kind, nullable, {b"PARQUET:field_id": str(number).encode()})


def write(name, table, **options):
    pq.write_table(table, name + ".parquet", store_schema=options.pop("store_schema", False), **options)


money = [decimal.Decimal("1.50"), None, decimal.Decimal("-9999999.99")]
moment = datetime.datetime(1969, 12, 31, 23, 59, 59, 123456)
times = [moment, None, datetime.datetime(2024, 5, 1, 12, 0, 0)]

write("no_ids", pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", None, "c"],
                          "price": pa.array(money, pa.decimal128(9, 2))}))
write("int96", pa.table({"id": pa.array([1, 2, 3], pa.int32()), "at": pa.array(times, pa.timestamp("us"))}),
      use_deprecated_int96_timestamps=True)
write("nanos", pa.table({"at": pa.array(times, pa.timestamp("ns")), "ms": pa.array(times, pa.timestamp("us"))
                         .cast(pa.timestamp("ms"), safe=False)}), version="2.6")
write("renamed", pa.Table.from_arrays(
    [pa.array(["x", None, "z"]), pa.array([1, 2, 3], pa.int32()), pa.array([True, False, None])],
    schema=pa.schema([field("old_b", pa.string(), 2), field("old_a", pa.int32(), 1, False),
                      field("gone", pa.bool_(), 9)])))
write("promoted", pa.Table.from_arrays(
    [pa.array([1, None, -2147483648], pa.int32()), pa.array([1.5, None, -0.25], pa.float32()),
     pa.array(money, pa.decimal128(9, 2)), pa.array([1, None, 4294967295], pa.uint32())],
    schema=pa.schema([field("i", pa.int32(), 1), field("f", pa.float32(), 2),
                      field("d", pa.decimal128(9, 2), 3), field("u", pa.uint32(), 4)])),
    store_decimal_as_integer=True)
write("promoted_fixed", pa.Table.from_arrays(
    [pa.array(money, pa.decimal128(9, 2))], schema=pa.schema([field("d", pa.decimal128(9, 2), 3)])))
point = pa.struct([field("x", pa.int32(), 11), field("label", pa.string(), 12)])
item = pa.struct([field("sku", pa.int32(), 41), field("size", pa.float32(), 42)])
write("nested", pa.Table.from_pylist(
    [{"point": {"x": 1, "label": "a"}, "tags": ["s", None], "prices": [("k", 5)],
      "items": [{"sku": 7, "size": 1.5}, None]},
     {"point": None, "tags": [], "prices": [], "items": None},
     {"point": {"x": None, "label": "c"}, "tags": None, "prices": None, "items": []}],
    schema=pa.schema([field("point", point, 1), field("tags", pa.list_(field("element", pa.string(), 21)), 2),
                      field("prices", pa.map_(field("key", pa.string(), 31, False),
                                              field("value", pa.int32(), 32)), 3),
                      field("items", pa.list_(field("element", item, 40)), 4)])))
rows = 5000
write("pages", pa.Table.from_arrays(
    [pa.array(range(rows), pa.int64()), pa.array([f"word-{i % 13}" for i in range(rows)]),
     pa.array([f"unique text number {i * 7919 % rows}" for i in range(rows)]),
     pa.array([None if i % 3 == 0 else i / 4 for i in range(rows)], pa.float64())],
    schema=pa.schema([field("id", pa.int64(), 1, False), field("word", pa.string(), 2),
                      field("text", pa.string(), 3), field("quarter", pa.float64(), 4)])),
    data_page_version="2.0", write_page_index=True, data_page_size=2048, row_group_size=2000,
    use_dictionary=["word"], compression="zstd", write_batch_size=100,
    bloom_filter_options={"text": {"ndv": 2000, "fpp": 0.01}})
