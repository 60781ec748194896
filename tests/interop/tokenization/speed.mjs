// The rate of @huggingface/tokenizers, one request per line.
// {"load": folder} reads tokenizer.json (and tokenizer_config.json) -> {}
// {"texts": file} takes a JSON list of texts and encodes each once -> {"ids": [[…]]}
// {"encode": true} encodes all texts once more -> {"ms": …}; {"decode": true} decodes their ids -> {"ms": …}
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Tokenizer } from '@huggingface/tokenizers';

let tokenizer;
let texts = [];
let ids = [];
const encodeAll = () => texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids);
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

function timed(action) {
  const start = process.hrtime.bigint();
  action();
  return { ms: Number(process.hrtime.bigint() - start) / 1e6 };
}

function answer(request) {
  if (request.load) {
    const config = `${request.load}/tokenizer_config.json`;
    tokenizer = new Tokenizer(json(`${request.load}/tokenizer.json`), existsSync(config) ? json(config) : {});
    return {};
  }

  if (request.texts) {
    texts = json(request.texts);
    ids = encodeAll();
    return { ids };
  }

  return request.encode
    ? timed(encodeAll)
    : timed(() => ids.forEach((list) => tokenizer.decode(list, { clean_up_tokenization_spaces: false })));
}

for await (const line of createInterface({ input: process.stdin })) {
  let response;
  try {
    response = answer(JSON.parse(line));
  } catch (error) {
    response = { error: String(error?.stack ?? error) };
  }

  process.stdout.write(JSON.stringify(response) + '\n');
}
