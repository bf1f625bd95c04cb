"""Publishes a dependency (Huawei's word for a layer) and a function with two versions, and lists them.

    examples/run huawei/publish_and_list.py [http://127.0.0.1:8470]
"""

import base64
import hashlib
import secrets

import huaweicloudsdkfunctiongraph.v2 as fgs
import shared
from huaweicloudsdkcore.auth.credentials import BasicCredentials

PROJECT = "0123456789abcdef0123456789abcdef"


def client(url):
    keys = BasicCredentials(shared.KEY_ID, shared.KEY_SECRET, PROJECT)
    return fgs.FunctionGraphClient.new_builder().with_credentials(keys).with_endpoint(url).build()


def publish(url, name, content):
    body = fgs.CreateDependencyRequestBody(
        name=name, runtime="Python3.10", description=shared.DESCRIPTION, depend_type="zip",
        depend_file=base64.b64encode(content).decode())
    return client(url).create_dependency_version(fgs.CreateDependencyVersionRequest(body=body)).version


def find(url, name):
    """Returns the newest version: the list has the dependency's id, and the id selects its versions."""
    graph = client(url)
    depend_id = graph.list_dependencies(fgs.ListDependenciesRequest(name=name)).dependencies[0].id
    row = graph.list_dependency_version(fgs.ListDependencyVersionRequest(depend_id=depend_id)).dependencies[0]
    return shared.Row(row.name, row.version, row.size, "md5", row.etag, row.link)


def publish_function(url, content):
    """Creates a function and two versions: the first with a given name, the second named by the server."""
    graph, code = client(url), fgs.FuncCode(file=base64.b64encode(content).decode())
    body = fgs.CreateFunctionRequestBody(
        func_name=f"slug-{secrets.token_hex(3)}", package="default", runtime="Python3.10", timeout=3,
        handler="index.handler", memory_size=128, code_type="zip", code_filename="index.zip", func_code=code)
    urn = graph.create_function(fgs.CreateFunctionRequest(body=body)).func_urn.removesuffix(":latest")
    named = fgs.CreateFunctionVersionRequestBody(version="v1.0", description="the first one")
    graph.create_function_version(fgs.CreateFunctionVersionRequest(function_urn=urn, body=named))

    # An unchanged function cannot be published again, so the second version includes the package.
    changed = shared.pack(shared.HERE / "function", shared.HERE / "package" / "python")
    update = fgs.UpdateFunctionCodeRequestBody(
        code_type="zip", code_filename="index.zip", func_code=fgs.FuncCode(file=base64.b64encode(changed).decode()))
    graph.update_function_code(fgs.UpdateFunctionCodeRequest(function_urn=urn, body=update))
    graph.create_function_version(fgs.CreateFunctionVersionRequest(function_urn=urn))
    return urn


def show_function(url, urn, content):
    rows = client(url).list_function_versions(fgs.ListFunctionVersionsRequest(function_urn=urn)).versions
    print(f"ListFunctionVersions of {urn}:")
    for row in rows:
        print(f"  {row.version:<17} {row.code_size:>5} bytes  sha512 {row.digest[:16]}…  {row.last_modified}")
    same = next(row for row in rows if row.version == "v1.0").digest == hashlib.sha512(content).hexdigest()
    print(f"  the digest of v1.0 is {'the same as' if same else 'not the one'} computed here")


if __name__ == "__main__":
    url, content = shared.server(), shared.layer_zip()
    version = publish(url, shared.LAYER, content)
    print(f"CreateDependencyVersion: {shared.LAYER} version {version}")
    shared.show_row("ListDependencies, ListDependencyVersion:", find(url, shared.LAYER), content)
    function = shared.function_zip()
    show_function(url, publish_function(url, function), function)
