"""Publishes a layer with Alibaba Cloud's SDK (FC 3.0, API of 2023-03-30) and lists it.

    examples/run alibaba/publish_and_list.py [http://127.0.0.1:8470]
"""

import base64

import shared
from alibabacloud_fc20230330 import models
from alibabacloud_fc20230330.client import Client
from alibabacloud_tea_openapi.utils_models import Config


def client(url):
    return Client(Config(access_key_id=shared.KEY_ID, access_key_secret=shared.KEY_SECRET,
                         endpoint=shared.host_and_port(url), protocol="http", region_id="cn-hangzhou"))


def publish(url, name, content):
    """Sends the zip with its CRC-64; the server refuses bytes with another checksum."""
    code = models.InputCodeLocation(zip_file=base64.b64encode(content).decode(), checksum=shared.crc64(content))
    body = models.CreateLayerVersionInput(code=code, compatible_runtime=["python3.10"],
                                          description=shared.DESCRIPTION, license="Apache-2.0")
    return client(url).create_layer_version(name, models.CreateLayerVersionRequest(body=body)).body.version


def find(url, name):
    """Returns the newest version, from the list of layers."""
    page = client(url).list_layers(models.ListLayersRequest(prefix=name, limit=1)).body
    layer = page.layers[0]
    return shared.Row(layer.layer_name, layer.version, layer.code_size, "crc64", layer.code_checksum,
                      layer.code.location)


if __name__ == "__main__":
    url, content = shared.server(), shared.layer_zip()
    version = publish(url, shared.LAYER, content)
    print(f"CreateLayerVersion: {shared.LAYER} version {version}")
    shared.show_row("ListLayers:", find(url, shared.LAYER), content)
    versions = client(url).list_layer_versions(shared.LAYER, models.ListLayerVersionsRequest(limit=100)).body.layers
    print(f"ListLayerVersions: {', '.join(str(layer.version) for layer in versions)}")
