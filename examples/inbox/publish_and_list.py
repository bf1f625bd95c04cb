"""Puts a zip into the inbox with boto3, then publishes a layer from it with CTyun's client.

    examples/run inbox/publish_and_list.py [http://127.0.0.1:8470]

CTyun documents only an object in its store as the code of a layer; every other cloud accepts one too.
"""

import importlib.util

import boto3
import shared
from botocore.config import Config

BUCKET = "examples"


def ctyun():
    """Loads the example of CTyun, for its signed requests."""
    spec = importlib.util.spec_from_file_location("ctyun", shared.HERE / "ctyun" / "publish_and_list.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(url, key, content):
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    s3 = boto3.client("s3", endpoint_url=f"{url}/s3", region_name="local", aws_access_key_id=shared.KEY_ID,
                      aws_secret_access_key=shared.KEY_SECRET, config=config)
    tag = s3.put_object(Bucket=BUCKET, Key=key, Body=content)["ETag"]
    return s3, tag


if __name__ == "__main__":
    url, content, cloud = shared.server(), shared.layer_zip(), ctyun()
    key = f"layers/{shared.LAYER}.zip"
    s3, tag = put(url, key, content)
    print(f"PutObject: s3://{BUCKET}/{key}, ETag {tag}")
    body = {"compatibleRuntime": ["python3.10"], "description": shared.DESCRIPTION,
            "code": {"ossBucketName": BUCKET, "ossObjectName": key}}
    version = cloud.call(url, "POST", f"layers/{shared.LAYER}/versions", body=body)["version"]
    print(f"create layer version: {shared.LAYER} version {version}")
    s3.delete_object(Bucket=BUCKET, Key=key)
    print("DeleteObject: the version does not need it any longer")
    shared.show_row("list layer versions:", cloud.find(url, shared.LAYER), content)
