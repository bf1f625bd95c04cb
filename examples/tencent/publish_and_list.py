"""Publishes a layer with Tencent Cloud's SDK (SCF, API of 2018-04-16) and lists it.

    examples/run tencent/publish_and_list.py [http://127.0.0.1:8470]
"""

import base64

import shared
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models
from tencentcloud.scf.v20180416.scf_client import ScfClient


def client(url):
    http = HttpProfile(protocol="http", endpoint=shared.host_and_port(url))
    return ScfClient(Credential(shared.KEY_ID, shared.KEY_SECRET), "ap-guangzhou", ClientProfile(httpProfile=http))


def publish(url, name, content):
    ask = models.PublishLayerVersionRequest()
    ask.LayerName, ask.CompatibleRuntimes = name, ["Python3.10"]
    ask.Description, ask.LicenseInfo = shared.DESCRIPTION, "Apache-2.0"
    ask.Content = models.Code()
    ask.Content.ZipFile = base64.b64encode(content).decode()
    return client(url).PublishLayerVersion(ask).LayerVersion


def versions(url, name):
    ask = models.ListLayerVersionsRequest()
    ask.LayerName = name
    return [layer.LayerVersion for layer in client(url).ListLayerVersions(ask).LayerVersions]


def find(url, name):
    """Returns the newest version; this cloud returns checksum and link only for a single version."""
    ask = models.GetLayerVersionRequest()
    ask.LayerName, ask.LayerVersion = name, versions(url, name)[0]
    layer = client(url).GetLayerVersion(ask)
    return shared.Row(layer.LayerName, layer.LayerVersion, None, "sha256", layer.CodeSha256, layer.Location)


if __name__ == "__main__":
    url, content = shared.server(), shared.layer_zip()
    version = publish(url, shared.LAYER, content)
    print(f"PublishLayerVersion: {shared.LAYER} version {version}")
    shared.show_row("GetLayerVersion:", find(url, shared.LAYER), content)
    print(f"ListLayerVersions: {', '.join(map(str, versions(url, shared.LAYER)))}")
