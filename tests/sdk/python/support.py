"""Shared by the client scripts: byte-stable zips, local checksums, counted checks.

This module knows no cloud. It computes every checksum from the uploaded bytes, so a script
compares the server's answer with an independent result.
"""

import base64
import hashlib
import io
import os
import secrets
import sys
import traceback
import urllib.error
import urllib.request
import zipfile

# The clients honour proxy variables even for the local machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

# A server with authentication must have these keys; one without accepts any key.
KEY_ID = os.environ.get("LAYERBASE_TEST_KEY_ID", "AKTESTLAYERBASE000001")
KEY_SECRET = os.environ.get("LAYERBASE_TEST_KEY_SECRET", "SKtestLayerbase00000000000000001")

# Set when the server verifies signatures: only then can wrong ones be tested.
AUTH_ON = os.environ.get("LAYERBASE_TEST_AUTH") == "on"

# The folder of the server's buckets: a script puts an object into it, and a request names the object.
# Not set for a server on another machine.
BUCKETS = os.environ.get("LAYERBASE_TEST_BUCKETS")


def other_key(kind):
    """Returns (id, secret) of another key of the test: `READ` may only read, `DISABLED` is refused."""
    return os.environ[f"LAYERBASE_TEST_{kind}_KEY_ID"], os.environ[f"LAYERBASE_TEST_{kind}_KEY_SECRET"]


class CheckFailed(Exception):
    """A check found another value than the expected one."""


class Checks:
    """Counts the comparisons; the first difference ends the script."""

    def __init__(self):
        self.count = 0

    def equal(self, what, got, wanted):
        self.count += 1
        if got != wanted:
            raise CheckFailed(f"{what}: got {got!r}, expected {wanted!r}")

    def true(self, what, condition, got=None):
        self.count += 1
        if not condition:
            raise CheckFailed(f"{what}: got {got!r}" if got is not None else what)

    def matches(self, what, got, pattern):
        self.count += 1
        if not isinstance(got, str) or not pattern.fullmatch(got):
            raise CheckFailed(f"{what}: got {got!r}, expected the form {pattern.pattern}")

    def raises(self, what, kind, call, *arguments, **named):
        """Runs a call that must fail and returns its exception."""
        self.count += 1
        try:
            answer = call(*arguments, **named)
        except kind as error:
            return error
        raise CheckFailed(f"{what}: no error, the answer was {answer!r}")

    def download(self, what, url, content):
        """Fetches a download link with a plain HTTP client and compares the bytes."""
        self.count += 1
        status, headers, body = http("GET", url)
        if status != 200 or body != content:
            raise CheckFailed(f"{what}: HTTP {status}, {len(body)} bytes instead of {len(content)}: {url}")
        self.equal(f"{what}: Content-Length", headers.get("Content-Length"), str(len(content)))


def main(name, story):
    """Runs one script: the server's URL is the first argument, the last line is the result."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} http://127.0.0.1:PORT")
    checks = Checks()
    try:
        story(sys.argv[1].rstrip("/"), checks)
    except Exception as error:
        if not isinstance(error, CheckFailed):
            traceback.print_exc(chain=False)
        where = _script_line(error)
        sys.exit(f"FAILED {name} after {checks.count} checks, {where}: {error or type(error).__name__}")
    print(f"ok {name}: {checks.count} checks")


def _script_line(error):
    """Returns the innermost line of the script itself, not of this file or of a client."""
    folder = os.path.dirname(os.path.abspath(__file__))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if os.path.dirname(os.path.abspath(frame.filename)) == folder and frame.filename != __file__]
    return f"line {frames[-1].lineno} in {frames[-1].name}" if frames else "before its first line"


def host_and_port(url):
    """Returns the URL without its scheme, as most SDKs expect it."""
    return url.split("://", 1)[1]


def unique(prefix):
    """Returns a name that no earlier run used: letters, digits and hyphens only."""
    return f"{prefix}-{secrets.token_hex(4)}"


def make_zip(files):
    """Packs {path: text} so that equal files always give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, date_time=(2024, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def layer_zip(text):
    """Returns a small layer whose bytes depend only on `text`."""
    return make_zip({"python/tool/__init__.py": "", "python/tool/greet.py": f"WORD = {text!r}\n"})


def put_object(bucket, key, content):
    """Puts an object into the folder of the server's buckets."""
    path = os.path.join(BUCKETS, bucket, key)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def to_base64(content):
    return base64.b64encode(content).decode()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sha512(content):
    return hashlib.sha512(content).hexdigest()


def md5(content):
    return hashlib.md5(content).hexdigest()


def crc64(content):
    """CRC-64/XZ as an unsigned decimal, the way Alibaba prints it."""
    crc = 0xFFFF_FFFF_FFFF_FFFF
    for byte in content:
        crc = CRC64_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return str(crc ^ 0xFFFF_FFFF_FFFF_FFFF)


def _crc64_entry(value):
    for _ in range(8):
        value = value >> 1 ^ (0xC96C_5795_D787_0F42 if value & 1 else 0)
    return value


CRC64_TABLE = [_crc64_entry(value) for value in range(256)]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Does not follow redirects."""

    def redirect_request(self, *_):
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Redirects)


def http(method, url, headers=None, body=None):
    """Sends one plain request; returns (status, headers, bytes) for any status."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with _OPENER.open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
