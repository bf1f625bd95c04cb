"""CTyun function compute through `ctyun_python_sdk_core`, the vendor's signer and HTTP client.

    python ctyun.py http://127.0.0.1:PORT

The vendor publishes no module for function compute, but its core signs and sends a request for
any path. Covers creating, listing and deleting layer versions, and both kinds of error.
"""

import contextlib
import io
import json
import os
import re
import types
from datetime import datetime, timedelta, timezone
from unittest import mock

import support
from ctyun_python_sdk_core import Credential, CtyunClient, ctyun_client, sign_util

REGION = "local-region-1"
CTRN = re.compile(r"ctrn:cf:([^:]+):[0-9a-f]{32}:layers/([^/]+)/versions/(\d+)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+08:00")
OBJECT_NAME = re.compile(r"layer/\d+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Cloud:
    """A client of one server and one region; its calls return (HTTP status, JSON)."""

    def __init__(self, url, region=REGION, key_id=support.KEY_ID, secret=support.KEY_SECRET):
        self.base, self.region = f"{url}/openapi/v1", region
        self.core, self.keys = CtyunClient(verify_tls=False), Credential(key_id, secret)

    def call(self, method, path, params=None, body=None):
        headers = {"regionId": self.region} if self.region else {}
        with contextlib.redirect_stdout(io.StringIO()):  # The core prints every request.
            answer = self.core.request(f"{self.base}/{path}", method, headers=headers, params=params, body=body,
                                       credential=self.keys)
        return answer.status_code, answer.json()

    def publish(self, name, content, description=None, runtimes=("python3.10",)):
        body = {"compatibleRuntime": list(runtimes), "code": {"zipFile": support.to_base64(content)}}
        if description is not None:
            body["description"] = description
        return self.call("POST", f"layers/{name}/versions", body=body)

    def versions(self, name, **params):
        return self.call("GET", f"layers/{name}/versions", params=params)

    def delete(self, name, version):
        return self.call("DELETE", f"layers/{name}/versions/{version}")


def check_ok(check, what, answer):
    """Checks a success, HTTP 200 with `statusCode` 0, and returns `returnObj`."""
    status, body = answer
    check.equal(f"{what}: HTTP status", status, 200)
    check.equal(f"{what}: statusCode, error, message", (body["statusCode"], body["error"], body["message"]),
                (0, "CF_0", ""))
    return body.get("returnObj")


def check_refused(check, what, answer, code):
    """Checks an error of the service: HTTP 200 too, with another `statusCode` and no `returnObj`."""
    status, body = answer
    check.equal(f"{what}: HTTP status", status, 200)
    check.equal(f"{what}: statusCode and error", (body["statusCode"], body["error"]), (code, f"CF_{code}"))
    check.true(f"{what}: message", body["message"])
    check.equal(f"{what}: returnObj", body.get("returnObj"), None)


def check_version(check, what, got, name, version, content, description):
    check.equal(f"{what}: layerName, version, description",
                (got["layerName"], got["version"], got["description"]), (name, version, description))
    check.equal(f"{what}: compatibleRuntime", got["compatibleRuntime"], ["python3.10", "Python3.9"])
    check.equal(f"{what}: codeChecksum is the quoted MD5", got["codeChecksum"], f'"{support.md5(content)}"')
    check.equal(f"{what}: codeSize and codesize", (got["codeSize"], got["codesize"]), (len(content), len(content)))
    check.equal(f"{what}: ctrn", CTRN.fullmatch(got["ctrn"]).groups(), (REGION, name, str(version)))
    check.matches(f"{what}: createTime", got["createTime"], TIME)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(got["createTime"])
    check.true(f"{what}: createTime is now", abs(age) < timedelta(minutes=10), got["createTime"])
    code = got["code"]
    check.true(f"{what}: ossBucketName", isinstance(code["ossBucketName"], str) and code["ossBucketName"], code)
    check.matches(f"{what}: ossObjectName", code["ossObjectName"], OBJECT_NAME)


def create_and_list(check, cloud):
    """Every field of the list and its type; the list is the documented operation."""
    name, contents = support.unique("ct-list"), [support.layer_zip("one"), support.layer_zip("two, longer")]
    descriptions = ["第一层", ""]
    for number, content in enumerate(contents, start=1):
        description = descriptions[number - 1] or None
        made = check_ok(check, "create", cloud.publish(name, content, description, ["python3.10", "Python3.9"]))
        check_version(check, "create", made, name, number, content, descriptions[number - 1])

    rows = check_ok(check, "list", cloud.versions(name))
    check.true("returnObj is an array", isinstance(rows, list), rows)
    check.equal("newest first", [row["version"] for row in rows], [2, 1])
    for row in rows:
        number = row["version"]
        check_version(check, f"list, version {number}", row, name, number, contents[number - 1],
                      descriptions[number - 1])
        check.equal("acl, region, buildStatus", (row["acl"], row["region"], row["buildStatus"]), (0, REGION, True))
        check.true("numbers are integers, not texts or truth values", all(
            type(row[key]) is int for key in ("acl", "version", "codeSize", "codesize", "tenantId")), row)
        check.equal("snapshotOssObjectName", row["code"]["snapshotOssObjectName"], "")

    check.equal("acl=0 is the same list", check_ok(check, "acl=0", cloud.versions(name, acl="0")), rows)
    check.equal("acl=1 has no private version", check_ok(check, "acl=1", cloud.versions(name, acl="1")), [])
    unknown = support.unique("ct-nobody")
    check.equal("an unknown layer is an empty list", check_ok(check, "unknown", cloud.versions(unknown)), [])
    check_refused(check, "acl=2", cloud.versions(name, acl="2"), 400)


def regions(check, url, cloud):
    """The answer has the region of the request; a request without a region is refused."""
    name = support.unique("ct-region")
    check_ok(check, "create", cloud.publish(name, support.layer_zip("region")))
    other = Cloud(url, "200000002368")
    row = check_ok(check, "another region", other.versions(name))[0]
    check.equal("region is echoed", (row["region"], CTRN.fullmatch(row["ctrn"]).group(1)), ("200000002368",) * 2)
    nowhere = Cloud(url, None)
    check_refused(check, "list without regionId", nowhere.versions(name), 400)
    check_refused(check, "create without regionId", nowhere.publish(name, support.layer_zip("none")), 400)
    check_refused(check, "delete without regionId", nowhere.delete(name, 1), 400)
    check.equal("nothing happened", [row["version"] for row in cloud.versions(name)[1]["returnObj"]], [1])


def delete(check, cloud):
    """Deletion, and numbers that are never used twice."""
    name = support.unique("ct-delete")
    for number in (1, 2):
        check_ok(check, "create", cloud.publish(name, support.layer_zip(str(number))))
    status, body = cloud.delete(name, 2)
    check_ok(check, "delete", (status, body))
    check.true("delete answers without returnObj", "returnObj" not in body, body)
    check.equal("the other stays", [row["version"] for row in cloud.versions(name)[1]["returnObj"]], [1])
    check_refused(check, "delete it again", cloud.delete(name, 2), 404)
    check_refused(check, "delete of an unknown layer", cloud.delete(support.unique("ct-nobody"), 1), 404)
    check_refused(check, "delete of version 0", cloud.delete(name, 0), 400)
    made = check_ok(check, "create again", cloud.publish(name, support.layer_zip("after")))
    check.equal("2 is not used again", made["version"], 3)
    for number in (1, 3):
        check_ok(check, "delete the rest", cloud.delete(name, number))
    check.equal("empty list", check_ok(check, "list of nothing", cloud.versions(name)), [])
    made = check_ok(check, "create once more", cloud.publish(name, support.layer_zip("again")))
    check.equal("the counter outlives the layer", made["version"], 4)


def out_of_a_bucket(check, cloud):
    """The documented way: an object in place of the zip, from a bucket or the service's own bucket."""
    name, content = support.unique("ct-object"), support.layer_zip("object")
    key = f"layers/{name}.zip"

    def create(**code):
        body = {"compatibleRuntime": ["python3.10", "Python3.9"], "code": code}
        return cloud.call("POST", f"layers/{name}/versions", body=body)

    for number, bucket in enumerate(["code", "faas-local"], start=1):
        support.put_object(bucket, key, content)
        named = {"ossBucketName": bucket} if bucket == "code" else {}
        made = check_ok(check, f"create out of {bucket}", create(**named, ossObjectName=key))
        check.equal("the answer names the object", (made["code"]["ossBucketName"], made["code"]["ossObjectName"]),
                    (bucket, key))
        row = check_ok(check, "get", cloud.call("GET", f"layers/{name}/versions/{number}"))
        check_version(check, f"out of {bucket}", row, name, number, content, "")
    for what, bucket, wanted, status in [("an unknown object", "code", "none.zip", 404), ("an unknown bucket", "none", key, 404),
                                         ("an object outside", "code", "../a.zip", 400)]:
        check_refused(check, what, create(ossBucketName=bucket, ossObjectName=wanted), status)
    check.equal("nothing was stored", [row["version"] for row in cloud.versions(name)[1]["returnObj"]], [2, 1])


def errors(check, cloud):
    """Refused uploads store nothing; the gateway answers requests that no service knows."""
    name, path = support.unique("ct-errors"), "layers/{}/versions"
    check_refused(check, "not a zip", cloud.publish(name, b"plain text, no zip"), 400)
    outside = support.make_zip({"../escape.py": "x = 1\n"})
    check_refused(check, "a path out of the layer", cloud.publish(name, outside), 400)
    code = {"zipFile": support.to_base64(support.layer_zip("refused"))}
    for what, body in [
        ("not base64", {"compatibleRuntime": ["python3.10"], "code": {"zipFile": "no base64!"}}),
        ("no code", {"compatibleRuntime": ["python3.10"]}),
        ("no runtime", {"code": code}),
        ("no runtimes in the list", {"compatibleRuntime": [], "code": code}),
        ("no body", None),
    ]:
        check_refused(check, what, cloud.call("POST", path.format(name), body=body), 400)
    check_refused(check, "a name that starts with a digit", cloud.publish("9-digit", support.layer_zip("x")), 400)
    check_refused(check, "a name that is too long", cloud.versions("a" * 129), 400)
    check.equal("nothing was stored", check_ok(check, "list", cloud.versions(name)), [])

    for what, method, unknown in [("unknown path", "GET", "no/such/thing"), ("unknown method", "PUT", path.format(name))]:
        status, body = cloud.call(method, unknown)
        check.equal(f"{what}: HTTP status", status, 404)
        check.true(f"{what}: the gateway's statusCode is a text", body["statusCode"].startswith("CTAPI_"), body)
        check.true(f"{what}: requestId and message", body["requestId"] and body["message"], body)


def check_by_gateway(check, what, answer, status, number):
    """Checks a refusal by the gateway: a real HTTP status, and texts where the service has numbers."""
    got, body = answer
    check.equal(f"{what}: HTTP status", got, status)
    check.equal(f"{what}: statusCode, error, code, eopErrCode",
                (body["statusCode"], body["error"], body["code"], body["eopErrCode"]), (f"CTAPI_{number}",) + (number,) * 3)
    check.true(f"{what}: message", body["message"].startswith("ctyun-EOP: "), body)
    check.equal(f"{what}: returnObj", body["returnObj"], {})
    check.true(f"{what}: requestId", body["requestId"])


def authentication(check, url, cloud):
    """Refused credentials and their error numbers, and the limits of a role."""
    name, content = support.unique("ct-auth"), support.layer_zip("auth")
    for what, key, status, number in [
        ("a wrong secret", (support.KEY_ID, support.KEY_SECRET + "x"), 403, "10009"),
        ("an unknown key", (support.unique("AKNOBODY"), support.KEY_SECRET), 401, "10002"),
        ("a disabled key", support.other_key("DISABLED"), 401, "10002"),
    ]:
        stranger = Cloud(url, REGION, *key)
        check_by_gateway(check, what, stranger.publish(name, content), status, number)
        check_by_gateway(check, f"{what} that reads", stranger.versions(name), status, number)
    if os.environ.get("LAYERBASE_TEST_CTYUN_SKEW") == "on":
        with mock.patch.object(ctyun_client, "datetime", an_hour_behind()):
            check_by_gateway(check, "a clock an hour behind", cloud.publish(name, content), 403, "10009")

    reader = Cloud(url, REGION, *support.other_key("READ"))
    check_by_gateway(check, "a reader that publishes", reader.publish(name, content), 403, "403")
    check.equal("a reader that lists: nothing was stored", check_ok(check, "reader", reader.versions(name)), [])
    changed_body(check, url, name)
    check_by_gateway(check, "no credentials", plain("GET", f"{url}/openapi/v1/layers/{name}/versions"), 401, "10002")


def an_hour_behind():
    """Returns a replacement for the core's module `datetime`, an hour behind the system's clock."""
    def now():
        return datetime.now() - timedelta(hours=1)
    return types.SimpleNamespace(datetime=types.SimpleNamespace(now=now))


def plain(method, url, headers=None, body=None):
    status, _, answer = support.http(method, url, {"regionId": REGION, **(headers or {})}, body)
    return status, json.loads(answer)


def changed_body(check, url, name):
    """The core's own signature over a body and a query, sent with these and with changed ones."""
    body = {"compatibleRuntime": ["python3.10"]}
    date, request_id = datetime.now().strftime("%Y%m%dT%H%M%SZ"), "00000000-0000-4000-8000-000000000001"
    keys = Credential(support.KEY_ID, support.KEY_SECRET)
    headers = {"Content-Type": "application/json", "ctyun-eop-request-id": request_id, "Eop-date": date,
               "Eop-Authorization": sign_util.sign(keys, {}, body, request_id, date)}
    target, signed = f"{url}/openapi/v1/layers/{name}/versions", json.dumps(body).encode()
    check_refused(check, "the signed body", plain("POST", target, headers, signed), 400)
    for what, where, sent in [("another body", target, signed.replace(b"3.10", b"3.11")),
                              ("no body", target, None), ("a query", f"{target}?acl=1", signed)]:
        check_by_gateway(check, what, plain("POST", where, headers, sent), 403, "10009")


def story(url, check):
    cloud = Cloud(url)
    create_and_list(check, cloud)
    regions(check, url, cloud)
    delete(check, cloud)
    errors(check, cloud)
    if support.BUCKETS:
        out_of_a_bucket(check, cloud)
    if support.AUTH_ON:
        authentication(check, url, cloud)


if __name__ == "__main__":
    support.main("ctyun", story)
