"""Benchmarks: Parkeeper and its peers side by side in one run. `./dev bench --help` lists them."""
