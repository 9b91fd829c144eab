"""The peers of the bench `commits`, one writer each; the protocol is that of commit_writer.cc.

python -m bench.commit_peers SYSTEM create FOLDER ROWS: makes the empty table;
python -m bench.commit_peers SYSTEM count FOLDER: prints its rows;
python -m bench.commit_peers SYSTEM write FOLDER ROWS SECONDS: one writer, retries as the system's users set them.
"""
import collections
import json
import os
import pathlib
import sys
import time


class PyIceberg:
    """On its SQLite catalog. It does a refused commit again by itself, as often as the table's properties allow."""
    RETRIES = {"commit.retry.num-retries": "20", "commit.retry.min-wait-ms": "20",
               "commit.retry.max-wait-ms": "1000"}

    def __init__(self, folder):
        from pyiceberg.catalog.sql import SqlCatalog
        # SQLite's own wait for its lock, of which the default gives up after 5 s.
        self.catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db?timeout=30",
                                  warehouse=f"file://{folder}")

    def create(self, rows):
        self.catalog.create_namespace("bench")
        self.catalog.create_table("bench.events", rows.schema, properties=self.RETRIES)

    def open(self, rows):
        self.table, self.rows = self.catalog.load_table("bench.events"), rows

    def append(self):
        self.table.append(self.rows)

    def count(self):
        return self.catalog.load_table("bench.events").scan().count()


class DeltaRs:
    def __init__(self, folder):
        import deltalake
        self.delta, self.location = deltalake, str(folder / "table")

    def create(self, rows):
        self.delta.write_deltalake(self.location, rows.slice(0, 0))

    def open(self, rows):
        self.rows = rows
        self.properties = self.delta.CommitProperties(max_commit_retries=100)

    def append(self):
        self.delta.write_deltalake(self.location, self.rows, mode="append", commit_properties=self.properties)

    def count(self):
        return self.delta.DeltaTable(self.location).count()


class DuckLake:
    """On its SQLite catalog, the one for several processes of one machine."""

    def __init__(self, folder):
        import duckdb
        import duckdb_extension_ducklake
        import duckdb_extension_sqlite_scanner
        self.connection = duckdb.connect()
        for package in (duckdb_extension_sqlite_scanner, duckdb_extension_ducklake):
            extension, = pathlib.Path(package.__file__).parent.rglob("*.duckdb_extension")
            self.connection.execute(f"load '{extension}'")
        self.connection.execute("set ducklake_max_retry_count = 100")
        # Without inlining: every append writes its Parquet file, as everybody's does.
        self.connection.execute(f"attach 'ducklake:sqlite:{folder}/catalog.sqlite' as lake "
                                f"(data_path '{folder}/data', data_inlining_row_limit 0, busy_timeout 30000)")

    def create(self, rows):
        self.connection.register("batch", rows)
        self.connection.execute("create table lake.events as select * from batch limit 0")

    def open(self, rows):
        self.connection.register("batch", rows)

    def append(self):
        self.connection.execute("insert into lake.events select * from batch")

    def count(self):
        return self.connection.execute("select count(*) from lake.events").fetchone()[0]


SYSTEMS = {"pyiceberg": PyIceberg, "delta-rs": DeltaRs, "ducklake": DuckLake}


def write(peer, rows, seconds):
    peer.open(rows)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    tally = {"acknowledged": 0, "in_time": 0, "failed": 0, "unknown": 0}
    errors, latencies = collections.Counter(), []
    begin = time.perf_counter()
    end = begin + seconds
    while begin < end:
        try:
            peer.append()
            now = time.perf_counter()
            latencies.append((now - begin) * 1000)
            tally["acknowledged"] += 1
            tally["in_time"] += now <= end
        except Exception as failure:  # whatever a peer raises is a failed commit
            tally["failed"] += 1
            errors[f"{type(failure).__name__}: {failure}"[:200]] += 1
        begin = time.perf_counter()
    print(json.dumps({**tally, "errors": errors, "latencies_ms": latencies}), flush=True)
    sys.stdin.read()


def main(system, verb, folder, *arguments):
    import pyarrow.parquet
    peer = SYSTEMS[system](pathlib.Path(folder))
    if verb == "count":
        print(peer.count(), flush=True)
    else:
        rows = pyarrow.parquet.read_table(arguments[0])
        if verb == "create":
            peer.create(rows)
        else:
            write(peer, rows, float(arguments[1]))
    os._exit(0)  # some end their threads badly


if __name__ == "__main__":
    main(*sys.argv[1:])
