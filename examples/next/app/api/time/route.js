// SPDX-License-Identifier: Apache-2.0
export const dynamic = "force-dynamic";

export function GET() {
	return Response.json({ now: new Date().toISOString() });
}
