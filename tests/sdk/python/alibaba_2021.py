"""Alibaba Cloud FC, API of 2021-04-06, through `alibabacloud-fc-open20210406`.

    python alibaba_2021.py http://127.0.0.1:PORT

Covers the five layer operations, and `GET /layers` without a date in its path, which the
vendor documents and no SDK sends.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from datetime import datetime, timedelta
from email.utils import formatdate
from unittest import mock
from urllib.parse import urlencode

import support
from alibabacloud_fc_open20210406 import models
from alibabacloud_fc_open20210406.client import Client
from alibabacloud_tea_openapi import utils
from alibabacloud_tea_openapi.models import Config
from darabonba.core import DaraCore
from Tea.exceptions import TeaException

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ARN_V1 = re.compile(r"[0-9a-f]{32}#([^#]+)#(\d+)")
ARN_V2 = re.compile(r"acs:fc:[^:]+:[^:]+:layers/([^/]+)/versions/(\d+)")


def client(url, key_id=support.KEY_ID, secret=support.KEY_SECRET, algorithm=None):
    return Client(Config(access_key_id=key_id, access_key_secret=secret, signature_algorithm=algorithm,
                         endpoint=support.host_and_port(url), protocol="http", region_id="cn-hangzhou"))


def publish(fc, name, content, runtimes=("python3.10",), description=None):
    code = models.Code(zip_file=support.to_base64(content))
    ask = models.CreateLayerVersionRequest(code=code, compatible_runtime=list(runtimes), description=description)
    return fc.create_layer_version(name, ask).body


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
    check.true(f"{what}: request id", error.data.get("RequestId") or error.data.get("requestId"))


def create_and_get(check, url):
    """Every field of a version, in the answer to publishing and read back."""
    fc, name, content = client(url), support.unique("ali21_get"), support.layer_zip("2021")
    made = publish(fc, name, content, ["python3.10", "python3.9"], "first")
    check.equal("create: codesize, the only spelling its model reads", made.codesize, len(content))
    check_version(check, "create", made, name, content)
    got = fc.get_layer_version(name, "1").body
    check.equal("get: codeSize", got.code_size, len(content))
    check_version(check, "get", got, name, content)
    check.matches("get: arnV2", got.arn_v2, ARN_V2)
    check.equal("same bytes again are a new version", publish(fc, name, content).version, 2)
    second = fc.get_layer_version(name, "2").body
    check.equal("no description is an empty one", second.description, "")
    check.equal("equal bytes, equal checksum", second.code_checksum, got.code_checksum)


def check_version(check, what, got, name, content):
    check.equal(f"{what}: layerName", got.layer_name, name)
    check.equal(f"{what}: version", got.version, 1)
    check.equal(f"{what}: description", got.description, "first")
    check.equal(f"{what}: codeChecksum", got.code_checksum, support.crc64(content))
    check.equal(f"{what}: compatibleRuntime", got.compatible_runtime, ["python3.10", "python3.9"])
    check.true(f"{what}: acl is the number 0", got.acl == 0 and isinstance(got.acl, int), got.acl)
    check.matches(f"{what}: createTime", got.create_time, TIME)
    check.matches(f"{what}: arn", got.arn, ARN_V1)
    check.equal(f"{what}: arn names the version", ARN_V1.fullmatch(got.arn).groups(), (name, "1"))
    check.equal(f"{what}: repositoryType", got.code.repository_type, "OSS")
    check.download(f"{what}: code.location", got.code.location, content)


def list_layers(check, url):
    """Prefix, start key, page size and the token of the next page."""
    fc, prefix = client(url), support.unique("ali21_list")
    wanted = [f"{prefix}-{letter}" for letter in "abcde"]
    for name in reversed(wanted):
        publish(fc, name, support.layer_zip(name))
    publish(fc, wanted[0], support.layer_zip("newer"), description="newest")

    whole = layers(fc, prefix=prefix)
    check.equal("ascending by name", names(whole), wanted)
    check.equal("no token on the last page", whole.next_token, None)
    check.equal("the row is the newest version", (whole.layers[0].version, whole.layers[0].description), (2, "newest"))
    check.equal("codeSize in a list", whole.layers[0].code_size, len(support.layer_zip("newer")))
    check.true("acl in a list is the number 0", whole.layers[0].acl == 0 and isinstance(whole.layers[0].acl, int))
    check.download("code.location in a list", whole.layers[0].code.location, support.layer_zip("newer"))

    seen, token = [], None
    for size in (2, 2, 1):
        page = layers(fc, prefix=prefix, limit=2, next_token=token)
        check.equal("size of a page", len(page.layers), size)
        seen, token = seen + names(page), page.next_token
    check.equal("three pages are the whole list", seen, wanted)
    check.equal("the last page has no token", token, None)
    check.equal("a page that is exactly full is the last", layers(fc, prefix=prefix, limit=5).next_token, None)
    check.equal("startKey is included", names(layers(fc, prefix=prefix, start_key=wanted[3])), wanted[3:])
    check.equal("startKey need not exist", names(layers(fc, prefix=prefix, start_key=f"{prefix}-bb")), wanted[2:])
    token = layers(fc, prefix=prefix, limit=1).next_token
    check.equal("nextToken wins over startKey",
                names(layers(fc, prefix=prefix, start_key=wanted[4], next_token=token)), wanted[1:])
    check.equal("no match is an empty list", layers(fc, prefix=support.unique("nobody")).layers, [])
    check.equal("public=false", names(layers(fc, prefix=prefix, public=False)), wanted)
    check.equal("public=true has no private layer", layers(fc, prefix=prefix, public=True).layers, [])
    check.equal("official=true", layers(fc, prefix=prefix, official=True).layers, [])
    for limit in (0, 101):
        check_error(check, f"limit {limit}", 400, "InvalidArgument", layers, fc, limit=limit)


def list_and_delete_versions(check, url):
    """Ascending versions in pages, deletion, and numbers that are never used twice."""
    fc, name = client(url), support.unique("ali21_versions")
    for number in range(1, 6):
        check.equal("numbers count up", publish(fc, name, support.layer_zip(str(number))).version, number)
    whole = versions(fc, name)
    check.equal("ascending", numbers(whole), [1, 2, 3, 4, 5])
    check.equal("no next version at the end", whole.next_version, None)
    check.equal("each with its checksum", [layer.code_checksum for layer in whole.layers],
                [support.crc64(support.layer_zip(str(number))) for number in range(1, 6)])

    seen, start = [], 1
    while start is not None:
        page = versions(fc, name, start_version=start, limit=2)
        seen, start = seen + [numbers(page)], page.next_version
    check.equal("pages by nextVersion", seen, [[1, 2], [3, 4], [5]])
    check.equal("past the end", versions(fc, name, start_version=9).layers, [])

    check.equal("delete", fc.delete_layer_version(name, "5").status_code, 204)
    check_error(check, "get a deleted version", 404, "LayerVersionNotFound", fc.get_layer_version, name, "5")
    check_error(check, "delete it again", 404, "LayerVersionNotFound", fc.delete_layer_version, name, "5")
    check.equal("5 is not used again", publish(fc, name, support.layer_zip("after")).version, 6)
    fc.delete_layer_version(name, "2")
    check.equal("a gap stays a gap", numbers(versions(fc, name, start_version=2)), [3, 4, 6])
    for number in (1, 3, 4, 6):
        fc.delete_layer_version(name, str(number))
    check.equal("a layer without versions is not listed", layers(fc, prefix=name).layers, [])
    check.equal("the counter outlives the layer", publish(fc, name, support.layer_zip("again")).version, 7)


def errors(check, url):
    """Refusals with code and status; a refused request stores nothing."""
    fc, name = client(url), support.unique("ali21_errors")
    check_error(check, "get of an unknown layer", 404, "LayerNotFound", fc.get_layer_version, name, "1")
    check_error(check, "versions of an unknown layer", 404, "LayerNotFound", versions, fc, name)
    check_error(check, "not a zip", 400, "InvalidArgument", publish, fc, name, b"plain text, no zip")
    check_error(check, "a path out of the layer", 400, "InvalidArgument", publish, fc, name,
                support.make_zip({"../escape.py": "x = 1\n"}))
    ask = models.CreateLayerVersionRequest(code=models.Code(zip_file="no base64!"), compatible_runtime=["python3.10"])
    check_error(check, "not base64", 400, "InvalidArgument", fc.create_layer_version, name, ask)
    check_error(check, "no code", 400, "InvalidArgument", fc.create_layer_version, name,
                models.CreateLayerVersionRequest(compatible_runtime=["python3.10"]))
    check_error(check, "nothing was stored", 404, "LayerNotFound", versions, fc, name)
    check.equal("no number was used", publish(fc, name, support.layer_zip("good")).version, 1)


def without_a_date(check, url):
    """`GET /layers` as the document spells it, and the first generation's error shape."""
    fc, name, content = client(url), support.unique("ali21_bare"), support.layer_zip("bare")
    publish(fc, name, content, description="bare")
    for prefix in ("", "/2016-08-15"):
        status, headers, body = signed_get(url, f"{prefix}/layers", prefix=name, limit=1)
        page = json.loads(body)
        check.equal(f"GET {prefix}/layers", (status, headers["Content-Type"].split(";")[0]), (200, "application/json"))
        check.equal("only the list, no token", list(page), ["layers"])
        layer = page["layers"][0]
        check.equal("layerName, version, description", [layer[key] for key in ("layerName", "version", "description")],
                    [name, 1, "bare"])
        check.equal("codeSize and codeChecksum", (layer["codeSize"], layer["codeChecksum"]),
                    (len(content), support.crc64(content)))
        check.true("acl is the number 0", layer["acl"] == 0 and not isinstance(layer["acl"], bool), layer["acl"])
        check.equal("compatibleRuntime", layer["compatibleRuntime"], ["python3.10"])
        check.matches("createTime", layer["createTime"], TIME)
        check.matches("arn", layer["arn"], ARN_V1)
        check.true("X-Fc-Request-Id", headers.get("X-Fc-Request-Id"))
        status, _, body = signed_get(url, f"{prefix}/layers/{name}/versions/9")
        check.equal("its errors", (status, json.loads(body).get("ErrorCode")), (404, "LayerVersionNotFound"))


def signed_get(url, path, key=(support.KEY_ID, support.KEY_SECRET), late=0, **query):
    """A GET signed with the first generation's `FC` scheme, which leaves the query out."""
    date = formatdate(time.time() - late, usegmt=True)
    text = f"GET\n\n\n{date}\n{path}"
    signature = hmac.new(key[1].encode(), text.encode(), hashlib.sha256).digest()
    headers = {"Date": date, "Authorization": f"FC {key[0]}:{base64.b64encode(signature).decode()}"}
    return support.http("GET", f"{url}{path}?{urlencode(query)}", headers)


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
    without_a_date_not_let_in(check, url)


def not_let_in(check, url, algorithm):
    name, content = support.unique("ali21_auth"), support.layer_zip("auth")
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
    """The client's own signatures: over every kind of query value, and over another request."""
    fc, name, content = client(url, algorithm=algorithm), support.unique("ali21_signed"), support.layer_zip("signed")
    publish(fc, name, content, description="第二 & more")
    check.equal("an empty value", names(layers(fc, prefix=name, next_token="", limit=1)), [name])
    check.equal("blanks and signs", layers(fc, prefix="a b+c%&=~*第", public=False).layers, [])

    def error_of_changed(what, change, call, *arguments):
        with changed(change):
            check_error(check, what, 403, "SignatureNotMatch", call, *arguments)

    error_of_changed("another path", lambda ask: setattr(ask, "pathname", ask.pathname + "x"),
                     fc.get_layer_version, name, "1")
    error_of_changed("another query", lambda ask: ask.query.update(limit="2"), layers, fc)
    error_of_changed("another action", lambda ask: ask.headers.update({"x-acs-action": "GetLayer"}), layers, fc)
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


def without_a_date_not_let_in(check, url):
    """The first generation's errors, on the path that no SDK sends."""
    mine, (disabled, _) = (support.KEY_ID, support.KEY_SECRET), support.other_key("DISABLED")
    for what, code, key, late in [
        ("a wrong secret", "SignatureNotMatch", (support.KEY_ID, support.KEY_SECRET + "x"), 0),
        ("an unknown key", "InvalidAccessKeyID", ("AKNOBODY", support.KEY_SECRET), 0),
        ("a disabled key", "InvalidAccessKeyID", (disabled, support.KEY_SECRET), 0),
        ("a clock an hour behind", "AccessDenied", mine, 3600),
        ("a clock an hour ahead", "AccessDenied", mine, -3600),
    ]:
        status, _, body = signed_get(url, "/layers", key, late)
        check.equal(f"GET /layers, {what}", (status, json.loads(body)["ErrorCode"]), (403, code))
    status, _, body = support.http("GET", f"{url}/layers")
    check.equal("GET /layers, no credentials", (status, json.loads(body)["ErrorCode"]), (400, "MissingRequiredHeader"))


def story(url, check):
    create_and_get(check, url)
    list_layers(check, url)
    list_and_delete_versions(check, url)
    errors(check, url)
    without_a_date(check, url)
    if support.AUTH_ON:
        authentication(check, url)


if __name__ == "__main__":
    support.main("alibaba_2021", story)
