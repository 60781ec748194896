"""The model: a small Llama. `Trainer` is the fast bf16 forward/backward pass used by train.py (written out by hand,
matrix products from torch, the rest from kernels.c); `Llama` is the plain float32 reference used to evaluate."""
import ctypes, math, os
import torch

CFG = dict(vocab=2048, hidden=256, layers=8, heads=4, kv_heads=2, head_dim=64, ffn=512, eps=1e-5, theta=10000.0, context=1024)


def shapes(c=CFG):
    """Every parameter, in the order of the flat buffer. qkv and gate|up are kept fused while training."""
    q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    out = [("embed", (c["vocab"], c["hidden"]))]
    for i in range(c["layers"]):
        out += [(f"{i}.norm1", (c["hidden"],)), (f"{i}.qkv", (q + 2 * kv, c["hidden"])), (f"{i}.o", (c["hidden"], q)),
                (f"{i}.norm2", (c["hidden"],)), (f"{i}.gu", (2 * c["ffn"], c["hidden"])), (f"{i}.down", (c["hidden"], c["ffn"]))]
    return out + [("norm", (c["hidden"],))]


def n_params(c=CFG):
    return sum(math.prod(s) for _, s in shapes(c))


def views(flat, c=CFG):
    out, o = {}, 0
    for name, s in shapes(c):
        n = math.prod(s)
        out[name] = flat[o:o + n].view(s)
        o += n
    return out


def init(flat, seed, c=CFG):
    g = torch.Generator().manual_seed(seed)
    for name, p in views(flat, c).items():
        if "norm" in name:
            p.fill_(1.0)
        else:
            std = 0.04 if name == "embed" else p.shape[1] ** -0.5
            if name.endswith((".o", ".down")):
                std *= (2 * c["layers"]) ** -0.5
            p.copy_(torch.randn(p.shape, generator=g) * std)


def rope_tables(n, c=CFG):
    f = c["theta"] ** (-torch.arange(0, c["head_dim"], 2).float() / c["head_dim"])
    a = torch.arange(n).float()[:, None] * f
    return a.cos().contiguous(), a.sin().contiguous()


_lib = None


def lib():
    global _lib
    if _lib is None:
        _lib = ctypes.CDLL(os.path.join(os.path.abspath(os.environ.get("HELIX_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "build"))), "kernels.so"))
    return _lib


def call(fn, *a):
    getattr(lib(), fn)(*[ctypes.c_void_p(x.data_ptr()) if torch.is_tensor(x) else ctypes.c_float(x) if isinstance(x, float) else
                         ctypes.c_long(x) for x in a])


BF = torch.bfloat16


class Trainer:
    def __init__(self, flat, grad, c=CFG):
        self.c, self.flat, self.p, self.g = c, flat, views(flat, c), views(grad, c)
        self.grad = grad
        self.half = torch.empty(flat.shape, dtype=BF)
        self.h = views(self.half, c)
        self.cos, self.sin = rope_tables(c["context"], c)
        self.buf = {}

    def new(self, key, shape, dtype=BF):
        """Buffers live on from step to step: fresh pages cost more than the arithmetic."""
        k = (key, shape)
        if k not in self.buf:
            self.buf[k] = torch.empty(shape, dtype=dtype)
        return self.buf[k]

    def step(self, ids, start, target, w):
        """ids, start, target: int32 [B,T]; w: float [B,T], already divided by the total. Fills grad, returns loss per token."""
        c, p, g, h, new = self.c, self.p, self.g, self.h, self.new
        B, T = ids.shape
        N, D, H, KV, hd, F, V = B * T, c["hidden"], c["heads"], c["kv_heads"], c["head_dim"], c["ffn"], c["vocab"]
        G, scale = H // KV, hd ** -0.5
        call("to_bf", self.flat, self.half, self.flat.numel())
        self.grad.zero_()
        x = new("x0", (N, D), torch.float32)
        call("embed_fwd", p["embed"], ids, x, N, D)
        keep = []

        def norm(key, x, w):
            y, inv = new("y" + key, (N, D)), new("i" + key, (N,), torch.float32)
            call("rmsnorm_fwd", x, w, y, inv, N, D, c["eps"])
            return y, inv

        for i in range(c["layers"]):
            s = str(i)
            y, inv = norm(s + "a", x, p[s + ".norm1"])
            qkv = torch.mm(y, h[s + ".qkv"].t(), out=new("qkv", (N, (H + 2 * KV) * hd)))
            q, k, v = new("q" + s, (B, H, T, hd)), new("k" + s, (B, KV, T, hd)), new("v" + s, (B, KV, T, hd))
            call("rope_fwd", qkv, self.cos, self.sin, q, k, v, B, T, H, KV, hd, scale)
            q3, k3, v3 = q.view(B * KV, G * T, hd), k.view(B * KV, T, hd), v.view(B * KV, T, hd)
            a = torch.bmm(q3, k3.transpose(1, 2), out=new("a" + s, (B * KV, G * T, T)))
            call("softmax_fwd", a, start, B, H, T)
            o = torch.bmm(a, v3, out=new("o", (B * KV, G * T, hd)))
            m = new("m" + s, (N, H * hd))
            call("swap_heads", o, m, B, T, H, hd, 0)
            r = torch.mm(m, h[s + ".o"].t(), out=new("r", (N, D)))
            x1 = new("x1" + s, (N, D), torch.float32)
            call("add_out", x, r, x1, N * D)
            y2, inv2 = norm(s + "b", x1, p[s + ".norm2"])
            gu = torch.mm(y2, h[s + ".gu"].t(), out=new("gu" + s, (N, 2 * F)))
            z = new("z" + s, (N, F))
            call("swiglu_fwd", gu, z, N, F)
            torch.mm(z, h[s + ".down"].t(), out=r)
            x2 = new("x2" + s, (N, D), torch.float32)
            call("add_out", x1, r, x2, N * D)
            keep.append((x, y, inv, q3, k3, v3, a, m, x1, y2, inv2, gu, z))
            x = x2
        y, inv = norm("f", x, p["norm"])
        lg = torch.mm(y, h["embed"].t(), out=new("lg", (N, V)))
        loss = new("loss", (N,), torch.float32)
        call("xent", lg, target, w, loss, N, V)

        g["embed"].copy_(torch.mm(lg.t(), y, out=new("ge", (V, D))))
        gy = torch.mm(lg, h["embed"], out=new("gy", (N, D)))
        gx = new("gx", (N, D), torch.float32)
        gx.zero_()
        call("rmsnorm_bwd", x, p["norm"], gy, inv, gx, g["norm"], N, D)
        gr = new("gr", (N, D))
        for i in reversed(range(c["layers"])):
            s = str(i)
            x, y, inv, q3, k3, v3, a, m, x1, y2, inv2, gu, z = keep[i]
            call("to_bf", gx, gr, N * D)
            g[s + ".down"].copy_(torch.mm(gr.t(), z, out=new("gw1", (D, F))))
            gz = torch.mm(gr, h[s + ".down"], out=new("gz", (N, F)))
            ggu = new("ggu", (N, 2 * F))
            call("swiglu_bwd", gu, gz, ggu, N, F)
            g[s + ".gu"].copy_(torch.mm(ggu.t(), y2, out=new("gw2", (2 * F, D))))
            torch.mm(ggu, h[s + ".gu"], out=gy)
            call("rmsnorm_bwd", x1, p[s + ".norm2"], gy, inv2, gx, g[s + ".norm2"], N, D)
            call("to_bf", gx, gr, N * D)
            g[s + ".o"].copy_(torch.mm(gr.t(), m, out=new("gw3", (D, H * hd))))
            gm = torch.mm(gr, h[s + ".o"], out=new("gm", (N, H * hd)))
            go = new("o", (B * KV, G * T, hd))
            call("swap_heads", gm, go, B, T, H, hd, 1)
            gv = torch.bmm(a.transpose(1, 2), go, out=new("gv", (B * KV, T, hd)))
            ga = torch.bmm(go, v3.transpose(1, 2), out=new("ga", (B * KV, G * T, T)))
            call("softmax_bwd", a, ga, start, B, H, T)
            gq = torch.bmm(ga, k3, out=new("gq", (B * KV, G * T, hd)))
            gk = torch.bmm(ga.transpose(1, 2), q3, out=new("gk", (B * KV, T, hd)))
            gqkv = new("qkv", (N, (H + 2 * KV) * hd))
            call("rope_bwd", gqkv, self.cos, self.sin, gq, gk, gv, B, T, H, KV, hd, scale)
            g[s + ".qkv"].copy_(torch.mm(gqkv.t(), y, out=new("gw4", ((H + 2 * KV) * hd, D))))
            torch.mm(gqkv, h[s + ".qkv"], out=gy)
            call("rmsnorm_bwd", x, p[s + ".norm1"], gy, inv, gx, g[s + ".norm1"], N, D)
        call("embed_bwd", gx, ids, g["embed"], N, D)
        return loss


class Llama:
    """Plain float32 forward pass with a KV cache, batch of one: what a correct engine must compute."""

    def __init__(self, flat, c=CFG):
        self.c, self.p = c, views(flat, c)
        self.cos, self.sin = rope_tables(c["context"], c)

    def norm(self, x, w):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.c["eps"]) * w

    def rope(self, x, pos):
        c, s = self.cos[pos:pos + x.shape[1]], self.sin[pos:pos + x.shape[1]]
        a, b = x.chunk(2, -1)
        return torch.cat([a * c - b * s, b * c + a * s], -1)

    def forward(self, ids, cache=None, last=False):
        """ids: list of new tokens; cache: list of (k, v) per layer, extended in place. Returns logits [n, vocab]."""
        c, p = self.c, self.p
        H, KV, hd, n = c["heads"], c["kv_heads"], c["head_dim"], len(ids)
        x = p["embed"][torch.tensor(ids)]
        pos = cache[0][0].shape[1] if cache and cache[0] is not None else 0
        mask = torch.full((n, pos + n), float("-inf")).triu(pos + 1)
        for i in range(c["layers"]):
            qkv = self.norm(x, p[f"{i}.norm1"]) @ p[f"{i}.qkv"].t()
            q, k, v = qkv.view(n, H + 2 * KV, hd).transpose(0, 1).split([H, KV, KV])
            q, k = self.rope(q, pos), self.rope(k, pos)
            if cache is not None:
                if cache[i] is not None:
                    k, v = torch.cat([cache[i][0], k], 1), torch.cat([cache[i][1], v], 1)
                cache[i] = (k, v)
            k, v = k.repeat_interleave(H // KV, 0), v.repeat_interleave(H // KV, 0)
            a = torch.softmax(q @ k.transpose(1, 2) * hd ** -0.5 + mask, -1) @ v
            x = x + a.transpose(0, 1).reshape(n, H * hd) @ p[f"{i}.o"].t()
            g, u = (self.norm(x, p[f"{i}.norm2"]) @ p[f"{i}.gu"].t()).chunk(2, -1)
            x = x + (torch.nn.functional.silu(g) * u) @ p[f"{i}.down"].t()
        x = self.norm(x[-1:] if last else x, p["norm"])
        return x @ p["embed"].t()

    def generate(self, ids, stop, limit=200):
        with torch.no_grad():
            cache, out = [None] * self.c["layers"], []
            lg = self.forward(ids, cache, last=True)
            while len(out) < limit and len(ids) + len(out) < self.c["context"]:
                t = int(lg[-1].argmax())
                out.append(t)
                if t in stop:
                    break
                lg = self.forward([t], cache)
            return out
