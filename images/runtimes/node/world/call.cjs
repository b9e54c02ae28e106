// SPDX-License-Identifier: Apache-2.0
// Requests to ebb-flow at EBB_QUEUE_URL, on the instance's own loopback. A request whose connection is lost, or that
// ebb-flow cannot take now, is sent again with the same x-ebb-once, so that it counts once.
"use strict";
const { randomUUID } = require("node:crypto");
const http = require("node:http");
const { urlToHttpOptions } = require("node:url");
const errors = require("./errors.cjs");

const CONNECTIONS = 32; // of the 64 that an instance may have; streams that wait use others
const PAUSES_MS = [20, 50, 100, 200, 400, 800, 1600, 3200]; // ebb-flow comes back within a second

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Sends one request; nothing resolves its path. Resolves to {status, headers, body}, body of JSON or null.
function once(agent, place, { method = "GET", headers = {}, body, signal }) {
	return new Promise((resolve, reject) => {
		const sized = body === undefined ? headers : { ...headers, "content-length": body.length };
		const request = http.request({ ...place, agent, method, headers: sized, signal }, (response) => {
			const parts = [];
			response.on("data", (part) => parts.push(part));
			response.on("error", reject);
			response.on("end", () => {
				const text = Buffer.concat(parts).toString();
				let value = null;
				try {
					value = text ? JSON.parse(text) : null;
				} catch (error) {
					return reject(error);
				}
				resolve({ status: response.statusCode, headers: response.headers, body: value });
			});
		});
		request.on("error", reject);
		request.end(body);
	});
}

// Whether another try may have another end.
const isPassing = (answer) => answer.status === 503 || answer.status === 429;

async function insist(agent, place, options) {
	for (let tries = 0; ; tries++) {
		let answer, fault;
		try {
			answer = await once(agent, place, options);
		} catch (error) {
			if (options.signal?.aborted) throw error;
			fault = error;
		}
		if (answer && !isPassing(answer)) return answer;
		if (tries === PAUSES_MS.length) {
			if (fault) throw errors.lost(fault);
			return answer;
		}
		await pause(PAUSES_MS[tries]);
	}
}

exports.createClient = (url) => {
	// Free connections have no timer, and do not keep a process alive; ebb-flow ends those of an instance with it.
	const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
	const base = url && urlToHttpOptions(new URL(url));

	// path: behind EBB_QUEUE_URL. about: for errors. Resolves to the body of an answer of 2xx.
	async function call(path, options = {}, about = undefined) {
		if (!url) throw errors.noQueues();
		const own = options.wait ? new http.Agent() : agent;
		const headers = { ...options.headers };
		if (options.method === "POST") headers["x-ebb-once"] ??= randomUUID();
		const place = { ...base, path: base.pathname.replace(/\/$/, "") + path };
		const answer = await insist(own, place, { ...options, headers });
		if (answer.status >= 200 && answer.status < 300) return answer.body;
		throw errors.ofAnswer(answer, about);
	}

	return { call, close: () => agent.destroy() };
};
