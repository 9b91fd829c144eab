"""lineitem from a Parquet file into a table, zstd"""
import shutil

from bench import parkeeper, rounds
from bench.lineitem import warm
from bench.peers import SYSTEMS


def _written(folder):
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def run(sources, folder, options):
    (source,) = sources.values()
    warm(source)

    def measure(system):
        def once():
            target = folder / system
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            if system == "parkeeper":
                done = parkeeper.ingest(source, target)
                seconds = done.seconds
            else:
                done, seconds, _ = rounds.peer(system, "ingest", source, target)
            return {"seconds": seconds, "cpu": done.cpu, "rss": done.rss, "bytes": _written(target)}
        return once

    systems = [s for s in ["parkeeper", *SYSTEMS] if not options.only or s in options.only]
    results = rounds.interleave({(system, "ingest"): measure(system) for system in systems}, options.repeat)
    return results, [
        f"source: {source.stat().st_size / 1e6:.0f} MB in one file, in the page cache; every round writes anew",
        "seconds: parkeeper whole processes, start and durable commit (fsync of files and folders) included;",
        "  peers inside Python, without imports; they leave the data to the page cache (no fsync, but of the"
        " catalog of pyiceberg)",
        "cpu and rss are of the whole process of each",
    ]
