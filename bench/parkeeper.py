"""Ours, through the release binary named by PARKEEPER: whole processes, start included."""
import json
import os

from bench import child
from bench.lineitem import FILTER_COLUMNS, FILTER_FROM, FILTER_QUANTITY, FILTER_TO

TABLE = "bench.lineitem"
WHERE = f"l_shipdate >= '{FILTER_FROM}' and l_shipdate < '{FILTER_TO}' and l_quantity < {FILTER_QUANTITY}"
SELECTIVE = ["--where", WHERE, "--columns", ",".join(FILTER_COLUMNS)]


def _call(lake, *arguments):
    return child.run([os.environ["PARKEEPER"], "--lake", lake, "--quiet", *arguments])


def start_seconds():
    """What starting the binary costs alone."""
    return min(child.run([os.environ["PARKEEPER"], "--version"]).seconds for _ in range(5))


def ingest(source, folder):
    return _call(folder, "import", source, "--into", TABLE, "--create")


def scan(folder, selective):
    """Every batch made as Arrow (strings as dictionaries) and dropped when the next comes; gives the rows too."""
    done = _call(folder, "--json", "scan", TABLE, "--count", *(SELECTIVE if selective else []))
    return done, json.loads(done.output)["count"]


def scan_ipc(folder, selective, output):
    """All batches in one Arrow IPC file."""
    done = _call(folder, "scan", TABLE, "--format", "arrow", "--output", output, *(SELECTIVE if selective else []))
    output.unlink()
    return done
