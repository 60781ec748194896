"""Writes reference.json: prompts, their token ids, and what a correct engine must answer (float32 arithmetic, bf16-rounded
weights, greedy):  python3 check.py MODEL_DIR"""
import json
import os
import sys
import torch
from evaluate import Chat, STOP

PROMPTS = [
    (None, [("What is HelixFlow?", None)]),
    (None, [("Hello!", None)]),
    ("You are a helpful assistant.", [("What is 48 + 275?", None)]),
    (None, [("Summarize this note in one sentence: The Phoenix project has been delayed by two weeks because the servers arrived late. Maria Chen will inform the client by Friday.", None)]),
    ("You are an office assistant.", [("List the action items:\n\nMeeting notes\n- The budget is $12,500.\n- Tom to send the report by 3 May.\n- Aisha Khan will call Brandt GmbH by Monday.", None)]),
    (None, [("Hi", "Hello! How can I help you?"), ("Who leads the Atlas project?\n\nText: Zoë Müller leads the Atlas project. Peter leads the Orion project.", None)]),
    (None, [("Write an e-mail to Anna: the sales meeting on Monday is cancelled. Sign as Peter.", None)]),
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    c, out = Chat(sys.argv[1]), []
    for system, turns in PROMPTS:
        ids = c.prompt(system, turns)
        with torch.no_grad():
            lg = c.model.forward(ids)
            top = lg[-1].topk(5)
            gen = c.model.generate(ids, STOP, 120)
            # smallest gap between the best and the second best token on the way: a small one may flip in other arithmetic
            full = c.model.forward(ids + gen[:-1])[len(ids) - 1:].topk(2).values
        msgs = ([{"role": "system", "content": system}] if system else [])
        for u, a in turns:
            msgs += [{"role": "user", "content": u}] + ([{"role": "assistant", "content": a}] if a is not None else [])
        out.append({"messages": msgs, "prompt": c.tok.decode(ids), "prompt_ids": ids, "greedy_ids": gen, "greedy_text": c.tok.decode(gen),
                    "first_step_top5": [{"id": int(i), "logit": round(float(v), 4)} for v, i in zip(top.values, top.indices)],
                    "smallest_gap": round(float((full[:, 0] - full[:, 1]).min()), 4)})
    texts = ["Hello world", " 12,500 dollars on 2026-05-03", "It's Zoë's naïve café — €5!\n\n  two  spaces\t tab", "日本語 🙂", "a\n\n\nb  ", "don't WE'LL x_y __init__ (ok)", "<|im_start|>user\nHi<|im_end|>\n"]
    with open(os.path.join(sys.argv[1], "reference.json"), "w") as f:
        json.dump({"note": "float32 forward pass over the bf16 weights, greedy decoding, stop at <|im_end|> (2) or <|endoftext|> (0)", "cases": out,
                   "tokenizer": [{"text": t, "ids": c.tok.encode(t, special=True)} for t in texts]}, f, ensure_ascii=False, indent=1)
        f.write("\n")
