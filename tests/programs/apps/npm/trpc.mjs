// SPDX-License-Identifier: Apache-2.0
import { initTRPC } from '@trpc/server';
import { createHTTPServer } from '@trpc/server/adapters/standalone';
import timer from './timer.mjs';

const t = initTRPC.create();
const router = t.router({
  hello: t.procedure.input(Number).query(({ input }) => `hello ${input} from trpc`),
  timer: t.procedure.input(Number).query(({ input }) => timer(input)),
});
createHTTPServer({ router }).listen(process.env.PORT);
