/**
 * Alibaba Cloud FC, first generation (2016-08-15), through `@alicloud/fc2`.
 *
 *     node alibaba.js http://127.0.0.1:PORT
 *
 * This is the only client of this generation with a layer API: publish, get, list, list versions,
 * delete.
 */
"use strict";

const support = require("./support");
const FC = require("@alicloud/fc2");

const ARN = /^[0-9a-f]{32}#([^#]+)#(\d+)$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

function client(url, key = support.keys) {
  return new FC("1234567890123456", {
    accessKeyID: key.id, accessKeySecret: key.secret, region: "cn-hangzhou", endpoint: url,
  });
}

async function publish(fc, name, content, more = {}) {
  const code = { zipFile: content.toString("base64") };
  return (await fc.publishLayerVersion(name, { code, compatibleRuntime: ["nodejs18"], ...more })).data;
}

async function checkError(check, what, promise, code) {
  const error = await check.rejects(what, promise);
  check.equal(`${what}: code and name`, [error.code, error.name], [code, `FC${code}Error`]);
}

async function checkVersion(check, what, got, name, version, content, single) {
  check.equal(`${what}: names`, [got.layerName, got.version, got.description], [name, version, "from Node"]);
  check.equal(`${what}: codeSize and codeChecksum`, [got.codeSize, got.codeChecksum], [content.length, support.crc64(content)]);
  if (single) check.equal(`${what}: codesize`, got.codesize, content.length);
  check.equal(`${what}: acl and compatibleRuntime`, [got.acl, got.compatibleRuntime], [0, ["nodejs18"]]);
  check.matches(`${what}: arn`, got.arn, ARN);
  check.matches(`${what}: createTime`, got.createTime, TIME);
  await check.download(`${what}: code.location`, got.code.location, content);
}

async function publishAndGet(check, fc) {
  const name = support.unique("node_get");
  const content = support.layerZip("first");
  await checkVersion(check, "publish", await publish(fc, name, content, { description: "from Node" }), name, 1, content, true);
  await checkVersion(check, "get", (await fc.getLayerVersion(name, 1)).data, name, 1, content, true);
  const listed = (await fc.listLayers({ prefix: name, limit: 1 })).data;
  await checkVersion(check, "list", listed.layers[0], name, 1, content, false);
  check.equal("no token on the last page", "nextToken" in listed, false);
}

async function pages(check, fc) {
  const prefix = support.unique("node_list");
  const names = ["a", "b", "c"].map((letter) => `${prefix}-${letter}`);
  for (const name of names) await publish(fc, name, support.layerZip(name));
  const first = (await fc.listLayers({ prefix, limit: 2 })).data;
  check.equal("first page", first.layers.map((layer) => layer.layerName), names.slice(0, 2));
  const second = (await fc.listLayers({ prefix, limit: 2, nextToken: first.nextToken })).data;
  check.equal("second page", second.layers.map((layer) => layer.layerName), names.slice(2));
  check.equal("is the last", "nextToken" in second, false);
  const later = (await fc.listLayers({ prefix, startKey: names[1] })).data;
  check.equal("startKey is included", later.layers.map((layer) => layer.layerName), names.slice(1));
  check.equal("public layers", (await fc.listLayers({ prefix, public: true })).data.layers, []);
  check.equal("no match", (await fc.listLayers({ prefix: support.unique("nobody") })).data, { layers: [] });
}

async function versionsAndDelete(check, fc) {
  const name = support.unique("node_versions");
  for (const number of [1, 2, 3]) check.equal("numbers count up", (await publish(fc, name, support.layerZip("x"))).version, number);
  const first = (await fc.listLayerVersions(name, { startVersion: 1, limit: 2 })).data;
  check.equal("first page", [first.layers.map((layer) => layer.version), first.nextVersion], [[1, 2], 3]);
  const second = (await fc.listLayerVersions(name, { startVersion: 3, limit: 2 })).data;
  check.equal("second page", [second.layers.map((layer) => layer.version), "nextVersion" in second], [[3], false]);
  await fc.deleteLayerVersion(name, 3); // An empty body declared as JSON would throw here.
  await checkError(check, "get a deleted version", fc.getLayerVersion(name, 3), "LayerVersionNotFound");
  await checkError(check, "delete it again", fc.deleteLayerVersion(name, 3), "LayerVersionNotFound");
  check.equal("3 is not used again", (await publish(fc, name, support.layerZip("y"))).version, 4);
}

async function errors(check, fc) {
  const name = support.unique("node_errors");
  await checkError(check, "unknown layer", fc.getLayerVersion(name, 1), "LayerNotFound");
  await checkError(check, "its versions", fc.listLayerVersions(name), "LayerNotFound");
  await checkError(check, "not a zip", publish(fc, name, Buffer.from("plain text, no zip")), "InvalidArgument");
  await checkError(check, "nothing was stored", fc.listLayerVersions(name), "LayerNotFound");
}

/** Runs a call while the client's clock is an hour behind. */
async function anHourBehind(call) {
  const Now = Date;
  global.Date = class extends Now {
    constructor(...parts) {
      super(...(parts.length ? parts : [Now.now() - 3600000]));
    }
  };
  try {
    return await call();
  } finally {
    global.Date = Now;
  }
}

/** Refused credentials and their errors, and the limits of a role. */
async function authentication(check, url, fc) {
  const name = support.unique("node_auth");
  const content = support.layerZip("auth");
  for (const [what, code, key] of [
    ["a wrong secret", "SignatureNotMatch", { ...support.keys, secret: `${support.keys.secret}x` }],
    ["an unknown key", "InvalidAccessKeyID", { ...support.keys, id: support.unique("AKNOBODY") }],
    ["a disabled key", "InvalidAccessKeyID", support.otherKey("DISABLED")],
  ]) {
    const other = client(url, key);
    await checkError(check, what, publish(other, name, content), code);
    await checkError(check, `${what} that reads`, other.listLayers(), code);
  }
  await checkError(check, "a clock an hour behind", anHourBehind(() => publish(fc, name, content)), "AccessDenied");
  const reader = client(url, support.otherKey("READ"));
  await checkError(check, "a reader that publishes", publish(reader, name, content), "AccessDenied");
  check.equal("a reader that lists: nothing was stored", (await reader.listLayers({ prefix: name })).data.layers, []);
  const { arn } = await publish(fc, name, content);
  check.equal("an ARN in the path, signed as it is escaped", (await fc.getLayerVersionByArn(arn)).data.layerName, name);
  await otherRequests(check, url);
}

/** The client's own signature of a request, sent with this request and with changed ones. */
async function otherRequests(check, url) {
  const signed = { date: new Date().toUTCString(), "content-type": "application/json", "x-fc-account-id": "1234567890123456" };
  const target = `/2016-08-15/layers/${support.unique("node_other")}/versions`;
  signed.authorization = FC.getSignature(support.keys.id, support.keys.secret, "GET", target, signed);
  const { authorization, ...unsigned } = signed;
  for (const [what, method, path, headers, status, code] of [
    ["the signed request", "GET", target, signed, 404, "LayerNotFound"],
    ["another path", "GET", target.replace("node_other", "node_another"), signed, 403, "SignatureNotMatch"],
    ["another method", "POST", target, signed, 403, "SignatureNotMatch"],
    ["another type", "GET", target, { ...signed, "content-type": "text/plain" }, 403, "SignatureNotMatch"],
    ["another account", "GET", target, { ...signed, "x-fc-account-id": "1" }, 403, "SignatureNotMatch"],
    ["a header more", "GET", target, { ...signed, "x-fc-more": "1" }, 403, "SignatureNotMatch"],
    ["no signature", "GET", target, unsigned, 400, "MissingRequiredHeader"],
    ["another scheme", "GET", target, { ...signed, authorization: authorization.replace("FC", "acs") }, 403, "SignatureNotMatch"],
    ["an unknown scheme", "GET", target, { ...signed, authorization: authorization.replace("FC", "AWS") }, 400, "InvalidArgument"],
  ]) {
    const answer = await support.send(method, url + path, headers);
    check.equal(what, [answer.status, JSON.parse(answer.body).ErrorCode], [status, code]);
  }
}

support.main("alibaba (node)", async (url, check) => {
  const fc = client(url);
  await publishAndGet(check, fc);
  await pages(check, fc);
  await versionsAndDelete(check, fc);
  await errors(check, fc);
  if (support.authOn) await authentication(check, url, fc);
});
