// SPDX-License-Identifier: Apache-2.0
// node trpc.mjs PORT: tRPC's own client, batching.
import assert from 'node:assert';
import { createTRPCClient, httpBatchLink } from '@trpc/client';

const [, , port] = process.argv;
const client = createTRPCClient({ links: [httpBatchLink({ url: `http://127.0.0.1:${port}` })] });
const answers = await Promise.all([1, 2, 3].map((n) => client.hello.query(n)));
assert.deepEqual(answers, [1, 2, 3].map((n) => `hello ${n} from trpc`));
console.log('right');
