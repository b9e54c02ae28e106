// SPDX-License-Identifier: Apache-2.0
export function GET({ params, url }) {
	return new Response(`hello ${params.n} ${url.searchParams.get("q")}`);
}

export async function POST({ request }) {
	return new Response(`posted ${await request.text()}`);
}
