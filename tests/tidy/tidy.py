#!/usr/bin/env python3
"""Rules about the source tree itself: which folder may include what, where third-party headers may appear, format, size.

usage: tidy.py ROOT [rule...]      Rules: see RULES. Without names: all. Exits 1 and lists what breaks a rule.
"""
import os
import pathlib
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile

# The arrows of docs/ARCHITECTURE.md: which folders a folder may include, itself apart.
ARROWS = {
    "base": set(),
    "store": {"base"},
    "cache": {"base"},
    "fs": {"cache", "base"},
    "s3client": {"base"},
    "cli": {"fs", "cache", "store", "s3client", "base"},
    "tests": {"cli", "fs", "cache", "store", "s3client", "base"},
    "bench": {"cli", "fs", "cache", "store", "s3client", "base"},
}

# Only cli/compose joins boxes; any other file of cli sees one of them at most.
BOXES = {"fs", "cache", "store", "s3client"}
JOINING_FILES = {"cli/compose.h", "cli/compose.cc"}

# Third-party headers, each behind its seam. A pattern of include paths: the files that may include them.
SEAMS = {
    r"leveldb/.*": {"base/kv_store.cc", "base/leveldb_env.h", "base/leveldb_env.cc"},
    r"(fuse|fuse_lowlevel|fuse_opt)\.h": {"fs/fuse_api.h"},
    r"linux/fuse\.h": {"fs/device_io.cc"},
    r"openssl/.*": {"base/hash.cc"},
    r"(crc|isa-l|isa-l/.*)(\.h)?": {"base/hash.cc"},
    r"CLI/.*": {"cli/command_line.cc"},
    r"toml\+\+/.*|toml\.hpp|toml\.h": {"cli/config_file.cc"},
    r"curl/.*": {"s3client/curl_transport.cc"},
    r"boost/.*": set(),
    r"pugixml\.hpp|pugiconfig\.hpp": {"base/s3wire/xml_reader.h"},
    r"spdlog/.*|fmt/.*": set(),
    r"google/protobuf/.*|.*\.pb\.h": None,  # generated code: in .cc files only
    r"snappy.*": set(),
}

# Inside the store rows are passed as they are.
ROW_HEADERS = {"store/bodies.h", "store/check_session.h", "store/version_rows.h"}

MOST_LINES = 500
FORBIDDEN = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bfor now\b|\b(class|struct)\s+\w*(Manager|Helper|Util)\b")
CXX = {".h", ".cc"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = self._list()
        self.problems = []

    def _list(self):
        """Our own files: build trees, hidden folders and whatever git ignores are left out."""
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(f for f in folders if not f.startswith((".git", "build", "__pycache__")) or f == ".ci")
            found += [pathlib.Path(folder, n).relative_to(self.root) for n in sorted(names)]
        return found

    def cxx(self):
        return [f for f in self.files if f.suffix in CXX]

    def text(self, file):
        return (self.root / file).read_text(encoding="utf-8", errors="replace")

    def complain(self, file, line, what):
        self.problems.append(f"{file}:{line}: {what}" if line else f"{file}: {what}")


def includes(tree, file):
    for number, line in enumerate(tree.text(file).splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def layers(tree):
    for file in tree.cxx():
        own = file.parts[0]
        if own not in ARROWS:
            tree.complain(file, 0, f"the folder {own} has no arrows in {pathlib.Path(__file__).name}")
            continue
        boxes = {}
        for number, quote, path in includes(tree, file):
            target = path.split("/")[0]
            if quote == '"' and "/" not in path:
                tree.complain(file, number, f'include "{path}" does not start at the root of the repository')
            if target not in ARROWS or path.endswith(".pb.h") and target == own:
                continue
            if target != own and target not in ARROWS[own]:
                tree.complain(file, number, f"{own} may not include {target} ({path})")
            if target in BOXES:
                boxes.setdefault(target, number)
        if own == "cli" and len(boxes) > 1 and str(file) not in JOINING_FILES:
            tree.complain(file, max(boxes.values()), f"only {' and '.join(sorted(JOINING_FILES))} may join {', '.join(sorted(boxes))}")


def seams(tree):
    for file in tree.cxx():
        if file.parts[0] == "tests":
            continue  # a test may look behind a seam
        for number, _, path in includes(tree, file):
            for pattern, allowed in SEAMS.items():
                if not re.fullmatch(pattern, path):
                    continue
                if allowed is None and file.suffix == ".h" and str(file) not in ROW_HEADERS:
                    tree.complain(file, number, f"{path} belongs in a .cc file")
                elif allowed is not None and str(file) not in allowed:
                    tree.complain(file, number, f"{path} is allowed only in: {', '.join(sorted(allowed)) or 'no file'}")


def length(tree):
    for file in tree.cxx() + [f for f in tree.files if f.suffix == ".py"]:
        lines = tree.text(file).count("\n")
        if lines > MOST_LINES:
            tree.complain(file, 0, f"{lines} lines; {MOST_LINES} at most")


def words(tree):
    for file in tree.files:
        if file.suffix not in CXX | {".py", ".sh", ".proto", ".cmake", ".md", ".txt"}:
            continue
        if file == pathlib.Path("tests/tidy/tidy.py"):
            continue
        for number, line in enumerate(tree.text(file).splitlines(), 1):
            match = FORBIDDEN.search(line)
            if match:
                tree.complain(file, number, f"'{match.group(0)}' has no place here")


def pragma_once(tree):
    for file in tree.cxx():
        if file.suffix == ".h" and "#pragma once" not in tree.text(file):
            tree.complain(file, 0, "no #pragma once")


def clang_format(tree):
    program = shutil.which("clang-format-14")
    if not program:
        tree.complain("clang-format-14", 0, "is not installed (apt-get install clang-format-14); other versions format otherwise")
        return
    names = [str(f) for f in tree.cxx()]
    done = subprocess.run([program, "--dry-run", "-Werror", *names], cwd=tree.root, capture_output=True, text=True)
    if done.returncode:
        for match in re.finditer(r"^(\S+?):(\d+):\d+: error", done.stderr, re.MULTILINE):
            tree.complain(match.group(1), match.group(2), "not formatted")
        if not tree.problems:
            tree.complain(program, 0, done.stderr.strip() or f"exit code {done.returncode}")


def scripts(tree):
    with tempfile.TemporaryDirectory() as scratch:
        for file in tree.files:
            path = tree.root / file
            if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 20:
                continue
            with open(path, "rb") as opened:
                first = opened.readline(200)
            if file.suffix == ".sh" or re.match(rb"#!.*\b(ba)?sh\b", first):
                done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
                if done.returncode:
                    tree.complain(file, 0, done.stderr.strip())
            elif file.suffix == ".py" or re.match(rb"#!.*\bpython3\b", first):
                try:
                    py_compile.compile(str(path), cfile=os.path.join(scratch, "x.pyc"), doraise=True)
                except py_compile.PyCompileError as error:
                    tree.complain(file, 0, str(error).strip())
            if first.startswith(b"#!") and not os.access(path, os.X_OK):
                tree.complain(file, 0, "has a #! line and is not executable")


RULES = {f.__name__: f for f in (layers, seams, length, words, pragma_once, clang_format, scripts)}


def main(arguments):
    if not arguments or any(name not in RULES for name in arguments[1:]):
        print(__doc__.strip() + f"\nRules: {' '.join(RULES)}", file=sys.stderr)
        return 2
    tree = Tree(arguments[0])
    if not tree.cxx():
        print(f"no sources in {arguments[0]}", file=sys.stderr)
        return 2
    for name in arguments[1:] or RULES:
        RULES[name](tree)
    for problem in tree.problems[:200]:
        print(problem)
    if tree.problems:
        print(f"{len(tree.problems)} in all")
    return 1 if tree.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
