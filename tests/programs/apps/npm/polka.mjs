// SPDX-License-Identifier: Apache-2.0
import polka from 'polka';
import timer from './timer.mjs';

polka()
  .get('/hello/:n', (request, answer) => answer.end(`hello ${request.params.n} from polka`))
  .get('/timer/:ms', (request, answer) => answer.end(timer(request.params.ms)))
  .post('/echo', (request, answer) => request.pipe(answer))
  .listen(process.env.PORT, () => console.log('polka listens'));
