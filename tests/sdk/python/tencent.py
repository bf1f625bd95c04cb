"""Tencent Cloud SCF through `tencentcloud-sdk-python-scf` and, where it is installed, `tccli`.

    python tencent.py http://127.0.0.1:PORT

Covers the five layer actions with every signature the SDK can make: TC3-HMAC-SHA256 and the
older HmacSHA1 and HmacSHA256, each with POST and GET. LAYERBASE_TEST_AUTH=on adds refused
credentials; then the server must have three keys:

    LAYERBASE_TEST_KEY_ID, LAYERBASE_TEST_KEY_SECRET                     may write
    LAYERBASE_TEST_READ_KEY_ID, LAYERBASE_TEST_READ_KEY_SECRET           may read
    LAYERBASE_TEST_DISABLED_KEY_ID, LAYERBASE_TEST_DISABLED_KEY_SECRET   is disabled
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest import mock

import support
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models
from tencentcloud.scf.v20180416.scf_client import ScfClient

SIGNATURES = ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"]
TCCLI = Path(sys.executable).parent / "tccli"
GOOD_KEY = (support.KEY_ID, support.KEY_SECRET)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def client(url, signature="TC3-HMAC-SHA256", method="POST", key=GOOD_KEY):
    http = HttpProfile(protocol="http", endpoint=support.host_and_port(url), reqMethod=method)
    profile = ClientProfile(signMethod=signature, httpProfile=http)
    return ScfClient(Credential(*key), "ap-guangzhou", profile)


def request(kind, **fields):
    """Builds a request model; nested objects are given as plain dictionaries."""
    model = getattr(models, f"{kind}Request")()
    model._deserialize(fields)
    return model


def publish(scf, name, content, runtimes=("Python3.9",), **more):
    ask = request("PublishLayerVersion", LayerName=name, CompatibleRuntimes=list(runtimes),
                  Content={"ZipFile": support.to_base64(content)}, **more)
    return scf.PublishLayerVersion(ask).LayerVersion


def get(scf, name, version):
    return scf.GetLayerVersion(request("GetLayerVersion", LayerName=name, LayerVersion=version))


def versions(scf, name, **more):
    answer = scf.ListLayerVersions(request("ListLayerVersions", LayerName=name, **more))
    return [layer.LayerVersion for layer in answer.LayerVersions]


def delete(scf, name, version):
    return scf.DeleteLayerVersion(request("DeleteLayerVersion", LayerName=name, LayerVersion=version))


def check_error(check, what, code, call, *arguments, **named):
    error = check.raises(what, TencentCloudSDKException, call, *arguments, **named)
    check.true(f"{what}: code", re.fullmatch(code, error.get_code() or ""), error.get_code())
    check.matches(f"{what}: RequestId", error.get_request_id(), UUID)


def check_add_time(check, text):
    """AddTime is the local time of UTC+8, without a zone."""
    beijing = timezone(timedelta(hours=8))
    added = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=beijing)
    age = datetime.now(timezone.utc) - added
    check.true("AddTime is now, in UTC+8", abs(age) < timedelta(minutes=10), text)


def get_with_every_signature(check, url):
    """Publishes once and reads the version back in six ways: all ten fields each time."""
    name, content = support.unique("tc-get"), support.layer_zip("every signature")
    version = publish(client(url), name, content, ["Python3.9", "Nodejs16.13"],
                      Description="first layer, 第一层", LicenseInfo="MIT",
                      Tags=[{"Key": "env", "Value": "dev"}])
    check.equal("first version", version, 1)
    for signature in SIGNATURES:
        for method in ["POST", "GET"]:
            answer = get(client(url, signature, method), name, version)
            check_layer(check, f"GetLayerVersion {signature} {method}", answer, name, content)


def check_layer(check, what, answer, name, content):
    check.equal(f"{what}: LayerName", answer.LayerName, name)
    check.equal(f"{what}: LayerVersion", answer.LayerVersion, 1)
    check.equal(f"{what}: CompatibleRuntimes", answer.CompatibleRuntimes, ["Python3.9", "Nodejs16.13"])
    check.equal(f"{what}: CodeSha256", answer.CodeSha256, support.sha256(content))
    check.equal(f"{what}: Description", answer.Description, "first layer, 第一层")
    check.equal(f"{what}: LicenseInfo", answer.LicenseInfo, "MIT")
    check.equal(f"{what}: Status", answer.Status, "Active")
    check.matches(f"{what}: RequestId", answer.RequestId, UUID)
    check_add_time(check, answer.AddTime)
    check.download(f"{what}: Location", answer.Location, content)


def publish_with_every_signature(check, url):
    """A zip also travels in a signed form body; GET carries it in the query."""
    name = support.unique("tc-publish")
    for number, signature in enumerate(SIGNATURES * 2, start=1):
        method = "POST" if number <= 3 else "GET"
        content = support.layer_zip(f"{signature} {method}")
        version = publish(client(url, signature, method), name, content, ["Python3.9", "Python3.10"],
                          Description=f"a b+c&d={signature}")
        check.equal(f"PublishLayerVersion {signature} {method}: number", version, number)
        answer = get(client(url), name, version)
        check.equal(f"PublishLayerVersion {signature} {method}: sha", answer.CodeSha256, support.sha256(content))
        check.equal("Description in a form", answer.Description, f"a b+c&d={signature}")
        check.equal("CompatibleRuntimes in a form", answer.CompatibleRuntimes, ["Python3.9", "Python3.10"])


def list_layers(check, url):
    """Paging, the name search and the runtime filter of ListLayers."""
    scf, prefix = client(url), support.unique("tc-list")
    names = [f"{prefix}-{letter}" for letter in "abc"]
    for name in names:
        publish(scf, name, support.layer_zip(name), ["Nodejs16.13" if name.endswith("b") else "Python3.9"])
    publish(scf, names[0], support.layer_zip("newer"), ["Python3.9"], Description="newest")

    def ask(**fields):
        return scf.ListLayers(request("ListLayers", **fields))

    whole = ask(SearchKey=prefix)
    check.equal("TotalCount of a search", whole.TotalCount, 3)
    check.equal("one row for each layer", sorted(layer.LayerName for layer in whole.Layers), names)
    newest = next(layer for layer in whole.Layers if layer.LayerName == names[0])
    check.equal("the row is the newest version", newest.LayerVersion, 2)
    check.equal("Description in a list", newest.Description, "newest")
    check.equal("Status in a list", newest.Status, "Active")
    check.equal("LicenseInfo in a list", newest.LicenseInfo, "")
    check.equal("Stamp", newest.Stamp, "default")
    check.equal("Tags", newest.Tags, [])
    check_add_time(check, newest.AddTime)

    pages = [ask(SearchKey=prefix, Offset=offset, Limit=2) for offset in (0, 2, 4)]
    check.equal("sizes of three pages", [len(page.Layers) for page in pages], [2, 1, 0])
    check.equal("TotalCount on each page", [page.TotalCount for page in pages], [3, 3, 3])
    paged = [layer.LayerName for page in pages for layer in page.Layers]
    check.equal("pages in the order of the list", paged, [layer.LayerName for layer in whole.Layers])

    filtered = ask(SearchKey=prefix, CompatibleRuntime="Nodejs16.13")
    check.equal("CompatibleRuntime filter", [layer.LayerName for layer in filtered.Layers], [names[1]])
    check.equal("TotalCount of the filter", filtered.TotalCount, 1)
    nothing = ask(SearchKey=support.unique("nobody"))
    check.equal("an empty search", (nothing.TotalCount, nothing.Layers), (0, []))
    check.true("a list without a search", ask(Limit=1).TotalCount >= 3)
    by_get = client(url, method="GET").ListLayers(request("ListLayers", SearchKey=prefix, Limit=2))
    check.equal("ListLayers by GET", (by_get.TotalCount, len(by_get.Layers)), (3, 2))
    by_form = client(url, "HmacSHA1").ListLayers(request("ListLayers", SearchKey=prefix, Limit=2))
    check.equal("ListLayers by form", (by_form.TotalCount, len(by_form.Layers)), (3, 2))


def list_and_delete_versions(check, url):
    """Versions newest first, the runtime filter, and numbers that are never used twice."""
    scf, name = client(url), support.unique("tc-versions")
    for number, runtime in enumerate(["Python3.9", "Nodejs16.13", "Python3.9"], start=1):
        check.equal("numbers count up", publish(scf, name, support.layer_zip("same bytes"), [runtime]), number)
    check.equal("newest first", versions(scf, name), [3, 2, 1])
    check.equal("one runtime", versions(scf, name, CompatibleRuntime=["Nodejs16.13"]), [2])
    check.equal("any of two runtimes", versions(client(url, "HmacSHA256"), name,
                CompatibleRuntime=["Nodejs16.13", "Python3.9"]), [3, 2, 1])

    check.matches("DeleteLayerVersion", delete(scf, name, 3).RequestId, UUID)
    check_error(check, "get a deleted version", "ResourceNotFound.LayerVersion", get, scf, name, 3)
    check_error(check, "delete it again", "ResourceNotFound.LayerVersion", delete, scf, name, 3)
    check.equal("the others stay", versions(scf, name), [2, 1])
    check.equal("3 is not used again", publish(scf, name, support.layer_zip("after")), 4)
    for number in (1, 2, 4):
        delete(scf, name, number)
    check_error(check, "list a layer that is gone", "ResourceNotFound.Layer", versions, scf, name)
    check.equal("the counter outlives the layer", publish(scf, name, support.layer_zip("again")), 5)


def publish_out_of_a_bucket(check, url):
    """A reference to an object in place of the zip, with every signature; then its refusals."""
    name, bucket, content = support.unique("tc-cos"), "code-1250000000", support.layer_zip("cos")
    support.put_object(bucket, f"layers/{name}.zip", content)
    support.put_object(bucket, f"{name}.txt", b"plain text, no zip")

    def publish_object(scf, key, where=bucket):
        place = {"CosBucketName": where, "CosObjectName": key, "CosBucketRegion": "ap-guangzhou"}
        return scf.PublishLayerVersion(request("PublishLayerVersion", LayerName=name, CompatibleRuntimes=["Python3.9"],
                                               Content=place)).LayerVersion

    ways = [(signature, method) for signature in SIGNATURES for method in ["POST", "GET"]]
    for number, (signature, method) in enumerate(ways, start=1):
        made = publish_object(client(url, signature, method), f"/layers/{name}.zip")
        check.equal(f"out of a bucket, {signature} {method}", made, number)
        answer = get(client(url), name, number)
        check.equal("CodeSha256", answer.CodeSha256, support.sha256(content))
        check.download("Location", answer.Location, content)
    scf = client(url)
    for what, code, arguments in [
        ("an unknown object", "ResourceNotFound.CosObject", ["/layers/none.zip"]),
        ("an unknown bucket", "UnsupportedOperation.Cos", ["/layers/none.zip", "code-1"]),
        ("an object that is no zip", "InvalidParameterValue.ZipFile", [f"{name}.txt"]),
        ("an object outside", "InvalidParameterValue.CosObjectName", ["/../catalog.sqlite"]),
    ]:
        check_error(check, what, code, publish_object, scf, *arguments)
    check.equal("nothing was stored", versions(scf, name), list(range(len(ways), 0, -1)))


def errors(check, url):
    """Refusals, as exceptions with their code; a refused request stores nothing."""
    scf, name = client(url), support.unique("tc-errors")
    for signature in SIGNATURES:
        check_error(check, f"unknown layer, {signature}", "ResourceNotFound.LayerVersion",
                    get, client(url, signature), name, 1)
    check_error(check, "unknown layer's versions", "ResourceNotFound.Layer", versions, scf, name)
    check_error(check, "no LayerVersion", "MissingParameter", scf.GetLayerVersion,
                request("GetLayerVersion", LayerName=name))

    ask = request("PublishLayerVersion", LayerName=name, CompatibleRuntimes=["Python3.9"],
                  Content={"ZipFile": "this is not base64!"})
    check_error(check, "not base64", r"InvalidParameterValue\.\w+", scf.PublishLayerVersion, ask)
    check_error(check, "not a zip", r"InvalidParameterValue\.\w+", publish, scf, name, b"plain text, no zip")
    check_error(check, "a path out of the layer", r"InvalidParameterValue\.\w+", publish, scf, name,
                support.make_zip({"../escape.py": "x = 1\n"}))
    check_error(check, "bad name", "InvalidParameterValue.LayerName", publish, scf, "9-starts-with-a-digit",
                support.layer_zip("name"))
    check_error(check, "nothing was stored", "ResourceNotFound.Layer", versions, scf, name)
    check.equal("no number was used", publish(scf, name, support.layer_zip("good")), 1)


def command_line(check, url):
    """The same five actions through `tccli`, in a home folder of its own."""
    if TCCLI.exists():
        tell_tccli(check, url)
    else:
        print("note: tccli is not installed, its part is left out")


def tccli(url, key, action, *arguments):
    with tempfile.TemporaryDirectory() as home:
        environment = dict(os.environ, HOME=home, TENCENTCLOUD_REGION="ap-guangzhou",
                           TENCENTCLOUD_SECRET_ID=key[0], TENCENTCLOUD_SECRET_KEY=key[1])
        line = [TCCLI, "scf", action, *arguments, "--endpoint", url]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)


def tell_tccli(check, url):
    name, content = support.unique("tc-cli"), support.layer_zip("tccli")

    def answer(action, *arguments):
        run = tccli(url, GOOD_KEY, action, *arguments)
        check.equal(f"tccli {action}: exit code ({run.stderr.strip()})", run.returncode, 0)
        return json.loads(run.stdout)

    published = answer("PublishLayerVersion", "--LayerName", name, "--CompatibleRuntimes", '["Python3.9"]',
                       "--Content", json.dumps({"ZipFile": support.to_base64(content)}), "--Description", "by hand")
    check.equal("tccli PublishLayerVersion", published["LayerVersion"], 1)
    this = ["--LayerName", name, "--LayerVersion", "1"]
    got = answer("GetLayerVersion", *this)
    check.equal("tccli GetLayerVersion", (got["CodeSha256"], got["Status"], got["Description"]),
                (support.sha256(content), "Active", "by hand"))
    check.download("tccli Location", got["Location"], content)
    listed = answer("ListLayers", "--SearchKey", name)
    check.equal("tccli ListLayers", [layer["LayerName"] for layer in listed["Layers"]], [name])
    listed = answer("ListLayerVersions", "--LayerName", name, "--CompatibleRuntime", '["Python3.9"]')
    check.equal("tccli ListLayerVersions", [layer["LayerVersion"] for layer in listed["LayerVersions"]], [1])
    answer("DeleteLayerVersion", *this)
    refused = tccli(url, GOOD_KEY, "GetLayerVersion", *this)
    check.equal("tccli: exit code of an error", refused.returncode, 255)
    check.true("tccli: the error's code", "ResourceNotFound.LayerVersion" in refused.stderr, refused.stderr)


def key_of(kind):
    return os.environ[f"LAYERBASE_TEST_{kind}_KEY_ID"], os.environ[f"LAYERBASE_TEST_{kind}_KEY_SECRET"]


def authentication(check, url):
    """Refused credentials with every signature and method, and the rights of a reader."""
    name, content = support.unique("tc-auth"), support.layer_zip("signed")
    check.equal("a good key publishes", publish(client(url), name, content), 1)
    refused = [
        ("wrong secret", (support.KEY_ID, support.KEY_SECRET + "x"), "AuthFailure.SignatureFailure"),
        ("unknown key", ("AKNOBODY000000000001", support.KEY_SECRET), "AuthFailure.SecretIdNotFound"),
        ("disabled key", key_of("DISABLED"), "AuthFailure.SecretIdNotFound"),
    ]
    for signature in SIGNATURES:
        for method in ["POST", "GET"]:
            way = f"{signature} {method}"
            for what, key, code in refused:
                other = client(url, signature, method, key)
                check_error(check, f"{what} gets, {way}", code, get, other, name, 1)
                check_error(check, f"{what} publishes, {way}", code, publish, other, name, content)
            reader = client(url, signature, method, key_of("READ"))
            got = get(reader, name, 1)
            check.equal(f"a reader gets, {way}", got.CodeSha256, support.sha256(content))
            check.download(f"a reader's Location, {way}", got.Location, content)
            check_error(check, f"a reader publishes, {way}", "UnauthorizedOperation.CAM", publish, reader, name, content)
            check_error(check, f"a reader deletes, {way}", "UnauthorizedOperation.CAM", delete, reader, name, 1)
            wrong_clock(check, url, signature, method, name)
            changed_on_the_way(check, url, signature, method, name)
    unsigned(check, url, name)
    check.equal("nothing of it was stored or deleted", versions(client(url), name), [1])
    long_forms(check, url, name)
    if TCCLI.exists():
        refused_tccli(check, url, name, refused)


def wrong_clock(check, url, signature, method, name):
    scf, now = client(url, signature, method), time.time
    for hours in (-1, 1):
        with mock.patch("time.time", lambda: now() + 3600 * hours):
            check_error(check, f"a clock {hours} h off, {signature} {method}", "AuthFailure.SignatureExpire",
                        get, scf, name, 1)
    with mock.patch("time.time", lambda: now() - 240):
        check.equal("a clock four minutes off", get(scf, name, 1).LayerVersion, 1)


def changed_on_the_way(check, url, signature, method, name):
    """Sends a request that the SDK signed, once unchanged and once with another value."""
    scf = client(url, signature, method)
    sent = RequestInternal(scf._get_endpoint(), method, scf._requestPath)
    scf._build_req_inter("GetLayerVersion", {"LayerName": name, "LayerVersion": 1}, sent)

    def answer(text):
        if method == "GET":
            return json.loads(support.http("GET", f"{url}/?{text}", sent.header)[2])["Response"]
        return json.loads(support.http("POST", f"{url}/", sent.header, text.encode())[2])["Response"]

    check.equal(f"the SDK's own request, {signature} {method}", answer(sent.data).get("LayerName"), name)
    changed = answer(sent.data.replace(name, "another-layer"))
    check.equal(f"another value, {signature} {method}", changed["Error"]["Code"], "AuthFailure.SignatureFailure")
    check.matches(f"another value: RequestId, {signature} {method}", changed["RequestId"], UUID)


def unsigned(check, url, name):
    """Requests without a signature, and one whose signature leaves out the body."""
    ask = {"LayerName": name, "LayerVersion": 1}
    for method in ["POST", "GET"]:
        scf = client(url, method=method)
        check_error(check, f"SkipSign {method}", "MissingParameter", scf.call_json, "GetLayerVersion", ask,
                    options={"SkipSign": True})
        scf.profile.unsignedPayload = True
        check.equal(f"unsignedPayload {method}", get(scf, name, 1).LayerName, name)
        scf = client(url, method=method, key=("AKNOBODY000000000001", "some-secret"))
        scf.profile.unsignedPayload = True
        check_error(check, f"unsignedPayload {method}, unknown key", "AuthFailure.SecretIdNotFound", get, scf, name, 1)


def long_forms(check, url, name):
    """Signed uploads that the server spools to a file."""
    content = support.make_zip({"noise.txt": os.urandom(400_000).hex()})
    for number, signature in enumerate(SIGNATURES, start=2):
        check.equal(f"a long upload, {signature}", publish(client(url, signature), name, content), number)
        key = (support.KEY_ID, support.KEY_SECRET + "x")
        check_error(check, f"a long upload with a wrong secret, {signature}", "AuthFailure.SignatureFailure",
                    publish, client(url, signature, key=key), name, content)
    check.equal("its sha", get(client(url), name, 2).CodeSha256, support.sha256(content))


def refused_tccli(check, url, name, refused):
    this = ["--LayerName", name, "--LayerVersion", "1"]
    check.equal("tccli with a good key", tccli(url, GOOD_KEY, "GetLayerVersion", *this).returncode, 0)
    check.equal("tccli with a reader's key", tccli(url, key_of("READ"), "GetLayerVersion", *this).returncode, 0)
    reads = ("a reader deletes", key_of("READ"), "UnauthorizedOperation.CAM")
    for what, key, code in [*refused, reads]:
        run = tccli(url, key, "DeleteLayerVersion", *this)
        check.equal(f"tccli, {what}: exit code", run.returncode, 255)
        check.true(f"tccli, {what}: the error's code", f"code:{code} " in run.stderr, run.stderr)


def story(url, check):
    get_with_every_signature(check, url)
    publish_with_every_signature(check, url)
    list_layers(check, url)
    list_and_delete_versions(check, url)
    errors(check, url)
    if support.BUCKETS:
        publish_out_of_a_bucket(check, url)
    command_line(check, url)
    if os.environ.get("LAYERBASE_TEST_AUTH") == "on":
        authentication(check, url)


if __name__ == "__main__":
    support.main("tencent", story)
