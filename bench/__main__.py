"""python -m bench NAME: measures, prints a table with ratios, and writes JSON when asked to."""
import argparse
import pathlib
import sys
import tempfile

from bench import ingest, memory, report, scale, scan, zookeeper
from bench.lineitem import ensure_lineitem

BENCHES = {"scan": scan, "ingest": ingest, "memory": memory, "zookeeper": zookeeper}
OF_LINEITEM = {"scan", "ingest", "memory"}


def main():
    if sys.argv[1:2] == ["scale"]:  # a simulation: it measures no peers, and has options of its own
        return scale.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    names = {**BENCHES, "scale": scale}
    parser.add_argument("name", choices=names, help="; ".join(f"{n}: {m.__doc__}" for n, m in names.items()))
    parser.add_argument("--json", metavar="FILE", help="write the results here too")
    parser.add_argument("--scale", type=float, nargs="+",
                        help="of TPC-H; memory takes several (default 1; memory 1 10)")
    parser.add_argument("--repeat", "--rounds", type=int, default=3, help="rounds; the median counts (default 3)")
    parser.add_argument("--seconds", type=float, default=1, help="zookeeper: of each case in a round (default 1)")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("build/bench-data"),
                        help="where generated input is kept (default build/bench-data)")
    parser.add_argument("--only", nargs="+", metavar="SYSTEM", help="leave the other systems out")
    options = parser.parse_args()
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    if options.seconds <= 0:
        parser.error("--seconds must be more than 0")

    scales = options.scale or ([1, 10] if options.name == "memory" else [1])
    if len(scales) > 1 and options.name != "memory":
        parser.error(f"{options.name} takes one --scale")
    sources = {}
    if options.name in OF_LINEITEM:
        sources = {scale: ensure_lineitem(options.data, scale) for scale in scales}
    with tempfile.TemporaryDirectory(prefix="parkeeper-bench-") as folder:
        results, notes = BENCHES[options.name].run(sources, pathlib.Path(folder), options)
    show = getattr(BENCHES[options.name], "show", report.show)
    show(options.name, results, notes)
    if options.json:
        report.write_json(options.json, options.name, results, notes)
    return 1 if any(result["failed"] for result in results) else 0


sys.exit(main())
