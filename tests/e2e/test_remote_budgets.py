#!/usr/bin/env python3
"""What an operation costs in requests, counted by the mount itself."""
import os
import shutil

import harness
from harness import MountTest, run, wait_until

FILES = 60
PAGE = 1000
REQUESTS = ("head", "get", "put", "copy", "delete", "delete_batch", "list", "list_versions", "create_upload", "upload_part",
            "upload_part_copy", "complete_upload", "abort_upload", "list_uploads", "list_parts")


class Budgets(MountTest):
    options = ("writeback_delay=1h",)
    mount_at_start = False

    def setUp(self):
        super().setUp()
        self.before = None

    def start(self, *options):
        self.mount.mount(*options)
        self.before = self.mount.counters()

    def used(self):
        """{request: how often} since the last call of start() or used(), those that were made."""
        now = self.mount.counters()
        self.assertTrue({name for name in now if name.startswith("store.")}, "the counters have other names now")
        used = {name: now["store." + name] - self.before["store." + name] for name in (*REQUESTS, "bytes_in", "bytes_out")}
        self.before = now
        return {name: count for name, count in used.items() if count}

    def make_source(self):
        source = self.scratch("source")
        for folder in ("a", "b", "b/c"):
            (source / folder).mkdir()
        for number in range(FILES):
            (source / ("a", "b", "b/c")[number % 3] / f"file-{number:03d}").write_bytes(os.urandom(1 + number * 100))
        return source

    def assert_uploaded(self, source, markers):
        """Each file was put once, each directory at most once; nothing was read, copied or deleted."""
        used = self.used()
        self.assertEqual(used.pop("put"), len(self.bucket.objects()))
        self.assertEqual(len(self.bucket.versions()), len(self.bucket.objects()), "something was put twice, or deleted")
        files = {key: size for key, size in self.bucket.files().items() if not key.endswith("/")}
        self.assertEqual(len(files), FILES)
        self.assertEqual(sum(files.values()), sum(f.stat().st_size for f in source.rglob("*") if f.is_file()))
        self.assertLessEqual(len(self.bucket.files()), FILES + markers)
        self.assertEqual({name: count for name, count in used.items() if name not in ("list", "head", "bytes_in")}, {}, used)
        self.assertEqual(used.get("head", 0), 0, used)
        # What does not exist in a new directory needs no asking.
        self.assertLessEqual(used.get("list", 0), markers, used)

    def test_cp_of_new_files(self):
        source = self.make_source()
        self.start("ttl=1h")
        run("cp", "-r", source, self.root / "copy")
        self.mount.flush()
        self.assert_uploaded(source, markers=5)

    def test_rsync_of_new_files_and_again(self):
        source = self.make_source()
        self.start("ttl=1h")
        run("rsync", "-a", f"{source}/", f"{self.root}/copy/")
        self.mount.flush()
        self.assert_uploaded(source, markers=5)
        self.mount.remount()
        run("find", self.root, "-size", "+1000000")  # attributes are asked for once
        self.mount.umount()
        self.start("ttl=0")
        self.assertEqual(run("rsync", "-ai", f"{source}/", f"{self.root}/copy/").stdout, "")
        self.mount.flush()
        used = self.used()
        self.assertGreaterEqual(used.pop("list"), 4)
        self.assertEqual(used, {}, "rsync again with nothing changed makes LISTs only")

    def test_ls_asks_for_attributes_once(self):
        self.bucket.put_many([f"folder/file-{number}" for number in range(FILES)], b"x")
        self.start("ttl=0")
        self.assertEqual(len(run("ls", "-l", self.root / "folder").stdout.splitlines()), FILES + 1)
        self.assertLessEqual(self.used()["head"], FILES + 3)
        for _ in range(2):
            run("ls", "-l", self.root / "folder")
            used = self.used()
            self.assertEqual(used.pop("list") > 0, True)
            self.assertEqual(used, {})
            self.mount.umount()
            self.start("ttl=0")
        self.mount.umount()
        shutil.rmtree(self.mount.cache)
        self.start("posix=off")
        run("ls", "-l", self.root / "folder")
        self.assertLessEqual(self.used().get("head", 0), 1, "posix=off never asks for attributes")

    def test_reading_cold_files(self):
        self.bucket.put_many([f"file-{number:03d}" for number in range(FILES)], b"x" * 10_000)
        self.start()
        for name in sorted(os.listdir(self.root)):
            self.assertEqual((self.root / name).read_bytes(), b"x" * 10_000)
        used = self.used()
        self.assertEqual(used["get"], FILES, used)
        self.assertLessEqual(used.get("head", 0), FILES + 3, used)
        for name in sorted(os.listdir(self.root)):
            (self.root / name).read_bytes()
        self.assertEqual(self.used().get("get", 0), 0)

    def test_reading_a_large_file_once(self):
        content = os.urandom(1 << 20) * 192
        self.bucket.put("large", content)
        self.start()
        with open(self.root / "large", "rb") as file:
            while chunk := file.read(1 << 20):
                self.assertEqual(chunk, content[:len(chunk)])
        used = self.used()
        self.assertGreaterEqual(used["bytes_out"], len(content))
        self.assertLessEqual(used["bytes_out"], len(content) * 1.02, used)

    def test_appending_a_byte_to_a_large_file(self):
        size = 64 << 20
        content = os.urandom(1 << 20) * 64
        self.bucket.put("large", content)
        self.start()
        with open(self.root / "large", "ab") as out:
            out.write(b"!")
        self.mount.flush()
        used = self.used()
        self.assertLess(used["bytes_in"], 17 << 20, used)
        self.assertGreaterEqual(used["upload_part_copy"], 1, used)
        self.assertEqual((used["create_upload"], used["upload_part"], used["complete_upload"]), (1, 1, 1), used)
        self.assertEqual(self.bucket.files(), {"large": size + 1})
        self.assertEqual(self.bucket.get("large"), content + b"!")

    def test_removing_a_tree(self):
        self.bucket.put_many([f"folder/{number % 4}/file-{number}" for number in range(FILES)], b"x")
        self.start()
        shutil.rmtree(self.root / "folder")
        self.mount.flush()
        used = self.used()
        self.assertEqual(used.get("delete", 0), 0, used)
        # Each directory waits for its last file.
        self.assertLessEqual(used["delete_batch"], 1 + FILES // PAGE + 5, used)
        self.assertEqual((used.get("get", 0), used.get("copy", 0)), (0, 0), used)
        self.assertEqual(self.bucket.files(), {})

    def test_created_and_deleted_within_the_delay(self):
        self.start("ttl=1h")
        for number in range(FILES):
            (self.root / f"file-{number}").write_bytes(b"x" * 1000)
        for number in range(FILES):
            os.unlink(self.root / f"file-{number}")
        self.mount.flush()
        used = self.used()
        used.pop("list", None)
        self.assertLessEqual(used.pop("put", 0), 1, "of the root directory's own time at most")
        self.assertEqual(used.pop("bytes_in", 0), 0)
        self.assertEqual(used, {})
        self.assertEqual(self.bucket.files(), {})

    def test_a_temporary_name_first_is_one_put(self):
        self.start("ttl=1h")
        (self.root / "file.tmp").write_bytes(b"content")
        os.rename(self.root / "file.tmp", self.root / "file")
        self.mount.flush()
        self.assertEqual(sorted(k for k, _ in self.bucket.versions() if not k.startswith(".pailfs/")), ["file"])
        self.assertEqual(self.used()["bytes_in"], 7)

    def test_renaming_a_directory(self):
        self.bucket.put_many([f"old/file-{number}" for number in range(FILES)], b"x" * 100)
        self.start("ttl=1h")
        run("ls", "-l", self.root / "old")
        self.used()
        os.rename(self.root / "old", self.root / "new")
        used = self.used()
        self.assertLessEqual(used.pop("list", 0), 2)
        self.assertEqual(used, {}, "objects move later")
        self.mount.flush()
        wait_until(lambda: not [k for k in self.bucket.files() if k.startswith("old/")], "the old objects are deleted")
        used = self.used()
        self.assertEqual(used["copy"], FILES, used)
        self.assertEqual((used.get("get", 0), used.get("delete", 0), used.get("bytes_in", 0)), (0, 0, 0), used)
        self.assertEqual({k: s for k, s in self.bucket.files().items() if k != "new/"},
                         {f"new/file-{number}": 100 for number in range(FILES)})


if __name__ == "__main__":
    harness.main()
