// SPDX-License-Identifier: Apache-2.0
import { NextResponse } from "next/server";

export function middleware(request) {
	if (request.nextUrl.pathname === "/gone") return new NextResponse("gone by middleware\n", { status: 410 });
	const response = NextResponse.next();
	response.headers.set("x-through", "middleware");
	return response;
}

export const config = { matcher: ["/gone", "/old", "/api/:path*"] };
