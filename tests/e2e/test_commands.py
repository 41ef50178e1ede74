#!/usr/bin/env python3
"""The commands: what they do, and what they say and return when something is wrong."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess

import harness
from harness import Mount, MountTest, pailfs, run, store_only


class Commands(MountTest):
    mount_at_start = False

    def refused(self, code, words, *arguments, **options):
        """The command fails with this code, and its message has these words; nothing on standard output."""
        done = pailfs(*arguments, check=False, **options)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("terminate called", said)
        return done.stderr

    def refused_mount(self, code, words, mountpoint=None, source=None, options=""):
        options = f"cache={self.mount.cache}" + ("," + options if options else "")
        return self.refused(code, words, "mount", source or self.mount.source, mountpoint or self.root, "-o", options)

    # --- mounting from nothing, options, mount(8) ---

    def test_first_mount_makes_everything_and_daemonises(self):
        self.mount.mount()
        (self.root / "hello").write_text("hello\n")
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            line = next(line for line in mounts if line.split(" ")[1] == str(self.root))
        self.assertEqual(line.split(" ")[0], self.mount.source)
        self.assertEqual(line.split(" ")[2], "fuse.pailfs")
        self.mount.remount(empty_cache=True)
        self.assertEqual((self.root / "hello").read_text(), "hello\n")

    def test_status_flush_and_umount(self):
        self.mount.mount("writeback_delay=1h")
        (self.root / "file").write_text("x" * 1000)
        status = self.mount.status()
        self.assertEqual((status["state"], status["mountpoint"]), ("mounted", str(self.root)))
        self.assertEqual((status["dirty_files"], status["error_count"]), (1, 0))
        self.assertIn("file", pailfs("status", self.root).stdout)
        self.mount.flush()
        self.assertEqual(self.mount.status()["dirty_files"], 0)
        (self.root / "later").write_text("y")
        self.mount.umount()
        self.assertEqual({k: v for k, v in self.mount.objects().items()}, {"file": 1000, "later": 1})
        self.refused(1, "not a pailfs mount", "status", self.root)
        self.refused(1, "not a pailfs mount", "flush", self.root)
        self.refused(32, "not a pailfs mount", "umount", self.root)

    def test_umount_of_a_busy_mount(self):
        self.mount.mount()
        with open(self.root / "open", "w", encoding="ascii") as opened:
            self.refused(32, "in use", "umount", self.root)
            opened.write("still works")
        self.assertEqual((self.root / "open").read_text(), "still works")
        self.mount.umount()

    def test_umount_8_and_mount_at_once_again(self):
        """The old daemon may still be uploading; the new mount waits for it and finds everything."""
        self.mount.mount("writeback_delay=1h")
        for number in range(300):
            (self.root / f"file-{number}").write_bytes(bytes([number % 256]) * 50_000)
        run("umount", self.root)
        self.mount.mount()
        for number in range(300):
            self.assertEqual((self.root / f"file-{number}").read_bytes(), bytes([number % 256]) * 50_000)

    def test_sigterm_unmounts_and_drains(self):
        self.mount.mount("writeback_delay=1h", foreground=True)
        for number in range(100):
            (self.root / f"file-{number}").write_text(str(number))
        os.kill(self.mount.pid, signal.SIGTERM)
        self.assertEqual(self.mount.foreground.wait(120), 0, self.mount.log())
        self.assertFalse(harness.is_mounted(self.root))
        self.assertEqual(len(self.mount.objects()), 100)

    def test_read_only(self):
        self.mount.mount()
        (self.root / "file").write_text("x")
        self.mount.umount()
        self.mount.mount("ro")
        self.assertEqual((self.root / "file").read_text(), "x")
        with self.assertRaisesRegex(OSError, "Read-only file system"):
            (self.root / "other").write_text("y")

    def test_mount_8_and_fstab(self):
        helper = pathlib.Path("/sbin/mount.pailfs")
        if not helper.exists():
            helper.symlink_to(harness.PAILFS)
            self.addCleanup(helper.unlink)
        self.root.mkdir()
        run("mount", "-t", "pailfs", self.mount.source, self.root, "-o", f"cache={self.mount.cache},noatime,cache_size=64M")
        self.mount.pid = self.mount.status()["pid"]
        (self.root / "file").write_text("x")
        self.mount.umount()
        fstab = self.directory / "fstab"
        fstab.write_text(f"{self.mount.source} {self.root} pailfs cache={self.mount.cache},nodev,nosuid,noauto,user,_netdev,nofail,"
                         "x-systemd.automount,comment=mine 0 0\n")
        run("mount", "-T", fstab, self.root)
        self.mount.pid = self.mount.status()["pid"]
        self.assertEqual((self.root / "file").read_text(), "x")
        self.mount.umount()
        done = run("mount", "-t", "pailfs", self.mount.source, self.root, "-o", "cach=/x", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("'cache'", done.stderr)

    def test_configuration_file(self):
        self.root.mkdir()
        config = self.directory / "pailfs.toml"
        config.write_text(f'[defaults]\ncache_size = "64M"\n[mount."{self.mount.source}"]\ncache = "{self.mount.cache}"\n')
        pailfs("mount", self.mount.source, self.root, "--config", config)
        status = self.mount.status()
        self.mount.pid = status["pid"]
        self.assertEqual((status["cache_limit_bytes"], status["cache"]), (64 << 20, str(self.mount.cache)))
        self.mount.umount()
        config.write_text('[defaults]\ncache_sise = "64M"\n')
        self.refused(1, "'cache_size'", "mount", self.mount.source, self.root, "--config", config)
        config.write_text("[defaults\n")
        self.refused(1, str(config), "mount", self.mount.source, self.root, "--config", config)

    # --- objects ---

    @store_only
    def test_objects_and_files_are_the_same_things(self):
        self.mount.mount()
        (self.root / "folder").mkdir()
        (self.root / "folder" / "file").write_text("version 1")
        self.mount.flush()
        (self.root / "folder" / "file").write_text("version two")
        pid = self.mount.pid
        self.refused(2, str(pid), "object", "ls", self.mount.source)
        self.mount.umount()
        place = f"{self.mount.source}/folder/file"
        self.assertEqual(pailfs("object", "cat", place).stdout, "version two")
        versions = json.loads(pailfs("object", "versions", "--json", place).stdout)
        self.assertEqual([v["size"] for v in versions], [11, 9])
        old = pailfs("object", "cat", place, "--version-id", versions[1]["version_id"]).stdout
        self.assertEqual(old, "version 1")
        local = self.directory / "local"
        local.write_text("put from outside")
        pailfs("object", "put", local, f"{self.mount.source}/put/by hand.txt", "--content-type", "text/x-mine", "--meta", "who=me")
        stat = json.loads(pailfs("object", "stat", "--json", f"{self.mount.source}/put/by hand.txt").stdout)
        self.assertEqual((stat["headers"]["Content-Type"], stat["metadata"]["who"]), ("text/x-mine", "me"))
        self.mount.mount()
        file = self.root / "put" / "by hand.txt"
        self.assertEqual(file.read_text(), "put from outside")
        os.chmod(file, 0o600)
        self.mount.umount()
        stat = json.loads(pailfs("object", "stat", "--json", f"{self.mount.source}/put/by hand.txt").stdout)
        self.assertEqual((stat["headers"]["Content-Type"], stat["metadata"]["who"]), ("text/x-mine", "me"))
        pailfs("object", "rm", place)
        self.refused(1, "folder/file", "object", "stat", place)
        self.mount.mount()
        self.assertEqual(os.listdir(self.root / "folder"), [])

    @store_only
    def test_store_commands(self):
        store = self.directory / "store"
        pailfs("store", "init", store, "--bucket", "first")
        self.refused(1, "already", "store", "init", store)
        pailfs("store", "bucket", "create", store, "second")
        self.assertIn("second", pailfs("store", "bucket", "list", store).stdout)
        self.refused(2, "Bad_Name", "store", "bucket", "create", store, "Bad_Name")
        pailfs("store", "bucket", "delete", store, "second")
        self.assertIn("clean", pailfs("store", "check", store, "--level", "data").stdout)
        self.refused(2, "nowhere", "store", "check", self.directory / "nowhere")

    # --- bad input ---

    def test_bad_mount_points(self):
        self.refused_mount(32, ["does not exist", "mkdir"], self.directory / "nowhere")
        file = self.directory / "file"
        file.write_text("x")
        self.refused_mount(32, "not a directory", file)
        self.refused_mount(32, "inside the mount point", self.directory)
        self.root.mkdir()
        (self.root / "hidden").write_text("x")
        done = self.mount.mount()
        self.assertIn("not empty", done.stderr)
        self.refused_mount(32, "already a pailfs mount")
        self.assertEqual(os.listdir(self.root), [])
        self.mount.umount()
        self.assertEqual(os.listdir(self.root), ["hidden"])

    def test_bad_sources_and_options(self):
        self.root.mkdir()
        self.refused_mount(1, "nonsense", source="nonsense")
        self.refused_mount(1, ["cache_sze", "'cache_size'"], options="cache_sze=1G")
        self.refused_mount(1, "cache_size", options="cache_size=much")
        self.refused_mount(1, "fsync", options="fsync=never")
        self.refused(2, "'mount'", "mout", self.mount.source, self.root)
        self.refused(1, "MOUNTPOINT", "mount", self.mount.source)
        self.assertEqual(pailfs("--version").stdout.split()[0], "pailfs")
        self.assertIn("mount", pailfs("--help").stdout)
        self.assertFalse(harness.is_mounted(self.root))

    @store_only
    def test_a_store_in_use(self):
        self.mount.mount()
        other = self.directory / "other"
        other.mkdir()
        self.refused(32, str(self.mount.pid), "mount", self.mount.source, other, "-o", f"cache={self.directory}/cache2")
        self.refused(32, str(self.mount.pid), "mount", f"store:{self.directory}/store2/files", other, "-o",
                     f"cache={self.mount.cache}")
        self.refused(2, str(self.mount.pid), "store", "check", self.mount.store)

    def test_a_cache_belongs_to_one_bucket(self):
        self.mount.mount()
        (self.root / "file").write_text("of the first bucket")
        self.mount.umount()
        other = f"store:{self.directory}/store/another"
        done = pailfs("mount", other, self.root, "-o", f"cache={self.mount.cache}", check=False)
        self.assertEqual(done.returncode, 32)
        self.assertIn("belongs to another bucket", done.stderr)
        self.assertIn(str(self.mount.cache), done.stderr)
        self.mount.mount()
        self.assertEqual((self.root / "file").read_text(), "of the first bucket")

    def test_formats_of_another_version(self):
        self.mount.mount()
        (self.root / "file").write_text("x")
        self.mount.umount()
        for directory in filter(None, (self.mount.store, self.mount.cache)):
            with self.subTest(directory=directory.name):
                file = directory / "FORMAT"
                good = file.read_bytes()
                for bad in (b"", b"pailfs something 999\n", os.urandom(len(good))):
                    file.write_bytes(bad)
                    said = self.refused_mount(32, str(directory))
                    self.assertRegex(said, r"(?i)format|version|FORMAT")
                file.write_bytes(good)
        self.mount.mount()
        self.assertEqual((self.root / "file").read_text(), "x")

    @store_only
    def test_a_damaged_index_is_said_and_rebuilt(self):
        self.mount.mount()
        for number in range(200):
            (self.root / f"file-{number}").write_text(f"content {number}")
        self.mount.umount()
        index = self.mount.store / "index"
        for file in index.iterdir():
            if file.name.startswith("MANIFEST") or file.suffix in (".ldb", ".log"):
                content = bytearray(file.read_bytes())
                for at in range(0, len(content), 37):
                    content[at] ^= 0x5A
                file.write_bytes(content)
        self.refused_mount(32, ["pailfs store rebuild", str(self.mount.store)])
        pailfs("store", "rebuild", self.mount.store)
        pailfs("store", "check", self.mount.store, "--level", "data")
        self.mount.mount()
        for number in range(200):
            self.assertEqual((self.root / f"file-{number}").read_text(), f"content {number}")

    @store_only
    def test_a_damaged_body_is_an_error_and_never_data(self):
        self.mount.mount()
        (self.root / "big").write_bytes(os.urandom(2 << 20))
        (self.root / "good").write_bytes(b"good" * 1000)
        self.mount.umount()
        bodies = [f for f in self.mount.store.rglob("*") if f.is_file() and f.stat().st_size == 2 << 20]
        self.assertEqual(len(bodies), 1, "the body of a large object is a file of exactly its bytes")
        with open(bodies[0], "r+b") as body:
            body.seek(1 << 20)
            body.write(b"damage")
        harness.shutil.rmtree(self.mount.cache)
        done = pailfs("store", "check", self.mount.store, "--level", "data", check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("big", done.stdout)
        self.mount.mount()
        self.assertEqual((self.root / "good").read_bytes(), b"good" * 1000)
        with self.assertRaises(OSError):
            (self.root / "big").read_bytes()

    def test_without_dev_fuse(self):
        self.root.mkdir()
        script = 'mount -t tmpfs none /dev && exec "$@"'
        done = run("unshare", "--mount", "sh", "-c", script, "sh", harness.PAILFS, "mount", self.mount.source, self.root, "-o",
                   f"cache={self.mount.cache}", check=False)
        self.assertEqual(done.returncode, 32, done.stderr)
        self.assertIn("/dev/fuse", done.stderr)

    # --- no room ---

    @contextlib.contextmanager
    def small_disk(self, size):
        place = self.scratch("small")
        run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place)
        try:
            yield place
        finally:
            self.mount.clean_up()
            run("umount", "-l", place)

    def fill_until_full(self):
        """Writes files until one fails; returns how many were closed without an error."""
        for number in range(1000):
            try:
                with open(self.root / f"file-{number:03d}", "wb") as out:
                    out.write(bytes([number % 256]) * (4 << 20))
            except OSError as error:
                self.assertEqual(error.errno, 28, error)
                return number
        self.fail("4 GB fit into a small disk")

    def all_there(self, count):
        for number in range(count):
            self.assertEqual((self.root / f"file-{number:03d}").read_bytes(), bytes([number % 256]) * (4 << 20), number)

    @store_only
    def test_store_and_cache_on_a_full_disk(self):
        with self.small_disk("160M") as place:
            self.mount = Mount(self.directory, options=self.options)
            self.mount.store, self.mount.cache = place / "store", place / "cache"
            self.mount.source = f"store:{self.mount.store}/files"
            self.mount.mount("cache_size=64M")
            count = self.fill_until_full()
            self.assertGreater(count, 5)
            self.all_there(count)
            run("mount", "-o", "remount,size=2G", place)
            (self.root / "after").write_text("there is room again")
            self.mount.remount(empty_cache=True)
            self.all_there(count)
            self.assertEqual((self.root / "after").read_text(), "there is room again")

    @store_only
    def test_a_disk_too_small_to_begin_with(self):
        with self.small_disk("64k") as place:
            self.root.mkdir(exist_ok=True)
            done = pailfs("mount", f"store:{place}/store/files", self.root, "-o", f"cache={place}/cache", check=False)
            self.assertIn(done.returncode, (2, 32))
            self.assertIn("No space left", done.stderr)


class DeadDaemon(MountTest):
    def test_a_mount_whose_daemon_died(self):
        (self.root / "file").write_text("kept")
        os.kill(self.mount.pid, signal.SIGKILL)
        harness.wait_until(lambda: not harness.process_lives(self.mount.pid), "the daemon ends")
        for command in ("status", "flush"):
            done = pailfs(command, self.root, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("umount -l", done.stderr)
        done = subprocess.run([harness.PAILFS, "mount", self.mount.source, self.root, "-o", f"cache={self.mount.cache}"],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 32)
        self.assertIn("umount -l", done.stderr)
        run("umount", "-l", self.root)
        self.mount.mount()
        self.assertEqual((self.root / "file").read_text(), "kept")


if __name__ == "__main__":
    harness.main()
