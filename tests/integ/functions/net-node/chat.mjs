// SPDX-License-Identifier: Apache-2.0
// The usual AI backend: asks a model server and hands its stream of tokens on, as it comes.
export default {
	async fetch(request) {
		const answer = await fetch(`${process.env.MODEL_URL}/v1/chat${new URL(request.url).search}`, {
			method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ stream: true }),
		});

		return new Response(answer.body, { status: answer.status, headers: { "Content-Type": "text/event-stream" } });
	},
};
