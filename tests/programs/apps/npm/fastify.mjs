// SPDX-License-Identifier: Apache-2.0
import Fastify from 'fastify';
import timer from './timer.mjs';

const app = Fastify({ logger: true });
app.addContentTypeParser('*', (request, payload, done) => done(null, payload));
app.get('/hello/:n', async (request) => `hello ${request.params.n} from fastify`);
app.get('/timer/:ms', async (request) => timer(request.params.ms));
app.post('/echo', (request, reply) => reply.send(request.body));
process.on('SIGTERM', async () => { await app.close(); process.exit(0); });
await app.listen({ port: process.env.PORT, host: '0.0.0.0' });
