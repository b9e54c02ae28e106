// SPDX-License-Identifier: Apache-2.0
// node socketio.mjs PORT TRANSPORT: two clients, an acknowledged message and a broadcast.
import { io } from 'socket.io-client';

const [, , port, transport] = process.argv;
const connect = () => io(`http://127.0.0.1:${port}`, {
  transports: [transport], forceNew: true, reconnection: false,
});
const [one, two] = [connect(), connect()];
const opened = (socket) => new Promise((yes, no) => {
  socket.on('connect', yes);
  socket.on('connect_error', no);
});
await Promise.all([opened(one), opened(two)]);
const told = new Promise((yes) => two.on('told', yes));
for (let n = 0; n < 20; n++) {
  const answer = await one.timeout(10000).emitWithAck('say', n);
  if (answer !== `you said ${n}`) throw new Error(`${n}: ${answer}`);
}
one.emit('everybody', 'good morning');
if (await told !== 'good morning') throw new Error('the broadcast is another');
one.close();
two.close();
console.log('right');
