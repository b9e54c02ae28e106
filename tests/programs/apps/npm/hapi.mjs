// SPDX-License-Identifier: Apache-2.0
import Hapi from '@hapi/hapi';
import timer from './timer.mjs';

const server = Hapi.server({ port: process.env.PORT });
const payload = { output: 'data', parse: false };
server.route([
  { method: 'GET', path: '/hello/{n}', handler: (request) => `hello ${request.params.n} from hapi` },
  { method: 'GET', path: '/timer/{ms}', handler: (request) => timer(request.params.ms) },
  { method: 'POST', path: '/echo', options: { payload }, handler: (request) => request.payload },
]);
await server.start();
process.on('SIGTERM', async () => { await server.stop(); process.exit(0); });
