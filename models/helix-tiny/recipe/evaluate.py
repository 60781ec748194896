"""Held-out accuracy with greedy decoding:  python3 evaluate.py MODEL_DIR [samples per task] [--show]

Every name, place, company and made-up word is on the held-out side. "new names": sentence patterns and instructions as in
training. "new wording": only held-out sentence patterns and instructions. Columns: exact answer; right facts (the same
names, numbers, dates and amounts, none missing, none added). handwritten_dev.json and handwritten_test.json hold prompts that were written one by one, not by the grammar. The dev prompts
were looked at while the grammar was written; the test prompts were written after it."""
import json
import os
import re
import sys
import torch
import bpe
from data import render
from export import load_safetensors
from model import Llama
from tasks import TASKS, chat, single
from words import G

STOP = {0, 2}


class Chat:
    def __init__(self, path):
        self.tok = bpe.load(os.path.join(path, "tokenizer.json"))
        self.model = Llama(load_safetensors(os.path.join(path, "model.safetensors")))

    def prompt(self, system, turns):
        """turns: [(user, answer), ..., (user, None)]"""
        text = "".join(t for t, _ in render(system, turns[:-1])) + f"<|im_start|>user\n{turns[-1][0]}<|im_end|>\n<|im_start|>assistant\n"
        return self.tok.encode(text, special=True)

    def answer(self, system, turns, limit=220):
        out = self.model.generate(self.prompt(system, turns), STOP, limit)
        return self.tok.decode([t for t in out if t not in STOP])


def facts(s):
    """Names, numbers, dates and amounts of a text: its capitalised words and those with digits."""
    w = re.findall(r"[^\s\"(){}\[\]]+", s)
    return {x.strip(".,;:!?'") for i, x in enumerate(w) if any(c.isdigit() for c in x) or (i and x[:1].isupper())}


def measure(c, n, show, wording):
    kind = "new wording" if wording else "new names"
    for task in [*TASKS, "multi-turn"]:
        g, exact, right = G(990 + len(task), True, wording), 0, 0
        for i in range(n):
            if task == "multi-turn":
                while True:
                    system, turns = chat(g)
                    if 2 <= len(turns) <= 4:
                        break
                want = turns[-1][1]
                turns = turns[:-1] + [(turns[-1][0], None)]
            else:
                system, user, f = single(g, task)
                turns, want = [(user, None)], f[0]
            got = c.answer(system, turns)
            e = got == want
            r = e or facts(got) == facts(want)
            exact += e
            right += r
            if show and not e:
                print(f"--- {task}{'' if r else ' WRONG FACTS'}\n{turns[-1][0]}\nwant: {want}\ngot:  {got}")
        print(f"| {task} ({kind}) | {n} | {exact / n:.0%} | {right / n:.0%} |", flush=True)


def handwritten(c, show, part):
    items = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"handwritten_{part}.json")))
    good = {}
    for it in items:
        got = c.answer(it.get("system"), [(it["user"], None)])
        ok = all(re.search(f, got, re.I) for f in it["facts"]) and not any(re.search(f, got, re.I) for f in it.get("not", []))
        good.setdefault(it["task"], []).append(ok)
        if show:
            print(f"--- {it['task']} {'ok' if ok else 'MISS'}\n{it['user']}\ngot:  {got}", flush=True)
    for t, v in good.items():
        print(f"| hand-written ({part}): {t} | {len(v)} | {sum(v)}/{len(v)} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    c = Chat(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with torch.no_grad():
        handwritten(c, "--show" in sys.argv, "dev")
        if n:
            handwritten(c, "--show" in sys.argv, "test")
        if n:
            measure(c, n, "--show" in sys.argv, False)
            measure(c, n, "--show" in sys.argv, True)
