#!/usr/bin/env python3
"""A bucket with very many keys."""
import os
import time

import harness
from harness import MountTest, run

KEYS = int(os.environ.get("PAILFS_MANY", "20000"))
PAGE = 1000
MOST_MEMORY_MIB = 300


class Many(MountTest):
    mount_at_start = False
    versioned = False
    keep_bucket = True  # the end of the whole server removes it faster

    def test_a_bucket_with_many_keys(self):
        half = KEYS // 2
        begin = time.monotonic()
        self.bucket.put_many([f"flat/{number:07d}" for number in range(half)], b"x")
        self.bucket.put_many([f"tree/{number // 100:05d}/{number:07d}" for number in range(KEYS - half)], b"x")
        print(f"{KEYS} keys put in {time.monotonic() - begin:.0f} s")
        self.mount.mount("ttl=1h")
        start = self.mount.counters()
        self.assertLessEqual(start["store.list"], 2, "a mount looks at no more than a page")
        begin = time.monotonic()
        listed = run("ls", "-f", self.root / "flat").stdout.split()
        print(f"ls -f of {half} took {time.monotonic() - begin:.1f} s")
        self.assertEqual(sorted(listed), [".", ".."] + [f"{number:07d}" for number in range(half)])
        used = self.mount.counters() - start
        self.assertLessEqual(used["store.list"], -(-half // PAGE) + 3, used)
        self.assertLessEqual(used["store.head"], 2, used)
        self.assertEqual(used["store.get"], 0, used)
        again = self.mount.counters()
        run("ls", "-f", self.root / "flat")
        self.assertEqual((self.mount.counters() - again)["store.list"], 0, "within the ttl a listing is known")
        self.assertEqual((self.root / "flat" / f"{half - 1:07d}").read_bytes(), b"x")
        self.assertEqual(len(run("find", self.root / "tree", "-type", "f", "-name", "0*7").stdout.split()), (KEYS - half) // 10)
        memory_mib = harness.memory_kib(self.mount.pid, "VmHWM") // 1024
        print(f"memory at most {memory_mib} MiB")
        self.assertLess(memory_mib, MOST_MEMORY_MIB)


if __name__ == "__main__":
    harness.main()
