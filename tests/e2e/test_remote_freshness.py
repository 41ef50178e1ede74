#!/usr/bin/env python3
"""Other clients change the bucket of a mount: seen in time, and nothing of anybody is lost."""
import os
import re
import socket

import harness
from harness import Mount, MountTest, wait_until

# A name is believed for 1 s, and the kernel may have learned it at the end of that time.
LATEST = 10


class Freshness(MountTest):
    def sees(self, path, content, seconds=LATEST):
        """What open and read give becomes this content; stat says the same then."""
        def same():
            try:
                return path.read_bytes() == content
            except FileNotFoundError:
                return content is None
        wait_until(same, f"{path.name} has the content {content}", seconds)
        if content is None:
            self.assertNotIn(path.name, os.listdir(path.parent))
        else:
            self.assertEqual(path.stat().st_size, len(content))
            self.assertIn(path.name, os.listdir(path.parent))

    def test_put_replaced_and_deleted(self):
        file = self.root / "folder" / "file"
        self.bucket.put("folder/other", b"x")
        wait_until(file.parent.exists, "the directory appears", LATEST)
        self.assertFalse(file.exists())
        for content in (b"one", b"another", None, b"back again"):
            if content is None:
                self.bucket.delete("folder/file")
            else:
                self.bucket.put("folder/file", content)
            with self.subTest(content=content):
                self.sees(file, content)

    def test_stat_alone_sees_a_change(self):
        file = self.root / "file"
        self.bucket.put("file", b"1")
        wait_until(lambda: file.exists() and file.stat().st_size == 1, "stat sees the object", LATEST)
        self.bucket.put("file", b"22")
        wait_until(lambda: file.stat().st_size == 2, "stat sees the new size", LATEST)
        self.bucket.delete("file")
        wait_until(lambda: not file.exists(), "stat sees the deletion", LATEST)

    def test_ls_alone_sees_a_change(self):
        self.bucket.put("folder/a")
        wait_until(lambda: os.listdir(self.root) == ["folder"], "ls sees the directory", LATEST)
        self.assertEqual(os.listdir(self.root / "folder"), ["a"])
        self.bucket.put("folder/b")
        self.bucket.delete("folder/a")
        wait_until(lambda: os.listdir(self.root / "folder") == ["b"], "ls sees both changes", LATEST)

    def test_a_name_is_believed_for_the_ttl(self):
        """With a long ttl nothing asks the bucket again."""
        self.bucket.put("file", b"1")
        self.mount.umount()
        self.mount.mount("ttl=1h")
        file = self.root / "file"
        self.assertEqual(file.read_bytes(), b"1")
        before = self.mount.counters()
        self.bucket.put("file", b"22")
        for _ in range(3):
            self.assertEqual(file.read_bytes(), b"1")
            self.assertEqual(os.listdir(self.root), ["file"])
        used = self.mount.counters() - before
        self.assertEqual((used["store.list"], used["store.head"]), (0, 0), used)

    def test_an_open_file_stays_what_it_was(self):
        old, new = os.urandom(9 << 20), os.urandom(9 << 20)
        self.bucket.put("file", old)
        file = self.root / "file"
        wait_until(file.exists, "the object appears", LATEST)
        with open(file, "rb") as opened:
            self.assertEqual(opened.read(1000), old[:1000])
            self.bucket.put("file", new)
            self.sees(file, new)
            rest = b""
            try:
                rest = opened.read()
            except OSError as error:
                self.assertEqual(error.errno, 116, "ESTALE is the only honest failure")
            self.assertEqual(rest, old[1000:1000 + len(rest)], "two versions of an object are mixed")
            self.assertEqual(len(rest), len(old) - 1000, "the bucket has the old version still")


class NoTtl(Freshness):
    """All of it again, and at once."""
    options = ("ttl=0",)

    def sees(self, path, content, seconds=0):
        super().sees(path, content, seconds)

    def test_stat_sees_each_change_at_once(self):
        file = self.root / "file"
        for size in (3, 1, 7):
            self.bucket.put("file", b"x" * size)
            self.assertEqual(file.stat().st_size, size)
            self.assertEqual(os.listdir(self.root), ["file"])
        self.bucket.delete("file")
        self.assertFalse(file.exists())


class Conflicts(MountTest):
    options = ("writeback_delay=1h",)
    mount_at_start = False

    def assert_both_kept(self, root, name, contents):
        """The name and one conflict name beside it hold these contents."""
        names = sorted(os.listdir(root))
        self.assertEqual(len(names), 2, names)
        self.assertEqual(names[0], name)
        host = socket.gethostname().split(".")[0]
        self.assertRegex(names[1], rf"^{re.escape(name)}\.conflict-{re.escape(host)}.*-\d{{4}}.*")
        self.assertEqual({(root / n).read_bytes() for n in names}, set(contents))
        return names[1]

    def test_a_local_edit_against_a_foreign_overwrite(self):
        self.bucket.put("file", b"original")
        self.mount.mount(foreground=True)
        file = self.root / "file"
        file.write_bytes(b"edited here")
        self.bucket.put("file", b"replaced there")
        self.mount.flush()
        wait_until(lambda: len(os.listdir(self.root)) == 2, "the conflict is shown", LATEST)
        conflict = self.assert_both_kept(self.root, "file", [b"edited here", b"replaced there"])
        self.assertEqual(file.read_bytes(), b"replaced there")
        self.assertEqual(self.mount.counters()["writeback.conflicts"], 1)
        self.assertEqual(len([line for line in self.mount.log().splitlines() if "conflict" in line]), 1, self.mount.log())
        self.mount.flush()
        self.assertEqual((self.bucket.get("file"), self.bucket.get(conflict)), (b"replaced there", b"edited here"))
        self.mount.remount(empty_cache=True)
        self.assert_both_kept(self.root, "file", [b"edited here", b"replaced there"])

    def test_a_new_file_against_a_foreign_object(self):
        self.mount.mount(foreground=True)
        (self.root / "file").write_bytes(b"made here")
        self.bucket.put("file", b"put there")
        self.mount.flush()
        wait_until(lambda: len(os.listdir(self.root)) == 2, "the conflict is shown", LATEST)
        self.assert_both_kept(self.root, "file", [b"made here", b"put there"])
        self.assertEqual(self.mount.counters()["writeback.conflicts"], 1)

    def test_a_foreign_deletion_against_a_local_edit(self):
        """The edit wins."""
        self.bucket.put("file", b"original")
        self.mount.mount()
        (self.root / "file").write_bytes(b"edited here")
        self.bucket.delete("file")
        self.mount.flush()
        self.assertEqual(self.bucket.objects(), {"file": 11})
        self.assertEqual((self.root / "file").read_bytes(), b"edited here")

    def test_a_local_deletion_against_a_foreign_overwrite(self):
        """Bytes that were never seen here are not deleted."""
        self.bucket.put("file", b"original")
        self.mount.mount()
        self.assertEqual((self.root / "file").read_bytes(), b"original")
        os.unlink(self.root / "file")
        self.bucket.put("file", b"replaced there")
        self.mount.flush()
        self.assertEqual(self.bucket.get("file"), b"replaced there")
        wait_until(lambda: os.listdir(self.root) == ["file"], "the foreign object appears", LATEST)
        self.assertEqual((self.root / "file").read_bytes(), b"replaced there")

    def test_two_mounts_write_the_same_file(self):
        self.bucket.put("file", b"original")
        self.mount.mount()
        second = Mount(self.directory, cache_name="cache2", mountpoint="mnt2", options=self.options, bucket=self.bucket)
        self.addCleanup(second.clean_up)
        second.mount()
        (self.root / "file").write_bytes(b"by the first")
        (second.path / "file").write_bytes(b"by the second one")
        self.mount.flush()
        second.flush()
        for mount in (self.mount, second):
            wait_until(lambda m=mount: len(os.listdir(m.path)) == 2, "both mounts show the conflict", LATEST)
            self.assert_both_kept(mount.path, "file", [b"by the first", b"by the second one"])
        self.assertEqual((self.root / "file").read_bytes(), b"by the first")
        self.assertEqual(self.mount.counters()["writeback.conflicts"] + second.counters()["writeback.conflicts"], 1)
        second.umount()

    def test_two_mounts_work_in_turns(self):
        """Close-to-open: what one has flushed is what the other opens next, and that is no conflict."""
        self.mount.mount("ttl=0")
        second = Mount(self.directory, cache_name="cache2", mountpoint="mnt2", options=self.options, bucket=self.bucket)
        self.addCleanup(second.clean_up)
        second.mount("ttl=0")
        expected = b""
        for number in range(6):
            mount = (self.mount, second)[number % 2]
            if number:
                self.assertEqual((mount.path / "log").read_bytes(), expected)
            with open(mount.path / "log", "ab") as log:
                log.write(b"line %d\n" % number)
            expected += b"line %d\n" % number
            mount.flush()
        self.assertEqual(self.bucket.get("log"), expected)
        self.assertEqual(self.mount.counters()["writeback.conflicts"] + second.counters()["writeback.conflicts"], 0)
        second.umount()


if __name__ == "__main__":
    harness.main()
