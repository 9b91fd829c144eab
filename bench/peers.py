"""The peers, each over a table that it wrote itself.

python -m bench.peers SYSTEM ingest SOURCE FOLDER, or SYSTEM scan|stream FOLDER full|selective: does it once and
prints seconds (without imports and process start) and rows."""
import datetime
import decimal
import json
import os
import pathlib
import sys
import time

from bench.lineitem import FILTER_COLUMNS, FILTER_FROM, FILTER_QUANTITY, FILTER_SQL, FILTER_TO

FROM, TO = datetime.date.fromisoformat(FILTER_FROM), datetime.date.fromisoformat(FILTER_TO)
QUANTITY = decimal.Decimal(FILTER_QUANTITY)


def _arrow_filter():
    import pyarrow.compute as pc
    return (pc.field("l_shipdate") >= FROM) & (pc.field("l_shipdate") < TO) & (pc.field("l_quantity") < QUANTITY)


class PyArrow:
    def __init__(self):
        import pyarrow.dataset
        import pyarrow.parquet
        self.parquet, self.dataset = pyarrow.parquet, pyarrow.dataset

    def ingest(self, source, folder):
        self.parquet.write_table(self.parquet.read_table(source), folder / "data.parquet", compression="zstd")

    def stream(self, folder, selective):
        batches = self.dataset.dataset(folder / "data.parquet").to_batches(
            **({"columns": FILTER_COLUMNS, "filter": _arrow_filter()} if selective else {}))
        return sum(batch.num_rows for batch in batches)

    def scan(self, folder, selective):
        if selective:
            return self.dataset.dataset(folder / "data.parquet").to_table(FILTER_COLUMNS, _arrow_filter())
        return self.parquet.read_table(folder / "data.parquet")


class Polars:
    def __init__(self):
        import polars
        self.polars = polars

    def ingest(self, source, folder):
        self.polars.scan_parquet(source).sink_parquet(folder / "data.parquet", compression="zstd")

    def scan(self, folder, selective):
        col, rows = self.polars.col, self.polars.scan_parquet(folder / "data.parquet")
        if selective:
            rows = rows.filter((col("l_shipdate") >= FROM) & (col("l_shipdate") < TO) & (col("l_quantity") < QUANTITY))
            rows = rows.select(FILTER_COLUMNS)
        return rows.collect().to_arrow()


class DuckDb:
    def __init__(self):
        import duckdb
        self.connection = duckdb.connect()

    def ingest(self, source, folder):
        self.connection.execute(
            f"copy (from read_parquet('{source}')) to '{folder / 'data.parquet'}' (format parquet, compression zstd)")

    def _select(self, folder, selective):
        columns, where = (", ".join(FILTER_COLUMNS), f"where {FILTER_SQL}") if selective else ("*", "")
        return self.connection.execute(f"select {columns} from read_parquet('{folder / 'data.parquet'}') {where}")

    def stream(self, folder, selective):
        return sum(batch.num_rows for batch in self._select(folder, selective).to_arrow_reader(65_536))

    def scan(self, folder, selective):
        return self._select(folder, selective).to_arrow_table()


class PyIceberg:
    def __init__(self):
        import pyarrow.parquet
        from pyiceberg.catalog.sql import SqlCatalog
        self.parquet, self.catalog_class = pyarrow.parquet, SqlCatalog

    def _catalog(self, folder):
        return self.catalog_class("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")

    def ingest(self, source, folder):
        catalog = self._catalog(folder)
        rows = self.parquet.read_table(source)
        catalog.create_namespace("bench")
        catalog.create_table("bench.lineitem", rows.schema,
                             properties={"write.parquet.compression-codec": "zstd"}).append(rows)

    def scan(self, folder, selective):
        table = self._catalog(folder).load_table("bench.lineitem")
        if not selective:
            return table.scan().to_arrow()
        from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan
        row_filter = And(GreaterThanOrEqual("l_shipdate", FILTER_FROM), LessThan("l_shipdate", FILTER_TO),
                         LessThan("l_quantity", QUANTITY))
        return table.scan(row_filter=row_filter, selected_fields=tuple(FILTER_COLUMNS)).to_arrow()


class DeltaRs:
    def __init__(self):
        import deltalake
        import pyarrow.parquet
        self.delta, self.parquet = deltalake, pyarrow.parquet

    def ingest(self, source, folder):
        self.delta.write_deltalake(folder / "table", self.parquet.read_table(source),
                                   writer_properties=self.delta.WriterProperties(compression="ZSTD"))

    def scan(self, folder, selective):
        rows = self.delta.DeltaTable(folder / "table").to_pyarrow_dataset()
        return rows.to_table(FILTER_COLUMNS, _arrow_filter()) if selective else rows.to_table()


STREAMING = ["pyarrow", "duckdb"]  # those that hand over Arrow batches without keeping them
SYSTEMS = {"pyarrow": PyArrow, "polars": Polars, "duckdb": DuckDb, "pyiceberg": PyIceberg, "delta-rs": DeltaRs}


def main(system, verb, *arguments):
    peer = SYSTEMS[system]()
    start = time.perf_counter()
    if verb == "ingest":
        rows = peer.ingest(pathlib.Path(arguments[0]), pathlib.Path(arguments[1]))
    else:
        rows = getattr(peer, verb)(pathlib.Path(arguments[0]), arguments[1] == "selective")
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "rows": getattr(rows, "num_rows", rows)}), flush=True)
    os._exit(0)  # some end their threads badly


if __name__ == "__main__":
    main(*sys.argv[1:])
