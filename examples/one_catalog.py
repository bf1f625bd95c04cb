"""Publishes a layer through one cloud and finds it through the four others.

    examples/run one_catalog.py [http://127.0.0.1:8470] [alibaba|ctyun|huawei|openyuanrong|tencent]

Each cloud returns a different checksum of the same bytes. The example compares every checksum with
one computed here, and downloads the bytes if the cloud returns a link.
"""

import importlib
import sys

import shared

CLOUDS = ["alibaba", "ctyun", "huawei", "openyuanrong", "tencent"]
NAME = "one-catalog"


def cloud(name):
    """Returns the example of one cloud; all five have `publish` and `find`."""
    return importlib.import_module(f"{name}.publish_and_list")


def line(name, row, content):
    """Returns one line of the final table, and True if all its values are right."""
    right = row.checksum == shared.checksum(row.kind, content) and row.size in (None, len(content))
    link = "no link"
    if row.link:
        same = shared.download(row.link) == content
        link, right = "same bytes" if same else "OTHER BYTES", right and same
    text = row.checksum if len(row.checksum) <= 36 else f"{row.checksum[:32]}…"
    size = "-" if row.size is None else row.size
    return [name, row.name, row.version, size, row.kind, text, link, "yes" if right else "NO"], right


def main():
    url, content = shared.server(), shared.layer_zip()
    source = sys.argv[2] if len(sys.argv) > 2 else "alibaba"
    version = cloud(source).publish(url, NAME, content)
    print(f"published through {source}: {NAME} version {version}, {len(content)} bytes\n")
    rows, verdicts = [["cloud", "layer", "version", "size", "checksum", "value", "download", "right"]], []
    for name in CLOUDS:
        row = cloud(name).find(url, NAME)
        cells, right = line(name, row, content)
        rows.append(cells)
        verdicts.append(right and row.version == version)
    print(table(rows))
    if not all(verdicts):
        sys.exit("\nNot every cloud shows the same layer version.")
    print("\nOne layer, five clouds: each checksum is the one computed here from the uploaded bytes.")


def table(rows):
    """Formats rows with the table function of the published package itself."""
    sys.path.insert(0, str(shared.HERE / "package" / "python"))
    return importlib.import_module("textkit").table(rows)


if __name__ == "__main__":
    main()
