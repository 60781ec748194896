// The client side of gRPC's interoperability test cases on @grpc/grpc-js. Exits with 0 when the case holds, else says why not.
// Usage: client.mjs HOST:PORT CASE [--tls FOLDER [--mutual]]
import assert from 'node:assert/strict';
import grpc from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { testing, tlsOf, wasCompressed } from './service.mjs';

const [address, name] = process.argv.slice(2);
const noCompress = 2;
const initialKey = 'x-grpc-test-echo-initial';
const trailingKey = 'x-grpc-test-echo-trailing-bin';

function credentials() {
  const tls = tlsOf(process.argv);
  if (!tls) {
    return grpc.credentials.createInsecure();
  }

  return tls.mutual
    ? grpc.credentials.createSsl(tls.read('ca.pem'), tls.read('client.key'), tls.read('client.pem'))
    : grpc.credentials.createSsl(tls.read('ca.pem'));
}

const connect = (options = {}, Service = testing.TestService) => new Service(address, credentials(), options);
const zeros = (size) => ({ body: Buffer.alloc(size) });
const large = (more = {}) => ({ response_size: 314159, payload: zeros(271828), ...more });

/** A unary call: its response, or the error of the status it ended with, with what came in headers and trailers. */
function unary(client, method, request, { metadata = new grpc.Metadata(), ...options } = {}) {
  return new Promise((resolve) => {
    const seen = {};
    const call = client[method](request, metadata, options, (error, response) => setImmediate(() => resolve({ error, response, ...seen })));
    call.on('metadata', (headers) => (seen.headers = headers));
    call.on('status', (status) => (seen.status = status));
  });
}

/** The responses of a call up to its end. */
async function collect(call) {
  const responses = [];
  for await (const response of call) {
    responses.push(response);
  }

  return responses;
}

/** The status with which a stream ends. */
function endOf(call) {
  return new Promise((resolve) => {
    call.on('status', resolve);
    call.on('error', () => {});
    call.on('data', () => {});
  });
}

const sizes = (responses) => responses.map((response) => response.payload.body.length);

function assertLarge({ error, response }) {
  assert.ifError(error);
  assert.equal(response.payload.body.length, 314159);
  assert.ok(response.payload.body.every((byte) => byte === 0));
}

// A unary call whose message is marked as not to be compressed, which the generated methods have no argument for.
function plainUnary(client, request) {
  return unary(client, 'UnaryCall', request, {
    interceptors: [
      (options, nextCall) => {
        const inner = nextCall(options);
        const send = inner.sendMessageWithContext.bind(inner);
        inner.sendMessageWithContext = (context, message) => send({ ...context, flags: noCompress }, message);
        inner.sendMessage = (message) => inner.sendMessageWithContext({}, message);
        return new grpc.InterceptingCall(inner);
      },
    ],
  });
}

const echoed = () => {
  const metadata = new grpc.Metadata();
  metadata.set(initialKey, 'test_initial_metadata_value');
  metadata.set(trailingKey, Buffer.from([0xab, 0xab, 0xab]));
  return metadata;
};

function assertEchoed(headers, trailers) {
  assert.deepEqual(headers.get(initialKey), ['test_initial_metadata_value']);
  assert.deepEqual(trailers.get(trailingKey), [Buffer.from([0xab, 0xab, 0xab])]);
}

const steps = [
  [27182, 31415],
  [8, 9],
  [1828, 2653],
  [45904, 58979],
];

const cases = {
  async empty_unary() {
    const { error, response } = await unary(connect(), 'EmptyCall', {});
    assert.ifError(error);
    assert.deepEqual(response, {});
  },

  async large_unary() {
    assertLarge(await unary(connect(), 'UnaryCall', large()));
  },

  async client_streaming() {
    const client = connect();
    const response = await new Promise((resolve, reject) => {
      const call = client.StreamingInputCall((error, value) => (error ? reject(error) : resolve(value)));
      steps.forEach(([size]) => call.write({ payload: zeros(size) }));
      call.end();
    });
    assert.equal(response.aggregated_payload_size, 74922);
  },

  async server_streaming() {
    const responses = await collect(connect().StreamingOutputCall({ response_parameters: steps.map(([, size]) => ({ size })) }));
    assert.deepEqual(sizes(responses), [31415, 9, 2653, 58979]);
  },

  async ping_pong() {
    const call = connect().FullDuplexCall();
    const responses = call[Symbol.asyncIterator]();
    for (const [request, response] of steps) {
      call.write({ response_parameters: [{ size: response }], payload: zeros(request) });
      const { value } = await responses.next();
      assert.equal(value.payload.body.length, response);
    }

    call.end();
    assert.ok((await responses.next()).done);
  },

  async empty_stream() {
    const call = connect().FullDuplexCall();
    call.end();
    assert.deepEqual(await collect(call), []);
  },

  async cancel_after_begin() {
    const error = await new Promise((resolve) => {
      const call = connect().StreamingInputCall(resolve);
      call.cancel();
    });
    assert.equal(error.code, grpc.status.CANCELLED);
  },

  async cancel_after_first_response() {
    const call = connect().FullDuplexCall();
    const end = endOf(call);
    call.once('data', () => call.cancel());
    call.write({ response_parameters: [{ size: 31415 }], payload: zeros(27182) });
    assert.equal((await end).code, grpc.status.CANCELLED);
  },

  async timeout_on_sleeping_server() {
    const call = connect().FullDuplexCall({ deadline: Date.now() + 1 });
    const end = endOf(call);
    call.write({ payload: zeros(27182) });
    assert.equal((await end).code, grpc.status.DEADLINE_EXCEEDED);
  },

  async status_code_and_message() {
    const response_status = { code: 2, message: 'test status message' };
    const { error } = await unary(connect(), 'UnaryCall', { response_status });
    assert.equal(error.code, 2);
    assert.equal(error.details, response_status.message);

    const call = connect().FullDuplexCall();
    const end = endOf(call);
    call.write({ response_status });
    call.end();
    const status = await end;
    assert.equal(status.code, 2);
    assert.equal(status.details, response_status.message);
  },

  async special_status_message() {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
    const { error } = await unary(connect(), 'UnaryCall', { response_status: { code: 2, message } });
    assert.equal(error.code, 2);
    assert.equal(error.details, message);
  },

  async custom_metadata() {
    const { error, headers, status } = await unary(connect(), 'UnaryCall', large(), { metadata: echoed() });
    assert.ifError(error);
    assertEchoed(headers, status.metadata);

    const call = connect().FullDuplexCall(echoed());
    const initial = new Promise((resolve) => call.on('metadata', resolve));
    const end = endOf(call);
    call.write({ response_parameters: [{ size: 314159 }], payload: zeros(271828) });
    call.end();
    const ended = await end;
    assert.equal(ended.code, grpc.status.OK);
    assertEchoed(await initial, ended.metadata);
  },

  async unimplemented_method() {
    const { error } = await unary(connect(), 'UnimplementedCall', {});
    assert.equal(error.code, grpc.status.UNIMPLEMENTED);
  },

  async unimplemented_service() {
    const { error } = await unary(connect({}, testing.UnimplementedService), 'UnimplementedCall', {});
    assert.equal(error.code, grpc.status.UNIMPLEMENTED);
  },

  async client_compressed_unary() {
    const client = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
    const { error } = await plainUnary(client, large({ expect_compressed: { value: true } }));
    assert.equal(error?.code, grpc.status.INVALID_ARGUMENT);
    assertLarge(await unary(client, 'UnaryCall', large({ expect_compressed: { value: true } })));
    assertLarge(await plainUnary(client, large({ expect_compressed: { value: false } })));
  },

  async client_compressed_streaming() {
    const client = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
    const stream = (messages) =>
      new Promise((resolve) => {
        const call = client.StreamingInputCall((error, response) => resolve({ error, response }));
        messages.forEach(([size, compressed, expected]) =>
          call.write({ payload: zeros(size), expect_compressed: { value: expected } }, compressed ? 0 : noCompress));
        call.end();
      });
    const probe = await stream([[27182, false, true]]);
    assert.equal(probe.error?.code, grpc.status.INVALID_ARGUMENT);
    const { error, response } = await stream([[27182, true, true], [45904, false, false]]);
    assert.ifError(error);
    assert.equal(response.aggregated_payload_size, 73086);
  },

  async server_compressed_unary() {
    const client = connect();
    for (const value of [true, false]) {
      assertLarge(await unary(client, 'UnaryCall', large({ response_compressed: { value } })));
      assert.equal(wasCompressed(), value);
    }
  },

  async server_compressed_streaming() {
    const parameters = [{ size: 31415, compressed: { value: true } }, { size: 92653, compressed: { value: false } }];
    const responses = await collect(connect().StreamingOutputCall({ response_parameters: parameters }));
    assert.deepEqual(sizes(responses), [31415, 92653]);
    assert.ok(wasCompressed());
  },

  // Beyond the published cases.
  async health() {
    const client = connect({}, grpc.makeClientConstructor(healthService, 'grpc.health.v1.Health'));
    const check = (service) => unary(client, 'check', { service });
    assert.equal((await check('')).response.status, 'SERVING');
    assert.equal((await check('grpc.testing.Asleep')).response.status, 'NOT_SERVING');
    assert.equal((await check('nobody')).error.code, grpc.status.NOT_FOUND);
    const watch = client.watch({ service: 'nobody' });
    const { value } = await watch[Symbol.asyncIterator]().next();
    assert.equal(value.status, 'SERVICE_UNKNOWN');
    watch.on('error', () => {});
    watch.cancel();
  },

  async reflection() {
    const { GrpcReflection } = await import('grpc-js-reflection-client');
    for (const version of ['v1', 'v1alpha']) {
      const client = new GrpcReflection(address, credentials(), undefined, version);
      const services = await client.listServices();
      assert.ok(services.includes('grpc.testing.TestService'), services.join());
      assert.ok(services.includes('grpc.health.v1.Health'), services.join());
      const methods = await client.listMethods('grpc.testing.TestService');
      assert.deepEqual(methods.map((method) => method.name).sort(), Object.keys(testing.TestService.service).sort());

      // What reflection tells is enough to make a client from.
      const descriptor = await client.getDescriptorBySymbol('grpc.testing.TestService');
      const reflected = descriptor.getPackageObject().grpc.testing;
      const { error, response } = await unary(connect({}, reflected.TestService), 'UnaryCall', { responseSize: 7, response_size: 7 });
      assert.ifError(error);
      assert.equal(response.payload.body.length, 7);
    }
  },

  // Whom the server takes the client for, by its certificate.
  async peer_identity() {
    const { error, response } = await unary(connect(), 'UnaryCall', { fill_username: true });
    assert.ifError(error);
    assert.equal(response.username, 'interop-client');
  },

  // The server wants a certificate that this client does not show.
  async refused_without_certificate() {
    const { error } = await unary(connect(), 'EmptyCall', {});
    assert.equal(error?.code, grpc.status.UNAVAILABLE);
  },
};

cases[name]().then(
  () => process.exit(0),
  (error) => {
    console.error(`${name}: ${error?.stack ?? error}`);
    process.exit(1);
  },
);
