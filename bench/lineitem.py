"""The input: TPC-H lineitem as one Parquet file, generated once."""
import os
import pathlib
import subprocess
import sys

# One month of ship dates and few pieces: about one row in a thousand.
FILTER_COLUMNS = ["l_orderkey", "l_extendedprice", "l_shipdate"]
FILTER_FROM, FILTER_TO, FILTER_QUANTITY = "1995-03-01", "1995-04-01", "5.00"
FILTER_SQL = (f"l_shipdate >= DATE '{FILTER_FROM}' and l_shipdate < DATE '{FILTER_TO}' "
              f"and l_quantity < {FILTER_QUANTITY}")


def ensure_lineitem(data, scale):
    """The file at this scale factor."""
    folder = data / f"sf{scale:g}"
    file = folder / "lineitem.parquet"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"generating lineitem at scale {scale:g} ...", file=sys.stderr, flush=True)
        making = folder / "making"
        subprocess.run([pathlib.Path(sys.executable).parent / "tpchgen-cli", "parquet", "-s", f"{scale:g}",
                        "--tables=lineitem", f"--output-dir={making}"], check=True, capture_output=True)
        os.replace(making / "lineitem.parquet", file)
        making.rmdir()
    return file.resolve()


def warm(path):
    """Into the page cache, so that nobody is the one who reads it from disk first."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with open(file, "rb", buffering=0) as stream:
                while stream.read(1 << 24):
                    pass
