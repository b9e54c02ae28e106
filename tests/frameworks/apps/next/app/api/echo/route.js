// SPDX-License-Identifier: Apache-2.0
import { after } from "next/server";

export async function POST(request) {
	const body = await request.text();
	after(() => console.log(`after the answer: ${body}`));
	return Response.json({ body, agent: request.headers.get("user-agent") });
}
