/**
 * Tencent Cloud SCF through `tencentcloud-sdk-nodejs-scf`.
 *
 *     node tencent.js http://127.0.0.1:PORT
 *
 * This client signs its host without the port and takes the service name from the host,
 * unlike the Python SDK; the five layer actions with each signature and method.
 */
"use strict";

const support = require("./support");
const { scf } = require("tencentcloud-sdk-nodejs-scf");

const WAYS = ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"].flatMap((sign) => [[sign, "POST"], [sign, "GET"]]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function client(url, signMethod = "TC3-HMAC-SHA256", reqMethod = "POST") {
  return new scf.v20180416.Client({
    credential: { secretId: support.keys.id, secretKey: support.keys.secret },
    region: "ap-guangzhou",
    profile: { signMethod, httpProfile: { protocol: "http://", endpoint: url.split("://")[1], reqMethod } },
  });
}

async function publish(cloud, name, content, more = {}) {
  const Content = { ZipFile: content.toString("base64") };
  const answer = await cloud.PublishLayerVersion({ LayerName: name, CompatibleRuntimes: ["Nodejs16.13"], Content, ...more });
  return answer.LayerVersion;
}

async function numbers(cloud, name, more = {}) {
  const answer = await cloud.ListLayerVersions({ LayerName: name, ...more });
  return answer.LayerVersions.map((layer) => layer.LayerVersion);
}

async function checkError(check, what, promise, pattern) {
  const error = await check.rejects(what, promise);
  check.matches(`${what}: code`, error.code, pattern);
  check.matches(`${what}: requestId`, error.requestId, UUID);
}

async function everyWay(check, url) {
  const name = support.unique("tc-node");
  const content = support.layerZip("every signature");
  await publish(client(url), name, content, { Description: "from Node, 第一层", LicenseInfo: "MIT" });
  for (const [sign, method] of WAYS) {
    const got = await client(url, sign, method).GetLayerVersion({ LayerName: name, LayerVersion: 1 });
    const what = `GetLayerVersion ${sign} ${method}`;
    check.equal(`${what}: names`, [got.LayerName, got.LayerVersion, got.Status], [name, 1, "Active"]);
    check.equal(`${what}: texts`, [got.Description, got.LicenseInfo], ["from Node, 第一层", "MIT"]);
    check.equal(`${what}: runtimes`, got.CompatibleRuntimes, ["Nodejs16.13"]);
    check.equal(`${what}: CodeSha256`, got.CodeSha256, support.hex("sha256", content));
    check.matches(`${what}: AddTime`, got.AddTime, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    check.matches(`${what}: RequestId`, got.RequestId, UUID);
    await check.download(`${what}: Location`, got.Location, content);
    const listed = await client(url, sign, method).ListLayers({ SearchKey: name, Offset: 0, Limit: 5 });
    check.equal(`ListLayers ${sign} ${method}`, [listed.TotalCount, listed.Layers[0].LayerName], [1, name]);
  }
  for (const [index, [sign, method]] of WAYS.entries()) {
    const number = await publish(client(url, sign, method), name, support.layerZip(`${sign} ${method}`));
    check.equal(`PublishLayerVersion ${sign} ${method}`, number, index + 2);
  }
}

async function versionsAndDelete(check, url) {
  const cloud = client(url);
  const name = support.unique("tc-node-versions");
  for (const number of [1, 2]) check.equal("numbers count up", await publish(cloud, name, support.layerZip("x")), number);
  check.equal("newest first", await numbers(cloud, name), [2, 1]);
  check.equal("runtime filter", await numbers(cloud, name, { CompatibleRuntime: ["Python3.9"] }), []);
  await cloud.DeleteLayerVersion({ LayerName: name, LayerVersion: 2 });
  await checkError(check, "get a deleted version", cloud.GetLayerVersion({ LayerName: name, LayerVersion: 2 }),
    /^ResourceNotFound\.LayerVersion$/);
  check.equal("2 is not used again", await publish(cloud, name, support.layerZip("y")), 3);
}

async function errors(check, url) {
  const name = support.unique("tc-node-errors");
  for (const [sign, method] of WAYS) {
    await checkError(check, `unknown layer, ${sign} ${method}`, numbers(client(url, sign, method), name), /^ResourceNotFound\.Layer$/);
  }
  await checkError(check, "not a zip", publish(client(url), name, Buffer.from("plain text, no zip")), /^InvalidParameterValue\.\w+$/);
  await checkError(check, "nothing was stored", numbers(client(url), name), /^ResourceNotFound\.Layer$/);
}

support.main("tencent (node)", async (url, check) => {
  await everyWay(check, url);
  await versionsAndDelete(check, url);
  await errors(check, url);
});
