// SPDX-License-Identifier: Apache-2.0
import { cookies } from "next/headers";

async function keep(form) {
	"use server";
	(await cookies()).set("kept", String(form.get("word")));
}

export default async function Form() {
	const kept = (await cookies()).get("kept")?.value ?? "nothing";
	return <form action={keep}><p>kept: {kept}</p><input name="word" /><button>keep</button></form>;
}
