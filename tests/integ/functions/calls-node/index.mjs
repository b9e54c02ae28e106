// SPDX-License-Identifier: Apache-2.0
// Calls the service of a binding as programs do: fetch, with its pool of connections, and a WebSocket.
// It called once before it listens: `early` is that answer.
import crypto from "node:crypto";
import http from "node:http";

const early = process.env.EARLY_URL ? await (await fetch(process.env.EARLY_URL + "/")).text() : "";

// One text message as a client frames it, masked by zeros.
function frame(text) {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

function echoed(url, text, res) {
  const request = http.request(url, { headers: {
    connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13",
    "sec-websocket-key": crypto.randomBytes(16).toString("base64") } });
  request.on("upgrade", (answer, socket, head) => {
    const got = (bytes) => { res.end(bytes.subarray(2).toString()); socket.destroy(); };
    socket.write(frame(text));
    if (head.length > 0) got(head); else socket.once("data", got);
  });
  request.on("response", (answer) => { res.statusCode = 502; res.end(`${answer.statusCode}`); answer.resume(); });
  request.on("error", (error) => { res.statusCode = 502; res.end(error.message); });
  request.end();
}

http.createServer(async (req, res) => {
  const query = new URL(req.url, "http://a").searchParams;
  const base = process.env[query.get("env")];
  try {
    if (req.url.startsWith("/early")) { res.end(early); return; }
    if (req.url.startsWith("/ws")) { echoed(base, "hello", res); return; }
    const answer = await fetch(base + (query.get("path") ?? "/"), { headers: { "x-from": "node" } });
    res.writeHead(answer.status, { "x-instance": answer.headers.get("x-ebb-instance") ?? "" });
    for await (const part of answer.body) res.write(part);
    res.end();
  } catch (error) {
    res.statusCode = 500;
    res.end(`${error.cause ?? error}`);
  }
}).listen(process.env.PORT);
