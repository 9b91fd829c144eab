"""Runs a command while a ZooKeeper ensemble of its own serves:

    with_ensemble.py [--size N] [--zookeeper-home DIR] [--tls] FOLDER -- COMMAND...

PARKEEPER names the binary. The command finds the ensemble in PARKEEPER_TEST_ZOOKEEPER (its connect string) and
PARKEEPER_TEST_ENSEMBLE (its folder, for `parkeeper ensemble`). The ensemble begins empty and always ends.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys

BINARY = os.environ["PARKEEPER"]


def ensemble(verb, folder, *options):
    return subprocess.run([BINARY, "--json", "ensemble", verb, "--dir", folder, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="3")
    parser.add_argument("--zookeeper-home")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--superuser-password")
    parser.add_argument("folder")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.folder)
    # What a run that was killed left behind.
    ensemble("stop", folder)
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--size", arguments.size, "--port", "0"]
    if arguments.zookeeper_home:
        options += ["--zookeeper-home", arguments.zookeeper_home]
    if arguments.superuser_password:
        options += ["--superuser-password", arguments.superuser_password]
    if arguments.tls:
        options.append("--tls")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = ensemble("start", folder, *options)
        if started.returncode != 0:
            sys.exit(f"no ensemble: {started.stderr}")
        state = json.loads(started.stdout)
        environment = dict(os.environ, PARKEEPER_TEST_ZOOKEEPER=state["connect"], PARKEEPER_TEST_ENSEMBLE=folder)
        return subprocess.run(arguments.command, env=environment).returncode
    finally:
        ensemble("stop", folder)


if __name__ == "__main__":
    sys.exit(main())
