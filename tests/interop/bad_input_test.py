"""Bad input through the command line: each gets a clear error, and nothing changes.

Runs the binary that PARKEEPER names, each test in a lake of its own.
"""

import errno
import fcntl
import gzip
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

PARKEEPER = os.environ["PARKEEPER"]
ROWS = 10_000
INTERRUPTED = 130
TERMINATED = 143


def sample(rows=ROWS):
    return pa.table({"id": pa.array([i * 7919 * 7919 % 1_000_003 for i in range(rows)], pa.int64()),
                     "s": [f"row {i}" for i in range(rows)]})


def flipped(whole, at):
    changed = bytearray(whole)
    changed[at] ^= 1 << at % 8
    return bytes(changed)


def wait_until(child, condition):
    """Looks often until `condition()` holds; fails when the child ends before."""
    while not condition():
        if child.poll() is not None:
            raise AssertionError(f"ended early: {child.returncode} {child.communicate()}")
        threading.Event().wait(0.002)


def takes_signals(child):
    """The binary has blocked SIGTERM, as it does to wait for it in a thread, and has not ended."""
    try:
        if not os.path.samefile(f"/proc/{child.pid}/exe", PARKEEPER):
            return False  # still this Python
    except FileNotFoundError:
        return False
    text = re.search(r"SigBlk:\s*(\w+)", pathlib.Path(f"/proc/{child.pid}/status").read_text())
    blocked = {number for number in (signal.SIGTERM, signal.SIGUSR1) if int(text[1], 16) >> (number - 1) & 1}
    # All of them are blocked for a moment when a library makes a thread, before main() begins.
    return blocked == {signal.SIGTERM}


def position(child, path):
    """How far the child has read the file that it has open, -1 when it has not."""
    for descriptor in pathlib.Path(f"/proc/{child.pid}/fd").iterdir():
        try:
            if os.readlink(descriptor) == str(path):
                place = pathlib.Path(f"/proc/{child.pid}/fdinfo/{descriptor.name}").read_text()
                return int(re.search(r"pos:\s*(\d+)", place)[1])
        except FileNotFoundError:
            pass
    return -1


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="parkeeper-bad-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.lake = self.folder / "lake"
        self.view = self.lake  # the same for this process, when the lake is in a mount of its own
        self.prefix = []
        self.good = self.folder / "good.parquet"
        pq.write_table(sample(), self.good, row_group_size=2000)

    def make_table(self):
        self.ok("import", self.good, "--into", "a.t", "--create")

    def command(self, *arguments):
        return [*self.prefix, PARKEEPER, "-q", "--lake", str(self.lake), *map(str, arguments)]

    def run_it(self, *arguments, **options):
        return subprocess.run(self.command(*arguments), capture_output=True, timeout=60, **options)

    def start(self, *arguments, **options):
        child = subprocess.Popen(self.command(*arguments), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **options)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def ok(self, *arguments):
        done = self.run_it(*arguments)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr))
        return done.stdout.decode()

    def state(self):
        """The snapshot and metadata of each table, and all files with their sizes."""
        tables = {}
        for ns in json.loads(self.ok("--json", "namespace", "list"))["namespaces"]:
            for name in json.loads(self.ok("--json", "table", "list", ns))["tables"]:
                told = json.loads(self.ok("--json", "table", "describe", name))
                snapshot = told.get("current-snapshot", {}).get("snapshot-id")
                tables[name] = (told["metadata-location"], snapshot)
        files = {str(path): path.stat().st_size for path in sorted(self.view.rglob("*"))
                 if path.is_file() and ".parkeeper" not in path.parts}
        return tables, files

    def assert_sound(self):
        self.assertEqual(json.loads(self.ok("--json", "doctor", "--deep"))["findings"], [])

    def assert_refusal(self, done, code, why):
        self.assertEqual(done.returncode, code, (done.args, done.stdout[-300:], done.stderr))
        self.assertTrue(done.stderr.startswith(b"parkeeper: "), done.stderr)
        for part in [why] if isinstance(why, str) else why:
            self.assertIn(part, done.stderr.decode())

    def refused(self, *arguments, why, code=2, before=None, **options):
        before = before or self.state()
        self.assert_refusal(self.run_it(*arguments, **options), code, why)
        self.assertEqual(self.state(), before)
        return before

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def write_parquet(self, name, columns, **options):
        path = self.folder / name
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
        return path


class Sources(BadInput):
    def setUp(self):
        super().setUp()
        self.make_table()

    def test_truncated_files(self):
        whole = self.good.read_bytes()
        before = None
        for size in (0, 3, 8, len(whole) // 2, len(whole) - 1):
            bad = self.write("cut.parquet", whole[:size])
            before = self.refused("import", bad, "--into", "a.t", why="cut.parquet", before=before)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, sample().schema) as writer:
            writer.write_table(sample())
        whole = sink.getvalue().to_pybytes()
        for size in (0, len(whole) // 2, len(whole) - 1):
            bad = self.write("cut.arrow", whole[:size])
            self.refused("import", bad, "--into", "a.t", why="cut.arrow", before=before)
        packed = gzip.compress("".join(["id,s\n", *(f"{i},x{i}\n" for i in range(5000))]).encode())
        bad = self.write("cut.csv.gz", packed[:-20])
        self.refused("import", bad, "--into", "a.t", why="cut.csv.gz", before=before)

    def test_flipped_bits_in_a_source_with_checksums(self):
        path = self.write_parquet("sums.parquet", sample(), write_page_checksum=True)
        bad = self.write("flipped.parquet", flipped(path.read_bytes(), 500))
        self.refused("import", bad, "--into", "a.t", why=["flipped.parquet", "column 'id'"])

    def test_a_bad_number_in_line_70001(self):
        lines = ["id,s"] + [f"{'oops' if line == 70001 else line},x" for line in range(2, 80_001)]
        bad = self.write("long.csv", "\n".join(lines) + "\n")
        why = "long.csv line 70001: column 'id': 'oops' is not a long"
        before = self.refused("import", bad, "--into", "a.t", why=why)
        self.refused("import", self.good, bad, "--into", "a.t", why=why, before=before)
        done = self.run_it("--json", "import", bad, "--into", "a.t")
        error = json.loads(done.stderr)["error"]
        self.assertEqual((error["code"], done.stdout), ("invalid_argument", b""))
        self.assertIn(why, error["message"])

    def test_wrong_types_and_columns(self):
        before = self.state()
        for name, columns, why in [
                ("text", {"id": ["1"]}, "column 'id'"),
                ("real", {"id": [1.5]}, "column 'id'"),
                ("more", {"id": [1], "zz": [2]}, "'zz'")]:
            path = self.write_parquet(f"{name}.parquet", columns)
            self.refused("import", self.good, path, "--into", "a.t", why=[path.name, why],
                         before=before)
        for name, text, why in [("e.csv", "", "e.csv"), ("d.csv", "id,id\n1,2\n", "twice"),
                                ("j.jsonl", '{"id": 1}\n{"id": "x"}\n', "j.jsonl line 2")]:
            self.refused("import", self.write(name, text), "--into", "a.t", why=why, before=before)
        self.ok("table", "create", "a.strict", "--schema", "id int not null")
        before = self.refused("import", self.write("n.csv", "id\n1\n\"\"\n"), "--into", "a.strict",
                              why="n.csv line 3")
        self.refused("import", self.write("o.csv", "id\n2147483648\n"), "--into", "a.strict",
                     why="is not an int", before=before)

    def test_nanoseconds_are_not_cut_off(self):
        nested = pa.struct([("t", pa.timestamp("ns"))])
        for number, (flat, inner, code) in enumerate([(1000, 2000, 0), (1001, 2000, 2), (1000, 2001, 2)]):
            columns = {"t": pa.array([flat], pa.timestamp("ns")), "n": pa.array([{"t": inner}], nested)}
            path = self.write_parquet("nanos.parquet", columns)
            before = self.state()
            done = self.run_it("import", path, "--into", f"a.n{number}", "--create")
            self.assertEqual(done.returncode, code, done.stderr)
            if code:
                self.assert_refusal(done, code, ["nanos.parquet", f"column '{'n' if inner % 1000 else 't'}'"])
                self.assertEqual(self.state(), before)

    def test_a_failed_import_leaves_no_table(self):
        bad = self.write("late.csv", "id\n" + "1\n" * 700_000 + "oops\n")
        before = self.refused("import", bad, "--into", "new.deep.t", "--create", why="late.csv line 700002")
        more = self.write("more.csv", "id,s,zz\n1,a,b\n")
        self.refused("import", self.good, more, "--into", "a.new", "--create", why="'zz'",
                     before=before)
        self.refused("import", self.good, "--into", "a.new", "--create", "--partition-by", "day(id)",
                     why="id", before=before)

    def test_text_that_is_not_utf8(self):
        bad = self.write("name.csv", b"n\xff\n1\n")
        before = self.refused("import", bad, "--into", "a.new", "--create", why="UTF-8")
        done = self.run_it("--json", "import", bad, "--into", "a.t")
        self.assertEqual(json.loads(done.stderr)["error"]["code"], "invalid_argument")
        broken = os.fsdecode(b"a=\xff")
        for arguments in (["namespace", "create", "p", "--property", broken],
                          ["namespace", "set", "a", "--property", broken],
                          ["namespace", "create", os.fsdecode(b"\xed\xa0\x80")],
                          ["table", "create", "a.p", "--schema", "id int", "--property", broken],
                          ["import", self.good, "--into", "a.p", "--create", "--property", broken]):
            self.refused(*arguments, why="UTF-8", before=before)
        self.ok("namespace", "describe", "a")


class Requests(BadInput):
    def setUp(self):
        super().setUp()
        self.make_table()

    def test_filters_and_columns(self):
        before = self.refused("scan", "a.t", "--where", "idd = 1", why="did you mean 'id'")
        for arguments, why in [(["--where", "id = 'x'"], "'x'"), (["--where", "id ="], "--where"),
                               (["--columns", "id,zz"], "'zz'")]:
            self.refused("scan", "a.t", *arguments, why=why, before=before)
        self.ok("table", "create", "a.cases", "--schema", "a int, A int, total int, TOTAL int")
        self.ok("import", self.write("c.csv", "a,A,total,TOTAL\n1,2,3,4\n"), "--into", "a.cases")
        self.assertEqual(self.ok("scan", "a.cases", "--where", "A = 1", "--count"), "0\n")
        self.assertEqual(self.ok("scan", "a.cases", "--where", "a = 1", "--count"), "1\n")
        for option in ("--where", "--columns"):
            text = "Total = 3" if option == "--where" else "Total"
            self.refused("scan", "a.cases", option, text, why="there are 'TOTAL' and 'total'")

    def test_numbers_out_of_range(self):
        before = self.state()
        for arguments in (["scan", "a.t", "--limit", "-1"], ["scan", "a.t", "--threads", "0"],
                          ["scan", "a.t", "--threads", "-2"], ["scan", "a.t", "--limit", "x"],
                          ["import", self.good, "--into", "a.t", "--writers", "0"],
                          ["import", self.good, "--into", "a.t", "--writers", "-1"],
                          ["import", self.good, "--into", "a.t", "--commit-every", "-1"]):
            done = self.run_it(*arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(arguments[-2], done.stderr.decode())
        self.assertEqual(self.state(), before)

    def test_missing_things(self):
        before = self.refused("table", "create", "none.t", "--schema", "id int", why="none", code=3)
        for arguments, why, code in [
                (["import", self.good, "--into", "a.none"], "--create", 3),
                (["import", self.folder / "no.csv", "--into", "a.t"], "no.csv", 3),
                (["scan", "a.none"], "a.none", 3), (["scan", "none.t"], "namespace none", 3),
                (["table", "create", "a.t", "--schema", "id int"], "a.t", 4),
                (["scan", "a.t", "--as-of", "2026-13-45"], ["2026-13-45", "'main'"], 3),
                (["scan", "a.t", "--as-of", "2001-01-01"], "2001-01-01", 3),
                (["scan", "a.t", "--as-of", "77"], "77", 3)]:
            self.refused(*arguments, why=why, code=code, before=before)
        done = subprocess.run([PARKEEPER, "--lake", str(self.folder / "nothing"), "scan", "a.t"],
                              capture_output=True)
        self.assert_refusal(done, 3, "nothing")
        self.assertFalse((self.folder / "nothing").exists())

    def test_names(self):
        before = self.state()
        for bad in ("../x", "a..b", "", ".parkeeper", "..", "x" * 300, "a\nb", 'x"y', '"x'):
            self.refused("namespace", "create", bad, why="name", before=before)
            self.refused("table", "create", f"a.{bad}", "--schema", "id int", why="name", before=before)
        names = ("x/y", '"x y"', "é", "😀", "%2e%2e", '".."', '"../../x"', '"/etc/x"', '"a.b"', '" "')
        for name in names:
            self.ok("import", self.good, "--into", f"a.{name}", "--create")
            self.assertEqual(self.ok("scan", f"a.{name}", "--count"), f"{ROWS}\n")
        self.assertEqual(len(json.loads(self.ok("--json", "table", "list", "a"))["tables"]), len(names) + 1)
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"lake", "good.parquet"})
        self.assert_sound()

    def test_usage_errors_are_json_when_asked(self):
        for arguments in (["scan"], ["scan", "a.t", "--no-such"], ["scan", "a.t", "--limit", "-1"], ["none"]):
            done = self.run_it("--json", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertEqual(json.loads(done.stderr)["error"]["code"], "invalid_argument")
        self.assertEqual(json.loads(self.ok("--json", "namespace", "set", "a", "--property", "b=1")),
                         {"namespace": "a"})

    def test_every_command_has_an_example(self):
        commands = [["import"], ["scan"], ["history"], ["doctor"], ["demo"]]
        for group, verbs in (("namespace", "create list describe set drop"),
                             ("table", "create list describe drop rename register"),
                             ("ensemble", "start status stop restart fetch"),
                             ("node", "ls get create set rm stat tree watch")):
            commands += [[group], *([group, verb] for verb in verbs.split())]
        for command in commands:
            self.assertIn("parkeeper " + " ".join(command), self.ok(*command, "--help").split("Example")[-1])

    def test_a_newer_layout(self):
        (database,) = self.lake.glob(".parkeeper/*.db")
        before = self.state()

        def set_version(version):
            connection = sqlite3.connect(database)
            connection.execute(f"PRAGMA user_version = {version}")
            connection.close()
        set_version(2)
        for arguments in (["scan", "a.t"], ["import", self.good, "--into", "a.t"], ["doctor"]):
            self.assert_refusal(self.run_it(*arguments), 5, ["layout version 2", "up to 1"])
        set_version(1)
        self.assertEqual(self.state(), before)

    def test_one_of_two_tables_of_one_name_wins(self):
        for number in range(20):
            name = f"a.race{number}"
            makers = [self.start("--json", "table", "create", name, "--schema", f"c{i} int")
                      for i in range(2)]
            codes = [maker.wait() for maker in makers]
            self.assertEqual(sorted(codes), [0, 4])
            told = json.loads(self.ok("--json", "table", "describe", name))
            self.assertEqual(told["schema"]["fields"][0]["name"], f"c{codes.index(0)}")
            self.assertIn(name, json.loads(makers[codes.index(4)].stderr.read())["error"]["message"])
        self.assert_sound()

    def test_importers_that_make_one_table_all_succeed(self):
        for number in range(5):
            name = f"a.shared{number}"
            importers = [self.start("import", self.good, "--into", name, "--create") for _ in range(3)]
            self.assertEqual([importer.wait() for importer in importers], [0, 0, 0])
            self.assertEqual(self.ok("scan", name, "--count"), f"{3 * ROWS}\n")
        self.assert_sound()
        self.assertEqual(json.loads(self.ok("--json", "doctor"))["unreferenced-files"], 0)


class Machine(BadInput):
    def many_rows(self):
        texts = [os.urandom(24).hex() for _ in range(400_000)]
        return self.write_parquet("many.parquet", {"id": range(len(texts)), "s": texts})

    def test_a_file_size_limit(self):
        self.make_table()

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        many = self.many_rows()
        before = self.refused("import", many, "--into", "a.t", why="cannot write", code=7,
                              preexec_fn=limit)
        self.refused("import", many, "--into", "a.new", "--create", why="cannot write", code=7,
                     preexec_fn=limit, before=before)

    def mount_small_disk(self):
        """Puts the lake on a tmpfs of 8 MB that only a process of ours and its children see."""
        self.lake.mkdir()
        script = f'mount -t tmpfs -o size=8m none "{self.lake}" && echo ready && read end'
        holder = subprocess.Popen(["unshare", "-Urm", "sh", "-c", script], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        if holder.stdout.readline() != b"ready\n":
            reason = holder.stderr.read().decode().strip()
            print(f"NOT TESTED: a full disk, for no tmpfs can be mounted here: {reason}", file=sys.stderr)
            self.skipTest(f"no private mount: {reason}")
        self.prefix = ["nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials"]
        self.view = pathlib.Path(f"/proc/{holder.pid}/root{self.lake}")

    def test_a_full_disk(self):
        self.mount_small_disk()
        self.make_table()
        many = self.many_rows()
        full = ["a/", "cannot write", "No space left on device"]
        before = self.refused("import", many, "--into", "a.t", why=full, code=7)
        self.refused("import", many, "--into", "a.new", "--create", why=full, code=7, before=before)
        self.assert_sound()
        self.ok("import", self.good, "--into", "a.t")
        self.assertEqual(self.ok("scan", "a.t", "--count"), f"{2 * ROWS}\n")

    def test_a_disk_too_full_for_a_lake(self):
        self.mount_small_disk()
        try:
            with open(self.view / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(65536))
        except OSError as failure:
            self.assertEqual(failure.errno, errno.ENOSPC)
        done = self.run_it("namespace", "create", "a")
        self.assert_refusal(done, 7, "full")
        (self.view / "filler").unlink()
        self.ok("namespace", "create", "a")

    def test_a_stopped_import_leaves_all_as_it_was(self):
        self.make_table()
        big = self.write("big.csv", "id,s\n" + "".join(f"{i},text {i}\n" for i in range(2_000_000)))
        before = self.state()
        for into in (["--into", "a.t"], ["--into", "b.new", "--create"]):
            for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED),
                                 (signal.SIGKILL, -signal.SIGKILL)):
                child = self.start("import", big, *into)
                wait_until(child, lambda: position(child, big) > 3_000_000)
                child.send_signal(number)
                self.assertEqual(child.wait(), code)
                if number != signal.SIGKILL:  # which may leave files that no snapshot names
                    self.assertIn("stopped", child.stderr.read().decode())
                    self.assertEqual(self.state(), before)
        self.assertEqual(self.state()[0], before[0])
        self.assert_sound()

    def test_imports_stopped_at_any_moment(self):
        self.make_table()
        rows = ROWS
        for number in range(15):
            child = self.start("import", self.good, "--into", "a.t")
            # One that has ended before anybody looked was stopped at no moment, which is right too.
            wait_until(child, lambda: takes_signals(child) or child.poll() is not None)
            for _ in range(number * 5):
                takes_signals(child)
            child.send_signal(signal.SIGINT if number % 2 else signal.SIGTERM)
            stopped = INTERRUPTED if number % 2 else TERMINATED
            code = child.wait()
            self.assertIn(code, (0, stopped))
            rows += ROWS if code == 0 else 0
            self.assertEqual(self.ok("scan", "a.t", "--count"), f"{rows}\n")
        self.assert_sound()
        self.assertEqual(json.loads(self.ok("--json", "doctor"))["unreferenced-files"], 0)

    def test_a_stopped_scan(self):
        self.make_table()
        fifo = self.folder / "pipe"
        os.mkfifo(fifo)
        scan = ["scan", "a.t", "--format", "csv"]
        for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
            # Nobody reads the pipe, which is full at some moment.
            child = self.start(*scan)
            waiting = lambda: struct.unpack(
                "i", fcntl.ioctl(child.stdout, termios.FIONREAD, struct.pack("i", 0)))[0]
            wait_until(child, lambda: waiting() > 60_000)
            child.send_signal(number)
            self.assertEqual(child.wait(), code)
            child = self.start(*scan, "--output", fifo)  # never opened for reading
            wait_until(child, lambda: takes_signals(child))
            child.send_signal(number)
            self.assertEqual(child.wait(), code)
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"lake", "good.parquet", "pipe"})

    def test_a_reader_that_goes_away(self):
        self.make_table()
        for form in ("csv", "json", "table", "arrow", "parquet"):
            child = self.start("scan", "a.t", "--format", form)
            child.stdout.close()
            self.assertIn(child.wait(), (0, 141))
            self.assertEqual(child.stderr.read(), b"", form)

    def test_outputs(self):
        self.make_table()
        scan = ["scan", "a.t", "--format", "csv", "--output"]
        fifo = self.folder / "pipe"
        os.mkfifo(fifo)
        with tempfile.TemporaryFile() as copy:
            reader = subprocess.Popen(["cat", str(fifo)], stdout=copy)
            self.ok(*scan, fifo)
            self.assertEqual(reader.wait(), 0)
            copy.seek(0)
            self.assertEqual(len(copy.read().splitlines()), ROWS + 1)
        self.assertTrue(fifo.is_fifo())
        self.ok(*scan, "/dev/null")
        self.assertTrue(pathlib.Path("/dev/null").is_char_device())
        self.assertEqual(len(self.ok(*scan, "/dev/stdout").splitlines()), ROWS + 1)
        self.refused("scan", "a.none", "--output", self.folder, why="folder")
        self.refused(*scan, self.folder / "no" / "where.csv", why="where.csv", code=7)
        old = self.write("old.csv", "old")
        (self.folder / "link.csv").symlink_to(old)
        self.ok(*scan, self.folder / "link.csv")
        self.assertEqual(len(old.read_text().splitlines()), ROWS + 1)
        self.assertTrue((self.folder / "link.csv").is_symlink())
        old.write_text("old")
        self.refused("scan", "a.none", "--output", old, why="a.none", code=3)
        self.assertEqual(old.read_text(), "old")
        names = {"lake", "good.parquet", "pipe", "old.csv", "link.csv"}
        self.assertEqual({path.name for path in self.folder.iterdir()}, names)


class Damage(BadInput):
    def setUp(self):
        super().setUp()
        self.make_table()
        self.expected = self.ok("scan", "a.t", "--format", "csv")

    def files(self):
        (data,) = self.lake.glob("a/*/data/**/*.parquet")
        return data, [*self.lake.glob("a/*/metadata/*.avro"), *self.lake.glob("a/*/metadata/00001*.json")]

    def test_truncated_files(self):
        data, metadata = self.files()
        for path in [data, *metadata]:
            whole = path.read_bytes()
            for size in (0, 1, len(whole) // 2, len(whole) - 1):
                path.write_bytes(whole[:size])
                done = self.run_it("scan", "a.t", "--format", "csv")
                self.assert_refusal(done, 1, path.name)
            doctor = self.run_it("--json", "doctor")
            self.assertEqual(doctor.returncode, 1, path)
            self.assertIn(path.name, doctor.stdout.decode())
            path.write_bytes(whole)
        self.assertEqual(self.ok("scan", "a.t", "--format", "csv"), self.expected)
        self.assert_sound()

    def test_missing_files(self):
        data, metadata = self.files()
        for path in [data, *metadata]:
            hidden = path.rename(self.folder / path.name)
            done = self.run_it("scan", "a.t", "--format", "csv")
            self.assertIn(done.returncode, (1, 3), done.stderr)
            self.assert_refusal(done, done.returncode, path.name)
            hidden.rename(path)

    def test_flipped_bits_in_pages_are_found(self):
        path, _ = self.files()
        whole = path.read_bytes()
        group = pq.ParquetFile(path).metadata.row_group(0)
        for name, column in ((name, group.column(i)) for i, name in enumerate(("id", "s"))):
            start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
            size = column.total_compressed_size
            # Beyond the page's header, whose length is below 100 bytes.
            for at in range(start + 100, start + size, (size - 100) // 8):
                path.write_bytes(flipped(whole, at))
                done = self.run_it("scan", "a.t", "--format", "csv")
                self.assert_refusal(done, 1, [path.name, f"column '{name}'"])
        path.write_bytes(whole)

    def test_flipped_bits_in_metadata_give_the_rows_or_an_error(self):
        for path in self.files()[1]:
            whole = path.read_bytes()
            for at in range(3, len(whole), len(whole) // 12):
                path.write_bytes(flipped(whole, at))
                done = self.run_it("scan", "a.t", "--format", "csv")
                self.assertIn(done.returncode, (0, 1, 2, 3, 9), done.stderr)
                if done.returncode == 0:
                    self.assertEqual(done.stdout.decode(), self.expected, (path, at))
                else:
                    self.assertTrue(done.stderr.startswith(b"parkeeper: "), done.stderr)
            path.write_bytes(whole)


if __name__ == "__main__":
    unittest.main()
