// SPDX-License-Identifier: Apache-2.0
// One function per method.
export function GET(request) {
	return Response.json({ path: new URL(request.url).pathname });
}

export async function POST(request) {
	return new Response(await request.text(), { status: 201 });
}
