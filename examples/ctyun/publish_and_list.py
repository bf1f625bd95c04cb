"""Publishes a layer with CTyun's signing client and lists its versions.

    examples/run ctyun/publish_and_list.py [http://127.0.0.1:8470]

The vendor has no SDK module for function compute; the SDK's core signs and sends any request.
"""

import base64
import contextlib
import io

import shared
from ctyun_python_sdk_core import Credential, CtyunClient

REGION = "local-region-1"


def call(url, method, path, **more):
    """Sends one signed request; returns `returnObj`."""
    with contextlib.redirect_stdout(io.StringIO()):  # The core prints every request.
        answer = CtyunClient(verify_tls=False).request(
            f"{url}/openapi/v1/{path}", method, headers={"regionId": REGION},
            credential=Credential(shared.KEY_ID, shared.KEY_SECRET), **more).json()
    if answer["statusCode"] != 0:
        raise RuntimeError(f"{method} {path}: {answer['message']}")
    return answer.get("returnObj")


def publish(url, name, content):
    body = {"compatibleRuntime": ["python3.10"], "description": shared.DESCRIPTION,
            "code": {"zipFile": base64.b64encode(content).decode()}}
    return call(url, "POST", f"layers/{name}/versions", body=body)["version"]


def versions(url, name):
    return call(url, "GET", f"layers/{name}/versions", params={"acl": "0"})


def find(url, name):
    """Returns the newest version; this cloud has no download link for layers."""
    layer = versions(url, name)[0]
    return shared.Row(layer["layerName"], layer["version"], layer["codeSize"], "quoted md5", layer["codeChecksum"], None)


if __name__ == "__main__":
    url, content = shared.server(), shared.layer_zip()
    version = publish(url, shared.LAYER, content)
    print(f"create layer version: {shared.LAYER} version {version}")
    shared.show_row("list layer versions:", find(url, shared.LAYER), content)
    newest = versions(url, shared.LAYER)[0]
    shared.show("its identifiers:", ctrn=newest["ctrn"], object=newest["code"]["ossObjectName"],
                created=newest["createTime"])
