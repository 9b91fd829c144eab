"""A lake in a temporary folder, driven through the parkeeper binary, and rows that can be compared.

The binary is $PARKEEPER. Rows are Python dicts; Normal() gives every reader's rows one form.
"""
import datetime
import decimal
import json
import math
import os
import pathlib
import subprocess
import tempfile
import unittest
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

import manifest_dump  # noqa: F401  (gives PyIceberg its snappy)
from pyiceberg.table import StaticTable

BINARY = os.environ.get("PARKEEPER", "build/release/parkeeper")


class Lake:
    """`folder`/lake. Failing commands raise unless the failure is what is asked for."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.root = self.folder / "lake"

    def call(self, *arguments):
        return subprocess.run([BINARY, "--lake", str(self.root), *map(str, arguments)],
                              capture_output=True, timeout=60)

    def run(self, *arguments):
        done = self.call(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"{arguments} gave {done.returncode}: {done.stderr.decode()}")
        return done.stdout

    def error(self, *arguments):
        """The exit code and the message of a command that must fail."""
        done = self.call(*arguments)
        if done.returncode == 0:
            raise AssertionError(f"{arguments} did not fail: {done.stdout[:500]!r}")
        return done.returncode, done.stderr.decode()

    def describe(self, table):
        return json.loads(self.run("table", "describe", table, "--json"))

    def scan(self, table, where=None, as_of=None):
        options = ["--where", where] if where else []
        options += ["--as-of", as_of] if as_of else []
        with pa.ipc.open_stream(self.run("scan", table, "--format", "arrow", *options)) as stream:
            return stream.read_all()

    def explain(self, table, where):
        return json.loads(self.run("scan", table, "--where", where, "--explain", "--json"))

    def write_parquet(self, name, rows):
        path = self.folder / name
        pq.write_table(rows, path)
        return path

    def import_rows(self, table, rows, *options):
        path = self.write_parquet("input.parquet", rows)
        return self.run("import", path, "--into", table, "--quiet", *options)

    def pyiceberg(self, table):
        """The table as PyIceberg sees it, of nothing but our metadata file."""
        return StaticTable.from_metadata(self.describe(table)["metadata-location"])


def normal_value(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, dict):
        return {name: normal_value(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [normal_value(member) for member in value]
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)  # with its scale
    return value


def normal(rows, key="id"):
    """Rows (an Arrow table or dicts) as dicts in the order of `key`; duplicates stay."""
    if isinstance(rows, pa.Table):
        rows = rows.to_pylist()
    return sorted((normal_value(row) for row in rows),
                  key=lambda row: (row[key] is not None, row[key], repr(sorted(row.items()))))


class LakeTest(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="parkeeper-interop-")
        self.addCleanup(folder.cleanup)
        self.lake = Lake(folder.name)
        self.lake.run("namespace", "create", "ns")

    def assert_same_rows(self, got, want, about="", key="id"):
        got, want = normal(got, key), normal(want, key)
        if got == want:
            return
        self.assertEqual(len(got), len(want), f"rows; {about}")
        for mine, other in zip(got, want):
            self.assertEqual(mine, other, about)
