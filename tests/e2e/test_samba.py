#!/usr/bin/env python3
"""Windows' "Previous Versions" of a share: Samba's shadow_copy2 over the view of the past, asked by smbclient."""
import datetime
import os
import re
import shutil
import socket
import subprocess
import time

import harness
from harness import MountTest, run, wait_until

# The share of docs/SAMBA.md; what is above it makes this Samba one of its own.
GLOBAL = """
[global]
  server role = standalone server
  map to guest = Bad User
  guest account = root
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  smb ports = {port}
  disable netbios = yes
  disable spoolss = yes
  load printers = no
  log file = {directory}/smbd.log
  lock directory = {directory}/run
  state directory = {directory}/run
  cache directory = {directory}/run
  pid directory = {directory}/run
  private dir = {directory}/run
  ncalrpc dir = {directory}/run/ncalrpc
"""


def share_of_the_documentation(path):
    """The share that docs/SAMBA.md shows, of another directory and open to guests."""
    text = (harness.SOURCE_ROOT / "docs" / "SAMBA.md").read_text()
    share = re.search(r"```ini\n(\[photos\]\n.*?)```", text, re.DOTALL).group(1)
    return re.sub(r"path = .*", f"path = {path}", share) + "  guest ok = yes\n"


class Samba(MountTest):
    options = ("writeback_delay=100ms",)

    def setUp(self):
        super().setUp()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        directory = self.scratch("samba")
        (directory / "run").mkdir()
        config = directory / "smb.conf"
        config.write_text(GLOBAL.format(directory=directory, port=self.port) + share_of_the_documentation(self.root))
        self.smbd = subprocess.Popen(["/usr/sbin/smbd", "--foreground", "--no-process-group", f"--configfile={config}"],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     start_new_session=True)
        self.addCleanup(self.stop)
        wait_until(lambda: self.smbclient("ls", check=False).returncode == 0, "smbd answers")

    def stop(self):
        """smbd and the processes that it started for its clients; none of another Samba."""
        os.killpg(self.smbd.pid, 15)
        self.smbd.wait(60)

    def smbclient(self, commands, check=True):
        return run("smbclient", "-N", "-p", self.port, "//127.0.0.1/photos", "-c", commands, check=check,
                   cwd=self.directory)

    def test_previous_versions(self):
        (self.root / "d").mkdir()
        (self.root / "d" / "f.txt").write_text("before")
        self.mount.flush()
        time.sleep(1.02)
        os.mkdir(self.root / ".snapshot" / "monday")
        then = os.getxattr(self.root / ".snapshot" / "monday", "user.pailfs.time").decode()
        token = datetime.datetime.strptime(then[:19], "%Y-%m-%dT%H:%M:%S").strftime("@GMT-%Y.%m.%d-%H.%M.%S")
        time.sleep(1.02)
        (self.root / "d" / "f.txt").write_text("after, and longer")
        (self.root / "d" / "new.txt").write_text("new")
        self.mount.flush()
        # What Windows asks for to fill the list of previous versions, then to show and to copy one.
        self.smbclient(f"get {token}\\d\\f.txt got.txt")
        self.assertEqual((self.directory / "got.txt").read_text(), "before")
        self.smbclient("get d\\f.txt now.txt")
        self.assertEqual((self.directory / "now.txt").read_text(), "after, and longer")
        listing = self.smbclient(f"ls {token}\\d\\*").stdout
        self.assertIn("f.txt", listing)
        self.assertNotIn("new.txt", listing)
        self.assertNotEqual(self.smbclient(f"put got.txt {token}\\d\\f.txt", check=False).returncode, 0)
        self.assertEqual((self.root / "d" / "f.txt").read_text(), "after, and longer")

    def test_windows_gets_a_list(self):
        """Of a file that is two days old: 24 hours and two midnights at least."""
        self.mount.umount()
        old = self.directory / "old"
        run(harness.FILL_STORE, old, "files", 3, 1000, 2)
        self.mount.source = f"store:{old}/files"
        shutil.rmtree(self.mount.cache)
        self.mount.mount()
        info = self.smbclient("allinfo 000000\\000001").stdout
        tokens = re.findall(r"^@GMT-\d{4}\.\d\d\.\d\d-\d\d\.00\.00$", info, re.MULTILINE)
        self.assertGreaterEqual(len(tokens), 25, info)
        self.assertEqual(tokens, sorted(tokens, reverse=True))
        self.smbclient(f"get {tokens[0]}\\000000\\000001 got.txt")
        self.assertEqual((self.directory / "got.txt").read_text(), "000000/000001")


if __name__ == "__main__":
    harness.main()
