#!/usr/bin/env python3
"""The past in .snapshot and .versions: equal to copies that were kept, usable by programs, read-only, and restored."""
import datetime
import errno
import os
import re
import shutil
import stat
import time

import harness
from harness import REMOTE, MountTest, needs_mount, pailfs, run

OPERATIONS = int(os.environ.get("PAILFS_OPERATIONS", "2000"))
KEPT_AFTER = 20


def moment(exactly=False):
    """Now, as a name in .snapshot; what comes afterwards is later."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if exactly:
        time.sleep(0.02)  # servers cut times to milliseconds
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    time.sleep(1.02 - now.microsecond / 1e6)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def error_of(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "none"


class History:
    """Random changes of a tree, by a few names that come back as files, directories and links."""

    def __init__(self, root, rng):
        self.root = root
        self.rng = rng

    def any_path(self):
        path = self.root
        for _ in range(self.rng.randrange(3)):
            path = path / self.rng.choice("abc")
        return path / self.rng.choice(["a", "b", "c", "f", "g", "h.txt"])

    def step(self):
        operation = self.rng.choice([self.write, self.write, self.write, self.append, self.remove, self.make_directory,
                                     self.make_directory, self.rename, self.rename, self.link, self.change, self.tag])
        try:
            operation(self.any_path())
        except OSError as error:
            expected = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL, errno.ELOOP,
                        errno.ENODATA, errno.EPERM}
            if error.errno not in expected:
                raise

    def write(self, path):
        if path.is_symlink():
            path.unlink()
        path.write_bytes(self.rng.randbytes(self.rng.choice([0, 1, 100, 5000, 200_000])))

    def append(self, path):
        if path.is_file() and not path.is_symlink():
            with open(path, "ab") as file:
                file.write(self.rng.randbytes(77))

    def remove(self, path):
        if path.is_dir() and not path.is_symlink():
            if self.rng.randrange(2):
                path.rmdir()
            else:
                shutil.rmtree(path)
        else:
            path.unlink()

    def make_directory(self, path):
        path.mkdir()

    def rename(self, path):
        path.rename(self.any_path())

    def link(self, path):
        os.symlink(self.rng.choice(["a", "../b", "nowhere"]), path)

    def change(self, path):
        if not path.is_symlink():
            os.chmod(path, self.rng.choice([0o600, 0o644, 0o755, 0o700]))
        os.chown(path, self.rng.choice([0, 1000]), self.rng.choice([0, 1000]), follow_symlinks=False)
        os.utime(path, ns=(self.rng.randrange(1 << 60), self.rng.randrange(1 << 60)), follow_symlinks=False)

    def tag(self, path):
        os.setxattr(path, "user.tag", self.rng.randbytes(8), follow_symlinks=False)


class Past(MountTest):
    options = ("writeback_delay=100ms",)

    def snapshot(self, name):
        return self.root / ".snapshot" / name

    def test_every_kept_moment_equals_its_copy(self):
        history = History(self.root, harness.seeded_random(self.id()))
        kept = self.scratch("kept")
        moments = []
        for operation in range(OPERATIONS):
            history.step()
            if operation % 7 == 0:
                time.sleep(0.01)  # some of it is written back in between
            if (operation + 1) % KEPT_AFTER == 0:
                self.mount.flush()
                copy = kept / str(len(moments))
                run("cp", "-a", self.root, copy)
                moments.append(moment(exactly=len(moments) % 10 != 0))
        for number, name in enumerate(moments):
            if harness.manifest(kept / str(number)).keys() != {"."}:
                with self.subTest(moment=name, number=number):
                    self.assert_same_tree(kept / str(number), self.snapshot(name))
        self.mount.remount(empty_cache=True)
        for number, name in list(enumerate(moments))[:: max(1, len(moments) // 5)]:
            run("diff", "-r", "--no-dereference", kept / str(number), self.snapshot(name))
        # A directory shows its own past too.
        for number, name in enumerate(moments[-10:], len(moments) - 10):
            for path in self.root.iterdir():
                there = kept / str(number) / path.name
                if path.is_dir() and not path.is_symlink() and there.is_dir() and not there.is_symlink():
                    run("diff", "-r", "--no-dereference", there, path / ".snapshot" / name)

    def sample(self):
        source = harness.make_sample_tree(self.scratch("sample"), harness.seeded_random(self.id()))
        run("cp", "-a", source, self.root / "tree")
        self.mount.flush()
        name = moment()
        run("rm", "-rf", self.root / "tree" / "names", self.root / "tree" / "size-1")
        (self.root / "tree" / "size-4096").write_bytes(b"changed")
        (self.root / "tree" / "later").write_bytes(b"new")
        self.mount.flush()
        time.sleep(1.02)
        return source, name

    def test_programs_work_out_of_a_snapshot(self):
        source, name = self.sample()
        then = self.snapshot(name) / "tree"
        self.assert_same_tree(source, then)
        self.assert_same_tree(source, self.root / "tree" / ".snapshot" / name)
        run("diff", "-r", "--no-dereference", source, then)
        copy = self.scratch("copies")
        run("cp", "-a", then, copy / "cp")
        run("rsync", "-aAX", f"{then}/", copy / "rsync")
        run("tar", "-C", then, "--xattrs", "-cf", copy / "tar.tar", ".")
        (copy / "tar").mkdir()
        run("tar", "-C", copy / "tar", "--xattrs", "--xattrs-include=*", "-xpf", copy / "tar.tar")
        for program in ("cp", "rsync"):
            self.assert_same_tree(source, copy / program)
        run("diff", "-r", "--no-dereference", source, copy / "tar")
        self.assert_rsync_finds_nothing(source, then)
        found = run("find", then, "-type", "f").stdout.count("\n")
        self.assertEqual(found, run("find", source, "-type", "f").stdout.count("\n"))
        # Hidden from listings, whoever makes them.
        self.assertEqual([n for n in os.listdir(self.root) if n.startswith(".")], [])
        self.assertNotIn(".snapshot", run("find", self.root).stdout)

    def test_nothing_in_the_past_can_be_changed(self):
        _, name = self.sample()
        then = self.snapshot(name) / "tree"
        file = then / "size-4096"
        self.assertEqual(error_of(open, file, "r+b"), "EROFS")
        self.assertEqual(error_of(open, then / "new", "wb"), "EROFS")
        self.assertEqual(error_of(os.truncate, file, 0), "EROFS")
        self.assertEqual(error_of(os.unlink, file), "EROFS")
        self.assertEqual(error_of(os.mkdir, then / "new"), "EROFS")
        self.assertEqual(error_of(os.rmdir, then / "empty directory"), "EROFS")
        self.assertEqual(error_of(os.rename, file, then / "new"), "EROFS")
        self.assertEqual(error_of(os.rename, file, self.root / "new"), "EROFS")
        self.assertEqual(error_of(os.rename, self.root / "tree" / "later", then / "new"), "EROFS")
        self.assertEqual(error_of(os.symlink, "x", then / "new"), "EROFS")
        self.assertEqual(error_of(os.chmod, file, 0o600), "EROFS")
        self.assertEqual(error_of(os.chown, file, 1, 1), "EROFS")
        self.assertEqual(error_of(os.utime, file), "EROFS")
        self.assertEqual(error_of(os.setxattr, file, "user.a", b"b"), "EROFS")
        self.assertEqual(error_of(os.removexattr, then / "tagged", "user.color"), "EROFS")
        self.assertEqual(error_of(os.mkdir, self.root / ".versions" / "new"), "EROFS")
        self.assertEqual(error_of(open, self.root / ".snapshot" / "new", "wb"), "EROFS")
        self.assertEqual(error_of(os.rmdir, self.root / ".snapshot"), "EPERM")
        self.assertEqual(error_of(os.mkdir, self.root / ".snapshot"), "EEXIST")
        self.assertEqual(error_of(os.rename, self.root / "tree", self.root / ".versions" / "tree"), "EROFS")

    def test_a_snapshot_is_shared_read_only(self):
        source, name = self.sample()
        shared = self.scratch("shared")
        run("mount", "--bind", self.snapshot(name) / "tree", shared)
        self.addCleanup(run, "umount", "-l", shared, check=False)
        run("mount", "-o", "remount,bind,ro", shared)
        self.assert_same_tree(source, shared)
        self.assertEqual(error_of(open, shared / "size-4096", "r+b"), "EROFS")
        run("umount", shared)

    @needs_mount
    def test_copying_out_moves_no_bytes(self):
        size = 20 << 20
        (self.root / "f").write_bytes(os.urandom(size))
        self.mount.flush()
        name = moment()
        (self.root / "f").write_bytes(b"changed")
        self.mount.remount(empty_cache=True)
        before = self.mount.counters()
        run("cp", self.snapshot(name) / "f", self.root / "f")
        run("cp", self.snapshot(name) / "f", self.root / "g")
        self.mount.flush()
        counters = self.mount.counters()
        self.assertLess(counters["store.bytes_in"] - before["store.bytes_in"], 4096)
        self.assertLess(counters["store.bytes_out"] - before["store.bytes_out"], 4096)
        self.assertEqual(counters["store.copy"] - before["store.copy"], 2)
        self.assertEqual(harness.file_digest(self.root / "f"), harness.file_digest(self.snapshot(name) / "f"))
        self.assertEqual(harness.file_digest(self.root / "g"), harness.file_digest(self.snapshot(name) / "f"))

    def test_every_version_of_a_file(self):
        file = self.root / "d" / "f"
        file.parent.mkdir()
        for content in (b"one", b"second", b"the third"):
            file.write_bytes(content)
            self.mount.flush()
            time.sleep(1.02)
        file.unlink()
        self.mount.flush()
        versions = sorted((self.root / "d" / ".versions" / "f").iterdir())
        self.assertEqual([v.read_bytes() for v in versions], [b"one", b"second", b"the third"])
        for version in versions:
            self.assertRegex(version.name, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ~[^/]+$")
            self.assertEqual(os.getxattr(version, "user.pailfs.version_id").decode(), version.name.split("~")[1])
            self.assertTrue(stat.S_ISREG(version.stat().st_mode))
        self.assertEqual(os.listdir(self.root / "d" / ".versions"), ["f"])
        self.assertEqual(os.listdir(self.root / ".versions" / "d"), ["f"])
        table = pailfs("versions", file).stdout.splitlines()
        self.assertEqual(len(table), 5, table)
        self.assertIn("deleted", table[1])
        pailfs("undelete", file)
        self.assertEqual(file.read_bytes(), b"the third")

    def test_restore_diff_and_undelete(self):
        source, name = self.sample()
        tree = self.root / "tree"
        lines = pailfs("diff", tree, "--from", name, check=False).stdout.splitlines()
        self.assertIn("A later", lines)
        self.assertIn("M size-4096", lines)
        self.assertIn("D size-1", lines)
        self.mount.remount(empty_cache=True)
        before = self.mount.counters()
        done = pailfs("restore", tree, "--at", name, "--delete")
        self.assertIn("restored", done.stdout + done.stderr)
        self.mount.flush()
        moved = self.mount.counters() - before
        # What is not empty was copied by the bucket; symbolic links are stored anew.
        self.assertLess(moved["store.bytes_in"], 16 << 10)
        self.assertLess(moved["store.bytes_out"], 16 << 10)
        self.assert_same_tree(source, tree)
        self.assertEqual(pailfs("diff", tree, "--from", name).stdout, "")
        again = pailfs("restore", tree, "--at", name)
        self.assertIn("restored 0 files, 0 directories", again.stdout + again.stderr)
        pailfs("restore", tree, "--at", name, "--to", self.root / "other")
        self.assert_same_tree(source, self.root / "other")
        self.mount.remount(empty_cache=True)
        self.assert_same_tree(source, self.root / "other")
        self.assert_same_tree(source, tree)
        shutil.rmtree(tree / "names")
        self.mount.flush()
        pailfs("undelete", tree / "names")
        self.assertEqual(harness.manifest(tree / "names").keys(), harness.manifest(source / "names").keys())
        missing = pailfs("restore", tree, "--at", "2001-01-01", check=False)
        self.assertEqual(missing.returncode, 1, missing.stderr)

    def test_snapshots_have_names_that_every_mount_sees(self):
        (self.root / "f").write_bytes(b"before")
        pailfs("snapshot", "create", "before upgrade", self.root)
        (self.root / "f").write_bytes(b"after")
        self.mount.flush()
        self.assertEqual((self.snapshot("before upgrade") / "f").read_bytes(), b"before")
        self.assertIn("before upgrade", os.listdir(self.root / ".snapshot"))
        self.assertIn("before upgrade", pailfs("snapshot", "list", self.root).stdout)
        self.assertEqual(error_of(os.mkdir, self.snapshot("before upgrade")), "EEXIST")
        self.mount.remount(empty_cache=True)
        self.assertEqual((self.snapshot("before upgrade") / "f").read_bytes(), b"before")
        os.rename(self.snapshot("before upgrade"), self.snapshot("kept"))
        self.assertEqual((self.snapshot("kept") / "f").read_bytes(), b"before")
        self.assertFalse(self.snapshot("before upgrade").exists())
        pailfs("snapshot", "delete", "kept", self.root)
        self.assertFalse(self.snapshot("kept").exists())
        self.assertNotIn("kept", os.listdir(self.root / ".snapshot"))
        self.assertEqual(error_of(os.mkdir, self.snapshot("2199-11-22")), "EINVAL")
        self.assertEqual(error_of(os.rmdir, self.snapshot("now")), "EROFS")
        self.assertEqual(error_of(os.rmdir, self.snapshot("-1h")), "ENOENT")

    def test_the_readme_shows_what_happens(self):
        """Its commands, run; times, ids and spaces may differ."""
        readme = (harness.SOURCE_ROOT / "README.md").read_text()
        shown = re.search(r"## The past.*?```console\n(.*?)```", readme, re.DOTALL).group(1)
        tools = self.scratch("tools")
        (tools / "pailfs").symlink_to(harness.PAILFS)
        said = []
        for line in shown.splitlines():
            if not line.startswith("$ "):
                continue
            time.sleep(1.02)
            done = run("bash", "-c", line[2:].replace("; echo", "; sleep 1.02; echo"), cwd=self.root,
                       env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
            said += [line, *done.stdout.splitlines()]

        def plain(lines):
            text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME", "\n".join(lines))
            return re.sub(r" +", " ", re.sub(r"(\d+  )\S{25,}", r"\1ID", text)).splitlines()

        self.assertEqual([line.rstrip() for line in plain(said)], [line.rstrip() for line in plain(shown.splitlines())])

    def test_spellings_of_a_moment(self):
        (self.root / "f").write_bytes(b"1")
        self.mount.flush()
        now = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(1.02)
        (self.root / "g").write_bytes(b"2")
        self.mount.flush()
        for spelling in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%SZ", "@GMT-%Y.%m.%d-%H.%M.%S", "%Y%m%dT%H%M%SZ",
                         "%Y-%m-%dT%H:%M:%S+00:00", f"@{int(now.timestamp())}"):
            self.assertEqual(os.listdir(self.snapshot(now.strftime(spelling))), ["f"], spelling)
        local = datetime.datetime.fromtimestamp(now.timestamp()).strftime("%Y-%m-%dT%H:%M:%S")
        self.assertEqual(os.listdir(self.snapshot(local)), ["f"])
        for none in ("2026-02-30", "never", "-2q", "2199-01-01", "@GMT-2026"):
            self.assertEqual(error_of(os.listdir, self.snapshot(none)), "ENOENT", none)
        for before in ("1999-12-31", "yesterday", "-2w"):
            self.assertEqual(error_of(os.listdir, self.snapshot(before)), "ENOENT", before)

    @needs_mount
    def test_the_entrances_can_be_visible_renamed_or_off(self):
        (self.root / "f").write_bytes(b"1")
        self.mount.umount()
        self.mount.mount("snapdir=visible", "snapdir_name=.zfs")
        self.assertEqual(sorted(os.listdir(self.root)), [".versions", ".zfs", "f"])
        self.assertEqual(os.listdir(self.root / ".zfs" / "now"), ["f"])
        self.mount.umount()
        self.mount.mount("snapdir=off")
        self.assertEqual(os.listdir(self.root), ["f"])
        self.assertEqual(error_of(os.stat, self.root / ".snapshot"), "ENOENT")
        (self.root / ".snapshot").mkdir()


class WithoutVersions(MountTest):
    """A bucket that keeps no versions says so."""

    versioned = False
    mount_at_start = False
    foreground = True

    @needs_mount
    def test_there_is_no_past(self):
        if not REMOTE:
            pailfs("store", "init", self.mount.store)
            pailfs("store", "bucket", "create", self.mount.store, "files", "--versioning", "off")
        self.mount.mount(foreground=True)
        (self.root / "f").write_bytes(b"1")
        self.mount.flush()
        self.assertEqual(os.listdir(self.root / ".snapshot"), [])
        for name in ("now", "-1h", "2026-01-01"):
            self.assertEqual(error_of(os.stat, self.root / ".snapshot" / name), "ENOENT")
        self.assertEqual(error_of(os.mkdir, self.root / ".snapshot" / "name"), "ENOTSUP")
        self.assertEqual(self.mount.log().count("keeps no versions"), 1, self.mount.log())
        done = pailfs("snapshot", "create", "name", self.root, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("versioning", done.stderr)


if __name__ == "__main__":
    harness.main()
