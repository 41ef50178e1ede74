"""Rows of docs/INTEROP.md, continued: what survives a change by the other side, what is seen of it, what tools that compare say."""
import os
import time
import shutil

import interop_checks as rows
from interop_checks import AS_BOTO3, CHANGING, GID, KEEPING, SERVICES, TOOLS, UID, check, same, until

NEW = b"new content, longer than before"


def _tagged(pair, sample="small"):
    pair.client.put(pair.local(source=sample), pair.key("file"), tagged=True)
    same(pair.client.tags(pair.key("file")), pair.client.tags_seen, "before")
    return pair.appears(pair.root / "file")


@check(KEEPING, "the client's Content-Type, Cache-Control and metadata, after chmod through pailfs", AS_BOTO3)
def keep_chmod(pair):
    os.chmod(_tagged(pair), 0o600)
    pair.flush()
    same(pair.client.bucket.head(pair.key("file"))["Metadata"]["mode"], str(0o100600), "mode in the bucket")
    until(lambda: pair.client.tags(pair.key("file")), pair.client.tags_seen, "after")


@check(KEEPING, "the same, after a rename through pailfs", AS_BOTO3)
def keep_rename(pair):
    os.rename(_tagged(pair), pair.root / "renamed")
    pair.flush()
    same(pair.client.tags(pair.key("renamed")), pair.client.tags_seen, "after")


def _append(pair, sample):
    with open(_tagged(pair, sample), "ab") as file:
        file.write(b"tail")
    pair.flush()
    until(lambda: pair.client.tags(pair.key("file")), pair.client.tags_seen, "after")
    return pair.samples[sample].read_bytes() + b"tail"


def _content(pair, name="file"):
    pair.client.get(pair.key(name), pair.got())
    return pair.got().read_bytes()


@check(KEEPING, "the same, after an append through pailfs, and the client reads it", AS_BOTO3)
def keep_append(pair):
    expected = _append(pair, "small")
    until(lambda: _content(pair), expected, "content")


@check(KEEPING, "the same, of a file of 20 MiB", AS_BOTO3)
def keep_append_big(pair):
    expected = _append(pair, "big")
    until(lambda: _content(pair), expected, "content")


@check(KEEPING, "mode, owner, mtime and extended attributes of pailfs, after a rename by the client", AS_BOTO3)
def keep_client_rename(pair):
    pair.write("file", pair.samples["small"])
    path = pair.root / "file"
    os.setxattr(path, "user.color", b"blue")
    os.chown(path, UID, GID)
    os.chmod(path, 0o751)
    os.utime(path, ns=(1, rows.MTIME_NS))
    pair.flush()
    pair.client.rename(pair.key("file"), pair.key("renamed"))
    renamed = pair.appears(pair.root / "renamed")
    info = os.stat(renamed)
    same((oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, os.getxattr(renamed, "user.color")),
         (oct(0o100751), UID, GID, rows.MTIME_NS, b"blue"), "attributes")


# --- changes ---

@check(CHANGING, "the client overwrites, pailfs reads", AS_BOTO3)
def change_client_overwrites(pair):
    pair.write("file", pair.samples["small"])
    path = pair.root / "file"
    same(path.read_bytes(), pair.samples["small"].read_bytes(), "before")
    local = pair.local()
    local.write_bytes(NEW)
    pair.client.put(local, pair.key("file"))
    until(path.read_bytes, NEW, "content")


@check(CHANGING, "pailfs overwrites, the client reads", AS_BOTO3)
def change_pailfs_overwrites(pair):
    pair.client.put(pair.local(), pair.key("file"))
    same(_content(pair), pair.samples["small"].read_bytes(), "before")
    pair.appears(pair.root / "file").write_bytes(NEW)
    pair.flush()
    until(lambda: _content(pair), NEW, "content")


@check(CHANGING, "the client deletes", AS_BOTO3)
def change_client_deletes(pair):
    pair.write("file", pair.samples["small"])
    pair.write("other", pair.samples["small"])
    pair.client.delete(pair.key("file"))
    until(lambda: os.path.lexists(pair.root / "file"), False, "the file is there")
    same(os.listdir(pair.root), ["other"], "listing")


def _listing(pair):
    return pair.client.listing(pair.folder)


@check(CHANGING, "pailfs deletes", AS_BOTO3)
def change_pailfs_deletes(pair):
    pair.client.put(pair.local(), pair.key("file"))
    pair.client.put(pair.local(), pair.key("other"))
    same(_listing(pair), {"file", "other"}, "before")
    os.unlink(pair.appears(pair.root / "file"))
    pair.flush()
    until(lambda: _listing(pair), {"other"}, "listing")


@check(CHANGING, "the client renames", AS_BOTO3)
def change_client_renames(pair):
    pair.write("file", pair.samples["small"])
    pair.client.rename(pair.key("file"), pair.key("renamed"))
    until(lambda: os.listdir(pair.root), ["renamed"], "listing")
    same((pair.root / "renamed").read_bytes(), pair.samples["small"].read_bytes(), "content")


@check(CHANGING, "pailfs renames", AS_BOTO3)
def change_pailfs_renames(pair):
    pair.client.put(pair.local(), pair.key("file"))
    os.rename(pair.appears(pair.root / "file"), pair.root / "renamed")
    pair.flush()
    until(lambda: _listing(pair), {"renamed"}, "listing")
    same(_content(pair, "renamed"), pair.samples["small"].read_bytes(), "content")


@check(CHANGING, "pailfs renames a directory of the client's", AS_BOTO3)
def change_pailfs_renames_directory(pair):
    for name in ("old/file", "old/deep/file"):
        pair.client.put(pair.local(), pair.key(name))
    os.rename(pair.appears(pair.root / "old"), pair.root / "new")
    pair.flush()
    until(lambda: _listing(pair), {"new/"}, "listing")
    until(lambda: pair.client.listing(pair.key("new")), {"file", "deep/"}, "listing of new")
    same(_content(pair, "new/deep/file"), pair.samples["small"].read_bytes(), "content")


@check(CHANGING, "the client changes mode and mtime of a file of pailfs", {"no-chmod": f"aws,boto3,s3cmd,rclone,{SERVICES}"})
def change_client_attributes(pair):
    pair.write("file", pair.samples["small"])
    same(os.stat(pair.root / "file").st_uid, 0, "before")
    # S3's times are whole seconds: a change of metadata alone right after an upload looks like the upload.
    written = time.monotonic()
    until(lambda: time.monotonic() - written > 3, True, "three seconds pass")
    path = pair.client.root / pair.key("file")
    os.chown(path, UID, GID)
    os.chmod(path, 0o604)
    os.utime(path, ns=(1, rows.MTIME_NS))

    def look():
        info = os.stat(pair.root / "file")
        return oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns
    until(look, (oct(0o100604), UID, GID, rows.MTIME_NS), "attributes")


# --- tools ---

def _tree(pair):
    """Outside; times are whole seconds in the past, as every tool can keep them."""
    tree = pair.scratch / "tree"
    (tree / "sub dir").mkdir(parents=True)
    for name, sample in (("small", "small"), ("sub dir/é", "small"), ("empty", "empty"), ("big", "big")):
        shutil.copyfile(pair.samples[sample], tree / name)
        os.utime(tree / name, ns=(rows.MTIME_NS, 981173106 * 10 ** 9))
    for folder in (tree / "sub dir", tree):
        os.utime(folder, ns=(rows.MTIME_NS, 981173106 * 10 ** 9))
    return tree


def _copied(pair):
    tree = _tree(pair)
    pair.root.mkdir()
    pair.client.run("cp", "-a", tree, pair.root / "tree")
    pair.flush()
    return tree


NO_SYNC = {"no-sync": f"boto3,{SERVICES}"}


@check(TOOLS, "a tree copied through pailfs, synchronised to the bucket: `aws s3 sync --dryrun`, `s3cmd sync --dry-run`, "
       "`rclone sync --dry-run`, `rsync -n` to s3fs", NO_SYNC)
def tools_to(pair):
    tree = _copied(pair)
    until(lambda: pair.client.sync_to(tree, pair.key("tree")), "", "to do")
    os.unlink(pair.root / "tree" / "small")  # the silence meant something
    pair.flush()
    until(lambda: "small" in pair.client.sync_to(tree, pair.key("tree")), True, "a missing file is noticed")


@check(TOOLS, "the same, from the bucket", NO_SYNC, {"s3cmd-markers": "s3cmd"})
def tools_from(pair):
    tree = _copied(pair)
    same(pair.client.sync_from(pair.key("tree"), tree), "", "to do")
    os.unlink(tree / "small")
    same("small" in pair.client.sync_from(pair.key("tree"), tree), True, "a missing file is noticed")


@check(TOOLS, "`rclone check` of a tree copied through pailfs", {"only-rclone": f"aws,boto3,s3cmd,s3fs,{SERVICES}"})
def tools_check(pair):
    pair.client.check(_copied(pair), pair.key("tree"))


@check(TOOLS, "a tree that the client uploaded, `diff -r` with the mount", AS_BOTO3)
def tools_diff(pair):
    tree = _tree(pair)
    for name in ("small", "sub dir/é", "empty", "big"):
        pair.client.put(tree / name, pair.key(f"tree/{name}"))
    pair.appears(pair.root / "tree")
    same(pair.client.run("diff", "-r", tree, pair.root / "tree", check=False).stdout, "", "differences")


@check(TOOLS, "the same, `rsync -n` to the mount (sizes and mtimes)", {"no-mtime": "aws,boto3", **{"as-boto3": SERVICES}})
def tools_rsync(pair):
    tree = _tree(pair)
    for name in ("small", "sub dir/é", "empty", "big"):
        pair.client.put(tree / name, pair.key(f"tree/{name}"))
    pair.appears(pair.root / "tree")
    found = pair.client.run("rsync", "-rlni", "--times", "--omit-dir-times", f"{tree}/", f"{pair.root / 'tree'}/").stdout
    same(found, "", "to do")
