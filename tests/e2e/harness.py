"""Mounts pailfs in a temporary directory for one test, and compares trees.

Environment: PAILFS, the program; PAILFS_FILL_STORE, tests/e2e/fill_store.cc's program; PAILFS_PLAIN=1: use a plain directory
instead of a mount, for developing the tests themselves; PAILFS_E2E_SERVER=rgw: mount buckets of the S3 server of
tests/servers/rgw_fixture instead of stores. Everything made is removed again: mounts, processes, files, buckets.
"""
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE_ROOT = pathlib.Path(__file__).resolve().parents[2]
PAILFS = os.environ.get("PAILFS", str(SOURCE_ROOT / "build" / "pailfs"))
FILL_STORE = os.environ.get("PAILFS_FILL_STORE", str(SOURCE_ROOT / "build" / "tests" / "e2e" / "fill_store"))
PLAIN = os.environ.get("PAILFS_PLAIN") == "1"
REMOTE = os.environ.get("PAILFS_E2E_SERVER") == "rgw"
LONG = os.environ.get("PAILFS_LONG") == "1"
BLOCK = 128 << 10  # of the cache's bitmaps
COMMAND_TIMEOUT = 600

if REMOTE:
    import remote  # needs python3-boto3

needs_mount = unittest.skipIf(PLAIN, "needs a real mount")
store_only = unittest.skipIf(REMOTE, "is about the embedded store")


def run(*command, check=True, timeout=COMMAND_TIMEOUT, **options):
    """Runs a command; its output is in the exception when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="surrogateescape", timeout=timeout, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def pailfs(*arguments, check=True, **options):
    return run(PAILFS, *arguments, check=check, **options)


def wait_until(condition, what, seconds=60):
    """Waits for a condition; a limit that is never reached on a working system ends it."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)


def is_mounted(path):
    """Whether a pailfs is mounted there, without asking that file system."""
    where = str(path).replace("\\", "\\134").replace(" ", "\\040")
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        return any(line.split(" ")[1] == where for line in mounts)


def process_lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def memory_kib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError(f"no {field} of process {pid}")


class Mount:
    """One source, its cache and its mount point; mounted or not. The source is a store, or the bucket that is given."""

    def __init__(self, directory, name="files", cache_name="cache", options=(), bucket=None, mountpoint="mnt"):
        self.directory = pathlib.Path(directory)
        self.bucket = bucket
        self.store = None if bucket else self.directory / "store"
        self.source = f"s3://{bucket.name}" if bucket else f"store:{self.store}/{name}"
        self.cache = self.directory / cache_name
        self.path = self.directory / mountpoint
        self.options = list(options)
        self.environment = None
        self.foreground = None
        self.pid = None

    def mount(self, *more_options, foreground=False, check=True):
        self.path.mkdir(exist_ok=True)
        if PLAIN:
            return None
        options = ",".join([f"cache={self.cache}", *self.options, *more_options])
        command = [PAILFS, "mount", self.source, str(self.path), "-o", options]
        if not foreground:
            done = run(*command, check=check, env=self.environment)
            if done.returncode == 0:
                self.pid = self.status()["pid"]
            return done
        log = open(self.directory / "daemon.log", "ab")
        with log:
            self.foreground = subprocess.Popen([*command, "-f"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               env=self.environment)
        self.pid = self.foreground.pid
        wait_until(lambda: is_mounted(self.path) or self.foreground.poll() is not None, "the mount appears", 120)
        if self.foreground.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.foreground.returncode}\n{self.log()}")
        os.stat(self.path)
        return None

    def log(self):
        try:
            return (self.directory / "daemon.log").read_text(errors="replace")[-4000:]
        except FileNotFoundError:
            return ""

    def status(self):
        answers = json.loads(pailfs("status", "--json", self.path).stdout)
        assert len(answers) == 1, answers
        return answers[0]

    def flush(self):
        if not PLAIN:
            pailfs("flush", self.path)

    def umount(self):
        """Unmounts and waits until the daemon has written everything back and ended."""
        if PLAIN:
            return
        pid = self.pid
        pailfs("umount", self.path)
        if self.foreground:
            code = self.foreground.wait(COMMAND_TIMEOUT)
            self.foreground = None
            assert code == 0, f"the daemon's exit code is {code}\n{self.log()}"
        assert not process_lives(pid), f"the daemon {pid} lives on after pailfs umount"
        self.pid = None

    def remount(self, empty_cache=False):
        if PLAIN:
            return
        self.umount()
        if empty_cache:
            shutil.rmtree(self.cache)
        self.mount()

    def kill(self):
        """kill -9, and the dead mount out of the way."""
        os.kill(self.pid, signal.SIGKILL)
        self._gone()
        run("umount", "-l", self.path)

    def _gone(self):
        pid = self.pid
        if self.foreground:
            self.foreground.wait(60)
            self.foreground = None
        wait_until(lambda: not process_lives(pid), f"process {pid} ends")
        self.pid = None

    def clean_up(self):
        """Leaves nothing behind, whatever happened before."""
        if PLAIN:
            return
        pid = self.pid
        for _ in range(3):
            if is_mounted(self.path):
                run("umount", "-l", self.path, check=False)
        if pid and process_lives(pid):
            os.kill(pid, signal.SIGKILL)
            self._gone()

    def counters(self):
        return collections.Counter(self.status()["counters"])

    # --- what is in the bucket; a store must not be in use ---

    def objects(self):
        """{key: size} of the bucket."""
        if self.bucket:
            return self.bucket.objects()
        listed = json.loads(pailfs("object", "ls", "--recursive", "--json", self.source).stdout)
        return {entry["key"]: entry.get("size") for entry in listed}

    def check_store(self, level="data"):
        if self.store and not PLAIN:
            pailfs("store", "check", self.store, "--level", level)


class MountTest(unittest.TestCase):
    """A test with a fresh store, or bucket, mounted at self.root."""

    options = ()
    foreground = False
    mount_at_start = True
    versioned = True
    keep_bucket = False

    def setUp(self):
        parent = os.environ.get("TMPDIR", "/var/tmp")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pailfs-e2e.", dir=parent))
        begin = time.monotonic()
        self.addCleanup(lambda: print(f"[{time.monotonic() - begin:.1f} s] ", end="", file=sys.stderr))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.bucket = None
        if REMOTE:
            self.bucket = remote.Bucket(versioned=self.versioned)
            if not self.keep_bucket:
                self.addCleanup(self.bucket.remove)
        self.mount = Mount(self.directory, options=self.options, bucket=self.bucket)
        self.addCleanup(self.mount.clean_up)
        self.root = self.mount.path
        if self.mount_at_start:
            self.mount.mount(foreground=self.foreground)

    def scratch(self, name):
        """A directory outside the mount."""
        path = self.directory / name
        path.mkdir(exist_ok=True)
        return path

    def assert_same_tree(self, expected, actual):
        """Content, types, modes, owners, times to the nanosecond, links, devices, extended attributes."""
        left, right = manifest(expected), manifest(actual)
        wrong = [f"missing: {p}" for p in left.keys() - right.keys()] + [f"extra: {p}" for p in right.keys() - left.keys()]
        wrong += [f"{p}: {left[p]} is now {right[p]}" for p in left.keys() & right.keys() if left[p] != right[p]]
        self.assertEqual(sorted(wrong)[:20], [], f"{len(wrong)} differences of {len(left)} files")
        self.assertGreater(len(left), 1)

    def assert_rsync_finds_nothing(self, source, target):
        done = run("rsync", "-aAXni", "--checksum", "--delete", f"{source}/", f"{target}/")
        self.assertEqual(done.stdout, "")

    def assert_bucket_has(self, expected_tree, prefix=""):
        """Each regular file is one object under its own path with its size. Unmounts and mounts again."""
        if PLAIN:
            return
        self.mount.umount()
        objects = self.mount.objects()
        self.mount.check_store()
        expected = {}
        directories = set()
        for folder, names, files in os.walk(expected_tree):
            relative = os.path.relpath(folder, expected_tree)
            base = prefix + ("" if relative == "." else relative + "/")
            if base:
                directories.add(base)
            directories.update(base + n + "/" for n in names if not os.path.islink(os.path.join(folder, n)))
            for name in files:
                info = os.lstat(os.path.join(folder, name))
                if stat.S_ISREG(info.st_mode):
                    expected[base + name] = info.st_size
        found = {key: size for key, size in objects.items() if key.startswith(prefix)}
        missing = {key: size for key, size in expected.items() if found.get(key) != size}
        self.assertEqual(dict(list(missing.items())[:10]), {}, "not in the bucket with this size")
        specials = {os.path.relpath(os.path.join(folder, n), expected_tree)
                    for folder, names, files in os.walk(expected_tree) for n in names + files
                    if not stat.S_ISREG(os.lstat(os.path.join(folder, n)).st_mode)}
        extra = {k for k in found.keys() - expected.keys() - directories if k[len(prefix):] not in specials}
        self.assertEqual(sorted(extra)[:10], [], "in the bucket, but no file")
        self.mount.mount()


def manifest(root):
    """What a user can see of a tree, by path relative to it."""
    root = os.fsencode(root)
    found = {}
    pending = [b""]
    while pending:
        relative = pending.pop()
        path = os.path.join(root, relative) if relative else root
        info = os.lstat(path)
        entry = {"mode": oct(info.st_mode), "uid": info.st_uid, "gid": info.st_gid, "mtime_ns": info.st_mtime_ns}
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFREG:
            entry["size"] = info.st_size
            entry["sha256"] = file_digest(path)
        elif kind == stat.S_IFLNK:
            entry["target"] = os.readlink(path)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            entry["rdev"] = info.st_rdev
        elif kind == stat.S_IFDIR:
            pending += [os.path.join(relative, name) for name in os.listdir(path)]
        if kind != stat.S_IFLNK:
            entry["xattrs"] = {n: os.getxattr(path, n, follow_symlinks=False)
                               for n in sorted(os.listxattr(path, follow_symlinks=False))}
        if relative == b"":
            entry = {"mode": entry["mode"]}  # the root's owner and time are the mount's own
        found[os.fsdecode(relative) or "."] = entry
    return found


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def seeded_random(test):
    seed = int(os.environ.get("PAILFS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"{test}: PAILFS_TEST_SEED={seed}", file=sys.stderr)
    return random.Random(seed)


def make_sample_tree(root, rng):
    """A small tree with what trees can contain: sizes around block borders, odd names, modes, owners, times, links, xattrs."""
    root.mkdir(parents=True, exist_ok=True)
    os.chmod(root, 0o755)
    sizes = [0, 1, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, (1 << 20) + 17, (5 << 20) + 3]
    for index, size in enumerate(sizes):
        path = root / f"size-{size}"
        path.write_bytes(rng.randbytes(size))
        os.chmod(path, [0o644, 0o600, 0o755, 0o4755, 0o2750, 0o000, 0o1644, 0o444, 0o777, 0o640][index])
        if os.geteuid() == 0:
            os.chown(path, rng.choice([0, 1, 1000, 65534]), rng.choice([0, 1, 1000, 65534]))
            os.chmod(path, [0o644, 0o600, 0o755, 0o4755, 0o2750, 0o000, 0o1644, 0o444, 0o777, 0o640][index])
    names = ["space here", "tab\there", "new\nline", "ünïcödé", "日本語", "percent%2Ffoo", "plus+sign", "a" * 255, "é" * 127,
             "-dash", "quote'\"", "back\\slash", "*?[]", "#hash", "trail ", ".hidden", "..twodots", "~tilde", "&amp;<>"]
    for name in names:
        (root / "names" / name).mkdir(parents=True)
        (root / "names" / name / name).write_text(name)
    if not REMOTE:  # keys of S3 are UTF-8; test_remote_objects.py has what becomes of other names
        (root / "names" / os.fsdecode(b"not-utf8-\xff\xfe")).write_bytes(b"x")
    (root / "empty directory").mkdir(mode=0o700)
    deep = root / "deep"
    for level in range(40):
        deep = deep / f"level-{level}"
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("bottom")
    os.symlink("size-1", root / "link")
    os.symlink("nowhere/at/all", root / "dangling link")
    os.symlink("x" * 4000, root / "long link")
    tagged = root / "tagged"
    tagged.write_text("tagged")
    os.setxattr(tagged, "user.color", b"blue")
    os.setxattr(tagged, "user.binary", bytes(range(256)))
    os.setxattr(tagged, "user.empty", b"")
    os.setxattr(root / "empty directory", "user.on.directory", b"yes")
    os.utime(root / "size-1", ns=(1, -1_000_000_001))
    os.utime(root / "size-4096", ns=(0, 4_102_444_800_123_456_789))
    for folder, folders, _ in os.walk(root, topdown=False):
        for name in folders:
            os.utime(os.path.join(folder, name), ns=(rng.randrange(1 << 60), rng.randrange(1 << 60)))
    return root


def main():
    unittest.main(verbosity=2)
