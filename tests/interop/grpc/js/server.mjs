// gRPC's interoperability test service on @grpc/grpc-js. Prints its port, serves until its standard input ends.
// Usage: server.mjs [--tls FOLDER [--mutual]]
import grpc from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { testing, tlsOf, wasCompressed } from './service.mjs';

const initialKey = 'x-grpc-test-echo-initial';
const trailingKey = 'x-grpc-test-echo-trailing-bin';

function zeros(size) {
  return { type: 'COMPRESSABLE', body: Buffer.alloc(size) };
}

function echoInitial(call) {
  const [value] = call.metadata.get(initialKey);
  if (value !== undefined) {
    const headers = new grpc.Metadata();
    headers.set(initialKey, value);
    call.sendMetadata(headers);
  }
}

function echoTrailing(call) {
  const trailers = new grpc.Metadata();
  const [value] = call.metadata.get(trailingKey);
  if (value !== undefined) {
    trailers.set(trailingKey, value);
  }

  return trailers;
}

// The error for a request whose compression is not the expected one, or null.
function compressionError(expected) {
  const compressed = wasCompressed();
  return expected && expected.value !== compressed
    ? { code: grpc.status.INVALID_ARGUMENT, details: `the request is ${compressed ? '' : 'not '}compressed` }
    : null;
}

function unaryCall(call, callback) {
  const request = call.request;
  const error = compressionError(request.expect_compressed);
  if (error) {
    callback(error);
    return;
  }

  echoInitial(call);
  const status = request.response_status;
  if (status && status.code !== 0) {
    callback({ code: status.code, details: status.message, metadata: echoTrailing(call) });
    return;
  }

  callback(null, { payload: zeros(request.response_size) }, echoTrailing(call));
}

async function respond(call, parameters) {
  for (const { size, interval_us: interval } of parameters) {
    if (interval > 0) {
      await new Promise((resolve) => setTimeout(resolve, interval / 1000));
    }

    call.write({ payload: zeros(size) });
  }
}

async function streamingOutputCall(call) {
  await respond(call, call.request.response_parameters);
  call.end(echoTrailing(call));
}

function streamingInputCall(call, callback) {
  let total = 0;
  let failed = false;
  call.on('data', (request) => {
    const error = failed ? null : compressionError(request.expect_compressed);
    if (error) {
      failed = true;
      callback(error);
    }

    total += request.payload ? request.payload.body.length : 0;
  });
  call.on('end', () => {
    if (!failed) {
      callback(null, { aggregated_payload_size: total });
    }
  });
}

// Going to the end of a stream must not destroy it: its other direction is still needed.
const requestsOf = (call) => call.iterator({ destroyOnReturn: false });

async function fullDuplexCall(call) {
  echoInitial(call);
  for await (const request of requestsOf(call)) {
    const status = request.response_status;
    if (status && status.code !== 0) {
      call.emit('error', { code: status.code, details: status.message, metadata: echoTrailing(call) });
      return;
    }

    await respond(call, request.response_parameters);
  }

  call.end(echoTrailing(call));
}

async function halfDuplexCall(call) {
  const requests = [];
  for await (const request of requestsOf(call)) {
    requests.push(request);
  }

  for (const request of requests) {
    await respond(call, request.response_parameters);
  }

  call.end();
}

const ignoringCancellation = (handler) => (call) => {
  call.on('cancelled', () => {});
  handler(call).catch(() => call.destroy());
};

const server = new grpc.Server();
server.addService(testing.TestService.service, {
  EmptyCall: (call, callback) => callback(null, {}),
  UnaryCall: unaryCall,
  StreamingOutputCall: ignoringCancellation(streamingOutputCall),
  StreamingInputCall: streamingInputCall,
  FullDuplexCall: ignoringCancellation(fullDuplexCall),
  HalfDuplexCall: ignoringCancellation(halfDuplexCall),
});
new HealthImplementation({ '': 'SERVING', 'grpc.testing.TestService': 'SERVING', 'grpc.testing.Asleep': 'NOT_SERVING' }).addToServer(server);

const tls = tlsOf(process.argv);
const credentials = tls
  ? grpc.ServerCredentials.createSsl(tls.read('ca.pem'), [{ private_key: tls.read('server.key'), cert_chain: tls.read('server.pem') }], tls.mutual)
  : grpc.ServerCredentials.createInsecure();
server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
  if (error) {
    console.error(error);
    process.exit(1);
  }

  console.log(port);
});
process.stdin.on('end', () => process.exit(0)).resume();
