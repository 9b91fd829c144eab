"""lineitem to Arrow: all columns, and three columns with a selective filter"""
import pathlib
import shutil
import tempfile

from bench import child, parkeeper, rounds
from bench.lineitem import warm
from bench.peers import STREAMING, SYSTEMS

CASES = {"all columns": False, "3 columns, filter": True}


def _prepare(source, folder, systems):
    for system in systems:
        (folder / system).mkdir()
        if system == "parkeeper":
            parkeeper.ingest(source, folder / system)
        else:
            rounds.peer(system, "ingest", source, folder / system)
        warm(folder / system)


def run(sources, folder, options):
    (source,) = sources.values()
    systems = [s for s in ["parkeeper", *SYSTEMS] if not options.only or s in options.only]
    _prepare(source, folder, systems)
    expected = {}
    shared = pathlib.Path("/dev/shm")
    memory = pathlib.Path(tempfile.mkdtemp(prefix="parkeeper-bench-", dir=shared if shared.is_dir() else None))

    def check(selective, system, rows):
        if expected.setdefault(selective, rows) != rows:
            raise child.ChildFailed(f"{system} read {rows} rows, others {expected[selective]}")

    def ours(selective):
        def once():
            done, rows = parkeeper.scan(folder / "parkeeper", selective)
            check(selective, "parkeeper", rows)
            return {"seconds": done.seconds, "cpu": done.cpu, "rss": done.rss, "rows": rows}
        return once

    def ours_ipc(selective):
        def once():
            done = parkeeper.scan_ipc(folder / "parkeeper", selective, memory / "rows.arrow")
            return {"seconds": done.seconds, "cpu": done.cpu, "rss": done.rss}
        return once

    def theirs(system, selective, verb="scan"):
        def once():
            how = "selective" if selective else "full"
            done, seconds, rows = rounds.peer(system, verb, folder / system, how)
            check(selective, system, rows)
            return {"seconds": seconds, "cpu": done.cpu, "rss": done.rss, "rows": rows}
        return once

    measures = {}
    for case, selective in CASES.items():
        for system in systems:
            measures[system, case] = ours(selective) if system == "parkeeper" else theirs(system, selective)
        for system in (s for s in STREAMING if s in systems):
            measures[f"{system}-stream", case] = theirs(system, selective, "stream")
        if "parkeeper" in systems:
            measures["parkeeper-ipc", case] = ours_ipc(selective)
    try:
        results = rounds.interleave(measures, options.repeat)
    finally:
        shutil.rmtree(memory)
    return results, [
        f"starting the binary alone: {parkeeper.start_seconds() * 1000:.0f} ms, included in ours; peers are timed"
        " inside Python, without imports",
        "parkeeper: every batch decoded to Arrow, strings as dictionaries where the file has them, each dropped"
        " when the next comes",
        "parkeeper-ipc: written to one Arrow IPC file in memory (/dev/shm), so serialised and copied once more",
        "pyarrow-stream, duckdb-stream: batches made and dropped like ours, strings plain",
        "other peers: one Arrow table that holds all rows, strings plain; each over the table that it wrote itself (zstd)",
        "polars: collect and to_arrow; duckdb, polars, pyarrow: one Parquet file; cpu and rss are of whole processes",
    ]
