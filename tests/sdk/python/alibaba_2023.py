"""Alibaba Cloud FC 3.0, API of 2023-03-30, through `alibabacloud-fc20230330`.

    python alibaba_2023.py http://127.0.0.1:PORT

Covers the five layer operations, the optional checksum in a request, and both ways of this client
to sign.
"""

import base64
import hashlib
import re
from datetime import datetime, timedelta
from unittest import mock

import support
from alibabacloud_fc20230330 import models
from alibabacloud_fc20230330.client import Client
from alibabacloud_tea_openapi import utils
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.core import DaraCore
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import TeaException

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ARN = re.compile(r"acs:fc:[^:]+:[^:]+:layers/([^/]+)/versions/(\d+)")


def client(url, key_id=support.KEY_ID, secret=support.KEY_SECRET, algorithm=None):
    return Client(Config(access_key_id=key_id, access_key_secret=secret, signature_algorithm=algorithm,
                         endpoint=support.host_and_port(url), protocol="http", region_id="cn-hangzhou"))


def publish(fc, name, content, runtimes=("python3.10",), checksum=None, **more):
    code = models.InputCodeLocation(zip_file=support.to_base64(content), checksum=checksum)
    body = models.CreateLayerVersionInput(code=code, compatible_runtime=list(runtimes), **more)
    return fc.create_layer_version(name, models.CreateLayerVersionRequest(body=body)).body


def layers(fc, **query):
    return fc.list_layers(models.ListLayersRequest(**query)).body


def versions(fc, name, **query):
    return fc.list_layer_versions(name, models.ListLayerVersionsRequest(**query)).body


def names(page):
    return [layer.layer_name for layer in page.layers]


def numbers(page):
    return [layer.version for layer in page.layers]


def check_error(check, what, status, code, call, *arguments, **named):
    error = check.raises(what, TeaException, call, *arguments, **named)
    check.equal(f"{what}: code", error.code, code)
    check.equal(f"{what}: status", error.data.get("statusCode"), status)
    check.true(f"{what}: RequestId", error.data.get("RequestId"))


def create_and_get(check, url):
    """Every field of a version, in the answer to publishing and read back."""
    fc, name, content = client(url), support.unique("ali23_get"), support.layer_zip("2023")
    made = publish(fc, name, content, ["python3.10", "custom.debian10"], description="second, 第二", license="Apache-2.0")
    for what, got in ("create", made), ("get", fc.get_layer_version(name, "1").body):
        check.equal(f"{what}: layerName", got.layer_name, name)
        check.equal(f"{what}: version", got.version, 1)
        check.equal(f"{what}: description", got.description, "second, 第二")
        check.equal(f"{what}: license", got.license, "Apache-2.0")
        check.equal(f"{what}: codeSize", got.code_size, len(content))
        check.equal(f"{what}: codeChecksum", got.code_checksum, support.crc64(content))
        check.equal(f"{what}: compatibleRuntime", got.compatible_runtime, ["python3.10", "custom.debian10"])
        check.equal(f"{what}: acl is the text 0", got.acl, "0")
        check.matches(f"{what}: createTime", got.create_time, TIME)
        check.matches(f"{what}: layerVersionArn", got.layer_version_arn, ARN)
        check.equal(f"{what}: the ARN's version", ARN.fullmatch(got.layer_version_arn).groups(), (name, "1"))
        check.equal(f"{what}: repositoryType", got.code.repository_type, "OSS")
        check.download(f"{what}: code.location", got.code.location, content)


def list_layers(check, url):
    """Prefix, page size and the token of the next page."""
    fc, prefix = client(url), support.unique("ali23_list")
    wanted = [f"{prefix}-{letter}" for letter in "abcde"]
    for name in reversed(wanted):
        publish(fc, name, support.layer_zip(name))
    publish(fc, wanted[0], support.layer_zip("newer"), description="newest")

    whole = layers(fc, prefix=prefix)
    check.equal("ascending by name", names(whole), wanted)
    check.equal("no token on the last page", whole.next_token, None)
    check.equal("the row is the newest version", (whole.layers[0].version, whole.layers[0].description), (2, "newest"))
    check.equal("acl in a list is the text 0", whole.layers[0].acl, "0")
    check.equal("no license is an empty one", whole.layers[0].license, "")

    seen, token = [], None
    for size in (2, 2, 1):
        page = layers(fc, prefix=prefix, limit=2, next_token=token)
        check.equal("size of a page", len(page.layers), size)
        seen, token = seen + names(page), page.next_token
    check.equal("three pages are the whole list", seen, wanted)
    check.equal("the last page has no token", token, None)
    check.equal("a page that is exactly full is the last", layers(fc, prefix=prefix, limit=5).next_token, None)
    check.equal("no match is an empty list", layers(fc, prefix=support.unique("nobody")).layers, [])
    check.equal("public=true has no private layer", layers(fc, prefix=prefix, public="true").layers, [])
    check.equal("official=true", layers(fc, prefix=prefix, official="true").layers, [])
    for limit in (0, 101):
        check_error(check, f"limit {limit}", 400, "InvalidArgument", layers, fc, limit=limit)


def list_and_delete_versions(check, url):
    """Ascending versions in pages, deletion, and numbers that are never used twice."""
    fc, name = client(url), support.unique("ali23_versions")
    for number in range(1, 6):
        check.equal("numbers count up", publish(fc, name, support.layer_zip(str(number))).version, number)
    check.equal("ascending", numbers(versions(fc, name)), [1, 2, 3, 4, 5])
    seen, start = [], 1
    while start is not None:
        page = versions(fc, name, start_version=str(start), limit=2)
        seen, start = seen + [numbers(page)], page.next_version
    check.equal("pages by nextVersion", seen, [[1, 2], [3, 4], [5]])
    check.equal("past the end", versions(fc, name, start_version="9").layers, [])

    check.equal("delete", fc.delete_layer_version(name, "5").status_code, 204)
    check_error(check, "get a deleted version", 404, "LayerVersionNotFound", fc.get_layer_version, name, "5")
    check_error(check, "delete it again", 404, "LayerVersionNotFound", fc.delete_layer_version, name, "5")
    check.equal("5 is not used again", publish(fc, name, support.layer_zip("after")).version, 6)
    for number in (1, 2, 3, 4, 6):
        fc.delete_layer_version(name, str(number))
    check.equal("a layer without versions is not listed", layers(fc, prefix=name).layers, [])
    check.equal("the counter outlives the layer", publish(fc, name, support.layer_zip("again")).version, 7)


def errors(check, url):
    """Refusals with code and status; a refused request stores nothing."""
    fc, name, content = client(url), support.unique("ali23_errors"), support.layer_zip("checked")
    check_error(check, "get of an unknown layer", 404, "LayerNotFound", fc.get_layer_version, name, "1")
    check_error(check, "versions of an unknown layer", 404, "LayerNotFound", versions, fc, name)
    check_error(check, "a checksum of other bytes", 400, "InvalidArgument", publish, fc, name, content,
                checksum=support.crc64(content + b"!"))
    check_error(check, "not a zip", 400, "InvalidArgument", publish, fc, name, b"plain text, no zip")
    body = models.CreateLayerVersionInput(code=models.InputCodeLocation(zip_file="no base64!"))
    check_error(check, "not base64", 400, "InvalidArgument", fc.create_layer_version, name,
                models.CreateLayerVersionRequest(body=body))
    check_error(check, "nothing was stored", 404, "LayerNotFound", versions, fc, name)
    made = publish(fc, name, content, checksum=support.crc64(content))
    check.equal("the right checksum is accepted, no number was used", made.version, 1)
    check.equal("and answered", made.code_checksum, support.crc64(content))


class HourBehind(datetime):
    """A clock for the client, an hour behind."""

    @classmethod
    def utcnow(cls):
        return datetime.utcnow() - timedelta(hours=1)


def authentication(check, url):
    """Refused credentials and their errors, and the limits of a role, for both ways to sign."""
    for algorithm in (None, "v2"):
        not_let_in(check, url, algorithm)
        all_is_covered(check, url, algorithm)
    body_of_the_older_way(check, url)


def not_let_in(check, url, algorithm):
    name, content = support.unique("ali23_auth"), support.layer_zip("auth")
    for what, code, key in [
        ("a wrong secret", "SignatureNotMatch", (support.KEY_ID, support.KEY_SECRET + "x")),
        ("an unknown key", "InvalidAccessKeyID", (support.unique("AKNOBODY"), support.KEY_SECRET)),
        ("a disabled key", "InvalidAccessKeyID", support.other_key("DISABLED")),
    ]:
        fc = client(url, *key, algorithm)
        check_error(check, what, 403, code, publish, fc, name, content)
        check_error(check, f"{what} that reads", 403, code, layers, fc)
    with mock.patch.object(utils, "datetime", HourBehind):
        check_error(check, "a clock an hour behind", 403, "AccessDenied", publish, client(url, algorithm=algorithm),
                    name, content)
    reader = client(url, *support.other_key("READ"), algorithm)
    check_error(check, "a reader that publishes", 403, "AccessDenied", publish, reader, name, content)
    check.equal("a reader that lists: nothing was stored", layers(reader, prefix=name).layers, [])


def all_is_covered(check, url, algorithm):
    """The client's own signatures: over every kind of query and path value, and over another request."""
    fc, name, content = client(url, algorithm=algorithm), support.unique("ali23_signed"), support.layer_zip("signed")
    made = publish(fc, name, content, description="第二 & more")
    check.equal("an ARN in the path", fc.get_layer_version_by_arn(made.layer_version_arn).body.layer_name, name)
    check.equal("an empty value", names(layers(fc, prefix=name, next_token="", limit=1)), [name])
    check.equal("blanks and signs", layers(fc, prefix="a b+c%&=~*第", public=False).layers, [])

    def error_of_changed(what, change, call, *arguments):
        with changed(change):
            check_error(check, what, 403, "SignatureNotMatch", call, *arguments)

    error_of_changed("another path", lambda ask: setattr(ask, "pathname", ask.pathname + "x"),
                     fc.get_layer_version, name, "1")
    error_of_changed("another query", lambda ask: ask.query.update(limit="2"), layers, fc)
    error_of_changed("another action", lambda ask: ask.headers.update({"x-acs-action": "GetLayer"}), layers, fc)
    error_of_changed("another type", lambda ask: ask.headers.update({"content-type": "text/plain"}),
                     publish, fc, name, content)
    if algorithm is None:
        error_of_changed("another body", lambda ask: setattr(ask, "body", ask.body + " "), publish, fc, name, content)
    check.equal("nothing was stored", numbers(versions(fc, name)), [1])


def changed(change):
    """Changes a signed request right before it is sent."""
    send = DaraCore.do_action

    def changed_and_sent(ask, runtime=None):
        change(ask)
        return send(ask, runtime)

    return mock.patch.object(DaraCore, "do_action", changed_and_sent)


def body_of_the_older_way(check, url):
    """`signature_algorithm="v2"` covers the body only by a digest that the caller may add."""
    fc, name = client(url, algorithm="v2"), support.unique("ali23_v2")
    code = models.InputCodeLocation(zip_file=support.to_base64(support.layer_zip("v2")))
    ask = models.CreateLayerVersionRequest(body=models.CreateLayerVersionInput(code=code))

    def publish_with(digest):
        headers = {"content-md5": base64.b64encode(digest).decode()}
        return fc.create_layer_version_with_options(name, ask, headers, RuntimeOptions()).body.version

    sent = []
    with changed(lambda ask: sent.append(ask.body)):
        publish_with_none = fc.create_layer_version(name, ask).body.version
    check.equal("no digest", publish_with_none, 1)
    check.equal("the body's digest", publish_with(hashlib.md5(sent[0].encode()).digest()), 2)
    check_error(check, "another body's digest", 403, "SignatureNotMatch", publish_with, hashlib.md5(b"{}").digest())


def story(url, check):
    create_and_get(check, url)
    list_layers(check, url)
    list_and_delete_versions(check, url)
    errors(check, url)
    if support.AUTH_ON:
        authentication(check, url)


if __name__ == "__main__":
    support.main("alibaba_2023", story)
