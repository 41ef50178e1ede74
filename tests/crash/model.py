"""What the files of one worker must look like, and the operations that change them.

A model maps a path, relative to the worker's directory, to ("file", content, mode), ("dir",) or ("link", target). Operations are
plain values that can be written to a log and replayed: both sides, the worker that executes them and the driver that judges,
derive everything else from them.
"""
import errno
import os
import random
import stat

MOST_FILES = 40
SIZES = (0, 1, 100, 4096, 100_000, (128 << 10) - 1, 128 << 10, 300_000, (1 << 20) + 5, 3 << 20)


def content_of(operation):
    return random.Random(operation["content"]).randbytes(operation["size"])


def below(model, path):
    return [p for p in model if p.startswith(path + "/")]


def choose(model, rng, number):
    """The next operation, possible in this state."""
    files = sorted(p for p, v in model.items() if v[0] == "file")
    folders = sorted(p for p, v in model.items() if v[0] == "dir")
    places = folders + [""]
    new_name = f"{rng.choice(places)}/n{number}".lstrip("/")
    content = {"content": rng.randrange(1 << 30), "size": rng.choice(SIZES), "fsync": rng.random() < 0.2}
    if len(files) > MOST_FILES:
        return {"kind": "unlink", "path": rng.choice(files)}
    kinds = ["create"] * 4 + ["mkdir"] * (len(folders) < 8) + ["symlink"] * (len(model) < 2 * MOST_FILES)
    if files:
        kinds += ["overwrite"] * 3 + ["patch"] * 3 + ["append"] * 3 + ["replace"] * 4 + ["rename"] * 2 + ["unlink"] * 2
        kinds += ["chmod", "truncate"]
    if len(files) > 1:
        kinds += ["rename_over"] * 2
    if folders:
        kinds += ["rmdir", "rename_folder"]
    kind = rng.choice(kinds)
    if kind == "create":
        return {"kind": kind, "path": new_name, **content}
    if kind == "mkdir":
        return {"kind": kind, "path": new_name}
    if kind == "symlink":
        return {"kind": kind, "path": new_name, "target": f"to/{number}"}
    if kind in ("rmdir", "rename_folder"):
        path = rng.choice(folders)
        if kind == "rmdir":
            return {"kind": kind if not below(model, path) else "mkdir", "path": path if not below(model, path) else new_name}
        return {"kind": kind, "path": path, "to": f"moved{number}"}
    path = rng.choice(files)
    if kind == "rename":
        return {"kind": "rename_over", "path": path, "to": new_name}
    if kind == "rename_over":
        return {"kind": kind, "path": path, "to": rng.choice([f for f in files if f != path])}
    if kind == "chmod":
        return {"kind": kind, "path": path, "mode": rng.choice([0o600, 0o644, 0o755, 0o640])}
    size = len(model[path][1])
    if kind == "truncate":
        return {"kind": kind, "path": path, "size": rng.randrange(size + 200_000)}
    if kind == "patch":
        content["size"] = min(content["size"], 300_000)
        return {"kind": kind, "path": path, "offset": rng.randrange(size + 1), **content}
    if kind == "append":
        content["size"] = min(content["size"], 100_000)
        return {"kind": kind, "path": path, "offset": size, **content}
    if kind == "unlink":
        return {"kind": kind, "path": path}
    return {"kind": kind, "path": path, "temporary": f"t{number}", **content}  # overwrite, replace


def spliced(old, offset, new):
    if not new:
        return old
    old = old.ljust(offset, b"\0")
    return old[:offset] + new + old[offset + len(new):]


def apply(model, operation):
    """The model after the operation."""
    after = dict(model)
    kind, path = operation["kind"], operation["path"]
    if kind == "create":
        after[path] = ("file", content_of(operation), 0o644)
    elif kind == "overwrite":
        after[path] = ("file", content_of(operation), model[path][2])
    elif kind == "replace":  # a new file under a temporary name, renamed over the old one
        after[path] = ("file", content_of(operation), 0o644)
    elif kind in ("patch", "append"):
        after[path] = ("file", spliced(model[path][1], operation["offset"], content_of(operation)), model[path][2])
    elif kind == "truncate":
        after[path] = ("file", model[path][1][:operation["size"]].ljust(operation["size"], b"\0"), model[path][2])
    elif kind == "chmod":
        after[path] = ("file", model[path][1], operation["mode"])
    elif kind == "mkdir":
        after[path] = ("dir",)
    elif kind == "symlink":
        after[path] = ("link", operation["target"])
    elif kind in ("unlink", "rmdir"):
        del after[path]
    else:  # rename_over, rename_folder
        for old in [path, *below(model, path)]:
            after[operation["to"] + old[len(path):]] = after.pop(old)
    return after


def write_all(descriptor, data, offset):
    view = memoryview(data)
    while view:
        wrote = os.pwrite(descriptor, view[:1 << 20], offset)
        view, offset = view[wrote:], offset + wrote


def write_file(path, flags, data, offset, fsync, acknowledge):
    descriptor = os.open(path, flags | os.O_WRONLY, 0o644)
    try:
        write_all(descriptor, data, offset)
        if fsync:
            os.fsync(descriptor)
            acknowledge()  # from here on it counts, closed or not
    finally:
        os.close(descriptor)


def execute(root, operation, acknowledge):
    """Does it on the mount. `acknowledge` may be called early, when a promise holds before the end."""
    kind, path = operation["kind"], os.path.join(root, operation["path"])
    fsync = operation.get("fsync", False)
    if kind == "create":
        write_file(path, os.O_CREAT | os.O_EXCL, content_of(operation), 0, fsync, acknowledge)
    elif kind == "overwrite":
        write_file(path, os.O_TRUNC, content_of(operation), 0, fsync, acknowledge)
    elif kind == "replace":
        temporary = os.path.join(root, operation["temporary"])
        write_file(temporary, os.O_CREAT | os.O_EXCL, content_of(operation), 0, fsync, lambda: None)
        os.rename(temporary, path)
    elif kind in ("patch", "append"):
        write_file(path, 0, content_of(operation), operation["offset"], fsync, acknowledge)
    elif kind == "truncate":
        os.truncate(path, operation["size"])
    elif kind == "chmod":
        os.chmod(path, operation["mode"])
    elif kind == "mkdir":
        os.mkdir(path)
    elif kind == "symlink":
        os.symlink(operation["target"], path)
    elif kind == "unlink":
        os.unlink(path)
    elif kind == "rmdir":
        os.rmdir(path)
    else:
        os.rename(path, os.path.join(root, operation["to"]))


def observe(root):
    """The model of what is there."""
    found = {}
    for folder, folders, names in os.walk(root, onerror=_raise):
        for name in folders + names:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                value = ("link", os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                value = ("dir",)
            else:
                with open(path, "rb") as file:
                    content = file.read()
                if len(content) != info.st_size:
                    raise OSError(errno.EIO, f"stat says {info.st_size} bytes, there are {len(content)}", path)
                value = ("file", content, stat.S_IMODE(info.st_mode))
            found[os.path.relpath(path, root)] = value
    return found


def _raise(error):
    raise error


def shown(value):
    if value and value[0] == "file":
        return f"a file of {len(value[1])} bytes, mode {value[2]:o}"
    return str(value)


def differences(expected, found):
    wrong = []
    for path in sorted(expected.keys() | found.keys()):
        left, right = expected.get(path), found.get(path)
        if left == right:
            continue
        text = f"{path}: expected {shown(left)}, found {shown(right)}"
        if left and right and left[0] == right[0] == "file":
            at = next((i for i, (a, b) in enumerate(zip(left[1], right[1])) if a != b), None)
            if at is not None:
                text += f", first difference at {at}"
        wrong.append(text)
    return wrong


def half_written(before, operation, found):
    """Whether `found` can be the file of a write that was cut short: each byte old or new, no larger than the new one."""
    if found is None or found[0] != "file":
        return False
    new = content_of(operation)
    old = before[1] if before and operation["kind"] in ("patch", "append") else b""
    whole = spliced(old, operation.get("offset", 0), new) if operation["kind"] in ("patch", "append") else new
    content = found[1]
    if not len(old) <= len(content) <= max(len(whole), len(old)):
        return False
    padded = old.ljust(len(content), b"\0")
    return all(c in (w, o) for c, w, o in zip(content, whole, padded)) if content != whole[:len(content)] else True


def judge(model, in_flight, found):
    """The differences that no promise allows; [] when all is well. `in_flight`: an operation without acknowledgement, or None."""
    wrong = differences(model, found)
    if not wrong or in_flight is None:
        return wrong
    after = apply(model, in_flight)
    if not differences(after, found):
        return []
    target = in_flight["path"]
    if in_flight["kind"] == "replace":
        target = in_flight["temporary"]  # beside the old file, or gone with the rename done
    if in_flight["kind"] in ("create", "overwrite", "patch", "append", "replace"):
        rest = {p: v for p, v in found.items() if p != target}
        expected = {p: v for p, v in model.items() if p != target}
        others = differences(expected, rest)
        if not others and target not in found and target not in model:
            return []
        if not others and half_written(model.get(target), in_flight, found.get(target)):
            return []
    return wrong
