// Elementwise programs and reductions; segments and sorting. Part of peer_hand.cpp, which alone includes it.
#pragma once
#include "harness.h"

namespace {

// y = sin x e^{-x^2}, z = log(1+x^2) + y^2, f = sqrt(1+z^2) tanh y
// y' = e (cos x - 2 x sin x), z' = 2x/(1+x^2) + 2 y y', f' = z z' tanh(y)/r + r (1 - tanh^2 y) y'
void scalar_grad() {
  double x = 0.7, g = 0;
  bench(
      "scalar_grad", "f64", "mean of 100 calls", 100,
      [&] {
        asm volatile("" : "+x"(x));
        double x2 = x * x, e = std::exp(-x2), s = std::sin(x), c = std::cos(x);
        double y = s * e, dy = e * (c - 2 * x * s);
        double z = std::log(1 + x2) + y * y, dz = 2 * x / (1 + x2) + 2 * y * dy;
        double r = std::sqrt(1 + z * z), t = std::tanh(y);
        g = z * dz * t / r + r * (1 - t * t) * dy;
        asm volatile("" : "+x"(g));
      },
      [&] { return std::fabs(g); });
}

// g_i = 200 (x_i - x_{i-1}^2) - 400 x_i (x_{i+1} - x_i^2) - 2 (1 - x_i), without the terms that fall off the ends
void rosenbrock() {
  const size_t n = 1'000'000;
  auto x = sym<float>(n, 0);
  Buf<float> g(n);
  bench(
      "rosenbrock_grad_1e6", "f32", "", 1,
      [&] {
        parallel(n, 1 << 16, [&](size_t lo, size_t hi, int) {
          const float* a = x;
          float* o = g;
          size_t b = std::max<size_t>(lo, 1), e = std::min(hi, n - 1);
          for (size_t i = b; i < e; i++) o[i] = 200 * (a[i] - a[i - 1] * a[i - 1]) - 400 * a[i] * (a[i + 1] - a[i] * a[i]) - 2 * (1 - a[i]);
        });
        g[0] = -400 * x[0] * (x[1] - x[0] * x[0]) - 2 * (1 - x[0]);
        g[n - 1] = 200 * (x[n - 1] - x[n - 2] * x[n - 2]);
      },
      [&] { return total(g.p, n); });
}

// y = 1.5x + 1/4, z = tanh y e^{-y^2}, r = sqrt(z^2+1), a = 1+|y|, w = r/a, f = sum log(1+w) sin z
// z' = e (1 - tanh^2) - 2 y z,  w' = (z z'/r - w sgn y)/a,  f' = 1.5 (sin z w'/(1+w) + log(1+w) cos z z')
// |z| < 1 and w <= sqrt 2 always, so sin, cos and log(1+w) = 2 atanh(w/(2+w)) need no range reduction.
template <bool NT> void chain12_range(const float* x, float* g, size_t lo, size_t hi, double& sum) {
  vf acc{};
  auto one = [&](vf x, vf& f) {
    vf y = x * 1.5f + 0.25f;
    vf t = tanh(y), e = exp(-y * y), z = t * e, z2 = z * z;
    vf dz = e - (t + 2.0f * y) * z;
    vf r = sqrt(z2 + 1.0f), a = 1.0f + abs(y), ar = a + r;
    vf inv = 1.0f / (a * r * ar), s = r / (a + ar), s2 = s * s;
    vf lg = s * horner(s2, 0.3242317169, 0.2689806627, 0.4010770137, 0.6666427346, 2.000000085);
    vf sn = z + z * z2 * horner(z2, 2.693769627e-6, -0.0001983586838, 0.008333314082, -0.1666666643);
    vf cs = 1.0f + z2 * horner(z2, 2.412132909e-5, -0.00138829629, 0.04166645554, -0.4999999737);
    vf dlog = (z * dz * a - (vf)((vi)(r * r) ^ ((vi)y & (int)0x80000000))) * inv;
    f = lg * sn;
    return 1.5f * (sn * dlog + lg * cs * dz);
  };
  size_t i = lo;
  for (; i + NF <= hi; i += NF) {
    vf f, d = one(ld(x + i), f);
    acc += f;
    if constexpr (NT) stream(g + i, d);
    else st(g + i, d);
  }
  if (i < hi) {  // padded buffers: compute a whole vector, keep the valid lanes
    vf f, d = one(ld(x + i), f);
    for (int l = 0; i + l < hi; l++) {
      g[i + l] = d[l];
      acc[l] += f[l];
    }
  }
  sum = hsum(acc);
}
void chain12(size_t n, const char* name) {
  auto x = sym<float>(n, 1);
  Buf<float> g(n);
  const size_t grain = n > 100'000 ? 1 << 14 : (n / std::max(1, pool.threads) + 63) / 64 * 64;
  std::vector<double> part(chunks_of(n, grain));
  float value = 0;
  bench(
      name, "f32", "", 1,
      [&] {
        parallel(n, grain, [&](size_t lo, size_t hi, int c) {
          if (n > 2'000'000) chain12_range<true>(x, g, lo, hi, part[c]);
          else chain12_range<false>(x, g, lo, hi, part[c]);
        });
        double s = 0;
        for (double p : part) s += p;
        value = (float)s;
      },
      [&] { return total(g.p, n) + std::fabs(value); });
}

// With the Mills ratio m(x) = e^{x^2/2} N(-x) one Gaussian serves both N(d1) and N(d2), since s phi(d1) = k e^{-rt} phi(d2).
// delta = N(d1), vega = s phi(d1) sqrt t, d/dt = s phi(d1) v/(2 sqrt t) + r k e^{-rt} N(d2), rho = t k e^{-rt} N(d2)
void black_scholes() {
  const size_t n = 1'000'000;  // a multiple of every vector width
  auto s = u<double>(n, 1, 80, 40), v = u<double>(n, 2, 0.1, 0.4), t = u<double>(n, 3, 0.1, 1.9), r = u<double>(n, 4, 0, 0.05);
  Buf<double> out[5] = {Buf<double>(n), Buf<double>(n), Buf<double>(n), Buf<double>(n), Buf<double>(n)};
  bench(
      "black_scholes_greeks_1e6", "f64", "", 1,
      [&] {
        parallel(n, 4096, [&](size_t lo, size_t hi, int) {
          constexpr int B = 64;  // two short stages over a block: one long dependency chain would leave the core idle
          alignas(64) double d1s[B], ivs[B], sqs[B], kds[B], o[5][B];
          for (size_t b = lo; b < hi; b += B) {
            const int m = (int)std::min<size_t>(B, hi - b);
            for (int j = 0; j < m; j += ND) {
              vd S = ld(s + b + j), V = ld(v + b + j), T = ld(t + b + j), R = ld(r + b + j);
              vd sq = sqrt(T), iv = 1.0 / (V * sq);
              st(d1s + j, (log(S * 0.01) + (R + 0.5 * V * V) * T) * iv);
              st(kds + j, 100.0 * exp(-R * T));
              st(ivs + j, iv);
              st(sqs + j, sq);
            }
            for (int j = 0; j < m; j += ND) {
              const size_t i = b + j;
              vd V = ld(v + i), sq = ld(sqs + j), d1 = ld(d1s + j), d2 = d1 - V * sq;
              vd p1, q1, p2, q2, g = exp(-0.5 * d1 * d1);
              mills(min(abs(d1), all(39.0)), p1, q1);
              mills(min(abs(d2), all(39.0)), p2, q2);
              vd iq = g / (q1 * q2), S = ld(s + i), kd = ld(kds + j), is = V * ld(ivs + j);
              vd c1 = p1 * q2 * iq, c2 = S * p2 * q1 * iq;
              vd n1 = d1 > 0 ? 1.0 - c1 : c1, kn2 = d2 > 0 ? kd - c2 : c2;
              vd vega = S * g * sq * 0.39894228040143268;
              st(o[0] + j, S * n1 - kn2);
              st(o[1] + j, n1);
              st(o[2] + j, vega);
              st(o[3] + j, 0.5 * vega * V * is * is + ld(r + i) * kn2);
              st(o[4] + j, ld(t + i) * kn2);
            }
            for (int k = 0; k < 5; k++)
              for (int j = 0; j < m; j += ND) stream(out[k] + b + j, ld(o[k] + j));  // whole lines
          }
        });
      },
      [&] {
        double c = 0;
        for (auto& o : out) c += total(o.p, n);
        return c;
      });
}

// gelu(x) = x sg, sg = sigmoid(w), w = x (c0 + c1 x^2); gelu' = sg + gelu (1 - sg) (c0 + 3 c1 x^2)
// value = sum p t per row; d/dx = p (t - sum p t) gelu'.  Three passes over one row, which stays in L1.
void gelu_softmax() {
  const int rows = 4096, D = 1024;
  const float c0 = 1.5957691216057308f, c1 = 0.044715f * c0;
  auto x = sym<float>((size_t)rows * D, 1, 3), t = sym<float>((size_t)rows * D, 2);
  Buf<float> g((size_t)rows * D);
  std::vector<double> part(rows);
  float value = 0;
  bench(
      "gelu_softmax_vg_4096x1024", "f32", "", 1,
      [&] {
        parallel(rows, 16, [&](size_t lo, size_t hi, int) {
          alignas(64) float e[D], dg[D];
          for (size_t row = lo; row < hi; row++) {
            const float *X = x + row * D, *T = t + row * D;
            float* G = g + row * D;
            vf m = all(-INFINITY);
            for (int i = 0; i < D; i += NF) {
              vf a = ld(X + i), a2 = a * a;
              vf sg = sigmoid(a * (c0 + c1 * a2)), y = a * sg;
              m = max(m, y);
              st(e + i, y);
              st(dg + i, sg + y * (1.0f - sg) * (c0 + 3 * c1 * a2));
            }
            const vf mx = all(hmax(m));
            vf se{}, st_{};
            for (int i = 0; i < D; i += NF) {
              vf a = exp(ld(e + i) - mx);
              st(e + i, a);
              se += a;
              st_ += a * ld(T + i);
            }
            const float z = hsum(se), val = hsum(st_) / z, inv = 1 / z;
            part[row] = val;
            for (int i = 0; i < D; i += NF) stream(G + i, ld(e + i) * inv * (ld(T + i) - val) * ld(dg + i));
          }
        });
        double s = 0;
        for (double p : part) s += p;
        value = (float)s;
      },
      [&] { return total(g.p, g.n) + std::fabs(value); });
}

// G = (1 - tanh^2(agg)) w, then gx[src] += G[dst]. Indices are used as given (no sorting); a row is one cache line.
// Each thread sums its edges into its own array; the arrays are merged in the passes that read them.
void segment_sum() {
  const size_t E = 1'000'000, N = 100'000, F = 16;
  const int T = std::min(pool.threads, 4);
  Buf<int32_t> src(E), dst(E);
  for (size_t i = 0; i < E; i++) {
    src[i] = (int32_t)(u1(i, 1) * N);
    dst[i] = (int32_t)(u1(i, 2) * N);
  }
  auto x = sym<float>(N * F, 3), w = sym<float>(N * F, 4);
  std::vector<Buf<float>> part;
  for (int t = 0; t < T; t++) part.emplace_back(N * F);
  Buf<float> G(N * F), gx(N * F);
  auto scatter = [&](const float* from, const int32_t* a, const int32_t* b, size_t lo, size_t hi, float* to) {  // to[b] += from[a]
    const size_t ahead = 24;
    for (size_t e = lo; e < hi; e++) {
      _mm_prefetch((const char*)(from + (size_t)a[std::min(e + ahead, E - 1)] * F), _MM_HINT_T0);
      _mm_prefetch((const char*)(to + (size_t)b[std::min(e + ahead, E - 1)] * F), _MM_HINT_T0);
      const float* s = from + (size_t)a[e] * F;
      float* d = to + (size_t)b[e] * F;
      for (size_t k = 0; k < F; k += NF) st(d + k, ld(d + k) + ld(s + k));
    }
  };
  auto sum_at = [&](size_t i) {
    vf s = ld(part[0] + i);
    for (int t = 1; t < T; t++) s += ld(part[t] + i);
    return s;
  };
  bench(
      "segment_sum_grad_1e6x16", "f32", "indices as given, not presorted", 1,
      [&] {
        pool.run(T, [&](int t) {
          std::memset(part[t].p, 0, N * F * sizeof(float));
          scatter(x, src, dst, E * t / T, E * (t + 1) / T, part[t]);
        });
        parallel(N * F, 1 << 14, [&](size_t lo, size_t hi, int) {
          for (size_t i = lo; i < hi; i += NF) {
            vf y = tanh(sum_at(i));
            st(G + i, (1.0f - y * y) * ld(w + i));
            for (int t = 0; t < T; t++) st(part[t] + i, vf{});
          }
        });
        pool.run(T, [&](int t) { scatter(G, dst, src, E * t / T, E * (t + 1) / T, part[t]); });
        parallel(N * F, 1 << 14, [&](size_t lo, size_t hi, int) {
          for (size_t i = lo; i < hi; i += NF) st(gx + i, sum_at(i));
        });
      },
      [&] { return total(gx.p, N * F); });
}

// gx[i] = w[rank of x_i]: a stable least-significant-digit radix sort of (key, index), 11 + 11 + 10 bits, whose last pass
// writes the gradient instead of the order. Each thread scatters its half with its own offsets.
void sort_grad() {
  const size_t n = 1'000'000;
  const int T = std::min(pool.threads, 8);
  auto x = sym<float>(n, 1), w = sym<float>(n, 2);
  Buf<float> g(n);
  Buf<uint64_t> a(n), b(n);
  std::vector<uint32_t> hist(T * 2048);
  auto key = [](float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    return u ^ (uint32_t(int32_t(u) >> 31) | 0x80000000u);
  };
  auto pass = [&](int shift, auto&& get, auto&& put) {
    pool.run(T, [&](int t) {
      uint32_t* h = hist.data() + t * 2048;
      std::memset(h, 0, 2048 * 4);
      for (size_t i = n * t / T, e = n * (t + 1) / T; i < e; i++) h[uint32_t(get(i)) >> shift & 2047]++;
    });
    uint32_t sum = 0;
    for (int d = 0; d < 2048; d++)
      for (int t = 0; t < T; t++) {
        uint32_t& h = hist[t * 2048 + d];
        uint32_t c = h;
        h = sum;
        sum += c;
      }
    pool.run(T, [&](int t) {
      uint32_t* h = hist.data() + t * 2048;
      for (size_t i = n * t / T, e = n * (t + 1) / T; i < e; i++) {
        uint64_t v = get(i);
        put(h[uint32_t(v) >> shift & 2047]++, v);
      }
    });
  };
  bench(
      "sort_grad_1e6", "f32", "", 1,
      [&] {
        pass(
            0, [&](size_t i) { return uint64_t(i) << 32 | key(x[i]); }, [&](uint32_t pos, uint64_t v) { a[pos] = v; });
        pass(
            11, [&](size_t i) { return a[i]; }, [&](uint32_t pos, uint64_t v) { b[pos] = v; });
        pass(
            22, [&](size_t i) { return b[i]; }, [&](uint32_t pos, uint64_t v) { g[v >> 32] = w[pos]; });
      },
      [&] { return total(g.p, n); });
}

}  // namespace
