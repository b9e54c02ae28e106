// SPDX-License-Identifier: Apache-2.0
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import timer from './timer.mjs';

const app = new Hono();
app.get('/hello/:n', (c) => c.text(`hello ${c.req.param('n')} from hono`));
app.get('/timer/:ms', (c) => c.text(timer(c.req.param('ms'))));
app.post('/echo', async (c) => c.body(await c.req.arrayBuffer()));
serve({ fetch: app.fetch, port: Number(process.env.PORT) }, () => console.log('hono listens'));
