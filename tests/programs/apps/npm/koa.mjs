// SPDX-License-Identifier: Apache-2.0
import Koa from 'koa';
import timer from './timer.mjs';

const app = new Koa();
app.use((context) => {
  const [, kind, word] = context.path.split('/');
  if (kind === 'hello') context.body = `hello ${word} from koa`;
  if (kind === 'timer') context.body = timer(word);
  if (kind === 'echo') context.body = context.req;
});
app.listen(process.env.PORT, () => console.log('koa listens'));
