// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import timer from './timer.mjs';

async function* count(to) {
  for (let n = 1; n <= to; n++) yield { count: n };
}
const schema = createSchema({
  typeDefs: `type Query { hello(n: Int!): String timer(ms: Int!): String }
    type Subscription { count(to: Int!): Int }`,
  resolvers: {
    Query: { hello: (_, { n }) => `hello ${n} from yoga`, timer: (_, { ms }) => timer(ms) },
    Subscription: { count: { subscribe: (_, { to }) => count(to) } },
  },
});
createServer(createYoga({ schema })).listen(process.env.PORT, () => console.log('yoga listens'));
