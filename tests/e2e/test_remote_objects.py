#!/usr/bin/env python3
"""Objects that others put: shown as what they are, all reachable, and left alone by being looked at."""
import errno
import hashlib
import os
import stat

import harness
import remote
from harness import MountTest, run

LONG_SEGMENT = "long-" + "s" * 295


class Objects(MountTest):
    mount_at_start = False

    def assert_attributes(self, path, mode, owner, mtime_ns=None, size=None):
        info = os.lstat(path)
        self.assertEqual((oct(info.st_mode), info.st_uid, info.st_gid), (oct(mode), *owner), path)
        if mtime_ns is not None:
            self.assertEqual(info.st_mtime_ns, mtime_ns, path)
        if size is not None:
            self.assertEqual(info.st_size, size, path)

    # --- metadata of other programs ---

    def test_metadata_of_s3fs(self):
        self.bucket.put("file", "12345", Metadata={"mode": str(stat.S_IFREG | 0o640), "uid": "1000", "gid": "1001",
                                                   "mtime": "1354040105.123456789", "ctime": "1354040106", "atime": "1354040107"})
        self.bucket.put("whole", "", Metadata={"mode": str(stat.S_IFREG | 0o4755), "uid": "0", "gid": "7", "mtime": "1354040105"})
        self.bucket.put("folder/", "", ContentType="application/x-directory",
                        Metadata={"mode": str(stat.S_IFDIR | 0o2770), "uid": "5", "gid": "6", "mtime": "1000000000"})
        self.bucket.put("link", "folder/target", Metadata={"mode": str(stat.S_IFLNK | 0o777), "uid": "3", "gid": "4", "mtime": "17"})
        self.bucket.put("fifo", "", Metadata={"mode": str(stat.S_IFIFO | 0o600), "uid": "0", "gid": "0"})
        self.mount.mount()
        self.assert_attributes(self.root / "file", stat.S_IFREG | 0o640, (1000, 1001), 1354040105123456789, 5)
        self.assert_attributes(self.root / "whole", stat.S_IFREG | 0o4755, (0, 7), 1354040105 * 10**9, 0)
        self.assert_attributes(self.root / "folder", stat.S_IFDIR | 0o2770, (5, 6), 10**18)
        self.assert_attributes(self.root / "link", stat.S_IFLNK | 0o777, (3, 4), 17 * 10**9, 13)
        self.assertEqual(os.readlink(self.root / "link"), "folder/target")
        self.assert_attributes(self.root / "fifo", stat.S_IFIFO | 0o600, (0, 0))

    def test_metadata_of_the_aws_file_services(self):
        self.bucket.put("file", "12345", Metadata={"file-permissions": "0100604", "file-owner": "1000", "file-group": "1001",
                                                   "file-mtime": "1595002920123456789ns", "user-agent": "aws-fsx-lustre"})
        self.bucket.put("millis", "", Metadata={"file-permissions": "0100644", "file-mtime": "1595002920123"})
        self.bucket.put("folder/", "", Metadata={"file-permissions": "0041777", "file-owner": "8", "file-group": "9"})
        self.bucket.put("link", "file", Metadata={"file-permissions": "0120777", "file-owner": "8", "file-group": "9"})
        self.mount.mount()
        self.assert_attributes(self.root / "file", stat.S_IFREG | 0o604, (1000, 1001), 1595002920123456789, 5)
        self.assert_attributes(self.root / "millis", stat.S_IFREG | 0o644, (0, 0), 1595002920123000000)
        self.assert_attributes(self.root / "folder", stat.S_IFDIR | 0o1777, (8, 9))
        self.assertEqual(os.readlink(self.root / "link"), "file")

    def test_metadata_of_rclone_and_none_at_all(self):
        self.bucket.put("rclone", "x", Metadata={"mtime": "1354040105.5", "md5chksum": "1B2M2Y8AsgTpgAmY7PhCfg=="})
        self.bucket.put("plain", "plain")
        self.bucket.put("odd", "x", Metadata={"mode": "rwxr-xr-x", "uid": "root", "mtime": "yesterday"})
        self.bucket.put("implicit/a/b/file", "deep")
        modified = int(self.bucket.head("plain")["LastModified"].timestamp())
        self.mount.mount()
        self.assert_attributes(self.root / "rclone", stat.S_IFREG | 0o644, (0, 0), 1354040105500000000, 1)
        for name in ("plain", "odd"):
            self.assert_attributes(self.root / name, stat.S_IFREG | 0o644, (0, 0))
        self.assertAlmostEqual(os.stat(self.root / "plain").st_mtime, modified, delta=1.01)
        for folder in ("implicit", "implicit/a", "implicit/a/b"):
            self.assert_attributes(self.root / folder, stat.S_IFDIR | 0o755, (0, 0))
        self.assertEqual((self.root / "implicit/a/b/file").read_text(), "deep")

    def test_foreign_metadata_survives_our_changes(self):
        self.bucket.put("page", "<p>", ContentType="text/html", CacheControl="max-age=60", Metadata={"author": "somebody"})
        self.mount.mount()
        page = self.root / "page"
        for change in (lambda: os.chmod(page, 0o600), lambda: page.write_text("<p>changed"),
                       lambda: os.rename(page, self.root / "moved")):
            change()
            self.mount.flush()
        self.assertEqual(self.bucket.get("moved"), b"<p>changed")
        head = self.bucket.head("moved")
        self.assertEqual((head["ContentType"], head["CacheControl"], head["Metadata"].get("author")),
                         ("text/html", "max-age=60", "somebody"))
        self.assertEqual(self.bucket.files(), {"moved": 10})

    # --- keys that are no paths ---

    def contents(self):
        """{path: content} of every file of the mount."""
        found = {}
        for folder, _, names in os.walk(os.fsencode(self.root)):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.fsdecode(os.path.relpath(path, os.fsencode(self.root)))] = file.read()
        return found

    def odd_keys(self):
        return ["a//b", "/leading", "x/./y", "x/../z", "..", "beside", "beside/file", f"{LONG_SEGMENT}/{LONG_SEGMENT}",
                "control/\x01\x1f\x7f\r\n\t", "space /  ", "back\\slash", "per%cent%2F", "plus+&=?#;:@", "emoji/\U0001f4e6",
                "trailing//", "folder/", "folder/file", "%pailfs-empty", "e\u0301", "\u00e9"]

    def test_every_odd_key_is_reachable(self):
        keys = self.odd_keys()
        for key in keys:
            self.bucket.put(key, "" if key.endswith("/") else hashlib.md5(key.encode()).hexdigest())
        self.mount.mount()
        bodies = {hashlib.md5(key.encode()).hexdigest().encode(): key for key in keys if not key.endswith("/")}
        found = self.contents()
        shown = {content: path for path, content in found.items()}
        self.assertEqual([key for content, key in bodies.items() if content not in shown], [], "not to be found in the mount")
        for key, name in {"a//b": "a/%pailfs-empty/b", "x/./y": "x/%pailfs-dot/y", "x/../z": "x/%pailfs-dotdot/z",
                          "beside": "%pailfs-file-beside", "beside/file": "beside/file", "\u00e9": "\u00e9"}.items():
            self.assertEqual(found.get(name), hashlib.md5(key.encode()).hexdigest().encode(), f"{key} as {name}")
        for path in found:
            self.assertLessEqual(max(len(os.fsencode(part)) for part in path.split("/")), 255)

    def test_an_odd_key_can_be_changed_and_removed(self):
        keys = ["a//b", "x/../z", "beside", "beside/file", f"{LONG_SEGMENT}/{LONG_SEGMENT}", "control/\x01\x1f", "per%cent%2F"]
        for key in keys:
            self.bucket.put(key, key[:8])
        self.mount.mount()
        paths = {content: self.root / path for path, content in self.contents().items()}
        self.assertEqual(len(paths), len({key[:8] for key in keys}))
        for path in paths.values():
            path.write_bytes(path.read_bytes() + b" changed")
        self.mount.flush()
        self.assertEqual({key: self.bucket.get(key).decode() for key in keys}, {key: key[:8] + " changed" for key in keys})
        for path in paths.values():
            os.unlink(path)
        self.mount.flush()
        self.assertEqual([key for key in self.bucket.files() if not key.endswith("/")], [])

    def test_a_name_that_is_no_utf_8(self):
        """A key is UTF-8: such a name is refused at once."""
        self.mount.mount()
        with self.assertRaises(OSError) as refused:
            open(os.fsencode(self.root) + b"/not-utf8-\xff\xfe", "wb")
        self.assertEqual(refused.exception.errno, errno.EINVAL)

    # --- looking changes nothing ---

    def test_nothing_is_rewritten_by_being_looked_at(self):
        for key in self.odd_keys():
            self.bucket.put(key, "" if key.endswith("/") else "content of it")
        self.bucket.put("link", "folder/file", Metadata={"mode": str(stat.S_IFLNK | 0o777)})
        self.bucket.put("s3fs", "x", Metadata={"mode": str(stat.S_IFREG | 0o600), "mtime": "5"})
        before = sorted(self.bucket.versions())
        self.mount.mount("writeback_delay=10ms")
        run("find", self.root, "-printf", "%p %s %m %u %t\\n")
        run("ls", "-lR", self.root)
        run("getfattr", "-R", "-d", self.root)
        self.assertGreater(len(self.contents()), 15)
        run("tar", "-cf", "/dev/null", "-C", self.root, ".")
        self.mount.flush()
        self.mount.umount()
        self.mount.mount()
        run("find", self.root, "-type", "f", "-exec", "cat", "{}", "+")
        self.assertEqual(self.mount.status()["dirty_files"], 0)
        self.mount.umount()
        left = sorted(v for v in self.bucket.versions() if not v[0].startswith(remote.OWN_PREFIX))
        self.assertEqual(left, before)


if __name__ == "__main__":
    harness.main()
