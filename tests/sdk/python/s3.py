"""The inbox through `boto3` and the `aws` command line.

    python s3.py http://127.0.0.1:PORT

Covers put, get, head, list, delete, multipart, presigned URLs, checksums, and a layer that is made
from an object and outlives it.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
from datetime import datetime, timedelta, timezone
from unittest import mock

import boto3
import support
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = "inbox-test"
MEBIBYTE = 1 << 20


def connect(url, key_id=support.KEY_ID, secret=support.KEY_SECRET, path="/s3", **config):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, signature_version="s3v4", **config)
    return boto3.client("s3", endpoint_url=f"{url}{path}", region_name="local", aws_access_key_id=key_id,
                        aws_secret_access_key=secret, config=config)


def refused(check, what, call, code, status, **arguments):
    error = check.raises(what, ClientError, call, **arguments).response
    check.equal(f"{what}: code and status",
                (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]), (code, status))
    check.true(f"{what}: request id", error["ResponseMetadata"]["RequestId"])
    return error["Error"].get("Message", "")


def big(size):
    """Returns a zip of a little more than `size` bytes, with other content in each run."""
    return support.make_zip({"python/data.txt": support.unique("data") * (size // 13)})


def check_objects(check, s3, prefix):
    content = support.layer_zip(prefix)
    key = f"{prefix}/layers/层 1+2.zip"
    put = s3.put_object(Bucket=BUCKET, Key=key, Body=content, ContentType="application/zip", Metadata={"who": "me  too"})
    check.equal("put: ETag is the quoted MD5", put["ETag"], f'"{support.md5(content)}"')
    head = s3.head_object(Bucket=BUCKET, Key=key)
    check.equal("head: length, type, metadata, tag",
                (head["ContentLength"], head["ContentType"], head["Metadata"], head["ETag"]),
                (len(content), "application/zip", {"who": "me  too"}, put["ETag"]))
    age = datetime.now(timezone.utc) - head["LastModified"]
    check.true("head: LastModified is now", timedelta(seconds=-2) < age < timedelta(minutes=5), age)
    check.true("head: when it expires", "expiry-date" in head["Expiration"], head)
    got = s3.get_object(Bucket=BUCKET, Key=key)
    check.equal("get: the bytes", got["Body"].read(), content)
    part = s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=10-19")
    check.equal("get: a range", (part["Body"].read(), part["ContentRange"], part["ContentLength"]),
                (content[10:20], f"bytes 10-19/{len(content)}", 10))
    refused(check, "get: no such range", s3.get_object, "InvalidRange", 416, Bucket=BUCKET, Key=key, Range="bytes=999999-")
    refused(check, "get: it is the same", s3.get_object, "304", 304, Bucket=BUCKET, Key=key, IfNoneMatch=put["ETag"])
    refused(check, "get: it is another", s3.get_object, "PreconditionFailed", 412, Bucket=BUCKET, Key=key, IfMatch='"x"')
    empty = s3.put_object(Bucket=BUCKET, Key=f"{prefix}/empty", Body=b"")
    check.equal("put: nothing", empty["ETag"], f'"{support.md5(b"")}"')
    check.equal("get: nothing", s3.get_object(Bucket=BUCKET, Key=f"{prefix}/empty")["Body"].read(), b"")
    refused(check, "get: no such key", s3.get_object, "NoSuchKey", 404, Bucket=BUCKET, Key=f"{prefix}/none")
    refused(check, "head: no such key", s3.head_object, "404", 404, Bucket=BUCKET, Key=f"{prefix}/none")
    refused(check, "put: wrong MD5", s3.put_object, "BadDigest", 400, Bucket=BUCKET, Key=f"{prefix}/bad", Body=content,
            ContentMD5=support.to_base64(bytes(16)))
    refused(check, "put: wrong checksum", s3.put_object, "BadDigest", 400, Bucket=BUCKET, Key=f"{prefix}/bad",
            Body=content, ChecksumSHA1=support.to_base64(bytes(20)))
    refused(check, "put: nothing of these was kept", s3.head_object, "404", 404, Bucket=BUCKET, Key=f"{prefix}/bad")
    refused(check, "get: a version", s3.get_object, "NotImplemented", 501, Bucket=BUCKET, Key=key, VersionId="old")
    refused(check, "delete: a version", s3.delete_object, "NotImplemented", 501, Bucket=BUCKET, Key=key, VersionId="old")
    refused(check, "delete several: a version", s3.delete_objects, "NotImplemented", 501, Bucket=BUCKET,
            Delete={"Objects": [{"Key": key, "VersionId": "old"}]})
    check.equal("tags: none", s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"], [])
    refused(check, "tags: no such key", s3.get_object_tagging, "NoSuchKey", 404, Bucket=BUCKET, Key=f"{prefix}/none")
    refused(check, "put tags", s3.put_object_tagging, "NotImplemented", 501, Bucket=BUCKET, Key=key,
            Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    check.true("versioning: never set", "Status" not in s3.get_bucket_versioning(Bucket=BUCKET))
    check.equal("get: the version of an object without versions",
                s3.get_object(Bucket=BUCKET, Key=key, VersionId="null")["Body"].read(), content)
    s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_object(Bucket=BUCKET, Key=key)
    refused(check, "delete: it is gone", s3.get_object, "NoSuchKey", 404, Bucket=BUCKET, Key=key)


def check_listing(check, s3, prefix):
    bucket = support.unique("listing")
    check.equal("list: a bucket that nobody made", s3.create_bucket(Bucket=bucket)["Location"], f"/{bucket}")
    check.equal("list: nothing is there", s3.list_objects_v2(Bucket=bucket)["KeyCount"], 0)
    keys = sorted([f"{prefix}/a&b<c>.zip", f"{prefix}/b/1", f"{prefix}/b/2", f"{prefix}/c", f"{prefix}/d/1", "z"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    listed = [entry for page in pages for entry in page["Contents"]]
    check.equal("list: all pages", [entry["Key"] for entry in listed], keys)
    check.equal("list: sizes and tags", [(entry["Size"], entry["ETag"]) for entry in listed],
                [(len(key.encode()), f'"{support.md5(key.encode())}"') for key in keys])
    for lister in ["list_objects_v2", "list_objects"]:
        pages = s3.get_paginator(lister).paginate(Bucket=bucket, Prefix=f"{prefix}/", Delimiter="/",
                                                  PaginationConfig={"PageSize": 1})
        pages = list(pages)
        found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        common = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        check.equal(f"{lister}: a folder", (found, common),
                    ([f"{prefix}/a&b<c>.zip", f"{prefix}/c"], [f"{prefix}/b/", f"{prefix}/d/"]))
    for size in [1, 2, 1000]:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        listed = [entry for page in pages for entry in page["Versions"]]
        check.equal(f"list versions: pages of {size}",
                    [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in listed],
                    [(key, "null", True) for key in keys])
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{prefix}/", Delimiter="/",
                                                                  PaginationConfig={"PageSize": size})
        pages = list(pages)
        found = [entry["Key"] for page in pages for entry in page.get("Versions", [])]
        common = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        check.equal(f"list versions: a folder, pages of {size}", (found, common),
                    ([f"{prefix}/a&b<c>.zip", f"{prefix}/c"], [f"{prefix}/b/", f"{prefix}/d/"]))
    check.true("list: buckets", bucket in [entry["Name"] for entry in s3.list_buckets()["Buckets"]])
    refused(check, "delete a bucket in use", s3.delete_bucket, "BucketNotEmpty", 409, Bucket=bucket)
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    check.equal("delete several", sorted(entry["Key"] for entry in deleted["Deleted"]), keys)
    s3.delete_bucket(Bucket=bucket)
    check.true("list: buckets, later", bucket not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]])


def check_copies(check, s3, prefix):
    content, key = support.layer_zip(prefix), f"{prefix}/source +1.zip"
    put = s3.put_object(Bucket=BUCKET, Key=key, Body=content, ContentType="application/zip", Metadata={"who": "me"})
    source, copy = {"Bucket": BUCKET, "Key": key}, {"Bucket": f"{BUCKET}-2", "Key": f"{prefix}/层.zip"}
    check.equal("copy: the tag", s3.copy_object(CopySource=source, **copy)["CopyObjectResult"]["ETag"], put["ETag"])
    got = s3.get_object(**copy)
    check.equal("copy: bytes, type, metadata", (got["Body"].read(), got["ContentType"], got["Metadata"]),
                (content, "application/zip", {"who": "me"}))
    s3.copy_object(CopySource=copy, MetadataDirective="REPLACE", Metadata={"mtime": "1.5"}, **copy)
    check.equal("copy: onto itself, with other metadata", s3.head_object(**copy)["Metadata"], {"mtime": "1.5"})
    refused(check, "copy: onto itself, without a change", s3.copy_object, "InvalidRequest", 400, CopySource=copy, **copy)
    refused(check, "copy: no such key", s3.copy_object, "NoSuchKey", 404, CopySource=source | {"Key": "none"}, **copy)
    refused(check, "copy: another tag", s3.copy_object, "PreconditionFailed", 412, CopySource=source,
            CopySourceIfMatch='"x"', **copy)
    named = copy | {"UploadId": s3.create_multipart_upload(**copy)["UploadId"]}
    parts = [s3.upload_part_copy(PartNumber=number, CopySource=source, **(named | range))["CopyPartResult"]["ETag"]
             for number, range in enumerate([{}, {"CopySourceRange": f"bytes=1-{len(content) - 2}"}], 1)]
    check.equal("copy of parts: tags", parts, [f'"{support.md5(part)}"' for part in (content, content[1:-1])])
    refused(check, "copy of parts: past the end", s3.upload_part_copy, "InvalidArgument", 400, PartNumber=3,
            CopySource=source, CopySourceRange=f"bytes=1-{len(content)}", **named)
    s3.complete_multipart_upload(MultipartUpload={"Parts": [
        {"PartNumber": number, "ETag": tag} for number, tag in enumerate(parts, 1)]}, **named)
    check.equal("copy of parts: the bytes", s3.get_object(**copy)["Body"].read(), content + content[1:-1])
    # In ranges, as for large objects.
    large = big(6 * MEBIBYTE)
    s3.put_object(Body=large, **source)
    transfer = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE, max_concurrency=3)
    s3.copy(source, copy["Bucket"], copy["Key"], Config=transfer)
    s3.delete_object(**source)
    check.true("copy: of a large object, without its source", s3.get_object(**copy)["Body"].read() == large)
    s3.delete_object(**copy)


def check_multipart(check, s3, prefix):
    content, key = big(12 * MEBIBYTE), f"{prefix}/parts.zip"
    transfer = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(content), BUCKET, key, Config=transfer)
    head = s3.head_object(Bucket=BUCKET, Key=key)
    step = 5 * MEBIBYTE
    parts = [content[at:at + step] for at in range(0, len(content), step)]
    digests = b"".join(bytes.fromhex(support.md5(part)) for part in parts)
    check.equal("multipart: tag", head["ETag"], f'"{support.md5(digests)}-{len(parts)}"')
    target = io.BytesIO()
    s3.download_fileobj(BUCKET, key, target, Config=transfer)
    check.true("multipart: the bytes", target.getvalue() == content)
    for number, part in enumerate(parts, 1):
        got, head = [call(Bucket=BUCKET, Key=key, PartNumber=number) for call in (s3.get_object, s3.head_object)]
        check.true(f"multipart: part {number} alone", got["Body"].read() == part)
        check.equal(f"multipart: length, range and count of part {number}",
                    [(answer["ContentLength"], answer["PartsCount"], answer["ResponseMetadata"]["HTTPStatusCode"])
                     for answer in (got, head)], [(len(part), len(parts), 206)] * 2)
    refused(check, "multipart: no such part", s3.get_object, "InvalidPartNumber", 416, Bucket=BUCKET, Key=key,
            PartNumber=len(parts) + 1)
    head = s3.head_object(Bucket=BUCKET, Key=key)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    named = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    tags = [s3.upload_part(PartNumber=number, Body=b"part %d" % number, **named)["ETag"] for number in (2, 1)]
    listed = s3.list_parts(**named)["Parts"]
    check.equal("multipart: parts", [(part["PartNumber"], part["ETag"], part["Size"]) for part in listed],
                [(1, tags[1], 6), (2, tags[0], 6)])
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    check.true("multipart: it is listed", (key, upload) in [(entry["Key"], entry["UploadId"]) for entry in uploads])
    parts = [{"PartNumber": 1, "ETag": tags[1]}, {"PartNumber": 2, "ETag": tags[1]}]
    refused(check, "multipart: another tag", s3.complete_multipart_upload, "InvalidPart", 400,
            MultipartUpload={"Parts": parts}, **named)
    s3.abort_multipart_upload(**named)
    refused(check, "multipart: aborted", s3.list_parts, "NoSuchUpload", 404, **named)
    check.equal("multipart: the object is the one before", s3.head_object(Bucket=BUCKET, Key=key)["ETag"], head["ETag"])
    return key, content


def check_presigned(check, url, s3, prefix):
    content, named = support.layer_zip(prefix), {"Bucket": BUCKET, "Key": f"{prefix}/presigned.zip"}
    root = connect(url, path="").generate_presigned_url("put_object", Params=named, ExpiresIn=60)
    check.equal("presigned: put from the root", support.http("PUT", root, body=content)[0], 200)
    address = s3.generate_presigned_url("put_object", Params=named, ExpiresIn=60)
    check.equal("presigned: put", support.http("PUT", address, body=content)[0], 200)
    address = s3.generate_presigned_url("get_object", Params=named, ExpiresIn=60)
    status, _, body = support.http("GET", address)
    check.equal("presigned: get", (status, body), (200, content))
    if support.AUTH_ON:
        status, _, body = support.http("GET", address.replace("presigned.zip", "parts.zip"))
        check.equal("presigned: for another object", (status, b"SignatureDoesNotMatch" in body), (403, True))
        check.equal("presigned: to delete", support.http("DELETE", address)[0], 403)


def check_command_line(check, url, prefix):
    """The command line, with a file that it uploads in parts."""
    content = big(9 * MEBIBYTE)
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": support.KEY_ID, "AWS_SECRET_ACCESS_KEY": support.KEY_SECRET,
                   "AWS_ENDPOINT_URL_S3": f"{url}/s3", "AWS_DEFAULT_REGION": "local", "AWS_EC2_METADATA_DISABLED": "true"}
    aws = os.path.join(os.path.dirname(sys.executable), "aws")
    with tempfile.TemporaryDirectory() as folder:
        path, back = os.path.join(folder, "code.zip"), os.path.join(folder, "back.zip")
        with open(path, "wb") as file:
            file.write(content)
        for arguments in [["cp", path, f"s3://{BUCKET}/{prefix}/aws.zip"], ["ls", f"s3://{BUCKET}/{prefix}/"],
                          ["cp", f"s3://{BUCKET}/{prefix}/aws.zip", f"s3://{BUCKET}/{prefix}/copy.zip"],
                          ["mv", f"s3://{BUCKET}/{prefix}/copy.zip", f"s3://{BUCKET}/{prefix}/moved.zip"],
                          ["cp", f"s3://{BUCKET}/{prefix}/moved.zip", back], ["rm", f"s3://{BUCKET}/{prefix}/aws.zip"]]:
            done = subprocess.run([sys.executable, aws, "s3", *arguments], env=environment, capture_output=True, text=True)
            check.equal(f"aws s3 {arguments[0]}: {done.stderr}", done.returncode, 0)
        with open(back, "rb") as file:
            check.true("aws: the bytes", file.read() == content)


def check_strangers(check, url, prefix):
    content, named = support.layer_zip(prefix), {"Bucket": BUCKET, "Key": f"{prefix}/stranger.zip"}
    reader, asleep = connect(url, *support.other_key("READ")), connect(url, *support.other_key("DISABLED"))
    check.true("a reader lists", "Contents" in reader.list_objects_v2(Bucket=BUCKET))
    for what, client, code in [
        ("wrong secret", connect(url, secret="another-secret"), "SignatureDoesNotMatch"),
        ("unknown key", connect(url, key_id="AKNOBODY000000000001"), "InvalidAccessKeyId"),
        ("disabled key", asleep, "InvalidAccessKeyId"),
        ("a reader", reader, "AccessDenied"),
    ]:
        refused(check, f"put: {what}", client.put_object, code, 403, Body=content, **named)
    owner = connect(url)
    refused(check, "nothing was kept", owner.head_object, "404", 404, **named)
    with mock.patch("botocore.auth.get_current_datetime",
                    lambda *_: datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(hours=1)):
        refused(check, "an old clock", connect(url).put_object, "RequestTimeTooSkewed", 403, Body=content, **named)
    status, _, body = support.http("PUT", f"{url}/s3/{BUCKET}/{prefix}/stranger.zip", body=content)
    check.equal("no signature", (status, b"AccessDenied" in body), (403, True))


def native(method, url, body=None):
    status, _, answer = support.http(method, url, {"Authorization": f"Bearer {support.KEY_ID}.{support.KEY_SECRET}"}, body)
    return status, json.loads(answer)


def check_layer(check, url, s3, key, content):
    """A layer made from an object does not depend on the object afterwards."""
    name = support.unique("from-inbox")
    versions = f"{url}/api/v1/layers/{name}/versions"
    where = urllib.parse.urlencode({"bucket": BUCKET, "object": key})
    status, made = native("POST", f"{versions}?runtime=python3.10&{where}")
    check.equal("layer: made from the object", (status, made.get("size"), made.get("sha256"), made.get("sha512"),
                                                made.get("md5")),
                (201, len(content), support.sha256(content), support.sha512(content), support.md5(content)))
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"no zip at all")
    status, refused = native("POST", f"{versions}?runtime=python3.10&{where}")
    check.equal("layer: the object is no zip now", (status, refused["code"]), (422, "bad_archive"))
    s3.delete_object(Bucket=BUCKET, Key=key)
    status, refused = native("POST", f"{versions}?runtime=python3.10&{where}")
    check.equal("layer: the object is gone", (status, refused["code"]), (404, "not_found"))
    status, shown = native("GET", versions)
    check.equal("layer: one version", [item["version"] for item in shown["items"]], [1])
    check.download("layer: its bytes are as they were", shown["items"][0]["download_url"], content)


def story(url, check):
    s3, prefix = connect(url), support.unique("run")
    check_objects(check, s3, prefix)
    check_listing(check, s3, prefix)
    check_copies(check, s3, prefix)
    key, content = check_multipart(check, s3, prefix)
    check_layer(check, url, s3, key, content)
    check_presigned(check, url, s3, prefix)
    check_command_line(check, url, prefix)
    if support.AUTH_ON:
        check_strangers(check, url, prefix)


support.main("inbox", story)
