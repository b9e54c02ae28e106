// SPDX-License-Identifier: Apache-2.0
export function loader({ params, request }) {
	return new Response(`hello ${params.n} ${new URL(request.url).searchParams.get("q")}`);
}

export async function action({ request }) {
	return new Response(`posted ${await request.text()}`);
}
