/**
 * Huawei Cloud FunctionGraph v2 through `@huaweicloud/huaweicloud-sdk-functiongraph`.
 *
 *     node huawei.js http://127.0.0.1:PORT
 *
 * This client does not encode the colons of a function URN; the Python SDK does.
 */
"use strict";

const support = require("./support");
const { BasicCredentials } = require("@huaweicloud/huaweicloud-sdk-core");
const { AKSKSigner } = require("@huaweicloud/huaweicloud-sdk-core/auth/AKSKSigner");
const fgs = require("@huaweicloud/huaweicloud-sdk-functiongraph/v2/public-api");

require("log4js").configure({ // The SDK logs every refusal at length, also the expected ones.
  appenders: { out: { type: "stderr" } }, categories: { default: { appenders: ["out"], level: "off" } },
});

const PROJECT = "0123456789abcdef0123456789abcdef";

function credentials(key) {
  return new BasicCredentials().withAk(key.id).withSk(key.secret).withProjectId(PROJECT);
}

function client(url, key = support.keys) {
  return fgs.FunctionGraphClient.newBuilder().withCredential(credentials(key)).withEndpoint(url).build();
}

function code(content) {
  return new fgs.FuncCode().withFile(content.toString("base64"));
}

function functionZip(word) {
  return support.makeZip("index.js", `exports.handler = async () => ${JSON.stringify(word)};\n`);
}

function create(graph, name, content) {
  const body = new fgs.CreateFunctionRequestBody()
    .withFuncName(name).withPackage("default").withRuntime("Node.js18.15").withTimeout(3).withHandler("index.handler")
    .withMemorySize(256).withCodeType("zip").withCodeFilename("index.zip").withFuncCode(code(content));
  return graph.createFunction(new fgs.CreateFunctionRequest().withBody(body));
}

function update(graph, urn, content) {
  const body = new fgs.UpdateFunctionCodeRequestBody()
    .withCodeType("zip").withCodeFilename("index.zip").withFuncCode(code(content));
  return graph.updateFunctionCode(new fgs.UpdateFunctionCodeRequest(urn).withBody(body));
}

function publish(graph, urn, version) {
  const body = new fgs.CreateFunctionVersionRequestBody();
  if (version) body.withVersion(version).withDescription("from Node");
  return graph.createFunctionVersion(new fgs.CreateFunctionVersionRequest(urn).withBody(body));
}

function versions(graph, urn, marker, maxitems) {
  const ask = new fgs.ListFunctionVersionsRequest(urn);
  if (maxitems) ask.withMarker(marker).withMaxitems(maxitems);
  return graph.listFunctionVersions(ask);
}

function names(page) {
  return page.versions.map((row) => row.version);
}

async function checkError(check, what, promise, status, code) {
  const error = await check.rejects(what, promise);
  check.equal(`${what}: status and code`, [error.httpStatusCode, error.errorCode], [status, code]);
}

async function functions(check, graph) {
  const name = support.unique("hw-node");
  const [first, second] = [functionZip("one"), functionZip("two")];
  const made = await create(graph, name, first);
  const urn = made.func_urn.replace(/:latest$/, "");
  check.equal("func_urn", urn.endsWith(`:function:default:${name}`) && made.func_urn !== urn, true);
  check.equal("digest and code_size", [made.digest, made.code_size], [support.hex("sha512", first), first.length]);

  const named = await publish(graph, urn, "v1.0");
  check.equal("the caller's name", [named.version, named.version_description, named.func_urn], ["v1.0", "from Node", `${urn}:v1.0`]);
  await checkError(check, "nothing changed", publish(graph, urn), 400, "FSS.1016");
  const changed = await update(graph, urn, second);
  check.equal("update", [changed.digest, changed.code_size], [support.hex("sha512", second), second.length]);
  const unnamed = await publish(graph, urn);
  check.matches("a name made from the time", unnamed.version, /^v\d{8}-\d{6}$/);

  const wanted = ["latest", unnamed.version, "v1.0"];
  const page = await versions(graph, urn);
  check.equal("latest first", [names(page), page.count, page.next_marker], [wanted, 3, 3]);
  check.equal("digests", page.versions.map((row) => row.digest), [second, second, first].map((zip) => support.hex("sha512", zip)));
  check.equal("cpu of 256 MB", page.versions[0].cpu, 400);
  check.matches("last_modified", page.versions[0].last_modified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
  const rest = await versions(graph, urn, "1", "2");
  check.equal("a page", [names(rest), rest.count, rest.next_marker], [wanted.slice(1), 3, 3]);

  await graph.deleteFunction(new fgs.DeleteFunctionRequest(`${urn}:v1.0`));
  check.equal("a deleted version is gone", names(await versions(graph, urn)), wanted.slice(0, 2));
  await graph.deleteFunction(new fgs.DeleteFunctionRequest(urn));
  await checkError(check, "a deleted function", versions(graph, urn), 404, "FSS.1051");
}

async function dependencies(check, graph) {
  const name = support.unique("hw-node-dep");
  const contents = [support.layerZip("one"), support.layerZip("two, longer")];
  const made = [];
  for (const content of contents) {
    const body = new fgs.CreateDependencyRequestBody("zip", "Node.js18.15", name)
      .withDependFile(content.toString("base64")).withDependType("zip").withRuntime("Node.js18.15").withName(name);
    made.push(await graph.createDependencyVersion(new fgs.CreateDependencyVersionRequest().withBody(body)));
  }
  check.equal("version numbers", made.map((row) => row.version), [1, 2]);
  check.equal("etag and size", made.map((row) => [row.etag, row.size]),
    contents.map((zip) => [support.hex("md5", zip), zip.length]));
  check.equal("one dependency", made[0].dep_id === made[1].dep_id && made[0].id !== made[1].id, true);
  await check.download("link", made[1].link, contents[1]);

  const listed = await graph.listDependencies(new fgs.ListDependenciesRequest().withName(name));
  check.equal("list", [listed.count, listed.dependencies[0].id, listed.dependencies[0].version], [1, made[0].dep_id, 2]);
  const ask = new fgs.ListDependencyVersionRequest(made[0].dep_id);
  const rows = await graph.listDependencyVersion(ask);
  check.equal("versions", [rows.count, rows.dependencies.map((row) => row.version)], [2, [2, 1]]);
  const remove = (number) => graph.deleteDependencyVersion(new fgs.DeleteDependencyVersionRequest(made[0].dep_id, String(number)));
  await remove(2);
  await checkError(check, "delete it again", remove(2), 404, "FSS.1056");
  check.equal("one is left", (await graph.listDependencyVersion(ask)).dependencies.map((row) => row.version), [1]);
}

/** Refused credentials and their errors, and the limits of a role. */
async function authentication(check, url, graph) {
  const [name, content] = [support.unique("hw-node-auth"), functionZip("auth")];
  const unknown = support.unique("AKNOBODY");
  const disabled = support.otherKey("DISABLED");
  const notLetIn = async (what, words, promise) => {
    const error = await check.rejects(what, promise);
    check.equal(`${what}: status and code`, [error.httpStatusCode, error.errorCode], [401, "APIGW.0301"]);
    check.equal(`${what}: ${error.errorMsg}`, error.errorMsg.startsWith(`Incorrect IAM authentication information: ${words}`), true);
  };
  for (const [what, key, words] of [
    ["a wrong secret", { id: support.keys.id, secret: `${support.keys.secret}x` }, "verify aksk signature fail"],
    ["an unknown key", { id: unknown, secret: support.keys.secret }, `Get secretKey failed,ak:${unknown},err:ak not exist`],
    ["a disabled key", disabled, `Get secretKey failed,ak:${disabled.id},err:ak not exist`],
  ]) await notLetIn(what, words, create(client(url, key), name, content));

  const now = Date.now;
  Date.now = () => now() - 3600000;
  const late = create(graph, name, content); // The client signs before its first await.
  await notLetIn("a clock an hour behind", "signature expired, signature time:", late.finally(() => { Date.now = now; }));

  const reader = client(url, support.otherKey("READ"));
  await checkError(check, "a reader that publishes", create(reader, name, content), 403, "FSS.0403");
  const listed = await reader.listDependencies(new fgs.ListDependenciesRequest().withName(name));
  check.equal("a reader that lists", listed.count, 0);
  await changedBody(check, url, name);
}

/** The SDK's own signature over a body, sent with this body and with another one. */
async function changedBody(check, url, name) {
  const target = `${url}/v2/${PROJECT}/fgs/functions/urn:fss:local-1:${PROJECT}:function:default:${name}/versions`;
  const data = { version: "v1" };
  const headers = { "content-type": "application/json", "x-project-id": PROJECT };
  const request = { endpoint: target, method: "POST", headers, queryParams: {}, data };
  const signed = AKSKSigner.sign(request, credentials(support.keys));
  for (const [what, body, wanted] of [
    ["the signed body", JSON.stringify(data), [404, "FSS.1051"]], // No function of this name was ever stored.
    ["another body", JSON.stringify({ version: "v2" }), [401, "APIGW.0301"]],
  ]) {
    const answer = await support.send("POST", target, signed, body);
    check.equal(`${what}: status and code`, [answer.status, JSON.parse(answer.body).error_code], wanted);
  }
}

support.main("huawei (node)", async (url, check) => {
  const graph = client(url);
  await functions(check, graph);
  await dependencies(check, graph);
  if (support.authOn) await authentication(check, url, graph);
});
