#!/usr/bin/env python3
"""packaging/quickstart from a copy of the sources: builds, makes a store, mounts; a second run changes nothing."""
import os
import shutil
import unittest

import harness
from harness import MountTest, run


class Quickstart(MountTest):
    mount_at_start = False

    def setUp(self):
        super().setUp()
        self.sources = self.directory / "sources"
        shutil.copytree(harness.SOURCE_ROOT, self.sources, symlinks=True,
                        ignore=shutil.ignore_patterns("build", "build-*", ".git", "__pycache__"))
        self.environment = {**os.environ, "PAILFS_STATE": str(self.directory), "PAILFS_CACHE": str(self.mount.cache)}

    def quickstart(self, *arguments, **options):
        return run(self.sources / "packaging" / "quickstart", *arguments, env=self.environment, **options)

    @unittest.skipIf(os.geteuid() != 0, "mounting as others do needs root")
    def test_twice(self):
        first = self.quickstart(self.root)
        self.mount.pid = self.mount.status()["pid"]
        self.assertIn(f"Mounted {self.mount.source} at {self.root}", first.stdout)
        self.assertIn("umount", first.stdout)
        (self.root / "file").write_text("x")
        second = self.quickstart(self.root)
        self.assertIn("already mounted", second.stdout)
        self.assertEqual((self.root / "file").read_text(), "x")
        self.mount.umount()
        self.assertEqual(self.mount.objects(), {"file": 1})
        third = self.quickstart(self.root)
        self.mount.pid = self.mount.status()["pid"]
        self.assertNotIn("Made the store", third.stdout)
        self.assertEqual((self.root / "file").read_text(), "x")

    def test_wrong_use(self):
        for arguments in ((), ("a", "b"), ("--frobnicate",), ("",)):
            done = self.quickstart(*arguments, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("usage: sudo packaging/quickstart MOUNTPOINT", done.stderr)
        file = self.directory / "file"
        file.write_text("x")
        done = self.quickstart(file, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a directory", done.stderr)
        done = self.quickstart("/proc", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another file system", done.stderr)


if __name__ == "__main__":
    harness.main()
