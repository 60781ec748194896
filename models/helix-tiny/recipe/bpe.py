"""Byte-level BPE: trainer, encoder, decoder, and the Hugging Face tokenizer.json.

Pre-tokenizer: every digit on its own, then the GPT-2 pattern on what lies between (as SmolLM2 does it)."""
import json
import re
from collections import Counter, defaultdict

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
GPT2 = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
DIGIT = re.compile(r"(\d)")


def byte_map():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    out, n = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in out:
            out[b] = chr(256 + n)
            n += 1
    return out


B2C = byte_map()
C2B = {c: b for b, c in B2C.items()}


def pieces(text):
    for part in DIGIT.split(text):
        if len(part) == 1 and part.isdigit():
            yield part
        elif part:
            yield from GPT2.findall(part)


def train(texts, vocab_size):
    """Greedy BPE on word counts, with the pair counts updated in place. Ties go to the smaller pair."""
    words = Counter()
    for t in texts:
        words.update(pieces(t))
    seqs = [([B2C[b] for b in w.encode()], n) for w, n in sorted(words.items())]
    count, where = Counter(), defaultdict(set)
    for i, (s, n) in enumerate(seqs):
        for p in zip(s, s[1:]):
            count[p] += n
            where[p].add(i)
    merges = []
    while len(merges) < vocab_size - 256 - len(SPECIAL):
        p = max(count, key=lambda q: (count[q], q))
        merges.append(p)
        new = p[0] + p[1]
        for i in where.pop(p):
            s, n = seqs[i]
            for q in zip(s, s[1:]):
                count[q] -= n
            out, j = [], 0
            while j < len(s):
                if j + 1 < len(s) and (s[j], s[j + 1]) == p:
                    out.append(new)
                    j += 2
                else:
                    out.append(s[j])
                    j += 1
            seqs[i] = (out, n)
            for q in zip(out, out[1:]):
                count[q] += n
                where[q].add(i)
        count.pop(p, None)
    vocab = SPECIAL + [B2C[b] for b in range(256)] + [a + b for a, b in merges]
    return {t: i for i, t in enumerate(vocab)}, merges


class Tokenizer:
    def __init__(self, vocab, merges):
        self.vocab, self.merges = vocab, merges
        self.rank = {tuple(m): i for i, m in enumerate(merges)}
        self.text = {i: t for t, i in vocab.items()}
        self.cache = {}
        self.special = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")

    def piece(self, w):
        if w in self.cache:
            return self.cache[w]
        s = [B2C[b] for b in w.encode()]
        while len(s) > 1:
            r, i = min((self.rank.get(p, 1 << 30), i) for i, p in enumerate(zip(s, s[1:])))
            if r == 1 << 30:
                break
            s[i:i + 2] = [s[i] + s[i + 1]]
        ids = [self.vocab[t] for t in s]
        if len(self.cache) < 300000:
            self.cache[w] = ids
        return ids

    def encode(self, text, special=False):
        if special:
            out = []
            for part in self.special.split(text):
                out += [self.vocab[part]] if part in SPECIAL else self.encode(part)
            return out
        return [i for w in pieces(text) for i in self.piece(w)]

    def decode(self, ids):
        out = b""
        for i in ids:
            t = self.text[i]
            out += t.encode() if t in SPECIAL else bytes(C2B[c] for c in t)
        return out.decode("utf-8", "replace")

    def save(self, path):
        bl = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        json.dump({
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for i, t in enumerate(SPECIAL)],
            "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, bl]},
            "post_processor": None, "decoder": bl,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": self.vocab, "merges": [" ".join(m) for m in self.merges]},
        }, open(path, "w"), ensure_ascii=False, indent=0)


def load(path):
    m = json.load(open(path))["model"]
    return Tokenizer(m["vocab"], [tuple(x.split(" ")) for x in m["merges"]])
