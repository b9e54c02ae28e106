// SPDX-License-Identifier: Apache-2.0
export const revalidate = 1;

export default async function Isr() {
	return <p id="made">made at {String(Date.now())}</p>;
}
