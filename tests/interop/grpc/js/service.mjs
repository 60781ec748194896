// What the client and the server share: the definitions of the cases' services and the arguments' TLS files.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../proto');
const definition = loader.loadSync('grpc/testing/test.proto', { includeDirs: [folder], keepCase: true, defaults: true });

export const testing = grpc.loadPackageDefinition(definition).grpc.testing;

// grpc-js does not tell whether a message was compressed, but it hands the compressed ones, and only those, to zlib.
let decompressions = 0;
let seen = 0;
const createGunzip = zlib.createGunzip;
Object.defineProperty(zlib, 'createGunzip', {
  value(...options) {
    decompressions++;
    return createGunzip(...options);
  },
});

/** Whether a message was decompressed since the last call of this function; for one message at a time. */
export function wasCompressed() {
  const compressed = decompressions > seen;
  seen = decompressions;
  return compressed;
}

/** The files of `--tls FOLDER`, and whether the client shows a certificate too (`--mutual`); null without TLS. */
export function tlsOf(args) {
  const at = args.indexOf('--tls');
  if (at < 0) {
    return null;
  }

  const read = (name) => readFileSync(join(args[at + 1], name));
  return { read, mutual: args.includes('--mutual') };
}
