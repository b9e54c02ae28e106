// SPDX-License-Identifier: Apache-2.0
// node client.mjs PORT AUTHORITY: every kind of call with npm's @grpc/grpc-js; "right" if all were.
import assert from "node:assert";
import grpc from "@grpc/grpc-js";

const [, , port, authority] = process.argv;
const same = (data) => data;
const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
	"grpc.default_authority": authority, "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1,
	"grpc.keepalive_time_ms": 200, "grpc.keepalive_permit_without_calls": 1,
});
const within = (ms = 30000) => ({ deadline: Date.now() + ms });
const path = (name) => `/test.Echo/${name}`;

function unary(name, data, options = within(), metadata = new grpc.Metadata()) {
	const got = {};
	return new Promise((yes, no) => {
		const call = client.makeUnaryRequest(path(name), same, same, Buffer.from(data), metadata, options, (error, answer) => {
			got.answer = answer;
			if (error) no(error);
			else setImmediate(() => yes(got));
		});
		call.on("metadata", (head) => { got.head = head; });
		call.on("status", (status) => { got.tail = status.metadata; });
	});
}

async function all(call) {
	const got = [];
	for await (const data of call) got.push(String(data));
	return got;
}

const metadata = new grpc.Metadata();
metadata.set("x-asked", "yes");
metadata.set("x-raw-bin", Buffer.from([0, 1, 255]));
const told = await unary("Metadata", "", within(), metadata);
assert.equal(String(told.head.get("x-head")[0]), "yes");
assert.deepEqual([...told.tail.get("x-tail-bin")[0]], [0, 1, 255]);
assert.equal(String(told.answer), "deadline");

const big = Buffer.alloc(8 << 20, "abcdefg");
assert.ok((await unary("Say", big)).answer.equals(big));
assert.equal((await all(client.makeServerStreamRequest(path("Count"), same, same, Buffer.from("2000"), within()))).join(),
	Array.from({ length: 2000 }, (_, n) => n).join());
assert.equal(await new Promise((yes, no) => {
	const call = client.makeClientStreamRequest(path("Collect"), same, same, within(), (error, data) => (error ? no(error) : yes(String(data))));
	for (let n = 0; n < 100; n++) call.write(Buffer.alloc(10000));
	call.end();
}), "1000000");

const chat = client.makeBidiStreamRequest(path("Chat"), same, same, within());
const heard = chat[Symbol.asyncIterator]();
for (let n = 0; n < 50; n++) { // each answer before the next word
	chat.write(Buffer.from(String(n)));
	assert.equal(String((await heard.next()).value), `you said ${n}`);
}
chat.end();
assert.ok((await heard.next()).done);

await assert.rejects(unary("Fail", ""), { code: grpc.status.FAILED_PRECONDITION, details: "as you wish" });
await assert.rejects(unary("Nothing", ""), { code: grpc.status.UNIMPLEMENTED });
await assert.rejects(unary("Sleep", "5000", within(300)), { code: grpc.status.DEADLINE_EXCEEDED });

const before = Number((await unary("Cancelled", "")).answer);
const wait = client.makeServerStreamRequest(path("Wait"), same, same, Buffer.from(""), within());
const seen = wait[Symbol.asyncIterator]();
assert.equal(String((await seen.next()).value), "begun");
wait.cancel();
await assert.rejects(seen.next(), { code: grpc.status.CANCELLED });
while (Number((await unary("Cancelled", "")).answer) === before);

const many = await Promise.all(Array.from({ length: 100 }, () => unary("Sleep", "500")));
assert.ok(many.every((one) => String(one.answer) === "slept"));
await new Promise((go) => setTimeout(go, 700)); // keep-alive PINGs, answered
assert.equal(String((await unary("Say", "again")).answer), "again");
client.close();
console.log("right");
