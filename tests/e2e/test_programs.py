#!/usr/bin/env python3
"""Programs that people run in a directory: git, cmake, sqlite3, fio, vim, sed, find, du, df."""
import os
import shutil
import subprocess
import textwrap

import harness
from harness import MountTest, run

CALC = {
    "CMakeLists.txt": """\
        cmake_minimum_required(VERSION 3.16)
        project(calc CXX)
        configure_file(version.h.in version.h)
        add_library(calc STATIC calc.cc)
        target_include_directories(calc PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
        add_executable(main main.cc)
        target_link_libraries(main calc)
        enable_testing()
        add_test(NAME main COMMAND main)
        """,
    "version.h.in": "#define CALC_VERSION 7\n",
    "calc.cc": '#include "version.h"\nint Calc(int x) { return x * CALC_VERSION; }\n',
    "main.cc": "int Calc(int);\nint main() { return Calc(6) == 42 ? 0 : 1; }\n",
}


class Programs(MountTest):
    def git(self, *arguments, **options):
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(self.directory / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
        return run("git", *arguments, env=environment, **options)

    def test_git(self):
        (self.directory / "gitconfig").write_text(
            "[safe]\n\tdirectory = *\n[user]\n\tname = Somebody\n\temail = somebody@example.org\n")
        origin = harness.SOURCE_ROOT
        if not (origin / ".git").exists():  # an unpacked archive
            origin = self.directory / "origin"
            shutil.copytree(harness.SOURCE_ROOT, origin, ignore=shutil.ignore_patterns("build*"))
            self.git("init", "-q", origin)
            self.git("-C", origin, "add", "-A")
            self.git("-C", origin, "commit", "-q", "-m", "All")
        clone = self.root / "clone"
        self.git("clone", "-q", "--no-local", f"file://{origin}", clone)
        self.git("-C", clone, "fsck", "--full", "--strict")
        (clone / "new file").write_text("new\n")
        self.git("-C", clone, "add", "-A")
        self.git("-C", clone, "commit", "-q", "-m", "Add a file")
        self.git("-C", clone, "checkout", "-q", "-b", "other", "HEAD~1")
        self.git("-C", clone, "merge", "-q", "--no-ff", "-m", "Merge", "@{-1}")
        self.git("-C", clone, "gc", "-q")
        self.assertEqual(self.git("-C", clone, "status", "--porcelain").stdout, "")
        head = self.git("-C", clone, "rev-parse", "HEAD").stdout
        self.mount.flush()
        self.mount.remount(empty_cache=True)
        self.git("-C", clone, "fsck", "--full", "--strict")
        self.assertEqual(self.git("-C", clone, "status", "--porcelain").stdout, "")
        self.assertEqual(self.git("-C", clone, "rev-parse", "HEAD").stdout, head)

    def test_build_of_a_cmake_project(self):
        project = self.root / "calc"
        project.mkdir()
        for name, text in CALC.items():
            (project / name).write_text(textwrap.dedent(text))
        build = project / "build"
        run("cmake", "-S", project, "-B", build, "-G", "Ninja")
        run("cmake", "--build", build)
        run("ctest", "--test-dir", build)
        self.assertIn("no work to do", run("cmake", "--build", build).stdout)
        (project / "version.h.in").write_text("#define CALC_VERSION 8\n")
        run("cmake", "--build", build)
        self.assertEqual(run(build / "main", check=False).returncode, 1)

    def sqlite(self, database, text):
        return run("sqlite3", "-bail", database, text).stdout.strip()

    def test_sqlite_with_a_write_ahead_log(self):
        database = self.root / "data.db"
        self.assertEqual(self.sqlite(database, "PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"), "wal")
        insert = ("PRAGMA busy_timeout=60000; BEGIN IMMEDIATE; WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE "
                  "x<500) INSERT INTO t(b) SELECT hex(randomblob(200)) FROM n; COMMIT;")
        # Writers in processes of their own: WAL needs shared memory maps and POSIX locks that work.
        writers = [subprocess.Popen(["sqlite3", "-bail", str(database), insert * 10], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE) for _ in range(4)]
        for writer in writers:
            _, errors = writer.communicate(timeout=300)
            self.assertEqual(writer.returncode, 0, errors)
        self.assertEqual(self.sqlite(database, "SELECT count(*) FROM t;"), "20000")
        self.assertEqual(self.sqlite(database, "PRAGMA integrity_check;"), "ok")
        total = self.sqlite(database, "DELETE FROM t WHERE a % 3 = 0; VACUUM; SELECT count(*) || ' ' || sum(length(b)) FROM t;")
        self.mount.flush()
        self.mount.remount(empty_cache=True)
        self.assertEqual(self.sqlite(database, "PRAGMA integrity_check;"), "ok")
        self.assertEqual(self.sqlite(database, "SELECT count(*) || ' ' || sum(length(b)) FROM t;"), total)

    def test_sqlite_with_a_rollback_journal(self):
        database = self.root / "data.db"
        self.sqlite(database, "PRAGMA journal_mode=DELETE; CREATE TABLE t(a, b);")
        for _ in range(20):
            self.sqlite(database, "BEGIN; INSERT INTO t SELECT 1, hex(randomblob(1000)); INSERT INTO t SELECT * FROM t; ROLLBACK;"
                        "INSERT INTO t VALUES(1, 2);")
        self.assertEqual(self.sqlite(database, "PRAGMA integrity_check; SELECT count(*) FROM t;"), "ok\n20")
        self.assertEqual(os.listdir(self.root), ["data.db"])

    def fio(self, *arguments):
        run("fio", f"--directory={self.root}", "--ioengine=psync", "--verify=crc32c", "--verify_fatal=1", "--group_reporting",
            *arguments)

    def test_fio_sequential(self):
        self.fio("--name=sequential", "--rw=write", "--bs=1M", "--size=128M", "--numjobs=2", "--end_fsync=1", "--do_verify=1")

    def test_fio_random(self):
        self.fio("--name=random", "--rw=randwrite", "--bsrange=512-96k", "--bs_unaligned", "--size=48M", "--numjobs=2",
                 "--do_verify=1")

    def test_fio_random_mmap(self):
        self.fio("--name=mapped", "--ioengine=mmap", "--rw=randrw", "--bs=4k", "--size=32M", "--do_verify=1")

    def test_fio_verifies_from_an_empty_cache(self):
        job = ["--name=cold", "--rw=randwrite", "--bs=4k", "--size=32M", "--randseed=7", "--randrepeat=1"]
        self.fio(*job, "--do_verify=0")
        self.mount.flush()
        self.mount.remount(empty_cache=True)
        self.fio(*job, "--verify_only=1")

    def test_editors_replace_a_file_by_renaming(self):
        file = self.root / "text"
        file.write_text("one\ntwo\n")
        os.chmod(file, 0o640)
        run("vim", "-es", "-u", "NONE", "-i", "NONE", "-c", "set backup writebackup backupskip= backupcopy=no", "-c", "%s/one/first/", "-c", "wq", file)
        self.assertEqual(file.read_text(), "first\ntwo\n")
        self.assertTrue((self.root / "text~").exists())
        run("sed", "-i", "s/two/second/", file)
        self.assertEqual(file.read_text(), "first\nsecond\n")
        self.assertEqual(file.stat().st_mode & 0o7777, 0o640)
        temporary = self.root / "text.tmp"
        with open(temporary, "w", encoding="ascii") as out:
            out.write("third\n")
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
        self.mount.flush()
        self.mount.remount(empty_cache=True)
        self.assertEqual(file.read_text(), "third\n")
        self.assertEqual(sorted(os.listdir(self.root)), ["text", "text~"])

    def test_find_du_df(self):
        for folder in range(10):
            (self.root / f"folder-{folder}").mkdir()
            for number in range(20):
                (self.root / f"folder-{folder}" / f"file-{number}").write_bytes(b"x" * 8192)
        self.assertEqual(len(run("find", self.root, "-type", "f").stdout.split()), 200)
        self.assertEqual(len(run("find", self.root, "-type", "d").stdout.split()), 11)
        self.assertEqual(len(run("find", self.root, "-size", "16", "-name", "file-1?").stdout.split()), 100)
        apparent = int(run("du", "-s", "--apparent-size", "--block-size=1", self.root).stdout.split()[0])
        self.assertGreaterEqual(apparent, 200 * 8192)
        used = int(run("du", "-s", "--block-size=1", self.root).stdout.split()[0])
        self.assertGreaterEqual(used, 200 * 8192)
        self.assertLess(used, 200 * 8192 + 11 * 8192)
        df = run("df", "--output=fstype,size,avail,itotal,iused", "-B1", self.root).stdout.splitlines()[1].split()
        if not harness.REMOTE:  # a bucket has no end, so nothing of it is used up
            self.assertGreater(int(df[1]), int(df[2]))
        self.assertGreater(int(df[2]), 0)
        if not harness.PLAIN:
            self.assertEqual(df[0], "fuse.pailfs")


if __name__ == "__main__":
    harness.main()
