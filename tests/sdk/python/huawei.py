"""Huawei Cloud FunctionGraph v2 through `huaweicloudsdkfunctiongraph`.

    python huawei.py http://127.0.0.1:PORT

Covers functions with their versions, and dependencies, Huawei's term for layers.
"""

import json
import re
from datetime import datetime, timedelta, timezone
from unittest import mock

import huaweicloudsdkfunctiongraph.v2 as fgs
import support
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer import signer

PROJECT = "0123456789abcdef0123456789abcdef"
AUTO_NAME = re.compile(r"v\d{8}-\d{6}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HANDLER = "def handler(event, context):\n    return {!r}\n"


def client(url, key_id=support.KEY_ID, secret=support.KEY_SECRET):
    keys = BasicCredentials(key_id, secret, PROJECT)
    return fgs.FunctionGraphClient.new_builder().with_credentials(keys).with_endpoint(url).build()


def function_zip(word):
    return support.make_zip({"index.py": HANDLER.format(word)})


def create(graph, name, content, code_type="zip", **more):
    body = fgs.CreateFunctionRequestBody(
        func_name=name, package="default", runtime="Python3.9", timeout=3, handler="index.handler",
        memory_size=128, code_type=code_type, func_code=fgs.FuncCode(file=support.to_base64(content)), **more)
    return graph.create_function(fgs.CreateFunctionRequest(body=body))


def update(graph, urn, content):
    body = fgs.UpdateFunctionCodeRequestBody(
        code_type="zip", code_filename="index.zip", func_code=fgs.FuncCode(file=support.to_base64(content)))
    return graph.update_function_code(fgs.UpdateFunctionCodeRequest(function_urn=urn, body=body))


def publish(graph, urn, **body):
    """Publishes with a body of the given fields; no fields at all send an empty object."""
    ask = fgs.CreateFunctionVersionRequest(function_urn=urn, body=fgs.CreateFunctionVersionRequestBody(**body))
    return graph.create_function_version(ask)


def versions(graph, urn, **query):
    return graph.list_function_versions(fgs.ListFunctionVersionsRequest(function_urn=urn, **query))


def delete(graph, urn):
    return graph.delete_function(fgs.DeleteFunctionRequest(function_urn=urn))


def names(page):
    return [version.version for version in page.versions]


def check_error(check, what, status, code, call, *arguments, **named):
    error = check.raises(what, ServiceResponseException, call, *arguments, **named)
    check.equal(f"{what}: status and code", (error.status_code, error.error_code), (status, code))
    check.true(f"{what}: message", error.error_msg)


def create_functions(check, graph):
    """A zip, a zip sent as inline code, and inline source text."""
    name, content = support.unique("hw-create"), function_zip("created")
    made = create(graph, name, content, code_filename="index.zip", description="made by the SDK",
                  user_data='{"WORD": "x"}')
    check.matches("func_urn ends with latest", made.func_urn,
                  re.compile(rf"urn:fss:[^:]+:{PROJECT}:function:default:{name}:latest"))
    check.equal("names", (made.func_name, made.package, made.namespace), (name, "default", PROJECT))
    check.equal("configuration", (made.runtime, made.timeout, made.handler, made.memory_size),
                ("Python3.9", 3, "index.handler", 128))
    check.equal("digest is the SHA-512 of the zip", made.digest, support.sha512(content))
    check.equal("code_size", made.code_size, len(content))
    check.equal("code_type and code_filename", (made.code_type, made.code_filename), ("zip", "index.zip"))
    check.equal("version", made.version, "latest")
    check.equal("description and user_data", (made.description, made.user_data), ("made by the SDK", '{"WORD": "x"}'))
    check_error(check, "the same name again", 409, "FSS.1061", create, graph, name, content)

    inline_zip = create(graph, support.unique("hw-inline-zip"), content, "inline")
    check.equal("an inline zip is kept as it is", (inline_zip.digest, inline_zip.code_size, inline_zip.code_type),
                (support.sha512(content), len(content), "inline"))
    text = HANDLER.format("inline").encode()
    inline = create(graph, support.unique("hw-inline"), text, "inline")
    check.equal("inline source text", (inline.code_type, inline.code_filename), ("inline", "index.py"))
    check.equal("its size and digest are those of the text", (inline.code_size, inline.digest),
                (len(text), support.sha512(text)))
    check.equal("its only version", names(versions(graph, inline.func_urn)), ["latest"])


def refused_functions(check, graph):
    name = support.unique("hw-refused")
    check_error(check, "not a zip", 400, "FSS.1011", create, graph, name, b"plain text, no zip")
    check_error(check, "nothing was stored", 404, "FSS.1051", versions, graph, urn_of(name))
    check_error(check, "publish of an unknown function", 404, "FSS.1051", publish, graph, urn_of(name))
    check_error(check, "update of an unknown function", 404, "FSS.1051", update, graph, urn_of(name), function_zip("x"))
    check_error(check, "delete of an unknown function", 404, "FSS.1051", delete, graph, urn_of(name))


def urn_of(name):
    return f"urn:fss:local-1:{PROJECT}:function:default:{name}"


def publish_versions(check, graph):
    """With a name, without a name, without a body; nothing to publish; the list with its pages."""
    name, first = support.unique("hw-versions"), function_zip("one")
    urn = create(graph, name, first, code_filename="index.zip").func_urn.removesuffix(":latest")

    named = publish(graph, urn, version="v1.0", description="first")
    check.equal("the caller's name", (named.version, named.version_description), ("v1.0", "first"))
    check.equal("func_urn ends with it", named.func_urn, f"{urn}:v1.0")
    check.equal("digest and size are copied", (named.digest, named.code_size), (support.sha512(first), len(first)))
    check_error(check, "nothing changed", 400, "FSS.1016", publish, graph, urn, version="v1.1")

    second = function_zip("two")
    changed = update(graph, urn, second)
    check.equal("update: digest and size", (changed.digest, changed.code_size), (support.sha512(second), len(second)))
    check_error(check, "a name that is taken", 409, "FSS.1062", publish, graph, urn, version="v1.0")
    unnamed = publish(graph, urn)
    check.matches("a name made from the time", unnamed.version, AUTO_NAME)

    third = function_zip("three")
    update(graph, urn, third)
    without_body = graph.create_function_version(fgs.CreateFunctionVersionRequest(function_urn=urn))
    check.matches("published without a body", without_body.version, AUTO_NAME)
    check.true("two names in one second differ", without_body.version != unnamed.version)

    wanted = ["latest", without_body.version, unnamed.version, "v1.0"]
    check_list(check, versions(graph, urn), wanted, [third, third, second, first], urn)
    check_pages(check, graph, urn, wanted)
    delete_versions(check, graph, urn, wanted, first)


def check_list(check, page, wanted, contents, urn):
    check.equal("latest first, the rest newest first", names(page), wanted)
    check.equal("count and next_marker", (page.count, page.next_marker), (4, 4))
    for row, name, content in zip(page.versions, wanted, contents):
        check.equal(f"{name}: func_urn", row.func_urn, f"{urn}:{name}")
        check.equal(f"{name}: digest and code_size", (row.digest, row.code_size),
                    (support.sha512(content), len(content)))
        check.equal(f"{name}: names", (f"default:{row.func_name}", row.package, row.namespace),
                    (":".join(urn.split(":")[-2:]), "default", PROJECT))
        check.equal(f"{name}: configuration", (row.runtime, row.timeout, row.handler, row.memory_size, row.cpu),
                    ("Python3.9", 3, "index.handler", 128, 300))
        check.equal(f"{name}: code", (row.code_type, row.code_filename), ("zip", "index.zip"))
        check.true(f"{name}: domain_id and project_name", row.domain_id and row.project_name)
        check.true(f"{name}: image_name", row.image_name.startswith(f"{name}-"), row.image_name)
        check.true(f"{name}: strategy_config", row.strategy_config.concurrency == -1, row.strategy_config)
        check.true(f"{name}: last_modified is a time", isinstance(row.last_modified, datetime), row.last_modified)
        age = datetime.now(timezone.utc) - row.last_modified
        check.true(f"{name}: last_modified is now", abs(age) < timedelta(minutes=10), row.last_modified)


def check_pages(check, graph, urn, wanted):
    pages = [versions(graph, urn, marker=str(marker), maxitems="3") for marker in (0, 3, 4, 9)]
    check.equal("pages by marker", [names(page) for page in pages], [wanted[:3], wanted[3:], [], []])
    check.equal("next_marker", [page.next_marker for page in pages], [3, 4, 4, 4])
    check.equal("count on each page", [page.count for page in pages], [4, 4, 4, 4])
    check.equal("maxitems 0 is no limit", names(versions(graph, urn, maxitems="0")), wanted)
    check.equal("a version in the URN is ignored", names(versions(graph, f"{urn}:v1.0")), wanted)
    short = ":".join(urn.split(":")[-2:])
    check.equal("a short URN", names(versions(graph, short)), wanted)
    check_error(check, "a bad marker", 400, "FSS.1001", versions, graph, urn, marker="x")


def delete_versions(check, graph, urn, wanted, first):
    delete(graph, f"{urn}:v1.0")
    page = versions(graph, urn)
    check.equal("a deleted version is gone", (names(page), page.count), (wanted[:3], 3))
    check_error(check, "delete it again", 404, "FSS.1052", delete, graph, f"{urn}:v1.0")
    error = check.raises("latest cannot be deleted alone", ServiceResponseException, delete, graph, f"{urn}:latest")
    check.equal("latest cannot be deleted alone: status", error.status_code, 400)
    update(graph, urn, first)
    check.equal("a freed name may be used again", publish(graph, urn, version="v1.0").version, "v1.0")
    delete(graph, urn)
    check_error(check, "a deleted function has no versions", 404, "FSS.1051", versions, graph, urn)


def add_dependency(graph, name, content, depend_type="zip", **more):
    body = fgs.CreateDependencyRequestBody(name=name, runtime="Python3.9", depend_type=depend_type,
                                           depend_file=support.to_base64(content), **more)
    return graph.create_dependency_version(fgs.CreateDependencyVersionRequest(body=body))


def dependencies(graph, **query):
    return graph.list_dependencies(fgs.ListDependenciesRequest(**query))


def dependency_versions(graph, depend_id, **query):
    return graph.list_dependency_version(fgs.ListDependencyVersionRequest(depend_id=depend_id, **query))


def delete_dependency(graph, depend_id, version):
    ask = fgs.DeleteDependencyVersionRequest(depend_id=depend_id, version=str(version))
    return graph.delete_dependency_version(ask)


def layers(check, graph):
    """Dependencies: versions of one name, the two lists, deletion, refusals."""
    name, first, second = support.unique("hw-dep"), support.layer_zip("one"), support.layer_zip("two, longer")
    one = add_dependency(graph, name, first, description="x")
    check_dependency(check, "create", one, name, 1, first)
    check.equal("description", one.description, "x")
    check.matches("version id", one.id, UUID)
    check.matches("dependency id", one.dep_id, UUID)
    two = add_dependency(graph, name, second)
    check_dependency(check, "second version", two, name, 2, second)
    check.equal("one dependency, two version ids", (two.dep_id == one.dep_id, two.id == one.id), (True, False))

    page = dependencies(graph, name=name)
    check.equal("ListDependencies by name", (page.count, page.next_marker, len(page.dependencies)), (1, 1, 1))
    check.equal("its id is the dependency's", page.dependencies[0].id, one.dep_id)
    check_dependency(check, "ListDependencies", page.dependencies[0], name, 2, second)
    for what, query in [("runtime", {"runtime": "Python3.9"}), ("type", {"dependency_type": "private"})]:
        check.equal(f"filter by {what}", dependencies(graph, name=name, **query).count, 1)
    for what, query in [("runtime", {"runtime": "Node.js18.15"}), ("type", {"dependency_type": "public"})]:
        check.equal(f"filter by another {what}", dependencies(graph, name=name, **query).dependencies, [])
    small = dependencies(graph, maxitems="1")
    check.true("one row for each page", len(small.dependencies) == 1 and small.next_marker == 1 and small.count >= 1)
    dependency_versions_and_end(check, graph, name, one, (first, second))


def dependency_versions_and_end(check, graph, name, one, contents):
    page = dependency_versions(graph, one.dep_id)
    check.equal("versions, newest first", [row.version for row in page.dependencies], [2, 1])
    check.equal("count and next_marker", (page.count, page.next_marker), (2, 2))
    for row in page.dependencies:
        check_dependency(check, f"version {row.version}", row, name, row.version, contents[row.version - 1])
        check.equal("dep_id", row.dep_id, one.dep_id)
    check.equal("version id", page.dependencies[1].id, one.id)
    page = dependency_versions(graph, one.dep_id, marker="1", maxitems="1")
    check.equal("second page", ([row.version for row in page.dependencies], page.next_marker, page.count), ([1], 2, 2))

    delete_dependency(graph, one.dep_id, 2)
    check.equal("one version is left", [row.version for row in dependency_versions(graph, one.dep_id).dependencies], [1])
    check_error(check, "delete it again", 404, "FSS.1056", delete_dependency, graph, one.dep_id, 2)
    three = add_dependency(graph, name, contents[1])
    check.equal("2 is not used again", (three.version, three.dep_id), (3, one.dep_id))
    for number in (1, 3):
        delete_dependency(graph, one.dep_id, number)
    check.equal("without versions it is not listed", dependencies(graph, name=name).count, 0)


def check_dependency(check, what, row, name, version, content):
    check.equal(f"{what}: name and version", (row.name, row.version), (name, version))
    check.equal(f"{what}: etag is the MD5 of the zip", row.etag, support.md5(content))
    check.equal(f"{what}: size", row.size, len(content))
    check.equal(f"{what}: runtime and file_name", (row.runtime, row.file_name), ("Python3.9", f"{name}.zip"))
    check.true(f"{what}: owner", row.owner and row.owner != "public", row.owner)
    age = datetime.now(timezone.utc).timestamp() - row.last_modified
    check.true(f"{what}: last_modified is now, in seconds", abs(age) < 600, row.last_modified)
    check.download(f"{what}: link", row.link, content)


def refused_layers(check, graph):
    name, content = support.unique("hw-dep-refused"), support.layer_zip("refused")
    check_error(check, "unknown depend_type", 400, "FSS.1032", add_dependency, graph, name, content, "tar")
    error = check.raises("not a zip", ServiceResponseException, add_dependency, graph, name, b"plain text, no zip")
    check.equal("not a zip: status", error.status_code, 400)
    check.equal("nothing was stored", dependencies(graph, name=name).count, 0)
    check_error(check, "versions of an unknown dependency", 404, "FSS.1056", dependency_versions, graph,
                "00000000-0000-4000-8000-000000000000")


def out_of_a_bucket(check, graph):
    """Code and dependencies by reference: URLs of an object, and the server's own download links."""
    name, first, second = support.unique("hw-obs"), function_zip("first"), function_zip("second")
    support.put_object("code", f"{name}/one.zip", first)
    support.put_object("code", f"{name}/two.zip", second)
    one, two = f"obs://code/{name}/one.zip", f"https://code.obs.local-1.myhuaweicloud.com/{name}/two.zip"

    made = create_from(graph, name, one)
    check.equal("code out of a bucket", (made.digest, made.code_size, made.code_type),
                (support.sha512(first), len(first), "obs"))
    urn = urn_of(name)
    row = versions(graph, urn).versions[0]
    check.equal("code_url is as it was given", (row.code_type, row.code_url), ("obs", one))
    changed = update_from(graph, urn, two)
    check.equal("update out of a bucket", (changed.digest, changed.code_url), (support.sha512(second), two))
    check.download("update out of a bucket: link", changed.func_code.link, second)
    for what, url in [("an unknown object", f"obs://code/{name}/none.zip"), ("an unknown bucket", "obs://none/a.zip"),
                      ("another server", "https://example.com/a.zip"), ("an object outside", "obs://code/../a.zip")]:
        check_error(check, what, 400, "FSS.1010", update_from, graph, urn, url)
        check_error(check, f"{what}, dependency", 400, "FSS.1024", add_dependency_from, graph, name, url)
    check.equal("nothing was stored", (versions(graph, urn).versions[0].digest, dependencies(graph, name=name).count),
                (support.sha512(second), 0))

    check_dependency(check, "out of a bucket", add_dependency_from(graph, name, one), name, 1, first)
    check_dependency(check, "behind a link", add_dependency_from(graph, name, changed.func_code.link), name, 2, second)
    check_error(check, "a link with a byte changed", 400, "FSS.1024", add_dependency_from, graph, name,
                changed.func_code.link[:-1] + ("0" if changed.func_code.link[-1] != "0" else "1"))


def create_from(graph, name, url):
    body = fgs.CreateFunctionRequestBody(
        func_name=name, package="default", runtime="Python3.9", timeout=3, handler="index.handler",
        memory_size=128, code_type="obs", code_url=url)
    return graph.create_function(fgs.CreateFunctionRequest(body=body))


def update_from(graph, urn, url):
    body = fgs.UpdateFunctionCodeRequestBody(code_type="obs", code_url=url)
    return graph.update_function_code(fgs.UpdateFunctionCodeRequest(function_urn=urn, body=body))


def add_dependency_from(graph, name, url):
    body = fgs.CreateDependencyRequestBody(name=name, runtime="Python3.9", depend_type="obs", depend_link=url)
    return graph.create_dependency_version(fgs.CreateDependencyVersionRequest(body=body))


class HourBehind(datetime):
    """A clock for the signer, an hour behind."""

    @classmethod
    def utcnow(cls):
        return datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(hours=1)


def authentication(check, url, graph):
    """Refused credentials and their errors, and the limits of a role."""
    name, content = support.unique("hw-auth"), support.layer_zip("auth")
    disabled_id, disabled_secret = support.other_key("DISABLED")
    unknown_id = support.unique("AKNOBODY")
    signature, unknown = "verify aksk signature fail", "Get secretKey failed,ak:{},err:ak not exist"
    for what, key, words in [
        ("a wrong secret", (support.KEY_ID, support.KEY_SECRET + "x"), signature),
        ("an unknown key", (unknown_id, support.KEY_SECRET), unknown.format(unknown_id)),
        ("a disabled key", (disabled_id, disabled_secret), unknown.format(disabled_id)),
    ]:
        check_not_let_in(check, what, words, add_dependency, client(url, *key), name, content)
        check_not_let_in(check, f"{what} that reads", words, dependencies, client(url, *key))
    with mock.patch.object(signer, "datetime", HourBehind):
        check_not_let_in(check, "a clock an hour behind", "signature expired, signature time:",
                         add_dependency, graph, name, content)

    reader = client(url, *support.other_key("READ"))
    check_error(check, "a reader that publishes", 403, "FSS.0403", add_dependency, reader, name, content)
    check.equal("a reader that lists: nothing was stored", dependencies(reader, name=name).count, 0)
    changed_body(check, url)
    tokens(check, url)


def check_not_let_in(check, what, words, call, *arguments):
    error = check.raises(what, ServiceResponseException, call, *arguments)
    check.equal(f"{what}: status and code", (error.status_code, error.error_code), (401, "APIGW.0301"))
    check.true(f"{what}: message", error.error_msg.startswith(f"Incorrect IAM authentication information: {words}"),
               error.error_msg)
    check.true(f"{what}: request id", error.request_id)


def changed_body(check, url):
    """The SDK's own signature over a body, sent with this body and with another one."""
    name = support.unique("hw-nobody")
    ask = SdkRequest("POST", "http", support.host_and_port(url), f"/v2/{PROJECT}/fgs/functions/{urn_of(name)}/versions",
                     query_params=[], header_params={"Content-Type": "application/json"},
                     body=json.dumps({"version": "v1"}))
    ask = signer.Signer(BasicCredentials(support.KEY_ID, support.KEY_SECRET, PROJECT)).sign(ask)
    for what, body, wanted in [("the signed body", ask.body, (404, "FSS.1051")),
                               ("another body", ask.body.replace(b"v1", b"v2"), (401, "APIGW.0301")),
                               ("no body", None, (401, "APIGW.0301"))]:
        status, _, answer = support.http("POST", url + ask.uri, ask.header_params, body)
        check.equal(f"{what}: status and code", (status, json.loads(answer)["error_code"]), wanted)


def tokens(check, url):
    """A key's token, sent as in the documentation's curl examples."""
    target = f"{url}/v2/{PROJECT}/fgs/dependencies"
    good = f"{support.KEY_ID}.{support.KEY_SECRET}"
    for what, headers, wanted in [("a key's token", {"X-Auth-Token": good}, 200),
                                  ("a wrong token", {"X-Auth-Token": good + "x"}, 401),
                                  ("no credentials", {}, 401)]:
        status, _, answer = support.http("GET", target, headers)
        check.equal(f"{what}: status", status, wanted)
        check.equal(f"{what}: code", json.loads(answer).get("error_code"), "APIGW.0301" if wanted == 401 else None)


def story(url, check):
    graph = client(url)
    create_functions(check, graph)
    refused_functions(check, graph)
    publish_versions(check, graph)
    layers(check, graph)
    refused_layers(check, graph)
    if support.BUCKETS:
        out_of_a_bucket(check, graph)
    if support.AUTH_ON:
        authentication(check, url, graph)


if __name__ == "__main__":
    support.main("huawei", story)
