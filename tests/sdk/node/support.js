/**
 * Shared by the client scripts: byte-stable zips, local checksums, counted checks.
 * This module knows no cloud.
 */
"use strict";

const { strict: assert } = require("assert");
const crypto = require("crypto");
const http = require("http");

// Some clients use a proxy even for the local machine.
for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) delete process.env[name];
process.env.NO_PROXY = process.env.no_proxy = "127.0.0.1,localhost";

// A server with authentication must have these keys; one without accepts any key.
const keys = {
  id: process.env.LAYERBASE_TEST_KEY_ID || "AKTESTLAYERBASE000001",
  secret: process.env.LAYERBASE_TEST_KEY_SECRET || "SKtestLayerbase00000000000000001",
};

// Set when the server verifies signatures: only then can wrong ones be tested.
const authOn = process.env.LAYERBASE_TEST_AUTH === "on";

/** Returns another key of the test: `READ` may only read, `DISABLED` is refused. */
function otherKey(kind) {
  return { id: process.env[`LAYERBASE_TEST_${kind}_KEY_ID`], secret: process.env[`LAYERBASE_TEST_${kind}_KEY_SECRET`] };
}

/** Counts the comparisons; the first difference ends the script. */
class Checks {
  constructor() {
    this.count = 0;
  }

  equal(what, got, wanted) {
    this.count += 1;
    assert.deepEqual(got, wanted, `${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`);
  }

  matches(what, got, pattern) {
    this.count += 1;
    assert.ok(typeof got === "string" && pattern.test(got), `${what}: got ${JSON.stringify(got)}, expected the form ${pattern}`);
  }

  /** Awaits a call that must fail and returns its error. */
  async rejects(what, promise) {
    this.count += 1;
    let answer;
    try {
      answer = await promise;
    } catch (error) {
      return error;
    }
    return assert.fail(`${what}: no error, the answer was ${JSON.stringify(answer)}`);
  }

  /** Fetches a download link with a plain HTTP client and compares the bytes. */
  async download(what, url, content) {
    const answer = await get(url);
    this.equal(`${what}: status`, answer.status, 200);
    this.equal(`${what}: bytes`, answer.body.equals(content), true);
  }
}

/** Runs one script: the server's URL is the first argument, the last line is the result. */
function main(name, story) {
  if (process.argv.length !== 3) {
    console.error(`usage: node ${process.argv[1]} http://127.0.0.1:PORT`);
    process.exit(2);
  }
  const check = new Checks();
  story(process.argv[2].replace(/\/+$/, ""), check).then(
    () => console.log(`ok ${name}: ${check.count} checks`),
    (error) => {
      const why = error instanceof assert.AssertionError ? error.message : error.stack || error;
      console.error(`FAILED ${name} after ${check.count} checks: ${why}`);
      process.exit(1);
    },
  );
}

function get(url) {
  return send("GET", url, {});
}

/** Sends one plain request; returns status and bytes for any status. */
function send(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    http.request(url, { agent: false, method, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(parts) }));
      answer.on("error", reject);
    }).on("error", reject).end(body);
  });
}

/** Returns a name that no earlier run used: letters, digits and hyphens only. */
function unique(prefix) {
  return `${prefix}-${crypto.randomBytes(4).toString("hex")}`;
}

/** Packs one text as a stored entry with a fixed time, so that equal texts give equal bytes. */
function makeZip(path, text) {
  const name = Buffer.from(path);
  const data = Buffer.from(text);
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0); // version needed
  fields.writeUInt16LE(0x5821, 8); // 2024-01-01
  fields.writeUInt32LE(crc32(data), 10);
  fields.writeUInt32LE(data.length, 14);
  fields.writeUInt32LE(data.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), fields, name, data]);
  const entry = Buffer.concat([Buffer.from("PK\x01\x02\x14\x03"), fields, Buffer.alloc(14), name]);
  entry.writeUInt32LE(0o100644 * 65536, 38);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, entry, end]);
}

/** Returns a small layer whose bytes depend only on `word`. */
function layerZip(word) {
  return makeZip("nodejs/greet.js", `module.exports = ${JSON.stringify(word)};\n`);
}

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** CRC-64/XZ as an unsigned decimal, the way Alibaba prints it. */
function crc64(data) {
  let crc = 0xffffffffffffffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >> 1n) ^ (crc & 1n ? 0xc96c5795d7870f42n : 0n);
  }
  return (crc ^ 0xffffffffffffffffn).toString();
}

function hex(algorithm, data) {
  return crypto.createHash(algorithm).update(data).digest("hex");
}

module.exports = { authOn, crc64, hex, keys, layerZip, main, makeZip, otherKey, send, unique };
