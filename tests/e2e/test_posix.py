#!/usr/bin/env python3
"""System calls on the mount, seen as a program sees them, and again after a remount with an empty cache."""
import ctypes
import errno
import fcntl
import mmap
import os
import socket
import stat
import subprocess
import sys

import harness
from harness import MountTest, needs_mount, run

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


def renameat2(source, target, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


class Posix(MountTest):
    def assert_errno(self, number, function, *arguments, **options):
        with self.assertRaises(OSError) as caught:
            function(*arguments, **options)
        self.assertEqual(errno.errorcode[caught.exception.errno], errno.errorcode[number])

    def flush_and_empty_cache(self):
        self.mount.flush()
        self.mount.remount(empty_cache=True)

    def test_large_sparse_file(self):
        file = self.root / "sparse"
        size = (5 << 30) if harness.LONG or not harness.REMOTE else (320 << 20)  # over HTTP the holes are sent as zeros
        middle = size * 3 // 5
        with open(file, "wb") as out:
            out.write(b"head")
            out.seek(middle)
            out.write(b"middle")
            out.truncate(size)
        self.assertLess(os.stat(file).st_blocks * 512, 64 << 20)

        def check():
            self.assertEqual(os.stat(file).st_size, size)
            with open(file, "rb") as back:
                self.assertEqual(back.read(8), b"head\0\0\0\0")
                back.seek(middle - 2)
                self.assertEqual(back.read(10), b"\0\0middle\0\0")
                back.seek(size - 4)
                self.assertEqual(back.read(10), b"\0\0\0\0")

        check()
        self.flush_and_empty_cache()
        check()
        if self.mount.store and not harness.PLAIN:
            self.mount.umount()
            used = int(run("du", "-s", "--block-size=1", self.mount.store).stdout.split()[0])
            self.assertLess(used, 256 << 20, "the holes take room in the store")
            self.mount.mount()

    def test_seeking_holes(self):
        file = self.root / "holes"
        with open(file, "wb") as out:
            out.truncate(8 << 20)
            out.seek(4 << 20)
            out.write(b"x" * (1 << 20))
        descriptor = os.open(file, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        data = os.lseek(descriptor, 0, os.SEEK_DATA)
        hole = os.lseek(descriptor, data, os.SEEK_HOLE)
        self.assertLessEqual(data, 4 << 20)
        self.assertGreaterEqual(hole, 5 << 20)
        self.assertEqual(os.lseek(descriptor, 7 << 20, os.SEEK_HOLE), 7 << 20)
        self.assert_errno(errno.ENXIO, os.lseek, descriptor, 8 << 20, os.SEEK_DATA)
        copy = self.directory / "copy"
        run("cp", "--sparse=auto", file, copy)
        run("cmp", file, copy)

    def test_fallocate(self):
        file = self.root / "file"
        file.write_bytes(b"a" * 300_000)
        run("fallocate", "-p", "-o", "4096", "-l", "200000", file)
        expected = b"a" * 4096 + bytes(200_000) + b"a" * (300_000 - 204_096)
        self.assertEqual(file.read_bytes(), expected)
        run("fallocate", "-o", "0", "-l", "400000", file)
        self.assertEqual(file.read_bytes(), expected + bytes(100_000))
        run("fallocate", "-n", "-o", "0", "-l", "900000", file)
        self.assertEqual(file.stat().st_size, 400_000)
        self.flush_and_empty_cache()
        self.assertEqual(file.read_bytes(), expected + bytes(100_000))

    def test_many_files_in_one_directory(self):
        count = int(os.environ.get("PAILFS_MANY_FILES", "50000"))
        folder = self.root / "many"
        folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        names = [f"file-{number:06d}" for number in range(count)]
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=descriptor))
        os.close(descriptor)
        self.assertEqual(sorted(os.listdir(folder)), names)
        self.flush_and_empty_cache()
        self.assertEqual(sorted(os.listdir(folder)), names)
        seen = set()
        with os.scandir(folder) as entries:  # while it shrinks
            for entry in entries:
                seen.add(entry.name)
                os.unlink(entry.path)
        self.assertEqual(len(seen), count)
        os.rmdir(folder)
        self.flush_and_empty_cache()
        self.assertFalse(folder.exists())

    def test_locks_between_processes(self):
        file = self.root / "locked"
        file.write_text("x" * 100)
        child = ("import fcntl, sys\nf = open(sys.argv[1], 'r+')\n"
                 "kind = fcntl.flock if sys.argv[2] == 'flock' else fcntl.lockf\n"
                 "try:\n    kind(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    print('got')\nexcept BlockingIOError:\n    print('busy')\n")

        def other(kind):
            return run(sys.executable, "-c", child, file, kind).stdout.strip()

        with open(file, "r+", encoding="ascii") as own:
            fcntl.flock(own, fcntl.LOCK_EX)
            self.assertEqual(other("flock"), "busy")
            fcntl.flock(own, fcntl.LOCK_UN)
            self.assertEqual(other("flock"), "got")
            fcntl.lockf(own, fcntl.LOCK_EX, 10, 50)
            self.assertEqual(other("lockf"), "busy")
            fcntl.lockf(own, fcntl.LOCK_UN, 10, 50)
            self.assertEqual(other("lockf"), "got")

    def test_extended_attributes(self):
        file, folder = self.root / "file", self.root / "folder"
        file.write_text("x")
        folder.mkdir()
        big = b"\x00\xff" * (300 if harness.REMOTE else 700)  # S3's headers of an object end at 2 KB
        for path in (file, folder):
            os.setxattr(path, "user.a", b"1")
            os.setxattr(path, "user.big", big)
            if harness.REMOTE:
                self.assert_errno(errno.ENOSPC, os.setxattr, path, "user.too big", bytes(2048))
            os.setxattr(path, "user.empty", b"")
            self.assert_errno(errno.EEXIST, os.setxattr, path, "user.a", b"2", os.XATTR_CREATE)
            self.assert_errno(errno.ENODATA, os.setxattr, path, "user.none", b"2", os.XATTR_REPLACE)
            self.assert_errno(errno.ENODATA, os.getxattr, path, "user.none")
            self.assert_errno(errno.ENODATA, os.removexattr, path, "user.none")
            os.setxattr(path, "user.gone", b"x")
            os.removexattr(path, "user.gone")
        self.flush_and_empty_cache()
        for path in (file, folder):
            self.assertEqual(sorted(n for n in os.listxattr(path) if n.startswith("user.")), ["user.a", "user.big", "user.empty"])
            self.assertEqual(os.getxattr(path, "user.big"), big)
            self.assertEqual(os.getxattr(path, "user.empty"), b"")

    def test_access_control_lists(self):
        folder = self.root / "folder"
        folder.mkdir(mode=0o750)
        run("setfacl", "-m", "u:1234:rwx,d:u:1234:rwx,d:g::r-x,d:o::---", folder)
        file = folder / "file"
        file.write_text("x")
        sub = folder / "sub"
        sub.mkdir()
        wanted = {path: run("getfacl", "-pcn", path).stdout for path in (folder, file, sub)}
        self.assertIn("user:1234:rwx", wanted[file])
        self.assertIn("default:user:1234:rwx", wanted[sub])
        os.chmod(file, 0o600)
        self.assertIn("mask::---", run("getfacl", "-pcn", file).stdout)
        wanted[file] = run("getfacl", "-pcn", file).stdout
        self.flush_and_empty_cache()
        for path, text in wanted.items():
            self.assertEqual(run("getfacl", "-pcn", path).stdout, text)
        if os.geteuid() == 0:
            for above in (self.directory, self.root):
                os.chmod(above, 0o755)
            self.assertEqual(self.as_user(1234, f"open({str(folder / 'by-acl')!r}, 'w')"), "ok")
            self.assertEqual(self.as_user(1235, f"open({str(folder / 'denied')!r}, 'w')"), "PermissionError")

    def as_user(self, uid, code):
        program = (f"import os\nos.setgroups([]); os.setgid({uid}); os.setuid({uid})\n"
                   f"try:\n    {code}\n    print('ok')\nexcept OSError as error:\n    print(type(error).__name__)\n")
        return run(sys.executable, "-c", program).stdout.strip()

    def test_permissions_are_checked(self):
        if os.geteuid() != 0:
            self.fail("needs root")
        for above in (self.directory, self.root):
            os.chmod(above, 0o755)
        private = self.root / "private"
        private.write_text("x")
        os.chmod(private, 0o600)
        self.assertEqual(self.as_user(1000, f"open({str(private)!r})"), "PermissionError")
        os.chown(private, 1000, 1000)
        self.assertEqual(self.as_user(1000, f"open({str(private)!r})"), "ok")
        shared = self.root / "shared"
        shared.mkdir()
        os.chmod(shared, 0o1777)
        (shared / "by-root").write_text("x")
        self.assertEqual(self.as_user(1000, f"os.unlink({str(shared / 'by-root')!r})"), "PermissionError")
        self.assertEqual(self.as_user(1000, f"open({str(shared / 'by-user')!r}, 'w')"), "ok")
        self.assertEqual((shared / "by-user").stat().st_uid, 1000)

    def test_setuid_is_cleared_by_a_write_of_another_user(self):
        if os.geteuid() != 0:
            self.fail("needs root")
        for above in (self.directory, self.root):
            os.chmod(above, 0o755)
        program = self.root / "program"
        program.write_text("x")
        os.chmod(program, 0o6777)
        self.assertEqual(self.as_user(1000, f"f = open({str(program)!r}, 'r+b', 0); f.write(b'y')"), "ok")
        self.assertEqual(stat.S_IMODE(program.stat().st_mode), 0o777)
        os.chmod(program, 0o6777)
        os.chown(program, 1000, 1000)
        self.assertEqual(stat.S_IMODE(program.stat().st_mode), 0o777)

    def test_special_nodes(self):
        os.mkfifo(self.root / "fifo", 0o640)
        with socket.socket(socket.AF_UNIX) as server:
            before = os.getcwd()
            os.chdir(self.root)  # the address has room for 108 bytes
            try:
                server.bind("socket")
                server.listen(1)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect("socket")
            finally:
                os.chdir(before)
        if os.geteuid() == 0:
            os.mknod(self.root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.mknod(self.root / "disk", stat.S_IFBLK | 0o660, os.makedev(259, 70000))
        writer = subprocess.Popen(["sh", "-c", 'echo through > "$1"', "sh", self.root / "fifo"])
        self.assertEqual((self.root / "fifo").read_text(), "through\n")
        self.assertEqual(writer.wait(), 0)
        before = harness.manifest(self.root)
        self.flush_and_empty_cache()
        self.assertEqual(harness.manifest(self.root), before)
        if os.geteuid() == 0:
            self.assertEqual(os.stat(self.root / "disk").st_rdev, os.makedev(259, 70000))

    def test_mapped_writes(self):
        file = self.root / "mapped"
        file.write_bytes(bytes(1 << 20))
        with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as view:
            view[5000:5005] = b"hello"
            view[-5:] = b"world"
            view.flush()
        with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as view:
            view[700_000:700_003] = b"two"  # left to munmap and close
        content = file.read_bytes()
        self.assertEqual((content[5000:5005], content[-5:], content[700_000:700_003]), (b"hello", b"world", b"two"))
        self.flush_and_empty_cache()
        self.assertEqual(file.read_bytes(), content)

    def test_a_removed_file_lives_until_it_is_closed(self):
        file = self.root / "removed"
        with open(file, "w+b") as opened:
            opened.write(b"before")
            opened.flush()
            os.unlink(file)
            self.assertFalse(file.exists())
            file.write_bytes(b"another")
            opened.write(b" after")
            opened.seek(0)
            self.assertEqual(opened.read(), b"before after")
            self.assertEqual(os.fstat(opened.fileno()).st_nlink, 0)
            self.mount.flush()
        self.assertEqual(file.read_bytes(), b"another")
        self.flush_and_empty_cache()
        self.assertEqual(file.read_bytes(), b"another")

    def test_a_file_from_the_bucket_removed_while_open(self):
        file = self.root / "big"
        content = os.urandom(9 << 20)
        file.write_bytes(content)
        self.flush_and_empty_cache()
        with open(file, "rb") as opened:
            os.unlink(file)
            self.assertEqual(opened.read(), content)
        self.flush_and_empty_cache()
        self.assertFalse(file.exists())

    def test_rename_flags(self):
        a, b = self.root / "a", self.root / "b"
        a.write_text("of a")
        b.write_text("of b")
        self.mount.flush()
        self.assert_errno(errno.EEXIST, renameat2, a, b, RENAME_NOREPLACE)
        renameat2(a, b, RENAME_EXCHANGE)
        self.assertEqual((a.read_text(), b.read_text()), ("of b", "of a"))
        (self.root / "folder").mkdir()
        (self.root / "folder" / "inside").write_text("inside")
        renameat2(a, self.root / "folder", RENAME_EXCHANGE)
        self.assertEqual((a / "inside").read_text(), "inside")
        self.assertEqual((self.root / "folder").read_text(), "of b")
        renameat2(b, self.root / "c", RENAME_NOREPLACE)
        self.assert_errno(errno.ENOENT, renameat2, b, a, RENAME_EXCHANGE)
        self.flush_and_empty_cache()
        self.assertEqual((a / "inside").read_text(), "inside")
        self.assertEqual((self.root / "folder").read_text(), "of b")
        self.assertEqual((self.root / "c").read_text(), "of a")
        self.assertFalse(b.exists())

    def test_errors_of_names_and_sizes(self):
        file, folder = self.root / "file", self.root / "folder"
        file.write_text("x")
        (folder / "sub").mkdir(parents=True)
        self.assert_errno(errno.ENAMETOOLONG, os.mkdir, self.root / ("n" * 256))
        self.assert_errno(errno.ENAMETOOLONG, os.open, self.root / ("n" * 256), os.O_CREAT | os.O_WRONLY)
        self.assert_errno(errno.EEXIST, os.mkdir, folder)
        self.assert_errno(errno.ENOTEMPTY, os.rmdir, folder)
        self.assert_errno(errno.ENOTDIR, os.rmdir, file)
        self.assert_errno(errno.EISDIR, os.unlink, folder)
        self.assert_errno(errno.ENOENT, os.unlink, self.root / "none")
        self.assert_errno(errno.EINVAL, os.rename, folder, folder / "sub" / "inside")
        self.assert_errno(errno.EISDIR, os.rename, file, folder)
        self.assert_errno(errno.ENOTDIR, os.rename, folder, file)
        self.assert_errno(errno.ENOTEMPTY, os.rename, folder / "sub", folder)
        self.assert_errno(errno.ENOTDIR, os.stat, file / "below")

    @needs_mount
    def test_files_end_at_5_tib(self):
        file = self.root / "file"
        file.write_text("x")
        self.assert_errno(errno.EFBIG, os.truncate, file, (5 << 40) + 1)
        with open(file, "r+b") as opened:
            self.assert_errno(errno.EFBIG, os.pwrite, opened.fileno(), b"x", 5 << 40)
        self.assertEqual(file.read_text(), "x")

    @needs_mount
    def test_a_path_that_is_too_long_for_a_key(self):
        """S3 keys end at 1,024 bytes: the refusal comes at once, not at the upload."""
        folder = self.root
        for _ in range(3):
            folder = folder / ("d" * 250)
            folder.mkdir()
        fits = folder / ("f" * 255)
        fits.write_text("fits")
        self.assertLessEqual(len(os.path.relpath(fits, self.root)), 1024)
        longer = folder / ("d" * 250)
        longer.mkdir()
        self.assert_errno(errno.ENAMETOOLONG, os.open, longer / ("f" * 255), os.O_CREAT | os.O_WRONLY)
        self.mount.flush()

    def test_append_and_truncate(self):
        file = self.root / "log"
        file.write_bytes(b"0" * 200_000)
        self.flush_and_empty_cache()
        with open(file, "ab") as one, open(file, "ab") as two:
            for number in range(100):
                for out in (one, two):
                    out.write(b"%04d\n" % number)
                    out.flush()
        lines = file.read_bytes()[200_000:].splitlines()
        self.assertEqual(lines, [b"%04d" % (number // 2) for number in range(200)])
        os.truncate(file, 150_000)
        os.truncate(file, 160_000)
        self.flush_and_empty_cache()
        self.assertEqual(file.read_bytes(), b"0" * 150_000 + bytes(10_000))
        file.write_bytes(b"")
        self.flush_and_empty_cache()
        self.assertEqual(file.stat().st_size, 0)

    def test_copy_file_range(self):
        source, target = self.root / "source", self.root / "target"
        content = os.urandom(3 << 20)
        source.write_bytes(content)
        with open(source, "rb") as from_file, open(target, "wb") as to_file:
            left = len(content)
            while left:
                left -= os.copy_file_range(from_file.fileno(), to_file.fileno(), left)
        self.assertEqual(target.read_bytes(), content)
        with open(source, "r+b") as changed:
            changed.write(b"changed")
        self.flush_and_empty_cache()
        self.assertEqual(target.read_bytes(), content)
        self.assertEqual(source.read_bytes(), b"changed" + content[7:])

    def test_times(self):
        file = self.root / "file"
        file.write_text("x")
        os.utime(file, ns=(1_000_000_001, 2_000_000_002))
        info = file.stat()
        self.assertEqual((info.st_atime_ns, info.st_mtime_ns), (1_000_000_001, 2_000_000_002))
        before = info.st_ctime_ns
        os.chmod(file, 0o600)
        self.assertGreater(file.stat().st_ctime_ns, before)
        self.flush_and_empty_cache()
        self.assertEqual(file.stat().st_mtime_ns, 2_000_000_002)
        folder_time = self.root.stat().st_mtime_ns
        (self.root / "another").write_text("x")
        self.assertGreater(self.root.stat().st_mtime_ns, folder_time)

    def test_inode_numbers_stay(self):
        file, folder = self.root / "file", self.root / "folder"
        file.write_text("x")
        folder.mkdir()
        numbers = file.stat().st_ino, folder.stat().st_ino
        os.rename(file, folder / "moved")
        self.mount.flush()
        self.assertEqual((folder / "moved").stat().st_ino, numbers[0])
        self.mount.remount()
        self.assertEqual(((folder / "moved").stat().st_ino, folder.stat().st_ino), numbers)

    def test_hard_links_are_refused_clearly(self):
        file = self.root / "file"
        file.write_text("x")
        if harness.PLAIN:
            return
        with self.assertRaises(OSError) as caught:
            os.link(file, self.root / "link")
        self.assertIn(caught.exception.errno, (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK))


if __name__ == "__main__":
    harness.main()
