/**
 * Tencent Cloud SCF through `tencentcloud-sdk-nodejs-scf`.
 *
 *     node tencent.js http://127.0.0.1:PORT
 *
 * Covers the five layer actions with each signature and method. Unlike the Python SDK, this client
 * signs its host without the port and takes the service name from the host. LAYERBASE_TEST_AUTH=on
 * adds refused credentials, with the keys that tencent.py names.
 */
"use strict";

const support = require("./support");
const { scf } = require("tencentcloud-sdk-nodejs-scf");
const { default: Sign } = require("tencentcloud-sdk-nodejs-common/tencentcloud/common/sign");

const WAYS = ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"].flatMap((sign) => [[sign, "POST"], [sign, "GET"]]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function client(url, signMethod = "TC3-HMAC-SHA256", reqMethod = "POST", key = support.keys) {
  return new scf.v20180416.Client({
    credential: { secretId: key.id, secretKey: key.secret },
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

function keyOf(kind) {
  return { id: process.env[`LAYERBASE_TEST_${kind}_KEY_ID`], secret: process.env[`LAYERBASE_TEST_${kind}_KEY_SECRET`] };
}

async function authentication(check, url) {
  const name = support.unique("tc-node-auth");
  const content = support.layerZip("signed");
  const ask = { LayerName: name, LayerVersion: 1 };
  await publish(client(url), name, content);
  const refused = [
    ["wrong secret", { id: support.keys.id, secret: `${support.keys.secret}x` }, /^AuthFailure\.SignatureFailure$/],
    ["unknown key", { id: "AKNOBODY000000000001", secret: support.keys.secret }, /^AuthFailure\.SecretIdNotFound$/],
    ["disabled key", keyOf("DISABLED"), /^AuthFailure\.SecretIdNotFound$/],
  ];
  for (const [sign, method] of WAYS) {
    for (const [what, key, code] of refused) {
      const other = client(url, sign, method, key);
      await checkError(check, `${what} gets, ${sign} ${method}`, other.GetLayerVersion(ask), code);
      await checkError(check, `${what} publishes, ${sign} ${method}`, publish(other, name, content), code);
    }
    const reader = client(url, sign, method, keyOf("READ"));
    check.equal(`a reader lists, ${sign} ${method}`, await numbers(reader, name), [1]);
    await checkError(check, `a reader publishes, ${sign} ${method}`, publish(reader, name, content), /^UnauthorizedOperation\.CAM$/);
    for (const hours of [-1, 1]) {
      const late = atHour(hours, () => client(url, sign, method).GetLayerVersion(ask));
      await checkError(check, `a clock ${hours} h off, ${sign} ${method}`, late, /^AuthFailure\.SignatureExpire$/);
    }
  }
  const skipped = client(url).request("GetLayerVersion", ask, { skipSign: true });
  await checkError(check, "skipSign", skipped, /^MissingParameter$/);
  check.equal("nothing of it was stored", await numbers(client(url), name), [1]);
  const long = support.makeZip("nodejs/noise.js", "x".repeat(600_000));
  for (const [index, sign] of ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1"].entries()) {
    check.equal(`a long upload, ${sign}`, await publish(client(url, sign), name, long), index + 2);
  }
  await changedBody(check, url, ask);
}

/** Runs a call while the clock of this process is off by some hours. */
async function atHour(hours, call) {
  const { now } = Date;
  const { getTime } = Date.prototype;
  Date.now = () => now() + hours * 3_600_000;
  // The v3 signature takes its time from `new Date()`.
  Date.prototype.getTime = function shifted() {
    return getTime.call(this) + hours * 3_600_000;
  };
  try {
    return await call();
  } finally {
    Date.now = now;
    Date.prototype.getTime = getTime;
  }
}

/** The SDK's own signature over a body, sent with this body and with another one. */
async function changedBody(check, url, ask) {
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = { "Content-Type": "application/json" };
  const { id: secretId, secret: secretKey } = support.keys;
  const Authorization = Sign.sign3({ url: `${url}/`, payload: ask, timestamp, service: "127", secretId, secretKey, headers });
  const common = { "X-TC-Action": "GetLayerVersion", "X-TC-Version": "2018-04-16", "X-TC-Timestamp": `${timestamp}` };
  const send = async (body) => {
    const answer = await fetch(`${url}/`, { method: "POST", headers: { ...headers, ...common, Authorization }, body: JSON.stringify(body) });
    return (await answer.json()).Response;
  };
  check.equal("the SDK's own signature", (await send(ask)).LayerName, ask.LayerName);
  const changed = await send({ ...ask, LayerVersion: 2 });
  check.equal("another body", changed.Error.Code, "AuthFailure.SignatureFailure");
  check.matches("another body: RequestId", changed.RequestId, UUID);
}

support.main("tencent (node)", async (url, check) => {
  await everyWay(check, url);
  await versionsAndDelete(check, url);
  await errors(check, url);
  if (process.env.LAYERBASE_TEST_AUTH === "on") await authentication(check, url);
});
