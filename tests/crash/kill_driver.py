#!/usr/bin/env python3
"""kill -9 of the daemon at random moments under load; nothing that was acknowledged may be lost.

usage: kill_driver.py [--rounds N] [--workers N] [--seed N]      Environment: PAILFS, TMPDIR

Workers (other processes than the daemon and the driver) log each operation before they begin it and after it returned. The
daemon is killed under them, while it uploads what is left, or while it recovers. After each remount on the same cache and store
every worker's files must be as after its last acknowledged operation, or as the one in flight left them. At the end everything
is flushed, the store is checked byte by byte, and the files are read once more with an empty cache.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness
import model as tree

DIED = (107, 103, 5, 111, 4, 2)  # ENOTCONN, ECONNABORTED, EIO, ECONNREFUSED, EINTR, ENOENT: what a dying mount answers


def work(root, log_path, model, seed):
    """A worker's life: operations until one fails."""
    rng = random.Random(seed)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    number = 0
    while True:
        number += 1
        operation = tree.choose(model, rng, f"{seed}-{number}")
        os.write(log, (json.dumps({"intent": operation}) + "\n").encode())
        acknowledged = []

        def acknowledge():
            if not acknowledged:
                acknowledged.append(True)
                os.write(log, b'{"done": true}\n')

        try:
            tree.execute(root, operation, acknowledge)
        except OSError as error:
            os.write(log, (json.dumps({"failed": error.errno, "text": str(error)}) + "\n").encode())
            os._exit(0)
        acknowledge()
        model = tree.apply(model, operation)


def read_log(path, model):
    """The model after all acknowledged operations, the one in flight, how many there were, and the last failure."""
    in_flight, count, failure = None, 0, None
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if "intent" in entry:
            in_flight = entry["intent"]
        elif "done" in entry:
            model, in_flight, count = tree.apply(model, in_flight), None, count + 1
        else:
            failure = entry
    return model, in_flight, count, failure


class Driver:
    def __init__(self, directory, arguments, rng):
        self.directory = directory
        self.rng = rng
        self.mount = harness.Mount(directory, options=["cache_size=512M"])
        self.models = [{} for _ in range(arguments.workers)]
        self.history = []  # (round, worker, line) of all logs
        self.operations = 0
        self.in_flight = 0
        self.environment_checks = directory / "sanitizer"
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            os.environ[name] = (os.environ.get(name, "") + f":log_path={self.environment_checks}").lstrip(":")

    def folder(self, worker):
        return self.mount.path / f"worker-{worker}"

    def remount(self):
        self.mount.options = ["cache_size=512M", f"writeback_delay={self.rng.choice(['0s', '50ms', '500ms', '1h'])}"]
        self.mount.mount(foreground=True)

    def start_workers(self):
        children = []
        for worker, model in enumerate(self.models):
            seed = self.rng.randrange(1 << 30)
            log = self.directory / f"log-{worker}"
            pid = os.fork()
            if pid == 0:
                try:
                    work(str(self.folder(worker)), str(log), model, seed)
                except BaseException as error:  # nothing of the driver's may run in a child
                    os.write(2, f"worker {worker}: {error!r}\n".encode())
                os._exit(1)
            children.append(pid)
        return children

    def kill_under_load(self):
        children = self.start_workers()
        time.sleep(self.rng.choice([0.02, 0.1, 0.4, 1.0]) * self.rng.random())
        if self.rng.random() < 0.3:  # with uploads of everything under way as well
            flush = subprocess.Popen([harness.PAILFS, "flush", str(self.mount.path)], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            time.sleep(0.1 * self.rng.random())
            self.mount.kill()
            flush.wait(60)
        else:
            self.mount.kill()
        for pid in children:
            self.reap(pid)

    def reap(self, pid):
        end = time.monotonic() + 120
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError("a worker hangs although the daemon is dead")
            time.sleep(0.005)
        if os.waitstatus_to_exitcode(status) != 0:
            raise AssertionError(f"a worker failed: {status}")

    def kill_in_recovery(self):
        """Started and killed again, before or just after it answers."""
        options = ",".join([f"cache={self.mount.cache}", *self.mount.options])
        log = open(self.directory / "daemon.log", "ab")
        with log:
            daemon = subprocess.Popen([harness.PAILFS, "mount", self.mount.source, str(self.mount.path), "-o", options, "-f"],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        time.sleep(0.3 * self.rng.random())
        daemon.kill()
        daemon.wait(60)
        if harness.is_mounted(self.mount.path):
            harness.run("umount", "-l", self.mount.path)

    def kill_while_draining(self):
        self.remount()
        daemon = self.mount.foreground
        harness.run("umount", self.mount.path)
        time.sleep(0.3 * self.rng.random())
        daemon.kill()
        daemon.wait(60)
        self.mount.foreground = self.mount.pid = None

    def verify(self, round_number):
        problems = []
        for worker, model in enumerate(self.models):
            log = self.directory / f"log-{worker}"
            self.history += [(round_number, worker, line) for line in log.read_text().splitlines()]
            model, in_flight, count, failure = read_log(log, model)
            if failure and failure["failed"] not in DIED:
                problems.append(f"worker {worker}: {failure}")
            self.operations += count
            self.in_flight += in_flight is not None
            found = tree.observe(self.folder(worker))
            wrong = tree.judge(model, in_flight, found)
            if wrong:
                problems += [f"worker {worker}: {line}" for line in wrong[:10]]
                problems.append(f"worker {worker}: in flight was {in_flight}, {count} operations before it in this round")
            self.models[worker] = found
            log.write_text("")
        if problems:
            raise AssertionError(f"round {round_number}:\n" + "\n".join(problems))

    def story_of(self, key):
        """What the logs and the bucket know of a key."""
        worker, path = key.rstrip("/").split("/", 1)
        lines = []
        for index, (number, who, line) in enumerate(self.history):
            if f"worker-{who}" == worker and f'"{path}"' in line:
                outcome = self.history[index + 1][2] if index + 1 < len(self.history) else "nothing"
                lines.append(f"  round {number}: {line} then {outcome}")
        place = f"{self.mount.source}/{key}"
        lines += [harness.pailfs("object", command, place, check=False).stdout for command in ("versions", "stat")]
        return f"{key}:\n" + "\n".join(lines)

    def run(self, rounds):
        self.remount()
        for worker in range(len(self.models)):
            self.folder(worker).mkdir()
        for number in range(1, rounds + 1):
            self.kill_under_load()
            chance = self.rng.random()
            if chance < 0.15:
                self.kill_in_recovery()
            elif chance < 0.3:
                self.kill_while_draining()
            self.remount()
            self.verify(number)
        print(f"{rounds} kills, {self.operations} acknowledged operations, {self.in_flight} cut short")
        if self.operations < rounds:
            raise AssertionError("hardly any operation was acknowledged: this tested nothing")
        self.finish()

    def finish(self):
        self.mount.flush()
        self.mount.umount()
        self.mount.check_store("data")
        expected = {}
        for worker, model in enumerate(self.models):
            expected[f"worker-{worker}/"] = None
            for path, value in model.items():
                key = f"worker-{worker}/{path}" + ("/" if value[0] == "dir" else "")
                expected[key] = len(value[1]) if value[0] == "file" else None
        found = self.mount.objects()
        missing = [k for k, size in expected.items() if size is not None and found.get(k) != size]
        extra = [k for k in found if k not in expected]
        if missing or extra:
            raise AssertionError(f"the bucket differs: missing {missing[:10]}, too much {extra[:10]}\n" +
                                 "\n".join(self.story_of(key) for key in (missing + extra)[:5]))
        shutil.rmtree(self.mount.cache)
        self.remount()
        for worker, model in enumerate(self.models):
            wrong = tree.differences(model, tree.observe(self.folder(worker)))
            if wrong:
                raise AssertionError(f"worker {worker}, from the bucket alone:\n" + "\n".join(wrong[:10]))
        self.mount.umount()
        reports = sorted(self.directory.glob("sanitizer.*"))
        if reports:
            raise AssertionError(reports[0].read_text(errors="replace")[:5000])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--keep", action="store_true", help="leave the directory when something is wrong")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pailfs-crash.", dir=os.environ.get("TMPDIR", "/var/tmp")))
    driver = Driver(directory, arguments, random.Random(arguments.seed))
    failed = True
    try:
        driver.run(arguments.rounds)
        failed = False
    except (AssertionError, OSError) as error:
        print(f"seed {arguments.seed}: {error}\n--- the daemon's log\n{driver.mount.log()}")
    finally:
        driver.mount.clean_up()
        if failed and arguments.keep:
            print(f"kept {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
