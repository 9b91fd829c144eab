"""peak memory of import and scan at several scales"""
import shutil

from bench import parkeeper, rounds


def run(sources, folder, options):
    results = []
    for scale, source in sources.items():
        lake = folder / f"lake-{scale:g}"

        def ingest():
            shutil.rmtree(lake, ignore_errors=True)
            lake.mkdir()
            done = parkeeper.ingest(source, lake)
            return {"seconds": done.seconds, "cpu": done.cpu, "rss": done.rss}

        def scan():
            done, rows = parkeeper.scan(lake, False)
            return {"seconds": done.seconds, "cpu": done.cpu, "rss": done.rss, "rows": rows}

        measures = {("parkeeper", f"import, scale {scale:g}"): ingest, ("parkeeper", f"scan, scale {scale:g}"): scan}
        results += rounds.interleave(measures, options.repeat)
        shutil.rmtree(lake, ignore_errors=True)
    return results, ["rss: the peak over all rounds; it must not grow with the scale"]
