// SPDX-License-Identifier: Apache-2.0
import express from 'express';
import timer from './timer.mjs';

const app = express();
app.get('/hello/:n', (request, answer) => answer.send(`hello ${request.params.n} from express`));
app.get('/timer/:ms', (request, answer) => answer.send(timer(request.params.ms)));
app.post('/echo', (request, answer) => request.pipe(answer));
const server = app.listen(process.env.PORT, () => console.log('express listens'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
