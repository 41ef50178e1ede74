"""Other S3 clients behind one face, a bucket of the test gateway and a pailfs mounted on it: what test_interop.py works with.

The gateway must be running: tests/servers/rgw start --dir DIR, where DIR is PAILFS_RGW_DIR or ${TMPDIR:-/tmp}/rgw.
A client's put() stores the attributes of the local file and get() restores them, as far as the client has a notion of them.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

from harness import PAILFS, SOURCE_ROOT, is_mounted, run, wait_until

try:
    import boto3
    from boto3.s3.transfer import TransferConfig
except ImportError as missing:
    raise SystemExit(f"{missing}: run this test with /usr/bin/python3, to which Debian's python3-boto3 belongs") from missing

CONTENT_TYPE, CACHE_CONTROL, COLOR = "text/x-interop", "max-age=5", "blue"


class Differs(Exception):
    """One side does not see what the other one wrote."""


def gateway_environment():
    """Of the running gateway; nothing else of the caller's AWS settings gets through."""
    directory = os.environ.get("PAILFS_RGW_DIR") or os.path.join(os.environ.get("TMPDIR", "/tmp"), "rgw")
    program = SOURCE_ROOT / "tests" / "servers" / "rgw"
    if run(program, "status", "--dir", directory, check=False).returncode:
        raise AssertionError(f"no gateway is running in {directory}; start one: {program} start --quiet --dir {directory}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "S3CMD_"))}
    for line in run(program, "env", "--dir", directory).stdout.splitlines():
        name, value = line.removeprefix("export ").split("=", 1)
        environment[name] = value
    environment["LC_ALL"] = "C.UTF-8"
    return environment


class Bucket:
    """A versioned bucket, seen by boto3 whoever is tested."""

    def __init__(self, environment, name):
        self.environment, self.name = environment, name
        session = boto3.session.Session()  # the default one is not for threads
        self.s3 = session.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name=environment["AWS_REGION"],
                                 aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                                 aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"])
        self.s3.create_bucket(Bucket=name)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def head(self, key):
        return self.s3.head_object(Bucket=self.name, Key=key)

    def remove(self):
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.name):
            versions = page.get("Versions", []) + page.get("DeleteMarkers", [])
            names = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            if names:
                self.s3.delete_objects(Bucket=self.name, Delete={"Objects": names, "Quiet": True})
        self.s3.delete_bucket(Bucket=self.name)
        self.s3.close()


class Process:
    """A file system in the foreground, so that its process is known."""

    def __init__(self, command, path, environment):
        self.path = path
        path.mkdir()
        self.log = path.with_suffix(".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            wait_until(lambda: is_mounted(path) or self.process.poll() is not None, f"{path} is mounted", 60)
            assert self.process.poll() is None, f"{command}: {self.log.read_text(errors='replace')[-2000:]}"
            os.stat(path)
        except BaseException:
            self.end()
            raise

    def end(self):
        """Unmounts; a process that does not end by itself is killed."""
        if self.process.poll() is None and is_mounted(self.path):
            run("umount", self.path, check=False)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if is_mounted(self.path):
            run("umount", "-l", self.path, check=False)




def mount_pailfs(directory, bucket):
    path = directory / "pailfs"
    options = f"cache={directory / 'cache'},ttl=1s,writeback_delay=100ms"
    return Process([PAILFS, "mount", f"s3://{bucket.name}", path, "-o", options, "-f"], path, bucket.environment)


class Client:
    name = ""
    shares = 1  # threads among which its rows are divided
    mtime_step_ns = 1
    tags_seen = {"type": CONTENT_TYPE, "cache": CACHE_CONTROL, "color": COLOR}

    def __init__(self, bucket, directory):
        self.bucket, self.directory = bucket, directory
        self.environment = bucket.environment
        self.start()

    def start(self):
        pass

    def end(self):
        pass

    def run(self, *command, check=True):
        return run(*command, check=check, env=self.environment, timeout=120)

    def url(self, key):
        return f"s3://{self.bucket.name}/{key}"


class Aws(Client):
    name = "aws"
    shares = 2  # it takes a second to start

    def aws(self, *words):
        program = "/usr/bin/aws" if os.path.exists("/usr/bin/aws") else "aws"
        return self.run(program, "--endpoint-url", self.environment["AWS_ENDPOINT_URL"], *words).stdout

    def api(self, verb, key, *words):
        out = self.aws("s3api", verb, "--bucket", self.bucket.name, "--key", key, "--output", "json", *words)
        return json.loads(out) if out.strip() else {}

    def put(self, local, key, tagged=False):
        tags = ["--content-type", CONTENT_TYPE, "--cache-control", CACHE_CONTROL, "--metadata", f"color={COLOR}"]
        self.aws("s3", "cp", *(tags if tagged else []), local, self.url(key))

    def get(self, key, local):
        self.aws("s3", "cp", self.url(key), local)

    def listing(self, folder):
        found = set()
        for line in self.aws("s3", "ls", self.url(folder + "/")).splitlines():
            found.add(re.fullmatch(r" +PRE (.*)|\S+ \S+ +\d+ (.*)", line).expand(r"\1\2"))
        return found - {""}

    def tags(self, key):
        head = self.api("head-object", key)
        return {"type": head["ContentType"], "cache": head.get("CacheControl"), "color": head["Metadata"].get("color")}

    def delete(self, key):
        self.aws("s3", "rm", self.url(key))

    def rename(self, old, new):
        self.aws("s3", "mv", self.url(old), self.url(new))

    def mkdir(self, key):
        self.api("put-object", key + "/")

    def sync_to(self, local, key):
        return self.aws("s3", "sync", "--dryrun", local, self.url(key))

    def sync_from(self, key, local):
        return self.aws("s3", "sync", "--dryrun", self.url(key), local)


class Boto3(Client):
    name = "boto3"

    def put(self, local, key, tagged=False):
        tags = {"ContentType": CONTENT_TYPE, "CacheControl": CACHE_CONTROL, "Metadata": {"color": COLOR}}
        self.bucket.s3.upload_file(str(local), self.bucket.name, key, ExtraArgs=tags if tagged else None,
                                   Config=TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20))

    def get(self, key, local):
        self.bucket.s3.download_file(self.bucket.name, key, str(local))

    def listing(self, folder):
        prefix = folder + "/"
        found = self.bucket.s3.list_objects_v2(Bucket=self.bucket.name, Prefix=prefix, Delimiter="/")
        keys = [entry["Key"] for entry in found.get("Contents", [])]
        keys += [entry["Prefix"] for entry in found.get("CommonPrefixes", [])]
        return {key.removeprefix(prefix) for key in keys} - {""}

    def tags(self, key):
        head = self.bucket.head(key)
        return {"type": head["ContentType"], "cache": head.get("CacheControl"), "color": head["Metadata"].get("color")}

    def delete(self, key):
        self.bucket.s3.delete_object(Bucket=self.bucket.name, Key=key)

    def rename(self, old, new):
        self.bucket.s3.copy({"Bucket": self.bucket.name, "Key": old}, self.bucket.name, new)
        self.delete(old)

    def mkdir(self, key):
        self.bucket.s3.put_object(Bucket=self.bucket.name, Key=key + "/", Body=b"")


class AwsServices(Boto3):
    """Objects as S3 Files, DataSync, File Gateway and FSx for Lustre make them."""
    name = "AWS file services"

    def _put(self, key, body, mode, info):
        metadata = {"file-permissions": f"{mode:07o}", "file-owner": str(info.st_uid), "file-group": str(info.st_gid),
                    "file-mtime": f"{info.st_mtime_ns}ns", "file-atime": f"{info.st_atime_ns}ns", "user-agent": "aws-datasync"}
        self.bucket.s3.put_object(Bucket=self.bucket.name, Key=key, Body=body, Metadata=metadata)

    def put(self, local, key, tagged=False):
        info = os.stat(local)
        self._put(key, pathlib.Path(local).read_bytes(), info.st_mode, info)

    def get(self, key, local):
        super().get(key, local)
        metadata = self.bucket.head(key)["Metadata"]
        os.chown(local, int(metadata["file-owner"]), int(metadata["file-group"]))
        os.chmod(local, int(metadata["file-permissions"], 8) & 0o7777)
        os.utime(local, ns=tuple(int(re.fullmatch(r"(-?\d+)ns", metadata[n])[1]) for n in ("file-atime", "file-mtime")))

    def symlink(self, target, key):
        self._put(key, target.encode(), 0o120777, os.stat("/"))

    def readlink(self, key):
        found = self.bucket.s3.get_object(Bucket=self.bucket.name, Key=key)
        assert found["Metadata"]["file-permissions"] == "0120777", found["Metadata"]
        return found["Body"].read().decode()

    def mkdir_as(self, local, key):
        info = os.stat(local)
        self._put(key + "/", b"", info.st_mode, info)

    def folder_attributes(self, key):
        metadata = self.bucket.head(key + "/")["Metadata"]
        return int(metadata["file-permissions"], 8), int(metadata["file-owner"]), int(metadata["file-group"])


class S3cmd(Client):
    name = "s3cmd"
    mtime_step_ns = 10 ** 9  # it stores whole seconds

    def start(self):
        host = urllib.parse.urlsplit(self.environment["AWS_ENDPOINT_URL"]).netloc
        self.config = self.directory / "s3cmd.cfg"
        self.config.write_text(f"[default]\naccess_key = {self.environment['AWS_ACCESS_KEY_ID']}\n"
                               f"secret_key = {self.environment['AWS_SECRET_ACCESS_KEY']}\nhost_base = {host}\n"
                               f"host_bucket = {host}\nuse_https = False\n")

    def s3cmd(self, *words):
        done = self.run("s3cmd", "--config", self.config, "--no-progress", *words)
        return done.stdout, [line for line in done.stderr.splitlines() if line.startswith(("WARNING", "ERROR"))]

    def put(self, local, key, tagged=False):
        tags = ["--mime-type", CONTENT_TYPE, "--add-header", f"Cache-Control: {CACHE_CONTROL}",
                "--add-header", f"x-amz-meta-color: {COLOR}"]
        self.s3cmd("put", *(tags if tagged else []), local, self.url(key))

    def get(self, key, local):
        _, warnings = self.s3cmd("get", "--force", self.url(key), local)
        if any("MD5" in line for line in warnings):
            raise Differs(f"s3cmd doubts the content: {warnings}")
        assert not warnings, warnings

    def listing(self, folder):
        out, _ = self.s3cmd("ls", self.url(folder + "/"))
        return {line.split(self.url(folder + "/"), 1)[1] for line in out.splitlines()} - {""}

    tags_seen = {"type": CONTENT_TYPE, "color": COLOR}

    def tags(self, key):
        out, _ = self.s3cmd("info", self.url(key))
        fields = dict(re.findall(r"^ *([\w -]+): *(.*)$", out, re.MULTILINE))
        return {"type": fields.get("MIME type"), "color": fields.get("x-amz-meta-color")}

    def delete(self, key):
        self.s3cmd("rm", self.url(key))

    def rename(self, old, new):
        self.s3cmd("mv", self.url(old), self.url(new))

    def sync_to(self, local, key):
        return self.s3cmd("sync", "--dry-run", f"{local}/", self.url(key + "/"))[0]

    def sync_from(self, key, local):
        return self.s3cmd("sync", "--dry-run", self.url(key + "/"), f"{local}/")[0]


class Rclone(Client):
    name = "rclone"

    def start(self):
        self.environment = dict(self.environment, RCLONE_CONFIG="/dev/null", RCLONE_CONFIG_R_TYPE="s3",
                                RCLONE_CONFIG_R_PROVIDER="Ceph", RCLONE_CONFIG_R_ENV_AUTH="true",
                                RCLONE_CONFIG_R_ENDPOINT=self.environment["AWS_ENDPOINT_URL"])

    def rclone(self, *words):
        done = self.run("rclone", "--retries", "1", "--s3-upload-cutoff", "8M", "--s3-chunk-size", "8M", *words)
        return done.stdout, done.stderr

    def url(self, key):
        return f"r:{self.bucket.name}/{key}"

    def put(self, local, key, tagged=False):
        tags = ["--header-upload", f"Content-Type: {CONTENT_TYPE}", "--header-upload", f"Cache-Control: {CACHE_CONTROL}",
                "--header-upload", f"x-amz-meta-color: {COLOR}"]
        self.rclone("copyto", "--metadata", *(tags if tagged else []), local, self.url(key))

    def get(self, key, local):
        try:
            self.rclone("copyto", "--metadata", "--ignore-times", self.url(key), local)
        except AssertionError as error:
            if "md5 hash differ" in str(error):
                raise Differs(f"rclone refuses the content: {error}") from error
            raise

    def listing(self, folder):
        return set(self.rclone("lsf", self.url(folder))[0].splitlines())

    def tags(self, key):
        found = json.loads(self.rclone("lsjson", "--metadata", "--stat", self.url(key))[0])["Metadata"]
        return {"type": found["content-type"], "cache": found.get("cache-control"), "color": found.get("color")}

    def delete(self, key):
        self.rclone("deletefile", self.url(key))

    def rename(self, old, new):
        self.rclone("moveto", self.url(old), self.url(new))

    def _sync(self, source, target):
        _, log = self.rclone("sync", "--dry-run", "--stats", "0", source, target)
        return "\n".join(line for line in log.splitlines() if "Skipped" in line or "ERROR" in line)

    def sync_to(self, local, key):
        return self._sync(local, self.url(key))

    def sync_from(self, key, local):
        return self._sync(self.url(key), local)

    def check(self, local, key):
        """It compares sizes and, where an ETag is one, MD5s; fails on a difference."""
        _, log = self.rclone("check", local, self.url(key))
        assert " 0 differences found" in log, log


class S3fs(Client):
    name = "s3fs"
    tags_seen = {"color": COLOR}

    def start(self):
        password = self.directory / "s3fs.passwd"
        password.write_text(f"{self.environment['AWS_ACCESS_KEY_ID']}:{self.environment['AWS_SECRET_ACCESS_KEY']}")
        password.chmod(0o600)
        self.root = self.directory / "s3fs"
        options = (f"url={self.environment['AWS_ENDPOINT_URL']},use_path_request_style,passwd_file={password},"
                   "stat_cache_expire=1,use_xattr,multipart_size=8,multipart_threshold=8")
        self.process = Process(["s3fs", self.bucket.name, self.root, "-f", "-o", options], self.root, self.environment)

    def end(self):
        self.process.end()

    def put(self, local, key, tagged=False):
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(local, path)
        if tagged:
            os.setxattr(path, "user.color", COLOR.encode())
        self._copy_attributes(local, path)

    @staticmethod
    def _copy_attributes(source, target):
        info = os.stat(source)
        os.chown(target, info.st_uid, info.st_gid)
        os.chmod(target, info.st_mode & 0o7777)
        os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))

    def get(self, key, local):
        shutil.copyfile(self.root / key, local)
        self._copy_attributes(self.root / key, local)

    def listing(self, folder):
        with os.scandir(self.root / folder) as entries:
            return {entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in entries}

    def tags(self, key):
        return {"color": os.getxattr(self.root / key, "user.color").decode()}

    def delete(self, key):
        (self.root / key).unlink()

    def rename(self, old, new):
        (self.root / old).rename(self.root / new)

    def mkdir(self, key):
        (self.root / key).mkdir(parents=True)

    def mkdir_as(self, local, key):
        self.mkdir(key)
        self._copy_attributes(local, self.root / key)

    def folder_attributes(self, key):
        info = os.stat(self.root / key)
        return info.st_mode, info.st_uid, info.st_gid

    def symlink(self, target, key):
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def readlink(self, key):
        return os.readlink(self.root / key)

    def _rsync(self, source, target):
        return self.run("rsync", "-rlptgoni", "--delete", f"{source}/", f"{target}/").stdout

    def sync_to(self, local, key):
        return self._rsync(local, self.root / key)

    def sync_from(self, key, local):
        return self._rsync(self.root / key, local)


CLIENTS = (Aws, Boto3, S3cmd, Rclone, S3fs, AwsServices)
