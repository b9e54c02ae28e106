// SPDX-License-Identifier: Apache-2.0
import { Suspense } from "react";

export const dynamic = "force-dynamic";

async function Slow() {
	await new Promise((done) => setTimeout(done, 1500));
	return <p>slow part</p>;
}

export default function Stream() {
	return <main><p>quick part</p><Suspense fallback={<p>waiting</p>}><Slow /></Suspense></main>;
}
