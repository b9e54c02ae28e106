// SPDX-License-Identifier: Apache-2.0
// node grpc.mjs PORT WORK: one of hello N (N calls at once), timer MS, all (every kind of call).
import assert from 'node:assert';
import grpc from '@grpc/grpc-js';

const [, , port, work, number] = process.argv;
const same = (data) => data;
const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
const path = (name) => `/test.Echo/${name}`;
const deadline = (ms = 20000) => ({ deadline: Date.now() + ms });

function unary(name, text, options = deadline()) {
  return new Promise((yes, no) => {
    let trailers;
    client.makeUnaryRequest(path(name), same, same, Buffer.from(String(text)), options,
      (error, answer) => (error ? no(error) : setImmediate(() => yes([String(answer), trailers]))))
      .on('status', (status) => { trailers = status.metadata; });
  });
}

async function stream(call) {
  const got = [];
  for await (const data of call) got.push(String(data));
  return got;
}

async function hello(count) {
  const all = Array.from({ length: count }, (_, n) => unary('Hello', n));
  for (const [n, [text]] of (await Promise.all(all)).entries()) assert.match(text, new RegExp(`^hello ${n} from grpc`));
}

async function all() {
  const [, trailers] = await unary('Hello', 1);
  assert.match(String(trailers.get('answered-by')), /^grpc/);
  const counted = await stream(client.makeServerStreamRequest(path('Count'), same, same, Buffer.from('1000'), deadline()));
  assert.equal(counted.join(), Array.from({ length: 1000 }, (_, n) => n).join());
  const chat = client.makeBidiStreamRequest(path('Chat'), same, same, deadline());
  const heard = chat[Symbol.asyncIterator]();
  for (let n = 0; n < 20; n++) { // each answer before the next word: both directions are open at once
    chat.write(Buffer.from(String(n)));
    assert.equal(String((await heard.next()).value), `you said ${n}`);
  }
  chat.end();
  assert.ok((await heard.next()).done);
  await assert.rejects(unary('Fail', ''), { code: grpc.status.FAILED_PRECONDITION, details: 'as you wish' });
  const late = client.makeBidiStreamRequest(path('Chat'), same, same, deadline(300));
  await assert.rejects(stream(late), { code: grpc.status.DEADLINE_EXCEEDED });
}

if (work === 'hello') await hello(Number(number));
if (work === 'timer') assert.equal((await unary('Timer', number))[0], `timer ${number} set`);
if (work === 'all') await all();
client.close();
console.log('right');
