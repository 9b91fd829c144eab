"""python -m bench NAME: measures, prints a table with ratios, and writes JSON when asked to."""
import argparse
import pathlib
import signal
import sys
import tempfile

from bench import commits, compact, external, ingest, memory, report, scale, scan, sql, tasks, zookeeper
from bench.lineitem import ensure_lineitem

BENCHES = {"scan": scan, "sql": sql, "ingest": ingest, "memory": memory, "commits": commits, "compact": compact,
           "external": external, "tasks": tasks, "zookeeper": zookeeper}
OF_LINEITEM = {"scan", "ingest", "memory"}
SECONDS = {"commits": 10, "compact": 10, "external": 10, "tasks": 10, "zookeeper": 0.4}
WRITERS = {"commits": [1, 8, 32], "compact": [1, 4], "external": external.EXTERNAL, "tasks": [1, 4, 16]}
ROUNDS = {"zookeeper": 12}  # short ones, because a machine changes its speed in between


def _words(values):
    """What was given with spaces or commas between."""
    return [word for value in values or [] for word in value.split(",")]


def main():
    if sys.argv[1:2] == ["scale"]:  # a simulation: it measures no peers, and has options of its own
        return scale.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    names = {**BENCHES, "scale": scale}
    parser.add_argument("name", choices=names, help="; ".join(f"{n}: {m.__doc__}" for n, m in names.items()))
    parser.add_argument("--json", metavar="FILE", help="write the results here too")
    parser.add_argument("--scale", type=float, nargs="+",
                        help="of TPC-H; memory takes several (default 1; memory 1 10)")
    parser.add_argument("--repeat", "--rounds", type=int, help="rounds; the median counts (default 3; zookeeper 12)")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("build/bench-data"),
                        help="where generated input is kept (default build/bench-data)")
    parser.add_argument("--only", "--systems", nargs="+", metavar="SYSTEM", help="leave the other systems out")
    parser.add_argument("--seconds", type=float,
                        help="of each measurement of commits, external, tasks, of compact without compaction (default"
                             " 10) and zookeeper (default 0.4)")
    parser.add_argument("--queued", type=int, metavar="N", default=100_000,
                        help="tasks: how many wait in one queue in its last case (default 100000; 0 leaves it out)")
    parser.add_argument("--writers", nargs="+", metavar="N",
                        help="commits, tasks, compact: processes at once (default 1,8,32; 1,4,16; 1,4); external: those"
                             " beside 8 appenders (default 1,4)")
    parser.add_argument("--files", type=int, default=10_000, help="compact: that are there (default 10000)")
    options = parser.parse_args()
    options.only, options.writers = _words(options.only), [int(word) for word in _words(options.writers)]
    options.writers = options.writers or WRITERS.get(options.name, [])
    options.seconds = options.seconds or SECONDS.get(options.name, 0)
    options.repeat = ROUNDS.get(options.name, 3) if options.repeat is None else options.repeat
    if min([options.repeat, *options.writers]) < 1 or options.seconds < 0:
        parser.error("--repeat, --seconds and --writers must be at least 1")
    bench = BENCHES[options.name]
    if bench in (commits, external):
        options.seconds = max(1, round(options.seconds))

    scales = options.scale or ([1, 10] if options.name == "memory" else [1])
    if len(scales) > 1 and options.name != "memory":
        parser.error(f"{options.name} takes one --scale")
    sources = {}
    if options.name in OF_LINEITEM:
        sources = {scale: ensure_lineitem(options.data, scale) for scale in scales}
    # Servers that were started end with what started them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="parkeeper-bench-") as folder:
        results, notes = bench.run(sources, pathlib.Path(folder), options)
    getattr(bench, "show", report.show)(options.name, results, notes)
    if options.json:
        report.write_json(options.json, options.name, results, notes)
    is_bad = getattr(bench, "is_bad", lambda result: result["failed"])
    return 1 if any(map(is_bad, results)) else 0


sys.exit(main())
