"""Three ZooKeeper servers on this machine, started and asked through the binary named by PARKEEPER."""
import json
import os
import subprocess

from bench.child import ChildFailed


class Ensemble:
    """Serves within a with statement; begins empty and always ends."""

    def __init__(self, folder, heap_mb=256):
        self.folder, self.heap_mb = folder, heap_mb

    def _call(self, verb, *options):
        done = subprocess.run([os.environ["PARKEEPER"], "--json", "ensemble", verb, "--dir", self.folder, *options],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise ChildFailed(f"ensemble {verb}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def __enter__(self):
        try:
            self.connect = self._call("start", "--size", "3", "--port", "0", "--heap", str(self.heap_mb))["connect"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([os.environ["PARKEEPER"], "ensemble", "stop", "--dir", self.folder], capture_output=True)

    def servers(self):
        """What `parkeeper ensemble status` says of each."""
        return self._call("status")["servers"]

    def zxid(self):
        """Of the last write that any server has applied: (the leader's epoch, the number within it)."""
        zxid = max(int(server["zxid"], 16) for server in self.servers() if "zxid" in server)
        return zxid >> 32, zxid & 0xffffffff


def writes_between(before, after):
    """How many writes the ensemble has carried out; None when another leader began to count anew."""
    return after[1] - before[1] if after[0] == before[0] else None
