// SPDX-License-Identifier: Apache-2.0
// A gRPC server of npm's @grpc/grpc-js, as its guide makes one. Messages are bytes as they are.
import grpc from "@grpc/grpc-js";

const same = (data) => data;
const method = (name, requestStream, responseStream) => ({
	path: `/test.Echo/${name}`, requestStream, responseStream,
	requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
});
let cancelled = 0;
const kinds = { Say: [0, 0], Fail: [0, 0], Sleep: [0, 0], Cancelled: [0, 0], Metadata: [0, 0], Collect: [1, 0], Count: [0, 1], Wait: [0, 1], Chat: [1, 1] };
const service = Object.fromEntries(Object.entries(kinds).map(([name, [up, down]]) => [name, method(name, !!up, !!down)]));

const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
server.addService(service, {
	Say: (call, done) => done(null, call.request),
	Fail: (call, done) => done({ code: grpc.status.FAILED_PRECONDITION, details: "as you wish" }),
	Sleep: (call, done) => setTimeout(() => done(null, Buffer.from("slept")), Number(call.request)),
	Cancelled: (call, done) => done(null, Buffer.from(String(cancelled))),
	Metadata(call, done) {
		const head = new grpc.Metadata(), tail = new grpc.Metadata();
		head.set("x-head", call.metadata.get("x-asked")[0]);
		tail.set("x-tail-bin", call.metadata.get("x-raw-bin")[0]);
		call.sendMetadata(head);
		done(null, Buffer.from(call.getDeadline() === Infinity ? "none" : "deadline"), tail);
	},
	Collect(call, done) {
		let bytes = 0;
		call.on("data", (data) => { bytes += data.length; });
		call.on("end", () => done(null, Buffer.from(String(bytes))));
	},
	async Count(call) {
		for (let n = 0; n < Number(call.request); n++)
			if (!call.write(Buffer.from(String(n)))) await new Promise((go) => call.once("drain", go));
		call.end();
	},
	Wait(call) {
		call.on("cancelled", () => { cancelled++; });
		call.write(Buffer.from("begun"));
	},
	Chat(call) {
		call.on("data", (data) => call.write(Buffer.concat([Buffer.from("you said "), data])));
		call.on("end", () => call.end());
	},
});
server.bindAsync(`0.0.0.0:${process.env.PORT}`, grpc.ServerCredentials.createInsecure(), (error) => {
	if (error) throw error;
	console.log("listens");
});
process.on("SIGTERM", () => server.tryShutdown(() => process.exit(0)));
