// SPDX-License-Identifier: Apache-2.0
export default function Home() {
	return <h1>home of react-router</h1>;
}
