// SPDX-License-Identifier: Apache-2.0
// A gRPC server without generated code: messages are bytes as they are.
import grpc from '@grpc/grpc-js';
import timer from './timer.mjs';

const same = (data) => data;
const method = (path, requestStream, responseStream) => ({
  path: `/test.Echo/${path}`, requestStream, responseStream,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
});
const service = {
  Hello: method('Hello', false, false), Timer: method('Timer', false, false),
  Count: method('Count', false, true), Chat: method('Chat', true, true), Fail: method('Fail', false, false),
};
const server = new grpc.Server();
server.addService(service, {
  Hello(call, done) {
    const trailers = new grpc.Metadata();
    trailers.set('answered-by', 'grpc-js');
    done(null, Buffer.from(`hello ${call.request} from grpc-js`), trailers);
  },
  Timer: (call, done) => done(null, Buffer.from(timer(call.request))),
  Count(call) {
    for (let n = 0; n < Number(call.request); n++) call.write(Buffer.from(String(n)));
    call.end();
  },
  Chat(call) {
    call.on('data', (data) => call.write(Buffer.from(`you said ${data}`)));
    call.on('end', () => call.end());
  },
  Fail: (call, done) => done({ code: grpc.status.FAILED_PRECONDITION, details: 'as you wish' }),
});
const options = grpc.ServerCredentials.createInsecure();
server.bindAsync(`0.0.0.0:${process.env.PORT}`, options, (error) => {
  if (error) throw error;
  console.log('grpc-js listens');
});
process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
