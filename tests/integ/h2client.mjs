// SPDX-License-Identifier: Apache-2.0
// Node's own HTTP/2 client against the gateway: usage: node h2client.mjs URL AUTHORITY. One line of JSON.
import http2 from "node:http2";

const [url, authority] = process.argv.slice(2);
const session = http2.connect(url);
const open = (path, headers = {}, options) =>
	session.request({ ":path": path, ":authority": authority, ...headers }, options);

function call(stream) {
	return new Promise((done, fail) => {
		const got = { data: Buffer.alloc(0), trailers: null };
		stream.on("response", (headers) => (got.headers = headers));
		stream.on("trailers", (trailers) => (got.trailers = trailers));
		stream.on("data", (data) => (got.data = Buffer.concat([got.data, data])));
		stream.on("end", () => done(got)).on("error", fail);
	});
}

const grpc = { ":method": "POST", te: "trailers", "content-type": "application/grpc" };
const message = (text) => {
	const data = Buffer.alloc(5 + text.length, text);
	data.writeUInt32BE(text.length, 1);
	data[0] = 0;
	data.write(text, 5);
	return data;
};
const text = (data) => data.subarray(5).toString();
const out = {};

const say = open("/echo.Echo/Say", grpc);
say.end(message("hello"));
const said = await call(say);
out.say = [said.headers[":status"], text(said.data), said.trailers["grpc-status"]];

// Each message is answered before the next is sent: nothing is held back on the way.
const chat = open("/echo.Echo/Chat", grpc);
const heard = [];
chat.write(message("message 0"));
const ended = call(chat);
for await (const data of chat) {
	heard.push(text(data));
	if (heard.length < 20) chat.write(message(`message ${heard.length}`));
	else chat.end();
}
out.chat = [heard.length, heard[19], (await ended).trailers["grpc-status"]];

const fail = open("/echo.Echo/Fail", grpc);
fail.end();
const failed = await call(fail);
out.fail = [failed.trailers["grpc-status"], failed.trailers["grpc-message"]];

const many = open("/echo.Echo/Many?n=5000", grpc);
many.end();
const all = await call(many);
out.many = [all.data.length, all.trailers["grpc-status"]];

const begun = Date.now();
const slept = await Promise.all(Array.from({ length: 100 }, () => call(open("/sleep"))));
out.slept = slept.filter((s) => s.data.toString() === "slept").length;
out.slept_ms = Date.now() - begun;
out.instances = new Set(slept.map((s) => s.headers["x-ebb-instance"])).size;

const wait = open("/wait");
wait.on("error", () => {});
await new Promise((go) => wait.once("data", go));
wait.close(http2.constants.NGHTTP2_CANCEL);
while (out.closed !== "1") out.closed = (await call(open("/closed"))).data.toString();

session.close();
console.log(JSON.stringify(out));
