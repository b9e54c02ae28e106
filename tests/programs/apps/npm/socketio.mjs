// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import timer from './timer.mjs';

const http = createServer((request, answer) => {
  const [, kind, word] = request.url.split('/');
  answer.end(kind === 'timer' ? timer(word) : `hello ${word} from socket.io`);
});
const io = new Server(http);
io.on('connection', (socket) => {
  socket.on('say', (text, answer) => answer(`you said ${text}`));
  socket.on('everybody', (text) => io.emit('told', text));
});
http.listen(process.env.PORT, () => console.log('socket.io listens'));
