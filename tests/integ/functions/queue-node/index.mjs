// SPDX-License-Identifier: Apache-2.0
// Sends, polls and is pushed to by the client that people use, as it comes from npm.
import { PollingQueueClient, QueueClient } from "@vercel/queue";

const options = {
  region: "ebb1", token: "none", deploymentId: null,
  resolveBaseUrl: () => new URL(process.env.EBB_QUEUE_URL),
};
const client = new QueueClient(options), polling = new PollingQueueClient(options);
const pushed = [], polled = [];

async function handle(message, about) {
  pushed.push({ message, ...about });
  if (message.fails >= about.deliveryCount) throw new Error("not yet");
  if (message.takesMs) await new Promise((resolve) => setTimeout(resolve, message.takesMs));
}

const retry = (error, about) => (about.deliveryCount < 3 ? { afterSeconds: 0 } : { acknowledge: true });
const callback = client.handleCallback(handle, { retry });

function endless() {
  const part = new Uint8Array(1 << 16);
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(part) }));
}

async function poll(topic, asked) {
  return polling.receive(topic, "crew", (message, about) => polled.push({ message, ...about }), asked);
}

const routes = {
  "/api/work": callback,
  "/api/endless": endless,
  "/send": async (request) => {
    const { topic, payload, ...more } = await request.json();
    return Response.json(await client.send(topic, payload, more));
  },
  "/batch": async (request) => {
    const { topic, messages } = await request.json();
    return Response.json(await client.experimental_sendBatch(topic, messages));
  },
  "/poll": async (request) => {
    const { topic, ...asked } = await request.json();
    return Response.json(await poll(topic, asked));
  },
  "/pushed": () => Response.json(pushed),
  "/polled": () => Response.json(polled),
};

export default {
  async fetch(request) {
    const route = routes[new URL(request.url).pathname];
    return route ? route(request) : new Response("ok\n");
  },
};
