"""Trains the model: two worker processes with one thread each, every one on half of the step's rows; gradients meet in
shared memory. Muon (momentum + Newton-Schulz) for the matrices, Adam for the embedding and the norms.
Schedule: warm-up, constant, then down to zero, linear between the points of RATE.
From step MATH_FROM on (copying is learned by then) 4 of the 32 rows of a 256-token step are arithmetic.

    python3 train.py BUILD_DIR      (resumes from BUILD_DIR/checkpoint.pt when there is one)
"""
import argparse
import os
import time
import numpy as np
import torch
import torch.multiprocessing as mp
from data import LENGTHS, STEP_TOKENS
from model import CFG, Trainer, init, n_params, shapes, views

SEED, WORKERS, MATH_FROM = 7, 2, 2000
RATE = ((0, 0.01), (99, 1.0), (2080, 1.0), (2500, 0.8654), (3000, 0.5769), (3500, 0.3846), (3750, 0.2244), (4300, 0.0))  # (step, factor on the learning rates)
LR_MUON, LR_ADAM, WD, MOM, B1, B2 = 0.02, 0.003, 0.05, 0.95, 0.9, 0.97


def plan(build):
    """The order of steps over the whole data: [(row length, rows)], the same for every run."""
    rng, out = np.random.default_rng(SEED), []
    for L in LENGTHS:
        n, per = np.load(os.path.join(build, f"train_{L}.npy"), mmap_mode="r").shape[1], STEP_TOKENS // L
        per -= per % WORKERS
        p = rng.permutation(n)
        out += [(L, np.sort(p[i:i + per])) for i in range(0, n - per + 1, per)]
    rng.shuffle(out)
    return out


def matrices(c=CFG):
    """(offset, rows, cols) of every matrix Muon updates; fused ones are split into their parts."""
    out, o = [], 0
    for name, s in shapes(c):
        if len(s) == 2 and name != "embed":
            q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
            for r in {"qkv": [q, kv, kv], "gu": [c["ffn"]] * 2}.get(name.split(".")[1], [s[0]]):
                out.append((o, r, s[1]))
                o += r * s[1]
        else:
            o += int(np.prod(s))
    return out


def orthogonal(x):
    """Newton-Schulz: brings the singular values of each matrix in the batch near 1."""
    x = x.bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(5):
        a = torch.bmm(x, x.transpose(1, 2))
        b = torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, b, x, beta=3.4445)
    return x.float()


def rate(step):
    return float(np.interp(step, *zip(*RATE)))


def worker(rank, build, steps, sh, barrier, log_every):
    torch.set_num_threads(1)
    flat, grads, mom, m1, m2, stat = sh["flat"], sh["grads"], sh["mom"], sh["m1"], sh["m2"], sh["stat"]
    start, order = int(stat[3]), plan(build)
    assert len(order) >= steps, f"only {len(order)} steps of data"
    data = {L: np.load(os.path.join(build, f"train_{L}.npy"), mmap_mode="r") for L in LENGTHS}
    maths = np.load(os.path.join(build, "math_256.npy"), mmap_mode="r")
    tr = Trainer(flat, grads[rank])
    groups = {}
    for i, (o, r, c) in enumerate(matrices()):
        groups.setdefault((r, c), []).append(o)
    mine = {k: v[rank::WORKERS] for k, v in groups.items()}
    adam = [p for n, p in zip([n for n, _ in shapes()], range(999)) if n == "embed" or "norm" in n]
    offs, o = [], 0
    for n, s in shapes():
        offs.append((o, int(np.prod(s))))
        o += int(np.prod(s))
    e = offs[0][1] // WORKERS
    slices = [(rank * e, e)] + ([offs[i] for i in adam[1:]] if rank == 0 else [])
    t0, lw, seen = time.time(), [], 0
    for step in range(start, steps):
        L, rows = order[step]
        a = np.asarray(data[L][:, rows])
        h = len(rows) // WORKERS
        if L == maths.shape[2] and step >= MATH_FROM:
            a = a.copy()
            for k, row in enumerate((0, 1, h, h + 1)):
                a[:, row] = maths[:, (4 * step + k) % maths.shape[1]]
        total = float(a[3].sum())
        a = a[:, rank * h:(rank + 1) * h]
        ids, tgt, st = (torch.from_numpy(np.ascontiguousarray(x.astype(np.int32))) for x in (a[0], a[1], a[2]))
        w = torch.from_numpy(a[3].astype(np.float32) / total)
        loss = tr.step(ids, st, tgt, w)
        ans = torch.from_numpy((a[3] == 10).reshape(-1))
        stat[4 + rank], stat[8 + rank] = float((loss * ans).sum()), float(ans.sum())
        barrier.wait()
        lr = rate(step)
        for (r, c), os_ in mine.items():
            ups = []
            for o in os_:
                n = r * c
                g = grads[0, o:o + n] + grads[1, o:o + n]
                b = mom[o:o + n].mul_(MOM).add_(g)
                u = g.add(b, alpha=MOM).view(r, c)
                ups.append(u.t() if r > c else u)
            u = orthogonal(torch.stack(ups))
            for o, x in zip(os_, u):
                p = flat[o:o + r * c].view(r, c)
                p.mul_(1 - lr * LR_MUON * WD).add_(x.t() if r > c else x, alpha=-lr * LR_MUON * max(1, r / c) ** 0.5)
        for o, n in slices:
            g = grads[0, o:o + n] + grads[1, o:o + n]
            a1, a2 = m1[o:o + n].mul_(B1).add_(g, alpha=1 - B1), m2[o:o + n].mul_(B2).addcmul_(g, g, value=1 - B2)
            d = (a2 / (1 - B2 ** (step + 1))).sqrt_().add_(1e-10)
            flat[o:o + n].addcdiv_(a1, d, value=-lr * LR_ADAM / (1 - B1 ** (step + 1)))
        if rank == 0:
            lw.append(float(stat[4] + stat[5]) / float(stat[8] + stat[9]))
            seen += 2 * h * L
        barrier.wait()
        if rank == 0:
            if (step + 1) % log_every == 0:
                dt = time.time() - t0
                print(f"step {step + 1}/{steps} answer loss {np.mean(lw):.4f} rate {lr:.3f} {seen / dt:.0f} tokens/s", flush=True)
                t0, lw, seen = time.time(), [], 0
            if (step + 1) % 250 == 0 or step + 1 == steps:
                stat[3] = step + 1
                torch.save({k: v.clone() for k, v in sh.items() if k != "grads"}, os.path.join(build, "checkpoint.tmp"))
                os.replace(os.path.join(build, "checkpoint.tmp"), os.path.join(build, "checkpoint.pt"))


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("build")
    ap.add_argument("--steps", type=int, default=RATE[-1][0])
    ap.add_argument("--log", type=int, default=50)
    a = ap.parse_args()
    torch.set_num_threads(1)
    n = n_params()
    sh = {"flat": torch.empty(n), "grads": torch.zeros(WORKERS, n), "mom": torch.zeros(n), "m1": torch.zeros(n), "m2": torch.zeros(n), "stat": torch.zeros(12)}
    init(sh["flat"], SEED)
    ck = os.path.join(a.build, "checkpoint.pt")
    if os.path.exists(ck):
        for k, v in torch.load(ck).items():
            sh[k].copy_(v)
    for v in sh.values():
        v.share_memory_()
    print("parameters", n, "start at step", int(sh["stat"][3]), flush=True)
    ctx = mp.get_context("fork")
    barrier = ctx.Barrier(WORKERS)
    ps = [ctx.Process(target=worker, args=(r, a.build, a.steps, sh, barrier, a.log)) for r in range(WORKERS)]
    for p in ps:
        p.start()
    for p in ps:
        p.join()
    raise SystemExit(max(abs(p.exitcode) for p in ps))
