#!/usr/bin/env python3
"""Copies of whole trees: equal at once, after a flush, and from the bucket alone with an empty cache."""
import os
import pathlib
import shutil

import harness
from harness import MountTest, needs_mount, run

DOC = pathlib.Path("/usr/share/doc")
MOST_DOC_FILES = int(os.environ.get("PAILFS_DOC_FILES", "20000"))


class Trees(MountTest):
    def documents(self):
        """/usr/share/doc, or as many of its packages as make MOST_DOC_FILES files; at least something."""
        source = self.scratch("documents")
        count = 0
        for package in sorted(DOC.iterdir()):
            if count > MOST_DOC_FILES:
                break
            run("cp", "-a", package, source)
            count += sum(len(files) for _, _, files in os.walk(source / package.name))
        if count < 100:  # a machine without documentation
            run("cp", "-a", harness.SOURCE_ROOT / "base", harness.SOURCE_ROOT / "tests", source)
        return source

    def survives_everything(self, source, target):
        """The copy equals its source now, after a flush, after a remount, and with an empty cache."""
        self.assert_same_tree(source, target)
        self.assert_rsync_finds_nothing(source, target)
        self.mount.flush()
        self.assert_same_tree(source, target)
        self.assert_bucket_has(source, prefix=target.name + "/")
        self.assert_same_tree(source, target)
        self.mount.remount(empty_cache=True)
        self.assert_same_tree(source, target)
        self.assert_rsync_finds_nothing(source, target)

    def test_cp_of_a_tree_with_everything_in_it(self):
        source = harness.make_sample_tree(self.scratch("sample"), harness.seeded_random(self.id()))
        run("cp", "-a", source, self.root / "copy")
        self.survives_everything(source, self.root / "copy")

    def test_cp_of_the_documentation(self):
        source = self.documents()
        run("cp", "-a", source, self.root / "doc")
        self.survives_everything(source, self.root / "doc")

    def test_rsync_there_and_again(self):
        source = self.documents()
        run("rsync", "-aHAX", "--checksum", f"{source}/", self.root / "doc")
        again = run("rsync", "-aHAXi", "--checksum", f"{source}/", self.root / "doc")
        self.assertEqual(again.stdout, "")
        changed = next(p for p in sorted(source.rglob("*")) if p.is_file() and not p.is_symlink())
        changed.write_bytes(changed.read_bytes() + b"more")
        third = run("rsync", "-aHAXi", f"{source}/", self.root / "doc")
        self.assertEqual(len([line for line in third.stdout.splitlines() if line.startswith(">f")]), 1, third.stdout)
        self.survives_everything(source, self.root / "doc")
        run("rsync", "-a", "--delete", f"{self.scratch('nothing')}/", self.root / "doc")
        self.assertEqual(os.listdir(self.root / "doc"), [])
        self.mount.flush()
        self.mount.remount(empty_cache=True)
        self.assertEqual(os.listdir(self.root / "doc"), [])

    def test_tar_there_and_diff(self):
        source = harness.make_sample_tree(self.scratch("sample"), harness.seeded_random(self.id()))
        archive = self.directory / "sample.tar"
        run("tar", "--xattrs", "-cf", archive, "-C", source, ".")
        target = self.root / "unpacked"
        target.mkdir()
        run("tar", "--xattrs", "-xpf", archive, "-C", target)
        run("tar", "--xattrs", "-df", archive, "-C", target)
        self.mount.flush()
        self.mount.remount(empty_cache=True)
        run("tar", "--xattrs", "-df", archive, "-C", target)
        back = self.directory / "back.tar"
        run("tar", "--xattrs", "-cf", back, "-C", target, ".")
        run("tar", "--xattrs", "-df", back, "-C", source)

    def test_moving_and_removing_directories(self):
        source = harness.make_sample_tree(self.scratch("sample"), harness.seeded_random(self.id()))
        run("cp", "-a", source, self.root / "a")
        self.mount.flush()
        os.rename(self.root / "a", self.root / "b")
        (self.root / "a").mkdir()
        os.rename(self.root / "b", self.root / "a" / "inner")
        self.assert_same_tree(source, self.root / "a" / "inner")
        run("cp", "-a", self.root / "a" / "inner", self.root / "c")
        shutil.rmtree(self.root / "a" / "inner")
        self.mount.flush()
        self.assertEqual(os.listdir(self.root / "a"), [])
        self.survives_everything(source, self.root / "c")

    @needs_mount
    def test_umount_alone_writes_everything_back(self):
        source = harness.make_sample_tree(self.scratch("sample"), harness.seeded_random(self.id()))
        run("cp", "-a", source, self.root / "copy")
        self.mount.remount(empty_cache=True)  # without a flush
        self.assert_same_tree(source, self.root / "copy")


if __name__ == "__main__":
    harness.main()
