/* Small fused kernels for train.py. Build: cc -O3 -march=native -ffast-math -shared -fPIC (make.sh does it).
   All activations between matrix products are bfloat16 (held as uint16_t), the residual stream is float. */
#include <stdint.h>
#include <string.h>
#include <math.h>

typedef uint16_t bf;
static inline float ld(bf v) { union { uint32_t u; float f; } x; x.u = (uint32_t)v << 16; return x.f; }
static inline bf st(float f) { union { uint32_t u; float f; } x; x.f = f; return (bf)((x.u + 0x7fff + ((x.u >> 16) & 1)) >> 16); }

/* y = x * w / rms(x); inv[n] keeps 1/rms for the backward pass */
void rmsnorm_fwd(const float *x, const float *w, bf *y, float *inv, int n, int d, float eps) {
    for (int i = 0; i < n; i++) {
        const float *xi = x + (size_t)i * d; bf *yi = y + (size_t)i * d;
        float s = 0; for (int j = 0; j < d; j++) s += xi[j] * xi[j];
        float r = 1.0f / sqrtf(s / d + eps); inv[i] = r;
        for (int j = 0; j < d; j++) yi[j] = st(xi[j] * r * w[j]);
    }
}
/* gx (+)= gradient through the norm; gw accumulates */
void rmsnorm_bwd(const float *x, const float *w, const bf *gy, const float *inv, float *gx, float *gw, int n, int d) {
    for (int i = 0; i < n; i++) {
        const float *xi = x + (size_t)i * d; const bf *gi = gy + (size_t)i * d; float *oi = gx + (size_t)i * d;
        float r = inv[i], dot = 0;
        for (int j = 0; j < d; j++) { float g = ld(gi[j]); dot += g * w[j] * xi[j]; gw[j] += g * xi[j] * r; }
        float c = dot * r * r * r / d;
        for (int j = 0; j < d; j++) oi[j] += ld(gi[j]) * w[j] * r - c * xi[j];
    }
}
void add_bf(float *x, const bf *y, long n) { for (long i = 0; i < n; i++) x[i] += ld(y[i]); }
void add_out(const float *x, const bf *y, float *z, long n) { for (long i = 0; i < n; i++) z[i] = x[i] + ld(y[i]); }
void to_bf(const float *x, bf *y, long n) { for (long i = 0; i < n; i++) y[i] = st(x[i]); }

/* qkv [B,T,(H+2*KV)*D] -> q [B,H,T,D], k, v [B,KV,T,D], rotary (rotate-half) on q and k, q scaled by 1/sqrt(D) */
void rope_fwd(const bf *qkv, const float *cs, const float *sn, bf *q, bf *k, bf *v, int B, int T, int H, int KV, int D, float scale) {
    int W = (H + 2 * KV) * D, h2 = D / 2;
    for (int b = 0; b < B; b++) for (int t = 0; t < T; t++) {
        const bf *s = qkv + ((size_t)b * T + t) * W; const float *c = cs + (size_t)t * h2, *z = sn + (size_t)t * h2;
        for (int h = 0; h < H + KV; h++, s += D) {
            bf *o = h < H ? q + (((size_t)b * H + h) * T + t) * D : k + (((size_t)b * KV + h - H) * T + t) * D;
            float m = h < H ? scale : 1.0f;
            for (int j = 0; j < h2; j++) { float a = ld(s[j]), e = ld(s[j + h2]); o[j] = st((a * c[j] - e * z[j]) * m); o[j + h2] = st((e * c[j] + a * z[j]) * m); }
        }
        for (int h = 0; h < KV; h++, s += D) memcpy(v + (((size_t)b * KV + h) * T + t) * D, s, D * sizeof(bf));
    }
}
void rope_bwd(bf *qkv, const float *cs, const float *sn, const bf *q, const bf *k, const bf *v, int B, int T, int H, int KV, int D, float scale) {
    int W = (H + 2 * KV) * D, h2 = D / 2;
    for (int b = 0; b < B; b++) for (int t = 0; t < T; t++) {
        bf *s = qkv + ((size_t)b * T + t) * W; const float *c = cs + (size_t)t * h2, *z = sn + (size_t)t * h2;
        for (int h = 0; h < H + KV; h++, s += D) {
            const bf *o = h < H ? q + (((size_t)b * H + h) * T + t) * D : k + (((size_t)b * KV + h - H) * T + t) * D;
            float m = h < H ? scale : 1.0f;
            for (int j = 0; j < h2; j++) { float a = ld(o[j]), e = ld(o[j + h2]); s[j] = st((a * c[j] + e * z[j]) * m); s[j + h2] = st((e * c[j] - a * z[j]) * m); }
        }
        for (int h = 0; h < KV; h++, s += D) memcpy(s, v + (((size_t)b * KV + h) * T + t) * D, D * sizeof(bf));
    }
}
/* [B,H,T,D] <-> [B,T,H,D] */
void swap_heads(const bf *x, bf *y, int B, int T, int H, int D, int back) {
    for (int b = 0; b < B; b++) for (int h = 0; h < H; h++) for (int t = 0; t < T; t++) {
        size_t i = (((size_t)b * H + h) * T + t) * D, o = (((size_t)b * T + t) * H + h) * D;
        if (back) memcpy(y + i, x + o, D * sizeof(bf)); else memcpy(y + o, x + i, D * sizeof(bf));
    }
}
/* in-place softmax over [start[b,t], t] of every row, zero elsewhere: causal and document-masked */
void softmax_fwd(bf *s, const int *start, int B, int H, int T) {
    float buf[T];
    for (int b = 0; b < B; b++) for (int h = 0; h < H; h++) for (int t = 0; t < T; t++) {
        bf *r = s + (((size_t)b * H + h) * T + t) * T; int a = start[b * T + t], n = t + 1;
        float m = -1e30f, z = 0;
        for (int j = a; j < n; j++) { float v = ld(r[j]); buf[j] = v; m = v > m ? v : m; }
        for (int j = a; j < n; j++) { float e = expf(buf[j] - m); buf[j] = e; z += e; }
        z = 1.0f / z;
        memset(r, 0, a * sizeof(bf)); for (int j = a; j < n; j++) r[j] = st(buf[j] * z); memset(r + n, 0, (T - n) * sizeof(bf));
    }
}
/* dp becomes ds = p * (dp - sum(p * dp)) */
void softmax_bwd(const bf *p, bf *dp, const int *start, int B, int H, int T) {
    for (int b = 0; b < B; b++) for (int h = 0; h < H; h++) for (int t = 0; t < T; t++) {
        size_t o = (((size_t)b * H + h) * T + t) * T; const bf *q = p + o; bf *g = dp + o; int a = start[b * T + t], n = t + 1;
        float d = 0; for (int j = a; j < n; j++) d += ld(q[j]) * ld(g[j]);
        memset(g, 0, a * sizeof(bf)); for (int j = a; j < n; j++) g[j] = st(ld(q[j]) * (ld(g[j]) - d)); memset(g + n, 0, (T - n) * sizeof(bf));
    }
}
/* gu [n,2f] = gate | up -> silu(gate) * up */
void swiglu_fwd(const bf *gu, bf *y, long n, int f) {
    for (long i = 0; i < n; i++) { const bf *g = gu + i * 2 * f, *u = g + f; bf *o = y + i * f;
        for (int j = 0; j < f; j++) { float a = ld(g[j]); o[j] = st(a / (1.0f + expf(-a)) * ld(u[j])); } }
}
void swiglu_bwd(const bf *gu, const bf *gy, bf *out, long n, int f) {
    for (long i = 0; i < n; i++) { const bf *g = gu + i * 2 * f, *u = g + f, *d = gy + i * f; bf *o = out + i * 2 * f, *p = o + f;
        for (int j = 0; j < f; j++) { float a = ld(g[j]), s = 1.0f / (1.0f + expf(-a)), e = ld(d[j]);
            o[j] = st(e * ld(u[j]) * s * (1.0f + a * (1.0f - s))); p[j] = st(e * a * s); } }
}
/* logits become gradients (weight w[i] each, already divided by the total); loss[i] = -log p(target) */
void xent(bf *logits, const int *target, const float *w, float *loss, int n, int v) {
    float buf[v];
    for (int i = 0; i < n; i++) { bf *r = logits + (size_t)i * v;
        if (w[i] == 0) { memset(r, 0, v * sizeof(bf)); loss[i] = 0; continue; }
        float m = -1e30f, z = 0; for (int j = 0; j < v; j++) { float x = ld(r[j]); buf[j] = x; m = x > m ? x : m; }
        float tl = buf[target[i]];
        for (int j = 0; j < v; j++) { float e = expf(buf[j] - m); buf[j] = e; z += e; }
        loss[i] = logf(z) + m - tl; float c = w[i] / z;
        buf[target[i]] -= z;
        for (int j = 0; j < v; j++) r[j] = st(buf[j] * c); }
}
void embed_fwd(const float *e, const int *ids, float *x, int n, int d) { for (int i = 0; i < n; i++) memcpy(x + (size_t)i * d, e + (size_t)ids[i] * d, d * sizeof(float)); }
void embed_bwd(const float *gx, const int *ids, float *ge, int n, int d) { for (int i = 0; i < n; i++) { float *g = ge + (size_t)ids[i] * d; const float *s = gx + (size_t)i * d; for (int j = 0; j < d; j++) g[j] += s[j]; } }
