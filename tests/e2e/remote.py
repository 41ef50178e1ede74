"""The S3 server that ctest's fixture rgw started, and a bucket of its own on it for a test."""
import base64
import concurrent.futures
import email.utils
import functools
import hmac
import http.client
import itertools
import os
import pathlib
import re
import subprocess
import time
import urllib.parse

import boto3
import botocore.config
import botocore.exceptions

RGW = pathlib.Path(__file__).resolve().parents[1] / "servers" / "rgw"
RGW_DIRECTORY = os.environ.get("PAILFS_RGW_DIR", os.path.join(os.environ.get("TMPDIR", "/tmp"), "rgw"))
THREADS = 16
OWN_PREFIX = ".pailfs/"
_numbers = itertools.count()


@functools.lru_cache(maxsize=None)
def server_environment():
    """What the server's users have in their environment, set here too; nothing else of AWS's remains."""
    done = subprocess.run([RGW, "env", "--dir", RGW_DIRECTORY], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"no S3 server to test with: run tests/servers/rgw_fixture start\n{done.stderr}")
    found = dict(re.findall(r"^export (\w+)=(.*)$", done.stdout, re.MULTILINE))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    found |= {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    os.environ.update(found)
    return found


def client(user="main"):
    environment = server_environment()
    prefix = {"main": "AWS", "alt": "PAILFS_ALT"}[user]
    return boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name=environment["AWS_REGION"],
                        aws_access_key_id=environment[f"{prefix}_ACCESS_KEY_ID"],
                        aws_secret_access_key=environment[f"{prefix}_SECRET_ACCESS_KEY"],
                        config=botocore.config.Config(max_pool_connections=THREADS, retries={"max_attempts": 2},
                                                      s3={"addressing_style": "path"}))


class Bucket:
    """A bucket that exists from here to remove()."""

    def __init__(self, versioned=True):
        self.s3 = client()
        self.name = f"pailfs-{os.getpid()}-{next(_numbers)}"
        self.s3.create_bucket(Bucket=self.name)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def put(self, key, body=b"", **options):
        if isinstance(body, str):
            body = body.encode()
        return self.s3.put_object(Bucket=self.name, Key=key, Body=body, **options)

    def put_many(self, keys, body=b""):
        """As fast as it goes; the keys need no encoding."""
        environment = server_environment()
        address = urllib.parse.urlsplit(environment["AWS_ENDPOINT_URL"])
        secret = environment["AWS_SECRET_ACCESS_KEY"].encode()

        def put_some(some):
            connection = http.client.HTTPConnection(address.hostname, address.port)
            for key in some:
                # Signature version 2: boto3 takes most of the time of a small PUT otherwise.
                date = email.utils.formatdate(usegmt=True)
                signed = hmac.digest(secret, f"PUT\n\n\n{date}\n/{self.name}/{key}".encode(), "sha1")
                authorization = f"AWS {environment['AWS_ACCESS_KEY_ID']}:{base64.b64encode(signed).decode()}"
                connection.request("PUT", f"/{self.name}/{key}", body, {"Date": date, "Authorization": authorization})
                answer = connection.getresponse()
                text = answer.read()
                assert answer.status == 200, text
            connection.close()

        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(put_some, [keys[n::THREADS] for n in range(THREADS)]):
                pass

    def get(self, key):
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()

    def head(self, key):
        return self.s3.head_object(Bucket=self.name, Key=key)

    def delete(self, key):
        self.s3.delete_object(Bucket=self.name, Key=key)

    def objects(self):
        """{key: size}, the keys as file names are: bytes that are no UTF-8 as surrogates."""
        return {_key(entry): entry["Size"] for entry in self._listed("list_objects_v2", "Contents")}

    def files(self):
        """objects() without what pailfs keeps for itself, such as the root directory's attributes."""
        return {key: size for key, size in self.objects().items() if not key.startswith(OWN_PREFIX)}

    def versions(self, prefix=""):
        """[(key, version id)] of all versions and delete markers."""
        return [(_key(entry), entry["VersionId"])
                for entry in self._listed("list_object_versions", "Versions", "DeleteMarkers", Prefix=prefix)]

    def _listed(self, operation, *lists, **options):
        # Said explicitly, boto3 leaves the keys encoded; its own decoding replaces what is no UTF-8.
        for page in self.s3.get_paginator(operation).paginate(Bucket=self.name, EncodingType="url", **options):
            for name in lists:
                yield from page.get(name, [])

    def remove(self):
        """With all versions, and whatever uploads are under way; and what a killed mount had sent and comes now."""
        for attempt in range(5):
            try:
                return self._remove()
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "BucketNotEmpty" or attempt == 4:
                    raise
                time.sleep(1)

    def _remove(self):
        for upload in self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        versions = self.versions()
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(self._remove_versions, [versions[n:n + 50] for n in range(0, len(versions), 50)]):
                pass
        self.s3.delete_bucket(Bucket=self.name)

    def _remove_versions(self, versions):
        plain = [v for v in versions if all(character >= " " for character in v[0])]
        if plain:
            names = [{"Key": key, "VersionId": identity} for key, identity in plain]
            self.s3.delete_objects(Bucket=self.name, Delete={"Objects": names, "Quiet": True})
        for key, identity in set(versions) - set(plain):  # XML has no way to say these
            self.s3.delete_object(Bucket=self.name, Key=key, VersionId=identity)


def _key(entry):
    return os.fsdecode(urllib.parse.unquote_to_bytes(entry["Key"]))
