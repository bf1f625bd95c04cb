/**
 * Alibaba Cloud FC, code through the object store: `@alicloud/fc2` asks for the token, `ali-oss` puts.
 *
 *     node alibaba_oss.js http://127.0.0.1:PORT
 *
 * These are the calls of Serverless Devs: tempBucketToken, put, publishLayerVersion with the object's
 * name.
 */
"use strict";

const support = require("./support");
const FC = require("@alicloud/fc2");
const OSS = require("ali-oss");

const ACCOUNT = "1234567890123456";

function client(url, key = support.keys) {
  return new FC(ACCOUNT, { accessKeyID: key.id, accessKeySecret: key.secret, region: "cn-hangzhou", endpoint: url });
}

/** The store as Serverless Devs opens it, with `FC_CODE_TEMP_OSS_ENDPOINT`. */
function store(url, token, more = {}) {
  const { AccessKeyId, AccessKeySecret, SecurityToken } = token.credentials;
  return new OSS({
    accessKeyId: AccessKeyId, accessKeySecret: AccessKeySecret, stsToken: SecurityToken,
    bucket: token.ossBucket, region: token.ossRegion, endpoint: url, refreshSTSTokenInterval: 3600000, ...more,
  });
}

/** The store as the key's owner opens it: the temporary credentials upload and do nothing else. */
function ownStore(url, token) {
  return store(url, token, { accessKeyId: support.keys.id, accessKeySecret: support.keys.secret, stsToken: undefined });
}

async function publish(fc, name, token, key, more = {}) {
  const code = { ossBucketName: token.ossBucket, ossObjectName: key, ...more };
  return (await fc.publishLayerVersion(name, { code, compatibleRuntime: ["nodejs18"] })).data;
}

async function checkStoreError(check, what, promise, code, status) {
  const error = await check.rejects(what, promise);
  check.equal(`${what}: code, name and status`, [error.code, error.name, error.status], [code, `${code}Error`, status]);
  check.matches(`${what}: request id`, error.requestId, /^[0-9A-F]{24}$/);
}

async function token(check, fc) {
  const got = (await fc.getTempBucketToken()).data;
  const { AccessKeyId, AccessKeySecret, Expiration, SecurityToken } = got.credentials;
  check.matches("a temporary id", AccessKeyId, /^STS\./);
  check.equal("the key's own secret stays here", [AccessKeySecret, SecurityToken].includes(support.keys.secret), false);
  const left = new Date(Expiration) - Date.now();
  check.equal("good for about an hour", left > 3500000 && left <= 3600000, true);
  return got;
}

async function wholeWay(check, url, fc, given) {
  const name = support.unique("node_oss");
  const key = `${ACCOUNT}/${given.objectName}`;
  const content = support.layerZip("stored");
  const [oss, own] = [store(url, given), ownStore(url, given)];
  const put = await oss.put(key, content);
  check.equal("put", [put.res.status, put.res.data.length], [200, 0]);
  const md5 = support.hex("md5", content).toUpperCase();
  check.equal("ETag and CRC-64", [put.res.headers.etag, put.res.headers["x-oss-hash-crc64ecma"]], [`"${md5}"`, support.crc64(content)]);

  const layer = await publish(fc, name, given, key, { checksum: support.crc64(content) });
  check.equal("publish", [layer.version, layer.codeSize, layer.codeChecksum], [1, content.length, support.crc64(content)]);
  await check.download("its code", layer.code.location, content);

  const newer = support.layerZip("newer");
  await oss.put(key, newer);
  check.equal("the newer object", (await own.get(key)).content.equals(newer), true);
  check.equal("the second version", (await publish(fc, name, given, key)).codeChecksum, support.crc64(newer));
  await own.delete(key);
  await checkStoreError(check, "a deleted object", own.head(key), "NoSuchKey", 404);
  const error = await check.rejects("publish of a deleted object", publish(fc, name, given, key));
  check.equal("publish of a deleted object: code", error.code, "InvalidArgument");
  const first = (await fc.getLayerVersion(name, 1)).data;
  check.equal("the first version is what it was", first.codeChecksum, support.crc64(content));
  await check.download("and so is its code", first.code.location, content);
}

async function otherWays(check, url, given) {
  const [oss, own] = [store(url, given), ownStore(url, given)];
  const content = Buffer.alloc(300000, "layer");
  const key = `${ACCOUNT}/层 a+b?#%/${given.objectName}.zip`;
  const { Readable } = require("stream");
  await oss.putStream(key, Readable.from([content]), { meta: { by: "node" } });
  const got = await own.get(key);
  check.equal("a stream of unknown length under any name", got.content.equals(content), true);
  check.equal("type and own headers", [got.res.headers["content-type"], got.res.headers["x-oss-meta-by"]], ["application/zip", "node"]);
  const head = await own.head(key);
  check.equal("head", [head.res.headers["content-length"], head.meta], [String(content.length), { by: "node" }]);
  await own.delete(key);
  await own.delete(key); // Deleting a missing object succeeds, as in the cloud.
  await checkStoreError(check, "get", own.get(key), "NoSuchKey", 404);
  await checkStoreError(check, "list", own.list(), "NotImplemented", 501);
  await checkStoreError(check, "copy", own.copy("a", "b"), "NotImplemented", 501);
  await checkStoreError(check, "a changed body", oss.put("a", content, { headers: { "Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg==" } }), "InvalidDigest", 400);
}

/** Refused credentials and their errors. */
async function authentication(check, url, fc, given) {
  const content = support.layerZip("auth");
  const put = (more) => store(url, given, more).put("auth", content);
  await checkStoreError(check, "a wrong secret", put({ accessKeySecret: "x" }), "SignatureDoesNotMatch", 403);
  await checkStoreError(check, "a changed token", put({ stsToken: "x" }), "InvalidSecurityToken", 403);
  await checkStoreError(check, "no token", put({ stsToken: undefined }), "InvalidSecurityToken", 403);
  const longer = given.credentials.AccessKeyId.replace(/\d+$/, (end) => String(Number(end) + 3600));
  await checkStoreError(check, "a later end", put({ accessKeyId: longer }), "InvalidSecurityToken", 403);
  await checkStoreError(check, "another bucket", put({ bucket: "code" }), "AccessDenied", 403);
  const oss = store(url, given);
  await checkStoreError(check, "a download by temporary credentials", oss.get("auth"), "AccessDenied", 403);
  await checkStoreError(check, "a deletion by temporary credentials", oss.delete("auth"), "AccessDenied", 403);
  await checkStoreError(check, "version 4", put({ authorizationV4: true }), "InvalidArgument", 400);
  const reader = await check.rejects("a reader", client(url, support.otherKey("READ")).getTempBucketToken());
  check.equal("a reader: code", reader.code, "AccessDenied");
  const key = { accessKeyId: support.keys.id, accessKeySecret: support.keys.secret, stsToken: undefined };
  check.equal("a key itself, any bucket", (await put({ ...key, bucket: "code" })).res.status, 200);
  const readOnly = support.otherKey("READ");
  const asReader = { accessKeyId: readOnly.id, accessKeySecret: readOnly.secret, stsToken: undefined };
  await checkStoreError(check, "a reader's key", put(asReader), "AccessDenied", 403);
}

support.main("alibaba_oss (node)", async (url, check) => {
  const fc = client(url);
  const given = await token(check, fc);
  await wholeWay(check, url, fc, given);
  await otherWays(check, url, given);
  check.equal("the limit of a zip", (await fc.getAccountConfigs({ config: ["CodeSizeLimit"] })).data, { CodeSizeLimit: "104857600" });
  const ofFunction = (await fc.getTempCodeBucketPermission("svc", "fn", "e1")).data;
  check.equal("the limit of an object", ofFunction.codeSizeLimit, 524288000);
  if (support.authOn) await authentication(check, url, fc, given);
});
