"""Other clients and pailfs on one bucket of a Ceph gateway; the outcome is docs/INTEROP.md, and must be what stands there.

PAILFS_WRITE_INTEROP=1 writes the file instead of comparing. PAILFS_INTEROP_ONLY=NAME,… runs some rows and compares nothing.
Needs a running gateway, see clients.py.
"""
import concurrent.futures
import os
import pathlib
import secrets
import shutil
import sys
import tempfile
import time
import traceback
import unittest

import clients
import interop_changes  # noqa: F401  registers its rows
import interop_checks
from harness import SOURCE_ROOT, run
from interop_checks import CHECKS, Differs

DOCUMENT = SOURCE_ROOT / "docs" / "INTEROP.md"
VERSIONS = "## Versions\n"
ONLY = [name for name in os.environ.get("PAILFS_INTEROP_ONLY", "").split(",") if name]

NOTES = {
    "as-boto3": "To the server these objects are like those of boto3; only what differs was tested.",
    "services": "Objects as S3 Files, DataSync, File Gateway and FSx for Lustre make them (`x-amz-meta-file-permissions`, …), "
                "made and read by boto3: the services themselves are not at hand.",
    "no-type": "s3fs shows no Content-Type.",
    "type": "pailfs gives every new file `binary/octet-stream`.",
    "no-mtime": "Stores no mtime and restores none.",
    "stores-mtime": "Stores the mtime.",
    "s3cmd-attrs": "s3cmd keeps attributes in `x-amz-meta-s3cmd-attrs` and believes nothing else; pailfs reads it and does "
                   "not write it.",
    "no-modes": "Has no modes and owners.",
    "rclone-octal": "rclone writes and reads the mode in octal under the name under which s3fs has it in decimal. pailfs reads "
                    "both and writes that of s3fs, of which `rclone copy --metadata` makes another mode; uid and gid arrive. "
                    "Without `--metadata` rclone does not look at it.",
    "no-directories": "Stores no attributes of directories.",
    "no-links": "Has no symbolic links in the bucket: it reads the target as the content of a file. "
                "(`rclone --links` makes files `NAME.rclonelink`.)",
    "no-xattrs": "Has no extended attributes.",
    "markers": "Makes an object `dir/` for each directory.",
    "no-markers": "Makes no objects `dir/`.",
    "no-chmod": "Has no command for that.",
    "no-sync": "Has no synchronisation.",
    "s3cmd-markers": "s3cmd lists each object `dir/` as something to download, whoever made it; no file.",
    "only-rclone": "A command of rclone.",
}

INTRODUCTION = """# Other clients on the same bucket

Made by `tests/e2e/test_interop.py`, which runs each row with the real client, a real mount and a Ceph RADOS Gateway, on a versioned bucket,
and fails when the outcome is not what stands here. `ttl=1s`.

*yes*: it worked. *no*: it did not, and the note says why. *–*: there is nothing to test, see the note.

`.pailfs/` in a bucket is pailfs's own: its objects are seen by other clients and can be left out of what is copied elsewhere.
"""


class Outcome:
    def __init__(self, cell, note=None, problem=None):
        self.cell, self.note, self.problem = cell, note, problem


def outcome_of(pair, function, without, known):
    name = pair.client.name
    if name in without:
        return Outcome("–", without[name])
    pair.begin(function.__name__)
    begin = time.monotonic()
    try:
        function(pair)
    except Differs as error:
        if name in known:
            print(f"{function.__name__}, {name}: as known: {error}", file=sys.stderr)
            return Outcome("no", known[name])
        return Outcome("no", problem=str(error))
    except Exception:  # pylint: disable=broad-except
        return Outcome("no", problem=traceback.format_exc())
    finally:
        print(f"[{time.monotonic() - begin:.1f} s] {name}: {function.__name__}", file=sys.stderr)
    return Outcome("yes")


def run_client(kind, checks, environment, parent, samples):
    """Rows of one client: {function: outcome}, on a bucket, a mount and a directory of their own."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="client-", dir=parent))
    bucket = clients.Bucket(environment, f"interop-{kind.__name__.lower()}-{secrets.token_hex(4)}")
    try:
        mount = clients.mount_pailfs(directory, bucket)
        try:
            client = kind(bucket, directory)
            try:
                pair = interop_checks.Pair(client, mount, samples)
                return {function: outcome_of(pair, function, without, known)
                        for _, _, function, without, known in checks if not ONLY or function.__name__ in ONLY}
            finally:
                client.end()
        finally:
            mount.end()
            assert mount.process.returncode == 0, f"pailfs ended with {mount.process.returncode}\n{mount.log.read_text()[-3000:]}"
    finally:
        bucket.remove()


def document(outcomes):
    """outcomes: {client's name: {function: outcome}}."""
    used = {"services": 1}
    lines = [INTRODUCTION]
    for section in dict.fromkeys(row[0] for row in CHECKS):
        names = [f"{name} [1]" if name == interop_checks.SERVICES else name for name in outcomes]
        lines += [f"## {section}\n", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
        for _, title, function, _, _ in (row for row in CHECKS if row[0] == section):
            cells = []
            for found in outcomes.values():
                outcome = found[function]
                mark = f" [{used.setdefault(outcome.note, len(used) + 1)}]" if outcome.note else ""
                cells.append(outcome.cell + mark)
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += ["## Notes\n", *(f"{number}. {NOTES[note]}" for note, number in used.items()), ""]
    return "\n".join(lines)


def versions():
    packages = ("awscli", "python3-boto3", "s3cmd", "rclone", "s3fs", "radosgw")
    found = run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages, check=False).stdout
    return VERSIONS + "\nOf the Debian packages when this was written: " + ", ".join(found.split("\n")[:-1]) + ".\n"


class InteropTest(unittest.TestCase):
    maxDiff = None

    def test_clients_and_pailfs_understand_each_other(self):
        environment = clients.gateway_environment()
        parent = pathlib.Path(tempfile.mkdtemp(prefix="pailfs-interop.", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.addCleanup(shutil.rmtree, parent, ignore_errors=True)
        samples = {"small": parent / "small", "empty": parent / "empty", "big": parent / "big"}
        for name, content in (("small", b"a few bytes\n"), ("empty", b""), ("big", os.urandom(interop_checks.BIG))):
            samples[name].write_bytes(content)
        shares = [(kind, share) for kind in clients.CLIENTS for share in range(kind.shares)]
        with concurrent.futures.ThreadPoolExecutor(len(shares)) as pool:
            jobs = [(kind, pool.submit(run_client, kind, CHECKS[share::kind.shares], environment, parent, samples))
                    for kind, share in shares]
        outcomes = {kind.name: {} for kind in clients.CLIENTS}
        for kind, job in jobs:
            outcomes[kind.name].update(job.result())

        for name, found in outcomes.items():
            for function, outcome in found.items():
                with self.subTest(client=name, row=function.__name__):
                    self.assertIsNone(outcome.problem)
        if ONLY or any(outcome.problem for found in outcomes.values() for outcome in found.values()):
            return
        made = document(outcomes)
        if os.environ.get("PAILFS_WRITE_INTEROP") == "1":
            DOCUMENT.write_text(made + "\n" + versions(), encoding="utf-8")
        committed = DOCUMENT.read_text(encoding="utf-8").split("\n" + VERSIONS)[0]
        self.assertEqual(committed, made, "run with PAILFS_WRITE_INTEROP=1 and look at what changed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
