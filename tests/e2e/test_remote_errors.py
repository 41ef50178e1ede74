#!/usr/bin/env python3
"""Wrong keys, wrong servers, wrong answers: each is named, ends with the right exit code, and never shows a secret."""
import errno
import json
import os
import pathlib

import harness
import remote
import wire
from harness import MountTest, run, wait_until

SECRET = "wrong-secret-that-nobody-may-see-0123456789"
HTML = b"<!DOCTYPE html><html><body><h1>Welcome to the router</h1></body></html>"


def error_xml(code, message="no"):
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()


class Refusals(MountTest):
    """The mount does not come to be."""
    mount_at_start = False

    def refused(self, words, *options, code=32, environment=None):
        """Says one of the words of each alternative "a|b", exits with the code, leaves no mount; returns what it said."""
        self.mount.environment = {**os.environ, **(environment or {})}
        done = self.mount.mount("timeout=3s", *options, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        for word in words:
            self.assertRegex(done.stderr, word)
        self.assertFalse(harness.is_mounted(self.root))
        secrets = [remote.server_environment()["AWS_SECRET_ACCESS_KEY"], SECRET]
        for secret in secrets:
            self.assertNotIn(secret, done.stderr + done.stdout)
        self.assertNotIn("terminate called", done.stderr)
        return done.stderr

    def test_wrong_key(self):
        self.refused([r"(?i)access key", "NOSUCHKEY0000000000|InvalidAccessKeyId|not known"],
                     environment={"AWS_ACCESS_KEY_ID": "NOSUCHKEY0000000000", "AWS_SECRET_ACCESS_KEY": SECRET})

    def test_wrong_secret(self):
        self.refused(["(?i)secret"], environment={"AWS_SECRET_ACCESS_KEY": SECRET})

    def test_no_such_bucket(self):
        self.mount.source = "s3://no-such-bucket-of-pailfs"
        self.refused(["no-such-bucket-of-pailfs", "(?i)bucket.* (does not exist|not exist|no such)|no such bucket"])

    def test_a_bucket_name_that_cannot_be(self):
        self.mount.source = "s3://Not_A_Bucket!"
        self.refused(["Not_A_Bucket"], code=1)

    def test_a_server_that_is_not_there(self):
        port = wire.unused_port()
        self.refused([f"127.0.0.1:{port}|port {port}", "(?i)connect"], f"endpoint=http://127.0.0.1:{port}")
        self.refused(["no-such-host.invalid", "(?i)resolve"], "endpoint=http://no-such-host.invalid:9")

    def test_not_tls(self):
        plain = remote.server_environment()["AWS_ENDPOINT_URL"].replace("http://", "https://")
        self.refused(["(?i)TLS|SSL"], f"endpoint={plain}")

    def test_not_a_url(self):
        for url in ("127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999"):
            with self.subTest(url=url):
                self.refused(["endpoint"], f"endpoint={url}", code=1)

    def test_html_instead_of_xml(self):
        for status in (200, 403, 404, 500):
            with self.subTest(status=status), wire.AnsweringServer(status, HTML, [("Content-Type", "text/html")]) as server:
                self.refused([r"(?i)not (an )?S3|html|XML"], f"endpoint={server.endpoint}")

    def test_an_xml_that_breaks_off(self):
        body = b'<?xml version="1.0"?><ListBucketResult><Name>x</Name><Contents><Key>a'
        with wire.AnsweringServer(200, body, [("Content-Type", "application/xml")]) as server:
            self.refused(["XML"], f"endpoint={server.endpoint}")

    def test_a_body_shorter_than_its_length(self):
        headers = [("Content-Type", "application/xml"), ("Content-Length", "100000"), ("Connection", "close")]
        with wire.AnsweringServer(200, b"<?xml", headers) as server:
            self.refused(["(?i)broke off|cut short|closed|incomplete|truncated|end of response|transfer closed|no answer"],
                         f"endpoint={server.endpoint}")

    def test_clock_skew(self):
        with wire.AnsweringServer(403, error_xml("RequestTimeTooSkewed"), [("Content-Type", "application/xml")]) as server:
            self.refused(["(?i)clock"], f"endpoint={server.endpoint}")

    def test_certificates_that_are_not_to_be_trusted(self):
        key, good, old = (self.directory / name for name in ("key.pem", "good.pem", "old.pem"))
        request = self.directory / "request.pem"
        extension = self.directory / "extension"
        extension.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
        for certificate, days in ((good, "2"), (old, "-1")):
            run("openssl", "x509", "-req", "-in", request, "-signkey", key, "-out", certificate, "-days", days, "-extfile", extension)
        answer = error_xml("NoSuchBucket")
        with wire.AnsweringServer(404, answer, certificate=(good, key)) as server:
            self.refused(["(?i)certificate.*not trusted", "self-signed"], f"endpoint={server.endpoint}")
            self.refused(["(?i)bucket"], f"endpoint={server.endpoint}", f"ca_file={good}")
        with wire.AnsweringServer(404, answer, certificate=(old, key)) as server:
            self.refused(["(?i)certificate", "(?i)expired"], f"endpoint={server.endpoint}", f"ca_file={old}")

    def test_passwd_file(self):
        environment = remote.server_environment()
        file = self.directory / "passwd"
        file.write_text(f"{environment['AWS_ACCESS_KEY_ID']}:{environment['AWS_SECRET_ACCESS_KEY']}\n")
        none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        file.chmod(0o644)
        self.refused([str(file), "chmod 600"], f"passwd_file={file}", environment=none)
        file.chmod(0o600)
        self.mount.mount(f"passwd_file={file}")
        self.mount.umount()
        file.write_text(f"no colon {SECRET}\n")
        self.refused([str(file)], f"passwd_file={file}", environment=none)
        self.refused([str(file) + "-none"], f"passwd_file={file}-none", environment=none)

    def test_no_keys_at_all(self):
        self.refused(["(?i)credentials|keys"], environment={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})


class Permissions(MountTest):
    mount_at_start = False

    def use_second_user(self):
        environment = remote.server_environment()
        self.mount.environment = {**os.environ, "AWS_ACCESS_KEY_ID": environment["PAILFS_ALT_ACCESS_KEY_ID"],
                                  "AWS_SECRET_ACCESS_KEY": environment["PAILFS_ALT_SECRET_ACCESS_KEY"]}

    def allow(self, *actions, principal="*"):
        resources = [f"arn:aws:s3:::{self.bucket.name}", f"arn:aws:s3:::{self.bucket.name}/*"]
        statement = {"Effect": "Allow", "Principal": principal, "Action": [f"s3:{a}" for a in actions], "Resource": resources}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.bucket.s3.put_bucket_policy(Bucket=self.bucket.name, Policy=policy)

    READING = ("ListBucket", "GetObject", "GetObjectVersion", "GetBucketVersioning", "GetBucketLocation", "ListBucketVersions")

    def test_no_permission_to_list(self):
        self.use_second_user()
        done = self.mount.mount(check=False)
        self.assertEqual(done.returncode, 32, done.stderr)
        self.assertRegex(done.stderr, "(?i)permission|denied|not allowed")
        self.assertIn(self.bucket.name, done.stderr)
        self.assertRegex(done.stderr, "(?i)list")

    def test_no_permission_to_write(self):
        """Everything can be read; a file that cannot be uploaded is kept, named with its reason, and holds up nothing."""
        self.bucket.put("file", b"content")
        self.allow(*self.READING)
        self.use_second_user()
        self.mount.mount("writeback_delay=10ms")
        self.assertEqual((self.root / "file").read_bytes(), b"content")
        (self.root / "new").write_bytes(b"kept")
        done = harness.pailfs("flush", self.root, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("new", done.stderr)
        self.assertRegex(done.stderr, "(?i)denied|permission|not allowed")
        self.assertEqual(self.mount.status()["error_count"], 1)
        self.assertEqual((self.root / "new").read_bytes(), b"kept")
        self.assertEqual(self.bucket.objects(), {"file": 7})
        self.allow("*")
        wait_until(lambda: harness.pailfs("flush", self.root, check=False).returncode == 0, "the upload is tried again")
        self.assertEqual(self.bucket.get("new"), b"kept")

    def test_read_only_needs_no_permission_to_write(self):
        self.bucket.put("file", b"content")
        self.allow(*self.READING)
        self.use_second_user()
        before = self.bucket.versions()
        self.mount.mount("ro")
        self.assertEqual((self.root / "file").read_bytes(), b"content")
        self.assertEqual(self.bucket.versions(), before)

    def test_no_permission_to_read_an_object(self):
        self.bucket.put("file", b"content")
        self.allow("ListBucket", "GetBucketVersioning", "GetBucketLocation", "PutObject")
        self.use_second_user()
        done = self.mount.mount("ro", check=False)
        if done.returncode == 0:
            self.assertEqual(os.listdir(self.root), ["file"])
            with self.assertRaises(OSError) as caught:
                (self.root / "file").read_bytes()
            self.assertIn(caught.exception.errno, (errno.EACCES, errno.EPERM))
        else:
            self.assertRegex(done.stderr, "(?i)denied|permission|not allowed")

    def test_anonymous(self):
        self.bucket.put("file", b"content")
        self.mount.environment = {**os.environ, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        done = self.mount.mount("anonymous", "ro", check=False)
        self.assertEqual(done.returncode, 32, done.stderr)
        self.assertRegex(done.stderr, "(?i)denied|permission|not allowed")
        self.allow(*self.READING)
        self.mount.mount("anonymous", "ro")
        self.assertEqual((self.root / "file").read_bytes(), b"content")


class WrongAnswers(MountTest):
    """The mount stands; single answers are wrong. What is wrong never becomes content."""
    mount_at_start = False
    options = ("timeout=3s", "ttl=0")

    def setUp(self):
        super().setUp()
        self.content = os.urandom(300_000)
        self.bucket.put("file", self.content)
        self.wrong = None
        self.relay = wire.Filter(remote.server_environment()["AWS_ENDPOINT_URL"], self.change)
        self.addCleanup(self.relay.cut)
        self.mount.mount(f"endpoint={self.relay.endpoint}")
        os.stat(self.root / "file")

    def change(self, head, answer):
        return self.wrong(head, answer) if self.wrong else None

    def of_the_file(self, change):
        """Applies to GETs of the object."""
        start = f"GET /{self.bucket.name}/file".encode()
        return lambda head, answer: change(answer) if head.startswith(start) else None

    def assert_read_fails_and_recovers(self, wrong):
        self.wrong = wrong
        with self.assertRaises(OSError) as caught:
            (self.root / "file").read_bytes()
        self.assertIn(caught.exception.errno, (errno.EIO, errno.ETIMEDOUT))
        self.wrong = None
        self.assertEqual((self.root / "file").read_bytes(), self.content)

    def test_a_truncated_body(self):
        self.assert_read_fails_and_recovers(self.of_the_file(lambda answer: answer[:-1000]))

    def test_a_content_length_that_is_too_small(self):
        length = b"Content-Length: 300000"
        self.assert_read_fails_and_recovers(self.of_the_file(lambda answer: answer.replace(length, b"Content-Length: 299000")))

    def test_a_content_length_that_is_too_large(self):
        length = b"Content-Length: 300000"
        self.assert_read_fails_and_recovers(self.of_the_file(lambda answer: answer.replace(length, b"Content-Length: 301000")))

    def test_html_instead_of_an_error(self):
        page = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(HTML), HTML)
        self.assert_read_fails_and_recovers(self.of_the_file(lambda _: page))

    def test_html_instead_of_a_listing(self):
        page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(HTML), HTML)
        self.wrong = lambda head, _: page if b"list-type=2" in head else None
        with self.assertRaises(OSError):
            os.listdir(self.root)
            (self.root / "none").read_bytes()
        self.wrong = None
        self.assertEqual(os.listdir(self.root), ["file"])

    def test_an_empty_etag(self):
        """Of what has no ETag it cannot be known what it is: it is not stored as if it could."""
        def without(head, answer):
            start, end, body = answer.partition(b"\r\n\r\n")
            lines = [b'ETag: ""' if line.lower().startswith(b"etag:") else line for line in start.split(b"\r\n")]
            return b"\r\n".join(lines) + end + body if head.startswith((b"GET", b"HEAD", b"PUT")) else None
        self.wrong = without
        (self.root / "new").write_bytes(b"made here")
        done = harness.pailfs("flush", self.root, check=False)
        self.wrong = None
        if done.returncode:
            self.assertRegex(done.stderr, "ETag")
            wait_until(lambda: harness.pailfs("flush", self.root, check=False).returncode == 0, "the upload is tried again")
        self.assertEqual(self.bucket.get("new"), b"made here")
        self.assertEqual(sorted(os.listdir(self.root)), ["file", "new"])
        self.assertEqual((self.root / "file").read_bytes(), self.content)


class Secrets(MountTest):
    foreground = True

    def test_secrets_are_never_shown(self):
        (self.root / "file").write_text("x")
        self.mount.flush()
        environment = remote.server_environment()
        said = harness.pailfs("status", self.root).stdout + harness.pailfs("status", "--json", self.root).stdout
        log = (self.directory / "daemon.log").read_text(errors="replace")
        words = pathlib.Path(f"/proc/{self.mount.pid}/cmdline").read_text(errors="replace")
        kept = b"".join(path.read_bytes() for path in self.mount.cache.rglob("*") if path.is_file()).decode("latin-1")
        metadata = json.dumps(self.bucket.head("file")["Metadata"])
        for name, text in {"status": said, "log": log, "command line": words, "cache": kept, "metadata": metadata}.items():
            self.assertNotIn(environment["AWS_SECRET_ACCESS_KEY"], text, name)
            self.assertNotIn("AWS4-HMAC", text, name)
        self.assertIn("s3://", said)
        for folder in (self.mount.cache, self.mount.cache / "meta"):
            self.assertEqual(folder.stat().st_mode & 0o077, 0, f"others can look into {folder}")


if __name__ == "__main__":
    harness.main()
