"""Publishes a layer, deploys a function with `yrcli`, publishes two versions of it, lists them.

    examples/run openyuanrong/publish_and_list.py [http://127.0.0.1:8470]

`yrcli` has no commands for layers, uploads and the list of versions. These are plain requests,
as the vendor documents them with curl.
"""

import hashlib
import json
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import shared

BOUNDARY = "layerbase-example"


def call(url, method, path, headers=None, body=None):
    request = urllib.request.Request(f"{url}{path}", data=body, method=method,
                                     headers={"Content-Type": "application/json", **(headers or {})})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return json.loads(answer.read())


def upload(url, method, path, content, parameters="", **headers):
    """Sends a zip as a multipart form; one header declares its size, another the form's content type."""
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    headers["Content-Type"] = f"application/vnd.yuanrong+attachment;file-size={len(content)}{parameters}"
    headers["X-Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="code.zip"\r\n\r\n'
    body = start.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return call(url, method, f"/function-repository/v1/{path}", headers, body)["result"]


def publish(url, name, content):
    made = upload(url, "POST", f"layers/{name}/versions", content, X_Description=shared.DESCRIPTION,
                  X_License_Info="Apache-2.0", X_Header_Compatible_Runtimes='["python3.10"]')
    return made["versionNumber"]


def find(url, name):
    """Returns the newest version, from the list of layers; this cloud has no download link."""
    listed = call(url, "GET", f"/function-repository/v1/layers?ownerFlag=1&layerName={name}")["result"]
    rows = [row for row in listed["layerVersions"] if row["name"] == name]
    newest = max(rows, key=lambda row: row["versionNumber"])
    return shared.Row(name, newest["versionNumber"], newest["layerSize"], "sha512", newest["layerSha256"], None)


def deploy(url, name):
    """Registers the function with the vendor's command-line client."""
    function = {"name": name, "runtime": "python3.10", "kind": "faas", "handler": "index.handler", "cpu": 500,
                "memory": 256, "timeout": 30, "storageType": "local", "codePath": "/opt/functions/slug"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "function.json"
        path.write_text(json.dumps(function))
        line = [Path(sys.executable).parent / "yrcli", "--server-address", shared.host_and_port(url),
                "deploy", "--skip-package", "true", "--function-json", path]
        print(f"yrcli deploy: {subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()}")


def publish_function(url, name, content):
    """Uploads code to the head and publishes it twice."""
    head = call(url, "GET", f"/serverless/v1/functions/{name}?versionNumber=latest")["function"]
    upload(url, "PUT", f"functions/{name}/code", content, f";revision-id={head['revisionId']}",
           X_Version="latest", X_Kind="faas")
    for number in ("1", "v2"):
        body = {"revisionId": head["revisionId"], "kind": "faas", "versionNumber": number}
        call(url, "POST", f"/serverless/v1/functions/{name}/versions", body=json.dumps(body).encode())


def show_function(url, name, content):
    page = call(url, "GET", f"/serverless/v1/functions/{name}/versions?pageIndex=1&pageSize=10")
    print(f"versions of {name}, last written first ({page['pageInfo']['total']} in all):")
    for row in page["functions"]:
        print(f"  {row['versionNumber']:<7} {row['codeSize']:>5} bytes  sha512 {row['codeSha256'][:16]}…  {row['Published']}")
    same = all(row["codeSha256"] == hashlib.sha512(content).hexdigest() for row in page["functions"])
    print(f"  their checksums are {'the same as' if same else 'not the one'} computed here")


if __name__ == "__main__":
    url, content = shared.server(), shared.layer_zip()
    version = publish(url, shared.LAYER, content)
    print(f"layer upload: {shared.LAYER} version {version}")
    shared.show_row("list of layers:", find(url, shared.LAYER), content)
    name, function = f"0@examples@slug-{secrets.token_hex(3)}", shared.function_zip()
    deploy(url, name)
    publish_function(url, name, function)
    show_function(url, name, function)
