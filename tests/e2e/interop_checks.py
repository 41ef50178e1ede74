"""The rows of docs/INTEROP.md: each a check of one client and a pailfs mounted on the same bucket.

A check raises Differs when one side does not see what the other wrote. WITHOUT and KNOWN say beforehand for which clients there is
nothing to check, and which are known to differ, and why.
"""
import os
import shutil
import time

import clients
from clients import Differs
from harness import file_digest

LIMIT_SECONDS = 30  # of what is seen after ttl=1s
MODE, UID, GID = 0o640, 1234, 2345
MTIME_NS = 981173106_789000000  # 2001-02-03T04:05:06.789Z
BIG = 20 << 20
NAMES = ["two  spaces ünïcödé 日本語 🪣", "signs +&%=;,'!()@$~^ %20%2F.txt", "-dash"]


def same(found, expected, what):
    if found != expected:
        raise Differs(f"{what}: found {found!r:.300}, expected {expected!r:.300}")


class Pair:
    """A client and a mount, and the files of one check: a directory of its own in the bucket, one outside."""

    def __init__(self, client, mount, samples):
        self.client, self.mount, self.samples = client, mount, samples

    def begin(self, name):
        self.folder = name
        self.root = self.mount.path / name
        self.scratch = self.client.directory / f"scratch-{name}"
        self.scratch.mkdir()

    def key(self, name):
        return f"{self.folder}/{name}"

    def flush(self):
        clients.run(clients.PAILFS, "flush", self.mount.path)

    def write(self, name, source):
        """Through pailfs, into the bucket."""
        self.root.mkdir(exist_ok=True)
        shutil.copyfile(source, self.root / name)
        self.flush()

    def local(self, name="local", source="small"):
        """A file outside with the attributes that are compared."""
        path = self.scratch / name
        shutil.copyfile(self.samples[source], path)
        os.chown(path, UID, GID)
        os.chmod(path, MODE)
        os.utime(path, ns=(MTIME_NS, self.mtime_ns()))
        return path

    def mtime_ns(self):
        return MTIME_NS - MTIME_NS % self.client.mtime_step_ns

    def got(self):
        return self.scratch / "got"

    def appears(self, path):
        """What the client made; nothing has looked for it before, so that it comes with all its attributes."""
        until(lambda: os.path.lexists(path), True, f"{path} exists")
        return path


def until(look, expected, what):
    """What one side did is seen by the other after a moment."""
    end = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            found = look()
        except FileNotFoundError:
            found = "no such file"
        if found == expected or time.monotonic() > end:
            return same(found, expected, what)
        time.sleep(0.05)


CHECKS = []  # (section, title, function, without, known)
READING, WRITING, KEEPING, CHANGING, TOOLS = (
    "What pailfs wrote, the client reads", "What the client wrote, pailfs reads",
    "What the other one does not know survives", "A change on one side is seen on the other", "Tools that compare find nothing to do")
SERVICES = "AWS file services"


def check(section, title, without=None, known=None):
    """without, known: note: names of clients."""
    def register(function):
        def by_client(notes):
            return {client: note for note, names in (notes or {}).items() for client in names.split(",")}
        CHECKS.append((section, title, function, by_client(without), by_client(known)))
        return function
    return register


def _reads(pair, sample):
    pair.write("file", pair.samples[sample])
    pair.client.get(pair.key("file"), pair.got())
    same(file_digest(pair.got()), file_digest(pair.samples[sample]), "content")


AS_BOTO3 = {"as-boto3": SERVICES}


@check(READING, "a small file", AS_BOTO3)
def read_small(pair):
    _reads(pair, "small")


@check(READING, "an empty file", AS_BOTO3)
def read_empty(pair):
    _reads(pair, "empty")


@check(READING, "a file of 20 MiB", AS_BOTO3)
def read_big(pair):
    _reads(pair, "big")


@check(READING, "a file of 20 MiB after a change at its end (a multipart upload with a copied part)", AS_BOTO3)
def read_big_changed(pair):
    pair.write("file", pair.samples["big"])
    with open(pair.root / "file", "ab") as file:
        file.write(b"tail")
    pair.flush()
    same("-" in pair.client.bucket.head(pair.key("file"))["ETag"], True, "a multipart upload")
    pair.client.get(pair.key("file"), pair.got())
    same(pair.got().read_bytes(), pair.samples["big"].read_bytes() + b"tail", "content")


@check(READING, "names with spaces, signs and Unicode", AS_BOTO3)
def read_names(pair):
    for name in NAMES:
        pair.write(name, pair.samples["small"])
    same(pair.client.listing(pair.folder), set(NAMES), "listing")
    for name in NAMES:
        pair.client.get(pair.key(name), pair.got())
        same(pair.got().read_bytes(), pair.samples["small"].read_bytes(), name)


@check(READING, "directories, empty ones too", AS_BOTO3)
def read_directories(pair):
    (pair.root / "full" / "deeper").mkdir(parents=True)
    (pair.root / "empty").mkdir()
    pair.write("full/deeper/file", pair.samples["small"])
    same(pair.client.listing(pair.folder), {"full/", "empty/"}, "listing")
    same(pair.client.listing(pair.key("full")), {"deeper/"}, "listing of full")
    same(pair.client.listing(pair.key("full/deeper")), {"file"}, "listing of full/deeper")


def _read_attributes(pair, prepare, look, expected):
    pair.write("file", pair.samples["small"])
    prepare(pair.root / "file")
    pair.flush()
    pair.client.get(pair.key("file"), pair.got())
    same(look(os.stat(pair.got())), expected, "attributes")


@check(READING, "Content-Type of a new page.html", {"no-type": "s3fs", **AS_BOTO3}, {"type": "aws,boto3,s3cmd,rclone"})
def read_type(pair):
    pair.write("page.html", pair.samples["small"])
    same(pair.client.tags(pair.key("page.html"))["type"], "text/html", "Content-Type")


@check(READING, "mtime", {"no-mtime": "aws,boto3"}, {"s3cmd-attrs": "s3cmd"})
def read_mtime(pair):
    _read_attributes(pair, lambda path: os.utime(path, ns=(1, pair.mtime_ns())), lambda info: info.st_mtime_ns, pair.mtime_ns())


def _set_owner(path):
    os.chown(path, UID, GID)
    os.chmod(path, MODE)


def _owner(info):
    return oct(info.st_mode & 0o7777), info.st_uid, info.st_gid


OWNER = (oct(MODE), UID, GID)
NO_MODES = {"no-modes": "aws,boto3"}


@check(READING, "mode, uid, gid", NO_MODES, {"s3cmd-attrs": "s3cmd", "rclone-octal": "rclone"})
def read_owner(pair):
    _read_attributes(pair, _set_owner, _owner, OWNER)


ONLY_FILE_SYSTEMS = {**NO_MODES, "no-directories": "s3cmd,rclone"}


@check(READING, "mode, uid, gid of directories", ONLY_FILE_SYSTEMS)
def read_folder_owner(pair):
    (pair.root / "folder").mkdir(parents=True)
    os.chown(pair.root / "folder", UID, GID)
    os.chmod(pair.root / "folder", 0o2750)
    pair.flush()
    same(pair.client.folder_attributes(pair.key("folder")), (0o42750, UID, GID), "attributes")


NO_LINKS = {"no-links": "aws,boto3,s3cmd,rclone"}


@check(READING, "symbolic links", NO_LINKS)
def read_link(pair):
    pair.root.mkdir()
    for name, target in (("link", "some/where é"), ("absolute", "/etc/hostname")):
        os.symlink(target, pair.root / name)
        pair.flush()
        same(pair.client.readlink(pair.key(name)), target, "target")


NO_XATTRS = {"no-xattrs": f"aws,boto3,s3cmd,rclone,{SERVICES}"}


@check(READING, "extended attributes", NO_XATTRS)
def read_xattrs(pair):
    pair.write("file", pair.samples["small"])
    expected = {"user.color": b"blue", "user.binary": bytes(range(256)), "user.é": b"x"}
    for name, value in expected.items():
        os.setxattr(pair.root / "file", name, value)
    pair.flush()
    path = pair.client.root / pair.key("file")
    until(lambda: {name: os.getxattr(path, name) for name in os.listxattr(path)}, expected, "extended attributes")


# --- the other way round ---

def _writes(pair, sample, multipart=False):
    pair.client.put(pair.local(source=sample), pair.key("file"))
    same("-" in pair.client.bucket.head(pair.key("file"))["ETag"], multipart, "a multipart upload")
    same(file_digest(pair.appears(pair.root / "file")), file_digest(pair.samples[sample]), "content")


@check(WRITING, "a small file", AS_BOTO3)
def write_small(pair):
    _writes(pair, "small")


@check(WRITING, "an empty file", AS_BOTO3)
def write_empty(pair):
    _writes(pair, "empty")


@check(WRITING, "a file of 20 MiB, a multipart upload", AS_BOTO3)
def write_big(pair):
    _writes(pair, "big", multipart=True)


@check(WRITING, "names with spaces, signs and Unicode", AS_BOTO3)
def write_names(pair):
    for name in NAMES:
        pair.client.put(pair.local(), pair.key(name))
    pair.appears(pair.root)
    same(sorted(os.listdir(pair.root)), sorted(NAMES), "listing")
    for name in NAMES:
        same((pair.root / name).read_bytes(), pair.samples["small"].read_bytes(), name)


@check(WRITING, "directories without an object of their own", {"markers": "s3fs", **AS_BOTO3})
def write_implicit(pair):
    pair.client.put(pair.local(), pair.key("a/b/file"))
    same([p.is_dir() for p in (pair.appears(pair.root), pair.root / "a", pair.root / "a" / "b")], [True] * 3, "directories")
    same(os.listdir(pair.root / "a" / "b"), ["file"], "listing")


@check(WRITING, "empty directories (objects `dir/`)", {"no-markers": "s3cmd,rclone", **AS_BOTO3})
def write_marker(pair):
    pair.client.mkdir(pair.key("empty"))
    same(pair.appears(pair.root / "empty").is_dir(), True, "a directory")
    same(os.listdir(pair.root / "empty"), [], "listing")


@check(WRITING, "mtime, as the client stores it", {"no-mtime": "aws,boto3"})
def write_mtime(pair):
    pair.client.put(pair.local(), pair.key("file"))
    same(os.stat(pair.appears(pair.root / "file")).st_mtime_ns, pair.mtime_ns(), "mtime")


@check(WRITING, "mtime where none is stored: the time of the upload", {"stores-mtime": f"s3cmd,rclone,s3fs,{SERVICES}"})
def write_upload_time(pair):
    pair.client.put(pair.local(), pair.key("file"))
    uploaded = pair.client.bucket.head(pair.key("file"))["LastModified"].timestamp()
    same(os.stat(pair.appears(pair.root / "file")).st_mtime, uploaded, "mtime")


@check(WRITING, "mode, uid, gid", NO_MODES)
def write_owner(pair):
    pair.client.put(pair.local(), pair.key("file"))
    same(_owner(os.stat(pair.appears(pair.root / "file"))), OWNER, "attributes")


@check(WRITING, "mode, uid, gid of directories", ONLY_FILE_SYSTEMS)
def write_folder_owner(pair):
    folder = pair.scratch / "folder"
    folder.mkdir()
    os.chown(folder, UID, GID)
    os.chmod(folder, 0o2750)
    pair.client.mkdir_as(folder, pair.key("folder"))
    same(_owner(os.stat(pair.appears(pair.root / "folder"))), (oct(0o2750), UID, GID), "attributes")


@check(WRITING, "symbolic links", NO_LINKS)
def write_link(pair):
    for name, target in (("link", "some/where é"), ("absolute", "/etc/hostname")):
        pair.client.symlink(target, pair.key(name))
    for name, target in (("link", "some/where é"), ("absolute", "/etc/hostname")):
        same(os.readlink(pair.appears(pair.root / name)), target, "target")


@check(WRITING, "extended attributes", NO_XATTRS)
def write_xattrs(pair):
    pair.client.put(pair.local(), pair.key("file"))
    expected = {"user.color": b"blue", "user.binary": bytes(range(256)), "user.é": b"x"}
    for name, value in expected.items():
        os.setxattr(pair.client.root / pair.key("file"), name, value)
    path = pair.appears(pair.root / "file")
    same({name: os.getxattr(path, name) for name in os.listxattr(path)}, expected, "extended attributes")
