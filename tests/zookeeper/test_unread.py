"""Answers that a client is slow to read do not harm a server: they all come, in order, and others are served meanwhile.

By ZooKeeper's protocol itself, for no client library leaves answers unread.
"""
import os
import socket
import struct
import unittest

from kazoo.client import KazooClient

CONNECT = os.environ["PARKEEPER_TEST_ZOOKEEPER"].split(",")[0]
VALUE = os.urandom(1_000_000)
GETS = 600  # together more than twice the server's heap
GET_DATA = 4


def text(value):
    return struct.pack(">i", len(value)) + value


class Connection:
    def __init__(self):
        host, port = CONNECT.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.received = self.socket.makefile("rb")
        # Protocol version, last zxid seen, timeout in ms, session, password, whether only reading will do.
        self.send(struct.pack(">iqiq", 0, 0, 60_000, 0) + text(bytes(16)) + b"\0")
        self.frame()

    def send(self, frame):
        self.socket.sendall(text(frame))

    def frame(self):
        length = struct.unpack(">i", self.received.read(4))[0]
        return self.received.read(length)

    def close(self):
        self.received.close()
        self.socket.close()


class UnreadTest(unittest.TestCase):
    def setUp(self):
        self.other = KazooClient(CONNECT)
        self.other.start(timeout=60)
        self.addCleanup(self.other.close)
        self.addCleanup(self.other.stop)
        self.other.create("/large", VALUE)
        self.addCleanup(self.other.delete, "/large")

    def test_all_answers_come_in_order_and_others_are_served_meanwhile(self):
        slow = Connection()
        self.addCleanup(slow.close)
        for xid in range(1, GETS + 1):
            slow.send(struct.pack(">ii", xid, GET_DATA) + text(b"/large") + b"\0")
        # More connections than the server has threads for them, so each of these is asked.
        for _ in range(16):
            client = KazooClient(CONNECT)
            client.start(timeout=10)
            self.assertEqual(client.get("/large")[0], VALUE)
            client.stop()
            client.close()
        for xid in range(1, GETS + 1):
            frame = slow.frame()
            self.assertEqual(struct.unpack(">iqi", frame[:16])[::2], (xid, 0))
            self.assertEqual(frame[20:20 + len(VALUE)], VALUE)


if __name__ == "__main__":
    unittest.main()
