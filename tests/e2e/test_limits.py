#!/usr/bin/env python3
"""Limits that hold: the cache's size, the daemon's memory."""
import hashlib
import os
import random
import threading
import time

import harness
from harness import MountTest, needs_mount, run

MIB = 1 << 20
MOST_MEMORY_MIB = 300


class Watch:
    """Looks at the cache's disk use and the daemon's memory all the time, and keeps the largest."""

    def __init__(self, mount):
        self.mount = mount
        self.disk = 0
        self.memory_mib = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self._look()

    def _watch(self):
        while not self.stop.wait(0.25):
            self._look()

    def _look(self):
        done = run("du", "-s", "--block-size=1", self.mount.cache, check=False)  # files vanish under du
        self.disk = max(self.disk, int(done.stdout.split()[0]))
        self.memory_mib = max(self.memory_mib, harness.memory_kib(self.mount.pid) // 1024)


@needs_mount
class Limits(MountTest):
    options = ("cache_size=256M",)

    def write_and_read_back(self, files, size):
        seed = 1
        digests = {}
        with Watch(self.mount) as watch:
            for number in range(files):
                rng = random.Random(seed + number)
                digest = hashlib.sha256()
                with open(self.root / f"file-{number}", "wb") as out:
                    for _ in range(size // MIB):
                        chunk = rng.randbytes(MIB)
                        digest.update(chunk)
                        out.write(chunk)
                digests[number] = digest.hexdigest()
            for number in range(files):
                self.assertEqual(harness.file_digest(self.root / f"file-{number}"), digests[number], number)
        print(f"cache at most {watch.disk // MIB} MiB, memory at most {watch.memory_mib} MiB")
        # The databases are counted by du as well; the limit is that of file data.
        databases = sum(f.stat().st_blocks * 512 for name in ("meta", "listing") for f in (self.mount.cache / name).glob("*"))
        self.assertLessEqual(watch.disk, 256 * MIB + databases + 8 * MIB)
        self.assertLess(watch.memory_mib, MOST_MEMORY_MIB)

    def test_two_gib_through_a_cache_of_256_mib(self):
        self.write_and_read_back(files=32, size=64 * MIB)

    def test_one_file_larger_than_the_cache(self):
        self.write_and_read_back(files=1, size=640 * MIB)


@needs_mount
class Million(MountTest):
    mount_at_start = False

    def test_memory_with_many_files(self):
        count = int(os.environ.get("PAILFS_MILLION", "100000"))
        run(harness.FILL_STORE, self.mount.store, "files", count, 1000, timeout=1800)
        self.mount.mount()
        begin = time.monotonic()
        with Watch(self.mount) as watch:
            done = run("find", self.root, "-type", "f", "-printf", ".", timeout=1800)
            self.assertEqual(len(done.stdout), count)
            first = time.monotonic() - begin
            run("find", self.root, "-size", "+100", timeout=1800)
            for folder in range(0, count // 1000, max(1, count // 20_000)):
                key = f"{folder:06d}/{folder % 1000:06d}"
                self.assertEqual((self.root / key).read_text(), key)
        print(f"{count} files: memory at most {watch.memory_mib} MiB, first find {first:.0f} s")
        self.assertLess(watch.memory_mib, MOST_MEMORY_MIB)


if __name__ == "__main__":
    harness.main()
