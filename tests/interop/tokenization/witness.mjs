// Answers, line by line, what @huggingface/tokenizers (the tokenizer of @huggingface/transformers) makes of texts and ids.
// Request:  {"tokenizer": {…}, "config": {…}, "texts": [base64 of UTF-16LE], "ids": [[…]], "special": bool}
// Request:  {"tokenizer": {…}, "config": {…}, "pairs": [[base64 of UTF-16LE, the same]]}
// Request:  {"forms": [base64 of UTF-16LE]}
// Response: {"ids": [[…]], "texts": [base64 of UTF-16LE]} or {"error": "…"}
import { createInterface } from 'node:readline';
import { Tokenizer } from '@huggingface/tokenizers';

const decode = (text) => Buffer.from(text, 'base64').toString('utf16le');
const encode = (text) => Buffer.from(text, 'utf16le').toString('base64');

function answer(request) {
  if (request.forms) {
    return { texts: request.forms.map(decode).flatMap((text) => ['NFC', 'NFD', 'NFKC', 'NFKD'].map((form) => encode(text.normalize(form)))) };
  }

  const tokenizer = new Tokenizer(request.tokenizer, request.config);
  if (request.pairs) {
    return { ids: request.pairs.map(([first, second]) => tokenizer.encode(decode(first), { text_pair: decode(second), add_special_tokens: true }).ids) };
  }

  return {
    ids: request.texts.map((text) => tokenizer.encode(decode(text), { add_special_tokens: request.special }).ids),
    texts: request.ids.map((ids) => encode(ids.length === 0 ? '' : tokenizer.decode(ids, { clean_up_tokenization_spaces: false }))),
  };
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
