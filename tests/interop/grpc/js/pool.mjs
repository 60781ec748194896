// Calls every method of an inference node's gRPC service, which it knows by reflection alone. Exits with 0 when all of it holds, else says why not.
// Usage: pool.mjs HOST:PORT
import assert from 'node:assert/strict';
import grpc from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { GrpcReflection } from 'grpc-js-reflection-client';

const [address] = process.argv.slice(2);
const serviceName = 'helixflow.inference.v1.InferencePool';
const model = 'helix-tiny';
const credentials = grpc.credentials.createInsecure();

const reflection = new GrpcReflection(address, credentials);
const services = await reflection.listServices();
assert.ok(services.includes(serviceName) && services.includes('grpc.health.v1.Health'), services.join());
const descriptor = await reflection.getDescriptorBySymbol(serviceName);
const { InferencePool } = descriptor.getPackageObject({ keepCase: true, enums: String, longs: Number, defaults: true, oneofs: true }).helixflow.inference.v1;
const pool = new InferencePool(address, credentials);
const health = new (grpc.makeClientConstructor(healthService, 'grpc.health.v1.Health'))(address, credentials);

const unary = (client, method, request) =>
  new Promise((resolve, reject) => client[method](request, (error, response) => (error ? reject(error) : resolve(response))));

async function collect(call) {
  const responses = [];
  for await (const response of call) {
    responses.push(response);
  }

  return responses;
}

const called = new Set();
function call(method, request) {
  called.add(method);
  return InferencePool.service[method].responseStream ? collect(pool[method](request)) : unary(pool, method, request);
}

const statusOf = async (service) => (await unary(health, 'check', { service })).status;
assert.equal(await statusOf(''), 'SERVING');
assert.equal(await statusOf(serviceName), 'SERVING');

const { models } = await call('ListModels', {});
assert.deepEqual(models.map(({ name, chat }) => ({ name, chat })), [{ name: model, chat: true }]);

const chat = { messages_json: JSON.stringify([{ role: 'user', content: 'What is HelixFlow?' }]) };
const events = await call('Generate', { request_id: 'js', model, chat, sampling: { temperature: 0 }, max_tokens: 64, with_token_ids: true });
assert.deepEqual([...new Set(events.map(({ event }) => event))], ['prompt', 'token', 'finish', 'usage']);
const chunks = events.filter(({ event }) => event === 'token').map(({ token }) => token);
const text = chunks.map((chunk) => chunk.text).join('');
assert.match(text, /^HelixFlow is a self-hosted/);
const usage = events.at(-1).usage;
const finish = events.find(({ event }) => event === 'finish').finish;
assert.equal(finish.generated_tokens, usage.completion_tokens);

const { token_ids, context_length } = await call('Tokenize', { model, chat });
assert.equal(token_ids.length, usage.prompt_tokens);
assert.equal(context_length, 1024);
assert.equal((await call('CountTokens', { model, chat })).tokens, token_ids.length);

const { token_ids: plain, texts } = await call('Tokenize', { model, text: 'What is HelixFlow?', without_special: true, with_texts: true });
assert.equal(texts.length, plain.length);
assert.equal((await call('Detokenize', { model, token_ids: plain })).text, 'What is HelixFlow?');

// The prompt as tokens, and the first ten tokens as those of a node that was lost: the rest is the same.
const ids = chunks.flatMap((chunk) => chunk.token_ids);
const resumed = await call('Generate', {
  request_id: 'js-2', model, tokens: { ids: token_ids }, sampling: { temperature: 0 }, max_tokens: 64, with_token_ids: true, resume: [{ choice: 0, token_ids: ids.slice(0, 10) }],
});
assert.deepEqual(resumed.flatMap(({ token }) => token?.token_ids ?? []), ids.slice(10));
const rest = resumed.map(({ token }) => token?.text ?? '').join('');
assert.ok(text.endsWith(rest) && rest.length > 0, rest);
assert.equal(resumed.at(-1).usage.completion_tokens, usage.completion_tokens);

const { embeddings } = await call('Embed', { model, inputs: [{ text: 'one' }, { text: 'two' }] });
assert.deepEqual((await call('Embed', { model, inputs: [{ text: 'one' }], dimensions: 8 })).embeddings[0].values.length, 8);
assert.deepEqual(embeddings.map(({ values }) => values.length), [256, 256]);
for (const { values } of embeddings) {
  assert.ok(Math.abs(Math.hypot(...values) - 1) < 1e-4);
}

await call('PinModel', { model, pinned: true, replicas: 1 });
assert.equal((await call('GetState', {})).models[0].pinned, true);
await call('PinModel', { model, pinned: false });
await call('UnloadModel', { model });
assert.equal((await call('GetState', {})).models[0].phase, 'MODEL_PHASE_UNLOADED');
const progress = await call('LoadModel', { model });
assert.equal(progress.at(-1).phase, 'MODEL_PHASE_RESIDENT');
assert.equal(progress.at(-1).progress, 1);

// Refusals carry a status with details.
const refusal = await call('Generate', { model: 'absent', text: 'x' }).then(() => null, (error) => error);
assert.equal(refusal.code, grpc.status.NOT_FOUND);
assert.ok(refusal.metadata.get('grpc-status-details-bin').length === 1);

// Everything again at a node that drains: the watch tells of it and ends, health says so, new requests are refused.
called.add('WatchNode');
const watch = collect(pool.WatchNode({ interval_ms: 100 }));
const drained = await call('Drain', { limit_ms: 10_000 });
assert.deepEqual({ ...drained.at(-1) }, { remaining: 0, done: true });
const states = await watch;
assert.ok(states[0].node_id.length > 0);
assert.equal(states.at(-1).phase, 'NODE_PHASE_DRAINING');
assert.ok(states.every((state, i) => i === 0 || state.revision > states[i - 1].revision));
assert.equal(await statusOf(''), 'NOT_SERVING');
assert.equal((await call('Generate', { model, text: 'x' }).then(() => null, (error) => error)).code, grpc.status.UNAVAILABLE);

assert.deepEqual([...called].sort(), Object.keys(InferencePool.service).sort());
process.exit(0);
