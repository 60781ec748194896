"""Builds the tokenizer and the packed token files that train.py reads.

    python3 data.py tokenizer OUT_DIR          -> tokenizer.json
    python3 data.py tokens OUT_DIR BLOCKS JOBS  -> train_LEN.npy per row length
"""
import os
import sys
from multiprocessing import Pool
import numpy as np
import bpe
from words import G
from tasks import chat, sums, t_math

VOCAB = 2048
PROMPT_WEIGHT = 0.1
SEED = 20250
LENGTHS = (256, 384, 512, 1024)  # row lengths; a conversation goes to the shortest that holds it
STEP_TOKENS = 8192    # tokens of one optimiser step
BLOCK = 1 << 20       # tokens a generator job makes


def render(system, turns):
    """ChatML as pieces of (text, is_answer)."""
    out = [("<|im_start|>system\n" + system + "<|im_end|>\n", False)] if system else []
    for u, a in turns:
        out += [("<|im_start|>user\n" + u + "<|im_end|>\n<|im_start|>assistant\n", False), (a + "<|im_end|>", True), ("\n", False)]
    return out


def tokens(tok, system, turns):
    ids, ans = [], []
    for text, is_ans in render(system, turns):
        t = tok.encode(text, special=True)
        ids += t
        ans += [is_ans] * len(t)
    return ids[:-1], ans[:-1]  # the last newline goes


def build_tokenizer(out):
    g = G(SEED)
    texts = []
    for _ in range(16000):
        s, turns = chat(g)
        texts += ([s] if s else []) + [x for t in turns for x in t]
    vocab, merges = bpe.train(texts, VOCAB)
    bpe.Tokenizer(vocab, merges).save(os.path.join(out, "tokenizer.json"))


def block(args):
    """One job: about BLOCK tokens, packed first-fit into rows. Returns {length: (ids, targets, start, weight*10)}."""
    out, job = args
    tok, g = bpe.load(os.path.join(out, "tokenizer.json")), G(SEED * 1000 + job)
    done, open_rows, total = {n: [] for n in LENGTHS}, {n: [] for n in LENGTHS}, 0
    while total < BLOCK:
        ids, ans = tokens(tok, *chat(g))
        n = len(ids) - 1
        L = next((x for x in LENGTHS if x >= n), None)
        if L is None:
            continue
        total += n
        doc = (ids, ans)
        best = max((r for r in open_rows[L] if r[0] + n <= L), key=lambda r: r[0], default=None)
        if best is None:
            best = [0, []]
            open_rows[L].append(best)
        best[0] += n
        best[1].append(doc)
        if best[0] > L - 12 or len(open_rows[L]) > 40:
            full = max(open_rows[L], key=lambda r: r[0])
            open_rows[L].remove(full)
            done[L].append(full[1])
    res = {}
    for L, rows in done.items():
        a = np.zeros((4, len(rows), L), np.uint16)
        for i, docs in enumerate(rows):
            p = 0
            for ids, ans in docs:
                n = len(ids) - 1
                a[0, i, p:p + n], a[1, i, p:p + n], a[2, i, p:p + n] = ids[:-1], ids[1:], p
                a[3, i, p:p + n] = np.where(ans[1:], 10, round(10 * PROMPT_WEIGHT))
                p += n
            a[2, i, p:] = np.arange(p, L)
        res[L] = a
    return res


def build_math(out, rows=10000, L=256):
    """Rows of arithmetic only; train.py mixes them in later."""
    tok, g = bpe.load(os.path.join(out, "tokenizer.json")), G(SEED + 1)
    a = np.zeros((4, rows, L), np.uint16)
    for i in range(rows):
        p = misses = 0
        while misses < 5:
            ids, ans = tokens(tok, None, sums(g) if not misses and g.chance(0.7) else t_math(g)[0])
            n = len(ids) - 1
            if p + n > L:
                misses += 1
                continue
            a[0, i, p:p + n], a[1, i, p:p + n], a[2, i, p:p + n] = ids[:-1], ids[1:], p
            a[3, i, p:p + n] = np.where(ans[1:], 10, round(10 * PROMPT_WEIGHT))
            p += n
        a[2, i, p:] = np.arange(p, L)
    np.save(os.path.join(out, "math_256.npy"), a)
    print("arithmetic", rows, "rows; filled", round(float((a[3] > 0).mean()), 3), flush=True)


def build_tokens(out, blocks, jobs):
    with Pool(jobs) as pool:
        parts = pool.map(block, [(out, j) for j in range(blocks)], chunksize=1)
    for L in LENGTHS:
        a = np.concatenate([p[L] for p in parts], 1)
        np.save(os.path.join(out, f"train_{L}.npy"), a)
        print(L, a.shape[1], "rows; filled", round(float((a[3] > 0).mean()), 3), "; answer tokens", round(float((a[3] == 10).mean()), 3), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "tokenizer":
        build_tokenizer(sys.argv[2])
    else:
        build_math(sys.argv[2])
        build_tokens(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
