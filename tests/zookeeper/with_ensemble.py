"""Runs a command while a ZooKeeper ensemble of its own serves:

    with_ensemble.py [--size N] [--tick MS] [--zookeeper-home DIR] [--tls] FOLDER -- COMMAND...

PARKEEPER names the binary. The command finds the ensemble in PARKEEPER_TEST_ZOOKEEPER (its connect string) and
PARKEEPER_TEST_ENSEMBLE (its folder, for `parkeeper ensemble`). The ensemble begins empty and always ends, also when
this program is killed, which is what ctest does to a test that takes too long.
"""
import argparse
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys

BINARY = os.environ["PARKEEPER"]
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ensemble(verb, folder, *options):
    return subprocess.run([BINARY, "--json", "ensemble", verb, "--dir", folder, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=end_with_parent)


def stop(folder):
    try:
        with open(os.path.join(folder, "lock")) as lock:
            # A command that works on the ensemble keeps the others away, and may be about to start a server.
            fcntl.flock(lock, fcntl.LOCK_EX)
    except FileNotFoundError:
        return
    ensemble("stop", folder)


def own(folder):
    """The folder is this program's, and the guard's below, until both have ended."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    lock = open(folder + ".lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def guard(folder):
    """Starts a process that stops the ensemble when this one has ended without a word to the returned descriptor."""
    hears, tells = os.pipe()
    child = os.fork()
    if child:
        os.close(hears)
        os.waitpid(child, 0)
        return tells
    # In a session of its own and nobody's child: who kills this program kills its children too.
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        os.close(tells)
        # ctest waits until nobody holds its pipe any more.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        if not os.read(hears, 1):
            stop(folder)
    finally:
        os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="3")
    parser.add_argument("--tick")
    parser.add_argument("--zookeeper-home")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--superuser-password")
    parser.add_argument("folder")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.folder)
    lock = own(folder)
    # What a run left behind when the whole machine went down with it.
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--size", arguments.size, "--port", "0"]
    if arguments.tick:
        options += ["--tick", arguments.tick]
    if arguments.zookeeper_home:
        options += ["--zookeeper-home", arguments.zookeeper_home]
    if arguments.superuser_password:
        options += ["--superuser-password", arguments.superuser_password]
    if arguments.tls:
        options.append("--tls")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    guarded = guard(folder)
    try:
        started = ensemble("start", folder, *options)
        if started.returncode != 0:
            sys.exit(f"no ensemble: {started.stderr}")
        state = json.loads(started.stdout)
        environment = dict(os.environ, PARKEEPER_TEST_ZOOKEEPER=state["connect"], PARKEEPER_TEST_ENSEMBLE=folder)
        return subprocess.run(arguments.command, env=environment, preexec_fn=end_with_parent).returncode
    finally:
        stop(folder)
        os.write(guarded, b".")
        lock.close()


if __name__ == "__main__":
    sys.exit(main())
