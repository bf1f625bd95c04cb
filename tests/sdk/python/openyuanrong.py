"""openYuanrong meta_service through `yrcli` of `openyuanrong-sdk`, and plain HTTP where it has no command.

    python openyuanrong.py http://127.0.0.1:PORT

`yrcli` deploys, updates, queries, lists and deletes functions. Publishing, the list of versions
and the uploads under /function-repository/v1 have no working command. The vendor documents them
with curl; here they are plain requests.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import support

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC")
REVISION = re.compile(r"\d{14,17}")
BOUNDARY = "layerbase-boundary-7d1"
TOKEN = os.environ.get("LAYERBASE_TEST_TOKEN")
AUTH_IS_ON = os.environ.get("LAYERBASE_TEST_AUTH") == "on"
UNKNOWN_FUNCTION = {"functions": None, "pageInfo": {"pageIndex": "1", "pageSize": "1000", "total": 0}}


class Cloud:
    """A client of one server, through the command line and through plain requests."""

    def __init__(self, url, folder, token=TOKEN):
        self.url, self.folder, self.token = url, Path(folder), token
        self.program = Path(sys.executable).parent / "yrcli"

    def yrcli(self, *arguments):
        """Runs one command; returns standard output and standard error as one text."""
        login = ["--jwt-token", self.token] if self.token else []
        line = [self.program, "--server-address", support.host_and_port(self.url), *login, *arguments]
        environment = dict(os.environ, HOME=str(self.folder))
        run = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, cwd=self.folder)
        return run.returncode, run.stdout + run.stderr

    def deploy(self, function, *more):
        path = self.folder / "function.json"
        path.write_text(json.dumps(function))
        return self.yrcli("deploy", "--skip-package", "true", "--function-json", str(path), *more)

    def call(self, method, path, headers=None, body=None, **query):
        """Sends one request; returns (status, JSON)."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        login = {"X-Auth": self.token} if self.token else {}
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        status, _, text = support.http(method, url, {"Content-Type": "application/json", **login, **(headers or {})}, body)
        return status, json.loads(text or b"null")

    def head(self, name):
        return self.call("GET", f"/serverless/v1/functions/{name}", versionNumber="latest")[1]["function"]

    def publish(self, name, number, revision=None, description=""):
        body = {"revisionId": revision or self.head(name)["revisionId"], "kind": "faas", "versionDesc": description}
        if number:
            body["versionNumber"] = number
        return self.call("POST", f"/serverless/v1/functions/{name}/versions", body=body)

    def versions(self, name, **query):
        return self.call("GET", f"/serverless/v1/functions/{name}/versions", **query)

    def upload(self, method, path, content, parameters="", **headers):
        """Sends a zip in the two-header multipart form of this cloud."""
        start = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="code.zip"\r\n'
                 "Content-Type: application/zip\r\n\r\n")
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Content-Type"] = f"application/vnd.yuanrong+attachment;file-size={len(content)}{parameters}"
        headers["X-Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
        body = start.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self.call(method, f"/function-repository/v1/{path}", headers, body)

    def publish_layer(self, name, content, runtimes=("python3.9",), **headers):
        return self.upload("POST", f"layers/{name}/versions", content,
                           X_Header_Compatible_Runtimes=json.dumps(list(runtimes)), **headers)

    def layers(self, method, path="", **query):
        return self.call(method, f"/function-repository/v1/layers{path}", **query)


def function(name, description):
    return {
        "name": name, "runtime": "python3.9", "kind": "faas", "handler": "handler.my_handler", "cpu": 600,
        "memory": 512, "timeout": 600, "storageType": "local", "codePath": "/opt/pkg", "concurrentNum": "10",
        "maxInstance": "10", "environment": {"K": "v"}, "description": description,
    }


def order(answer):
    return [row["versionNumber"] for row in answer[1]["functions"] or []]


def deploy_and_query(check, cloud, name):
    """yrcli: deploy, refuse a second deploy, update, query, list."""
    short = name.removeprefix("0@")
    code, text = cloud.deploy(function(name, "first"))
    check.true("yrcli deploy", code == 0 and f"succeed to deploy function: {short}:latest" in text, (code, text))
    code, text = cloud.deploy(function(name, "again"))
    check.true("yrcli deploy refuses a second one", code != 0 and "already exists" in text, (code, text))
    code, text = cloud.yrcli("query", "-f", f"{short}:latest")
    check.true("yrcli query", code == 0 and text.lstrip().startswith("{"), (code, text))
    first = json.loads(text)
    check.equal("name, versionNumber, description", [first[key] for key in ("name", "versionNumber", "description")],
                [name, "latest", "first"])
    check.equal("numbers that were sent as texts", (first["concurrentNum"], first["maxInstance"]), (10, 10))
    check.equal("no code yet", (first["codeSize"], first["codeSha256"], first["codePath"]), (0, "", "/opt/pkg"))
    check.matches("revisionId", first["revisionId"], REVISION)

    code, text = cloud.deploy(function(name, "second"), "--update")
    check.true("yrcli deploy --update", code == 0 and f"succeed to update function: {short}:latest" in text, (code, text))
    second = json.loads(cloud.yrcli("query", "-f", short)[1])
    check.equal("the update is there", second["description"], "second")
    check.true("with a new revision", second["revisionId"] != first["revisionId"])
    check.equal("the rest stays", (second["environment"], second["createTime"]), ({"K": "v"}, first["createTime"]))
    code, text = cloud.yrcli("list")
    check.true("yrcli list", code == 0 and f"{short}:latest" in text.split(), (code, text))
    code, text = cloud.yrcli("query", "-f", f"svc@{support.unique('nobody')}")
    check.true("yrcli query of an unknown function", "function not found" in text, (code, text))


def publish_and_list(check, cloud, name):
    """The list of versions: the last written comes first, and a version before its head."""
    check.equal("only the head", order(cloud.versions(name)), ["latest"])
    status, answer = cloud.publish(name, "1", description="first version")
    check.equal("publish", (status, answer["code"], answer["message"]), (200, 0, "SUCCESS"))
    check.equal("its number and text", (answer["function"]["versionNumber"], answer["function"]["versionDesc"]),
                ("1", "first version"))
    check.equal("order after 1", order(cloud.versions(name)), ["1", "latest"])
    cloud.publish(name, "v2")
    check.equal("order after v2", order(cloud.versions(name)), ["latest", "v2", "1"])
    cloud.publish(name, "5")
    check.equal("order after 5", order(cloud.versions(name)), ["5", "latest", "v2", "1"])

    page = cloud.versions(name, pageIndex=1, pageSize=1)
    check.equal("pageInfo has texts and a number", page[1]["pageInfo"], {"pageIndex": "1", "pageSize": "1", "total": 4})
    check.equal("first page", order(page), ["5"])
    check.equal("second page of three", order(cloud.versions(name, pageIndex=2, pageSize=3)), ["1"])
    past = cloud.versions(name, pageIndex=9, pageSize=3)[1]
    check.equal("past the end", (past["functions"], past["pageInfo"]["total"]), (None, 4))
    check.equal("an unknown function", cloud.versions(f"0@svc@{support.unique('nobody')}"), (200, UNKNOWN_FUNCTION))
    check.equal("a name with an encoded @", order(cloud.versions(name.replace("@", "%40"))), order(cloud.versions(name)))
    check_row(check, cloud.versions(name)[1]["functions"][0], name)

    for what, answer, code in [
        ("page size 0", cloud.versions(name, pageIndex=1, pageSize=0), 4123),
        ("the same number again", cloud.publish(name, "5"), 4114),
        ("an old revision", cloud.publish(name, "6", revision="20200101000000"), 4134),
        ("publish of an unknown function", cloud.publish(f"0@svc@{support.unique('nobody')}", "1", "1"), 4115),
    ]:
        check.equal(f"{what}: status and code", (answer[0], answer[1]["code"]), (500, code))
    check.equal("refused requests change nothing", order(cloud.versions(name)), ["5", "latest", "v2", "1"])


def check_row(check, row, name):
    """The fields of the documented list, with their types."""
    urn = f"sn:cn:yrk:{row['tenantId']}:function:{name}"
    check.equal("URNs", [row[key] for key in ("id", "functionVersionUrn", "functionUrn")], [f"{urn}:5", f"{urn}:5", urn])
    check.equal("names", [row[key] for key in ("name", "businessId", "versionNumber", "kind")], [name, "yrk", "5", "faas"])
    for key, value in {
        "description": "second", "handler": "handler.my_handler", "runtime": "python3.9", "cpu": 600, "memory": 512,
        "timeout": 600, "concurrentNum": 10, "minInstance": 0, "maxInstance": 10, "environment": {"K": "v"},
        "codeSize": 0, "codeSha256": "", "bucketId": "", "objectId": "", "statefulFlag": 0, "instanceNum": 0,
        "reversedConcurrency": 0, "productId": "", "status": "", "layers": None, "customResources": None,
        "device": {}, "tag": None, "lastModified": "", "created": "",
    }.items():
        check.equal(f"list: {key}", row[key], value)
    check.matches("list: createTime", row["createTime"], TIME)
    check.matches("list: Published", row["Published"], TIME)
    check.matches("list: revisionId", row["revisionId"], REVISION)


def upload_code(check, cloud, name):
    """An upload of code changes the head; published versions keep their code."""
    content, revision = support.make_zip({"handler.py": "def my_handler(event, context):\n    return event\n"}), \
        cloud.head(name)["revisionId"]
    here, stamp = f"functions/{name}/code", f";revision-id={revision}"
    status, answer = cloud.upload("PUT", here, content, stamp, X_Version="latest", X_Kind="faas")
    check.equal("upload", (status, answer["code"]), (200, 0))
    check.equal("codeSize and codeSha256, a SHA-512", (answer["result"]["codeSize"], answer["result"]["codeSha256"]),
                (len(content), support.sha512(content)))
    head = cloud.head(name)
    check.equal("the head has it", (head["codeSize"], head["codeSha256"]), (len(content), support.sha512(content)))
    check.equal("the revision stays", head["revisionId"], revision)
    check.equal("the head moved to the front", order(cloud.versions(name)), ["latest", "5", "v2", "1"])
    sizes = {row["versionNumber"]: row["codeSize"] for row in cloud.versions(name)[1]["functions"]}
    check.equal("published versions keep their code", sizes, {"latest": len(content), "5": 0, "v2": 0, "1": 0})
    cloud.publish(name, "v3")
    published = cloud.versions(name)[1]["functions"]
    check.equal("a new version takes the head's code", [(row["versionNumber"], row["codeSha256"]) for row in published[:2]],
                [("latest", support.sha512(content)), ("v3", support.sha512(content))])

    for what, answer, code in [
        ("not a zip", cloud.upload("PUT", here, b"plain text, no zip", stamp, X_Version="latest", X_Kind="faas"), 121029),
        ("an old revision", cloud.upload("PUT", here, content, ";revision-id=1", X_Version="latest", X_Kind="faas"), 4134),
    ]:
        check.equal(f"upload, {what}", (answer[0], answer[1]["code"]), (500, code))
    check.equal("a refused upload changes nothing", cloud.head(name)["codeSha256"], support.sha512(content))


def delete_functions(check, cloud, name):
    short = name.removeprefix("0@")
    code, text = cloud.yrcli("delete", "-f", short, "-v", "v2")
    check.true("yrcli delete of a version", code == 0 and "succeed to delete function" in text, (code, text))
    check.equal("deleting does not reorder", order(cloud.versions(name)), ["latest", "v3", "5", "1"])
    check.equal("a freed number may be used again", cloud.publish(name, "v2")[0], 200)
    code, text = cloud.yrcli("delete", "-f", short)
    check.true("yrcli delete of the function", code == 0 and "succeed to delete function" in text, (code, text))
    check.equal("no version is left", cloud.versions(name), (200, UNKNOWN_FUNCTION))
    check.true("yrcli delete of nothing", "function not found" in cloud.yrcli("delete", "-f", short)[1])
    status, answer = cloud.call("DELETE", f"/serverless/v1/functions/{name}")
    check.equal("DELETE of nothing", (status, answer["code"]), (404, 4115))


def layers(check, cloud):
    """Layer versions: upload, get, the two lists, deletion."""
    name, first, second = support.unique("yr-layer"), support.layer_zip("one"), support.layer_zip("two, longer")
    for number, content in enumerate((first, second), start=1):
        status, answer = cloud.publish_layer(name, content, ["python3.9", "python3.11"], X_Description="my layer",
                                             X_License_Info="MIT")
        check.equal("layer upload", (status, answer["code"], answer["message"]), (200, 0, ""))
        check_layer(check, "upload", answer["result"], name, number, content)
    check_layer(check, "get", cloud.layers("GET", f"/{name}/versions/1")[1]["result"], name, 1, first)
    check_layer(check, "get of 0, the newest", cloud.layers("GET", f"/{name}/versions/0")[1]["result"], name, 2, second)

    listed = cloud.layers("GET", f"/{name}/versions")[1]["result"]
    check.equal("versions, last written first", (listed["total"], [row["versionNumber"] for row in listed["layerVersions"]]),
                (2, [2, 1]))
    listed = cloud.layers("GET", f"/{name}/versions", pageIndex=2, pageSize=1)[1]["result"]
    check.equal("second page", (listed["total"], [row["versionNumber"] for row in listed["layerVersions"]]), (2, [1]))
    listed = cloud.layers("GET", "", ownerFlag=1, layerName=name)[1]["result"]
    check.true("layers by name", {row["name"] for row in listed["layerVersions"]} == {name}, listed)

    status, answer = cloud.layers("DELETE", f"/{name}/versions/2")
    check.equal("delete", (status, answer), (200, {"code": 0, "message": "", "result": None}))
    refused = cloud.layers("DELETE", f"/{name}/versions/2")
    check.equal("delete it again", (refused[0], refused[1]["code"]), (500, 4113))
    check.equal("2 is not used again", cloud.publish_layer(name, second)[1]["result"]["versionNumber"], 3)
    check.equal("delete of all versions", cloud.layers("DELETE", f"/{name}")[0], 200)
    for what, answer in [("versions of nothing", cloud.layers("GET", f"/{name}/versions")),
                         ("get of nothing", cloud.layers("GET", f"/{name}/versions/1")),
                         ("a search without result", cloud.layers("GET", "", ownerFlag=1, layerName=name))]:
        check.equal(what, (answer[0], answer[1]["code"]), (500, 4113))
    refused = cloud.publish_layer(name, b"plain text, no zip")
    check.equal("not a zip", (refused[0], refused[1]["code"]), (500, 121029))
    refused = cloud.publish_layer(name, first, ["python3.9", "python3.9"])
    check.equal("a runtime twice", (refused[0], refused[1]["code"]), (500, 4125))
    check.equal("the counter outlives the layer", cloud.publish_layer(name, first)[1]["result"]["versionNumber"], 4)


def check_layer(check, what, got, name, number, content):
    check.equal(f"{what}: name and number", (got["name"], got["versionNumber"]), (name, number))
    check.equal(f"{what}: layerSize and layerSha256, a SHA-512", (got["layerSize"], got["layerSha256"]),
                (len(content), support.sha512(content)))
    check.matches(f"{what}: layerUrn", got["layerUrn"], re.compile(rf"sn:cn:yrk:[^:]+:layer:{name}"))
    check.equal(f"{what}: layerVersionUrn", got["layerVersionUrn"], f"{got['layerUrn']}:{number}")
    check.equal(f"{what}: runtimes, texts", (got["compatibleRuntimes"], got["description"], got["licenseInfo"]),
                (["python3.9", "python3.11"], "my layer", "MIT"))
    check.true(f"{what}: createTime", got["createTime"].startswith("20") and "T" in got["createTime"], got["createTime"])


def access(check, url, folder):
    """Every route refuses bad tokens, and a key that may only read changes nothing."""
    name = f"0@svc@{support.unique('fn')}"
    disabled, reader = os.environ["LAYERBASE_TEST_DISABLED_TOKEN"], os.environ["LAYERBASE_TEST_READ_TOKEN"]
    changed = TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "Q")
    for what, token in [("no token", None), ("a bad token", "garbage"), ("a changed token", changed),
                        ("a disabled key's token", disabled)]:
        cloud = Cloud(url, folder, token)
        for path in ("/serverless/v1/functions", "/admin/v1/functions", f"/serverless/v1/functions/{name}/versions",
                     "/function-repository/v1/layers"):
            status, answer = cloud.call("GET", path)
            check.equal(f"{what}: {path}", (status, list(answer)), (401, ["error"]))
            check.true(f"{what}: the error", answer["error"].startswith("Authentication failed: "), answer)
        code, text = cloud.deploy(function(name, "by nobody"))
        check.true(f"yrcli deploy with {what}", "Authentication failed" in text, (code, text))
        # The client shows every refused list as an empty one.
        code, text = cloud.yrcli("list")
        check.true(f"yrcli list with {what}", "has no function" in text, (code, text))

    cloud = Cloud(url, folder, reader)
    code, text = cloud.yrcli("list")
    check.true("yrcli list with a reader's token", code == 0 and "failed" not in text, (code, text))
    code, text = cloud.deploy(function(name, "by a reader"))
    check.true("yrcli deploy with a reader's token", "Permission denied" in text, (code, text))
    for what, (status, answer) in [
        ("register", cloud.call("POST", "/serverless/v1/functions", body=function(name, "by a reader"))),
        ("layer upload", cloud.publish_layer(support.unique("yr-layer"), support.layer_zip("one"))),
    ]:
        check.equal(f"{what} with a reader's token", (status, list(answer)), (403, ["error"]))
        check.true(f"{what}: the error", answer["error"].startswith("Permission denied: "), answer)
    check.equal("nothing was made", cloud.versions(name), (200, UNKNOWN_FUNCTION))


def story(url, check):
    name = f"0@svc@{support.unique('fn')}"
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(url, folder)
        deploy_and_query(check, cloud, name)
        publish_and_list(check, cloud, name)
        upload_code(check, cloud, name)
        delete_functions(check, cloud, name)
        layers(check, cloud)
        if AUTH_IS_ON:
            access(check, url, folder)


if __name__ == "__main__":
    support.main("openyuanrong", story)
