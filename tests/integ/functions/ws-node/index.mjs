// SPDX-License-Identifier: Apache-2.0
// npm `ws` as its own manual shows it: each message comes back with its number on this connection.
// GET /events: server-sent events; POST /events?TEXT sends one event to all clients of /events.
// HEARTBEAT_MS=N: every N ms the heartbeat of ws's manual ends the connections that did not answer the
// last ping.
import http from "node:http";
import { WebSocketServer } from "ws";

const listeners = new Set();
let closed = 0;

const server = http.createServer((req, res) => {
  const url = new URL(req.url, "http://a");
  if (url.pathname === "/events" && req.method === "GET") {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write("data: hello\n\n");
    listeners.add(res);
    res.on("close", () => listeners.delete(res));
  } else if (url.pathname === "/events") {
    for (const one of listeners) one.write(`data: ${url.search.slice(1)}\n\n`);
    res.end(`${listeners.size}`);
  } else {
    res.end(JSON.stringify({ open: wss.clients.size, closed }));
  }
});

const wss = new WebSocketServer({ server });
wss.on("connection", (ws) => {
  let count = 0;
  ws.isAlive = true;
  ws.on("pong", () => { ws.isAlive = true; });
  ws.on("close", () => { closed++; });
  ws.on("error", () => {});
  ws.on("message", (data, isBinary) => {
    ws.send(isBinary ? data : `${count++}:${data}`, { binary: isBinary });
  });
});

if (process.env.HEARTBEAT_MS)
  setInterval(() => {
    for (const ws of wss.clients) {
      if (!ws.isAlive) {
        ws.terminate();
        continue;
      }
      ws.isAlive = false;
      ws.ping();
    }
  }, Number(process.env.HEARTBEAT_MS));

server.listen(process.env.PORT);
