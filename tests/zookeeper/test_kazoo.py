"""What `parkeeper node` makes kazoo sees, and the other way round: nodes, versions, sequences, ephemerals, watches,
ACLs, locks. kazoo is a client of its own, which shares no code with ours.
"""
import os
import select
import signal
import subprocess
import threading
import unittest

from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from node_runner import CONNECT, ZooKeeperTest

BYTES = b"\x00\xff caf\xc3\xa9\n"


class KazooTest(ZooKeeperTest):
    def kazoo(self, **options):
        client = KazooClient(hosts=CONNECT, **options)
        client.start(timeout=60)
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        return client

    def setUp(self):
        super().setUp()
        self.client = self.kazoo()

    def synced(self, client=None):
        """The client once its server has everything that was answered to us; reads of a follower may be stale."""
        client = client or self.client
        client.sync("/")
        return client

    def path(self, path):
        return self.chroot + path

    def test_nodes(self):
        self.run_ok("node", "create", "/ours/deep", "blue", "--parents")
        value, stat = self.synced().get(self.path("/ours/deep"))
        self.assertEqual((value, stat.version, stat.ephemeralOwner), (b"blue", 0, 0))
        self.client.set(self.path("/ours/deep"), b"red", version=0)
        self.assertEqual(self.run_ok("node", "get", "/ours/deep"), "red\n")
        self.assert_fails(6, "/ours/deep", "node", "set", "/ours/deep", "green", "--version", "0")
        self.assertEqual(self.run_ok("node", "set", "/ours/deep", "green", "--version", "1"), "version 2\n")
        stat = self.synced().exists(self.path("/ours/deep"))
        ours = self.json("node", "stat", "/ours/deep")["stat"]
        self.assertEqual(ours, {"version": 2, "czxid": hex(stat.czxid), "mzxid": hex(stat.mzxid),
                                "ctime-ms": stat.ctime, "mtime-ms": stat.mtime, "ephemeral-owner": "0x0",
                                "children": 0})
        self.client.create(self.path("/ours/b"), b"", makepath=True)
        self.client.create(self.path("/ours/a"), b"")
        self.assertEqual(self.json("node", "ls", "/ours")["children"], ["a", "b", "deep"])
        self.assert_fails(5, "/ours", "node", "rm", "/ours")
        self.run_ok("node", "rm", "/ours", "--recursive")
        self.assertIsNone(self.synced().exists(self.path("/ours")))
        self.assert_fails(3, "/ours", "node", "get", "/ours")

    def test_bytes(self):
        self.run_ok("node", "create", "/ours", "--stdin", input=BYTES)
        self.assertEqual(self.synced().get(self.path("/ours"))[0], BYTES)
        self.client.create(self.path("/theirs"), BYTES)
        self.assertEqual(self.call("node", "get", "/theirs", "--raw").stdout, BYTES)
        escaped = "\\x00\\xff caf\\xc3\\xa9\\x0a"
        self.assertEqual(self.run_ok("node", "get", "/theirs"), escaped + "\n")
        self.assertEqual(self.json("node", "get", "/theirs")["value"], escaped)

    def test_sequences_share_one_counter(self):
        self.run_ok("node", "create", "/q")
        made = []
        for _ in range(2):
            made.append(self.run_ok("node", "create", "/q/n-", "--sequential").strip())
            made.append(self.client.create(self.path("/q/n-"), sequence=True)[len(self.chroot):])
        self.assertEqual(made, [f"/q/n-{i:010}" for i in range(4)])

    def test_ephemerals_end_with_their_owner(self):
        self.run_ok("node", "create", "/live")
        gone = threading.Event()
        holder = self.start("node", "create", "/live/ours", "--ephemeral")
        self.assertEqual(holder.stdout.readline(), "/live/ours\n")
        stat = self.synced().exists(self.path("/live/ours"), watch=lambda event: gone.set())
        self.assertNotEqual(stat.ephemeralOwner, 0)
        holder.send_signal(signal.SIGINT)
        self.assertTrue(gone.wait(60))
        self.assertIsNone(self.synced().exists(self.path("/live/ours")))
        other = self.kazoo()
        other.create(self.path("/live/theirs"), ephemeral=True)
        owner = self.json("node", "stat", "/live/theirs")["stat"]["ephemeral-owner"]
        self.assertEqual(owner, hex(other.client_id[0]))
        other.stop()
        self.assertEqual(self.run_ok("node", "ls", "/live"), "")

    def test_our_watch_sees_their_changes(self):
        self.run_ok("node", "create", "/w")
        watcher = self.start("node", "watch", "/w", "--recursive", "--count", "4")
        self.assertIn("watching /w", watcher.stderr.readline())
        for change, line in [
            (lambda: self.client.set(self.path("/w"), b"1"), "set /w version 1\n"),
            (lambda: self.client.create(self.path("/w/a/b"), makepath=True), "created /w/a\n"),
            (lambda: None, "created /w/a/b\n"),
            (lambda: self.client.delete(self.path("/w/a/b")), "removed /w/a/b\n"),
        ]:
            change()
            self.assertEqual(watcher.stdout.readline(), line)
        self.assertEqual(watcher.wait(60), 0)

    def test_their_watch_sees_our_changes(self):
        self.run_ok("node", "create", "/w")
        for arguments in (["set", "/w", "x"], ["rm", "/w"]):
            seen = threading.Event()
            self.synced().exists(self.path("/w"), watch=lambda event, seen=seen: seen.set())
            self.run_ok("node", *arguments)
            self.assertTrue(seen.wait(60), arguments)

    def test_digest_protects_ours(self):
        self.run_ok("node", "create", "/mine", "secret", digest="ann:pass")
        with self.assertRaises(NoAuthError):
            self.synced().get(self.path("/mine"))
        ann = self.kazoo(auth_data=[("digest", "ann:pass")])
        self.assertEqual(self.synced(ann).get(self.path("/mine"))[0], b"secret")
        self.assertEqual(self.run_ok("node", "get", "/mine", digest="ann:pass"), "secret\n")
        self.assert_fails(9, "", "node", "get", "/mine", digest="ann:wrong")

    def test_digest_opens_theirs(self):
        self.run_ok("node", "create", "/open")
        acl = [make_digest_acl("bob", "pass", all=True)]
        self.client.create(self.path("/theirs"), b"bob's", acl=acl)
        self.assert_fails(9, "/theirs", "node", "get", "/theirs")
        self.assertEqual(self.run_ok("node", "get", "/theirs", digest="bob:pass"), "bob's\n")

    def test_acls_are_what_we_say(self):
        self.run_ok("node", "create", "/open")
        self.run_ok("node", "create", "/mine", digest="ann:pass")
        self.assertEqual(self.synced().get_acls(self.path("/open"))[0], OPEN_ACL_UNSAFE)
        ann = self.kazoo(auth_data=[("digest", "ann:pass")])
        self.assertEqual(self.synced(ann).get_acls(self.path("/mine"))[0],
                         [make_digest_acl("ann", "pass", all=True)])
        # And what they say holds for us: to read is not to set.
        self.client.create(self.path("/readable"), b"x", acl=[make_digest_acl("ann", "pass", read=True)])
        self.assertEqual(self.run_ok("node", "get", "/readable", digest="ann:pass"), "x\n")
        self.assert_fails(9, "/readable", "node", "set", "/readable", "y", digest="ann:pass")

    def our_lock(self, kind):
        """tests/zookeeper/lock_holder.cc, started. It holds the lock when it has said so, until its input ends."""
        holder = subprocess.Popen([os.environ["PARKEEPER_LOCK_HOLDER"], CONNECT + self.chroot, "/lock", kind, "ours"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.release, holder)
        return holder

    def release(self, holder):
        if not holder.stdin.closed:
            holder.stdin.close()
            self.assertEqual(holder.wait(timeout=60), 0)
            holder.stdout.close()

    def await_entries(self, count):
        """Until so many hold or wait for the lock."""
        enough = threading.Event()

        @self.client.ChildrenWatch(self.path("/lock"))
        def _(children):
            if len(children) == count:
                enough.set()
            return not enough.is_set()

        self.assertTrue(enough.wait(60))

    def test_our_lock_keeps_them_out(self):
        self.run_ok("node", "create", "/lock-value", "v")
        holder = self.our_lock("exclusive")
        self.assertEqual(holder.stdout.readline(), "claimant ours\n")
        entry = holder.stdout.readline().split()[1]
        self.assertEqual(self.synced().get(self.path(entry))[0], b"ours")
        lock = self.client.Lock(self.path("/lock"), "theirs")
        self.assertEqual(lock.contenders(), ["ours"])
        self.assertFalse(lock.acquire(blocking=False))
        self.assertFalse(self.client.ReadLock(self.path("/lock")).acquire(blocking=False))
        self.release(holder)
        self.assertTrue(lock.acquire(timeout=60))
        self.assertIsNone(self.synced().exists(self.path(entry)))

    def test_their_lock_keeps_us_out(self):
        self.run_ok("node", "create", "/lock-value", "held")
        for kind in ("exclusive", "shared"):
            with self.subTest(kind):
                self.client.set(self.path("/lock-value"), b"held")
                lock = self.client.Lock(self.path("/lock"), "theirs")
                self.assertTrue(lock.acquire(timeout=60))
                waiting = self.our_lock(kind)
                self.await_entries(2)
                self.assertEqual(select.select([waiting.stdout], [], [], 0)[0], [], "it is not its turn")
                self.client.set(self.path("/lock-value"), b"released")
                lock.release()
                said = waiting.stdout.readline()
                if kind == "exclusive":
                    self.assertEqual(said, "claimant ours\n")
                    said = waiting.stdout.readline()
                self.assertEqual(said.split()[2:], ["released"])
                self.release(waiting)

    def test_readers_of_both_share_and_keep_writers_out(self):
        self.run_ok("node", "create", "/lock-value", "v")
        theirs = self.client.ReadLock(self.path("/lock"))
        self.assertTrue(theirs.acquire(timeout=60))
        ours = self.our_lock("shared")
        self.assertIn("held /lock/", ours.stdout.readline())
        theirs.release()
        writer = self.client.WriteLock(self.path("/lock"))
        self.assertFalse(writer.acquire(blocking=False), "ours still reads")
        self.release(ours)
        self.assertTrue(writer.acquire(timeout=60))


if __name__ == "__main__":
    unittest.main()
