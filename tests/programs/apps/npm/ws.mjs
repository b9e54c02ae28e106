// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import timer from './timer.mjs';

const http = createServer((request, answer) => {
  const [, kind, word] = request.url.split('/');
  answer.end(kind === 'timer' ? timer(word) : `hello ${word} from ws`);
});
new WebSocketServer({ server: http }).on('connection', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
http.listen(process.env.PORT, () => console.log('ws listens'));
