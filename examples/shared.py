"""Shared by the examples: the server's address, the zip, its checksums, readable output."""

import hashlib
import io
import os
import socket
import sys
import urllib.request
import zipfile
from collections import namedtuple
from pathlib import Path
from urllib.parse import urlsplit

# The vendors' clients use the proxy variables even for the local machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

HERE = Path(__file__).resolve().parent
LAYER = "textkit"
DESCRIPTION = "slugs, sizes and tables"
# A server with the default `--auth off` accepts any pair.
# For a server with `--auth on`, set `LAYERBASE_KEY=<key id>.<secret>`, as for the command line.
KEY_ID, KEY_SECRET = os.environ.get("LAYERBASE_KEY", "AKEXAMPLE0001.SKEXAMPLE0001secret").split(".", 1)

# One layer version as one cloud returns it; `size` and `link` are None if the cloud has no such field.
Row = namedtuple("Row", "name version size kind checksum link")


def server():
    """Returns the first argument or the default address; exits with a hint if no server answers there."""
    url = (sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8470").rstrip("/")
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=3).close()
    except OSError:
        sys.exit(f"No server answers at {url}. Start one in another terminal:\n"
                 "    cargo run --release -- serve\n"
                 "or give its address as the first argument.")
    return url


def host_and_port(url):
    return urlsplit(url).netloc


def layer_zip():
    return pack(HERE / "package")


def function_zip():
    return pack(HERE / "function")


def pack(*folders):
    """Packs folders into one zip. Equal files give equal bytes: sorted, stored, with a fixed time."""
    files = {path.relative_to(folder).as_posix(): path for folder in folders for path in folder.rglob("*.py")}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name].read_bytes())
    return buffer.getvalue()


def checksum(kind, content):
    """Returns the checksum of the bytes in one cloud's format."""
    if kind == "crc64":
        return crc64(content)
    if kind == "quoted md5":
        return f'"{hashlib.md5(content).hexdigest()}"'
    return hashlib.new(kind, content).hexdigest()


def crc64(content):
    """Returns the CRC-64/XZ as an unsigned decimal."""
    crc = 0xFFFF_FFFF_FFFF_FFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xC96C_5795_D787_0F42 if crc & 1 else 0)
    return str(crc ^ 0xFFFF_FFFF_FFFF_FFFF)


def download(url):
    """Downloads from a link, which needs no key and no special client."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return answer.read()


def show(title, **lines):
    """Prints a heading and one aligned line for each field."""
    print(title)
    for key, value in lines.items():
        print(f"  {key.replace('_', ' '):<10} {value}")


def show_row(title, row, content):
    """Prints a layer version and compares it with the bytes that were sent."""
    same = row.checksum == checksum(row.kind, content)
    verdict = "the same as computed here" if same else f"computed here: {checksum(row.kind, content)}"
    show(title, name=row.name, version=row.version,
         size="not part of this cloud's answer" if row.size is None else f"{row.size} bytes",
         checksum=f"{row.checksum} ({row.kind})", compared=verdict)
    if row.link:
        same = same and download(row.link) == content
        show_link(row.link, same)
    if not same:
        sys.exit("The server's answer does not match the uploaded bytes.")


def show_link(link, same):
    print(f"  {'download':<10} {link}")
    print(f"  {'':<10} {'gives back the bytes that were sent' if same else 'gives back other bytes'}")
