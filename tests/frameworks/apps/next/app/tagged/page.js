// SPDX-License-Identifier: Apache-2.0
import { unstable_cache } from "next/cache";

export const revalidate = 86400;

const clock = unstable_cache(async () => Date.now(), ["clock"], { tags: ["clock"] });

export default async function Tagged() {
	return <p id="made">made at {String(Date.now())}, clock {String(await clock())}</p>;
}
