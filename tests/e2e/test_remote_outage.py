#!/usr/bin/env python3
"""The server goes away while a mount is in use, and comes back."""
import os
import signal
import subprocess
import threading
import time

import harness
import remote
import wire
from harness import MountTest, wait_until

AWAY_S = 60 if harness.LONG else 30
FROZEN_S = 60 if harness.LONG else 10
TIMEOUT_S = 5
# A try may have begun just before the end of the timeout.
MOST_WAITING_S = 4 * TIMEOUT_S


class Writer:
    """Writes, changes, renames and removes files until it is told to end; any error ends it and the test."""

    def __init__(self, root, reference):
        self.root, self.reference = root, reference
        self.count = 0
        self.error = None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self):
        try:
            while not self.ending.wait(0.02):
                self._step(self.count)
                self.count += 1
        except OSError as error:
            self.error = error

    def _step(self, number):
        content = b"%d " % number * (1 + number * 37 % 5000)
        for tree in (self.root, self.reference):
            folder = tree / f"folder-{number // 100}"
            folder.mkdir(exist_ok=True)
            (folder / f"file-{number}").write_bytes(content)
            if number % 5 == 1:
                with open(tree / f"folder-{(number - 1) // 100}" / f"file-{number - 1}", "ab") as out:
                    out.write(b"more")
            if number % 7 == 3:
                os.rename(folder / f"file-{number}", folder / f"renamed-{number}")
            elif number % 11 == 5:
                os.unlink(folder / f"file-{number}")

    def end(self):
        self.ending.set()
        self.thread.join()


class Outage(MountTest):
    mount_at_start = False
    options = (f"timeout={TIMEOUT_S}s", "writeback_delay=100ms")

    def setUp(self):
        super().setUp()
        self.relay = wire.Relay(remote.server_environment()["AWS_ENDPOINT_URL"])
        self.addCleanup(self.relay.cut)
        for name in ("cached", "cold-1", "cold-2"):
            self.bucket.put(f"there/{name}", name)
        self.bucket.put("there/large", os.urandom(9 << 20))

    def start(self, *options):
        self.mount.mount(f"endpoint={self.relay.endpoint}", *options)
        self.assertEqual((self.root / "there" / "cached").read_text(), "cached")
        for name in os.listdir(self.root / "there"):
            os.stat(self.root / "there" / name)

    def use_through(self, away_s):
        """With a writer at work: what the cache has is served all the time, the rest fails in bounded time."""
        begin = time.monotonic()
        there = self.root / "there"
        slowest = 0.0
        failed = None
        while time.monotonic() - begin < away_s:
            start = time.monotonic()
            self.assertEqual((there / "cached").read_text(), "cached")
            slowest = max(slowest, time.monotonic() - start)
            if failed is None:
                # In a process of its own, which can be ended should it wait for ever.
                try:
                    done = subprocess.run(["cat", there / "cold-1"], capture_output=True, text=True, timeout=MOST_WAITING_S, check=False)
                except subprocess.TimeoutExpired:
                    self.fail(f"a read that cannot be served waits for more than {MOST_WAITING_S} s")
                failed = done.returncode
                self.assertEqual((failed, done.stdout), (1, ""))
                self.assertRegex(done.stderr, "Input/output error|timed out|unreachable|No route|refused|unavailable")
            time.sleep(0.1)  # how often the cache is asked
        return slowest

    def survive(self, begin, away_s, end):
        self.start()
        reference = self.scratch("reference")
        writer = Writer(self.root / "there", reference)
        self.addCleanup(writer.end)
        wait_until(lambda: writer.count > 20, "the writer is at work")
        begin()
        before = writer.count
        slowest = self.use_through(away_s)
        self.assertIsNone(writer.error)
        self.assertGreater(writer.count - before, away_s, "writing goes on")
        self.assertLess(slowest, MOST_WAITING_S)
        self.assertGreater(self.mount.status()["dirty_files"], 0, "nothing can have been uploaded")
        self.assertTrue(self.mount.status().get("unreachable"), "status says that the server does not answer")
        end()
        self.assertEqual(self.mount.counters()["writeback.conflicts"], 0)
        wait_until(lambda: self.can_read(self.root / "there" / "cold-2", b"cold-2"), "the server is seen again")
        writer.end()
        self.assertIsNone(writer.error)
        self.mount.flush()
        status = self.mount.status()
        self.assertEqual((status["dirty_files"], status["error_count"]), (0, 0), status)
        self.check_bucket(reference)
        self.mount.umount()
        harness.shutil.rmtree(self.mount.cache)
        self.mount.mount()
        self.check_tree(reference)

    def can_read(self, path, content):
        try:
            return path.read_bytes() == content
        except OSError:
            return False

    def check_bucket(self, reference):
        expected = {f"there/{path.relative_to(reference)}": path.stat().st_size for path in reference.rglob("*") if path.is_file()}
        expected |= {"there/cached": 6, "there/cold-1": 6, "there/cold-2": 6, "there/large": 9 << 20}
        found = {key: size for key, size in self.bucket.files().items() if not key.endswith("/")}
        self.assertEqual(found, expected)

    def check_tree(self, reference):
        for path in reference.rglob("*"):
            if path.is_file():
                self.assertEqual((self.root / "there" / path.relative_to(reference)).read_bytes(), path.read_bytes(), path)

    def test_a_server_that_is_down(self):
        self.survive(self.relay.cut, AWAY_S, self.relay.restore)

    def test_a_server_that_does_not_answer(self):
        self.survive(self.relay.freeze, FROZEN_S, self.relay.thaw)

    def test_a_waiting_reader_can_be_interrupted(self):
        self.start("timeout=300s")
        for number, name in enumerate([signal.SIGINT, signal.SIGKILL]):
            self.relay.freeze()
            # A shell's background jobs, of which we may be one, ignore SIGINT; the reader must not.
            reader = subprocess.Popen(["cat", self.root / "there" / ("large", "cold-1")[number]], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL,
                                      preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            wait_until(lambda: self.relay.held > 0 or reader.poll() is not None, "the reader waits for the server")
            self.assertIsNone(reader.poll())
            begin = time.monotonic()
            reader.send_signal(name)
            try:
                reader.wait(30)
            finally:
                self.relay.thaw()
                reader.kill()
                reader.wait()
            self.assertLess(time.monotonic() - begin, 3, name)
        self.assertEqual((self.root / "there" / "cold-1").read_text(), "cold-1")


if __name__ == "__main__":
    harness.main()
