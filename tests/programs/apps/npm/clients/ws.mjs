// SPDX-License-Identifier: Apache-2.0
// node ws.mjs PORT: ws's own client; text, bytes, a large message, a close with its code.
import assert from 'node:assert';
import { once } from 'node:events';
import WebSocket from 'ws';

const [, , port] = process.argv;
const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
await once(socket, 'open');
for (const said of ['a word', Buffer.from([0, 1, 255]), Buffer.alloc(1 << 20, 7)]) {
  socket.send(said);
  const [heard, binary] = await once(socket, 'message');
  assert.equal(binary, typeof said !== 'string');
  assert.ok(heard.equals(Buffer.from(said)));
}
socket.close(4321, 'enough');
assert.equal((await once(socket, 'close'))[0], 4321);
console.log('right');
