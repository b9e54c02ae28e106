// SPDX-License-Identifier: Apache-2.0
// The page: earlier messages from the API, new ones from the WebSocket.
const list = document.querySelector("#messages");
const form = document.querySelector("#say");

function show(text) {
	const item = document.createElement("li");
	item.textContent = text;
	list.append(item);
}

const socket = new WebSocket(new URL("/live", location.href.replace(/^http/, "ws")));
socket.addEventListener("message", event => show(event.data));
form.addEventListener("submit", event => {
	event.preventDefault();
	socket.send(form.text.value);
	form.reset();
});

for (const text of (await (await fetch("/api/messages")).json()).messages) show(text);
