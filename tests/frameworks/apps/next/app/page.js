// SPDX-License-Identifier: Apache-2.0
import Image from "next/image";
import Link from "next/link";

export default function Home() {
	return <main><h1>home of the shop</h1><Link href="/isr">isr</Link><Image src="/dot.png" width={16} height={16} alt="" /></main>;
}
