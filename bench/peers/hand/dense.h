// Pair forces, a mixture of Gaussians. Part of peer_hand.cpp, which alone includes it.
#pragma once
#include "harness.h"

namespace {

// Each pair once: E = 4 (s^2 - s), s = r^-6; dE/dx_i = -24 s (2s - 1)/r^2 d. Lanes over j > i; masked lanes get r = inf.
void lennard_jones() {
  constexpr int n = 512, MaxT = 64;
  auto jit = sym<double>(n * 3, 1, .1);
  Buf<double> x(n * 3), g(n * 3);
  for (int k = 0; k < n; k++) {
    x[3 * k] = k / 64 * 1.2 + jit[3 * k];
    x[3 * k + 1] = k / 8 % 8 * 1.2 + jit[3 * k + 1];
    x[3 * k + 2] = k % 8 * 1.2 + jit[3 * k + 2];
  }
  const int T = std::min(pool.threads, MaxT);
  struct alignas(64) Work {
    double f[3][n], e;
  };
  Buf<Work> work(T);
  vd iota;
  for (int l = 0; l < ND; l++) iota[l] = l;
  double energy = 0;
  bench(
      "lennard_jones_forces_n512", "f64", "", 1,
      [&] {
        alignas(64) double p[3][n];
        for (int k = 0; k < n; k++)
          for (int a = 0; a < 3; a++) p[a][k] = x[3 * k + a];
        pool.run(T, [&](int id) {
          Work& w = work[id];
          std::memset(&w, 0, sizeof w);
          vd en{};
          for (int i = id; i < n; i += T) {
            const double xi = p[0][i], yi = p[1][i], zi = p[2][i];
            vd fx{}, fy{}, fz{};
            auto pair = [&](int j, bool masked) __attribute__((always_inline)) {
              vd dx = xi - ld(p[0] + j), dy = yi - ld(p[1] + j), dz = zi - ld(p[2] + j);
              vd r2 = dx * dx + dy * dy + dz * dz;
              if (masked) r2 = iota + (double)j > (double)i ? r2 : all((double)INFINITY);
              vd q = 1.0 / r2, s = q * q * q, es = s * s - s, c = (es + s * s) * q;
              en += es;
              fx += c * dx;
              fy += c * dy;
              fz += c * dz;
              st(w.f[0] + j, ld(w.f[0] + j) - c * dx);
              st(w.f[1] + j, ld(w.f[1] + j) - c * dy);
              st(w.f[2] + j, ld(w.f[2] + j) - c * dz);
            };
            int j = (i + 1) / ND * ND;
            if (j < n) pair(j, true);
            for (j += ND; j < n; j += ND) pair(j, false);
            w.f[0][i] += hsum(fx);
            w.f[1][i] += hsum(fy);
            w.f[2][i] += hsum(fz);
          }
          w.e = hsum(en);
        });
        double e = 0;
        for (int t = 0; t < T; t++) e += work[t].e;
        energy = 4 * e;
        for (int k = 0; k < n; k++)
          for (int a = 0; a < 3; a++) {
            double s = 0;
            for (int t = 0; t < T; t++) s += work[t].f[a][k];
            g[3 * k + a] = -24 * s;
          }
      },
      [&] { return total(g.p, n * 3) + std::fabs(energy); });
}

// main_nk = alpha_k + sum log q - |Q_k (x_n - mu_k)|^2/2, p = softmax over k. Only p-weighted moments are needed:
//   d mu = Q^T Q (s - P mu), dQ = -Q W, W = sum_n p (x - mu)(x - mu)^T = sum p x x^T - s mu^T - mu s^T + P mu mu^T,
// with P = sum p, s = sum p x: a triangular product forward and one symmetric product back, no residual is stored.
void gmm() {
  const std::string path = source_dir + "/../data/adbench/gmm/1k/gmm_d32_K25.txt";
  FILE* f = std::fopen(path.c_str(), "r");
  int fd = 0, fk = 0, fn = 0;
  if (!f || std::fscanf(f, "%d %d %d", &fd, &fk, &fn) != 3 || fd != 32 || fk != 25 || fn != 1000) {
    std::fprintf(stderr, "gmm: cannot read %s\n", path.c_str());
    return;
  }
  constexpr int d = 32, K = 25, N = 1000, di = d * (d + 1) / 2, NP_ = 1024;
  constexpr int MR = ND, NV = 3, PB = NV * ND, Panels = d / MR;  // tiles of MR rows and three vectors
  auto read = [&](double* p, size_t n) {
    for (size_t i = 0; i < n; i++)
      if (std::fscanf(f, "%lf", p + i) != 1) std::abort();
  };
  Buf<double> al(K), mu(K * d), icf(K * di), x(NP_ * d), xt(d * NP_);
  double gm[2];
  read(al, K);
  read(mu, K * d);
  read(icf, K * di);
  read(x, N * d);
  read(gm, 2);
  std::fclose(f);
  const double gamma = gm[0], m = gm[1];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < d; j++) xt[j * NP_ + i] = x[i * d + j];
  constexpr int packed = Panels * (Panels + 1) / 2 * MR * MR;
  Buf<double> Q(K * d * d), pk(K * packed), qm(K * d), ld_(K), p(K * NP_), gal(K), gmu(K * d), gicf(K * di), lsum(1);
  bench(
      "gmm_grad_d32_k25_n1000", "f64", "ADBench data gmm_d32_K25", 1,
      [&] {
        for (int k = 0; k < K; k++) {  // Q, its row panels (MR rows interleaved, column by column), Q mu, sum log q
          double *q = Q + k * d * d, *o = pk + k * packed, sl = 0;
          const double *c = icf + k * di, *l = c + d;
          for (int j = 0; j < d; j++) {
            q[j * d + j] = std::exp(c[j]);
            sl += c[j];
            for (int r = j + 1; r < d; r++) q[r * d + j] = *l++;
          }
          ld_[k] = sl + al[k];
          for (int i = 0; i < d; i += MR)
            for (int j = 0; j < i + MR; j++)
              for (int r = 0; r < MR; r++) *o++ = q[(i + r) * d + j];
          for (int i = 0; i < d; i++) {
            double s = 0;
            for (int j = 0; j <= i; j++) s += q[i * d + j] * mu[k * d + j];
            qm[k * d + i] = s;
          }
        }
        parallel(N, 96, [&](size_t lo, size_t hi, int) {
          for (int k = 0; k < K; k++)
            for (size_t n = lo; n < hi; n += PB) {
              const double* q = pk + k * packed;
              vd sq[NV] = {};
              for (int i = 0; i < d; i += MR) {
                vd y[MR][NV];
#pragma GCC unroll 8
                for (int r = 0; r < MR; r++)
                  for (int v = 0; v < NV; v++) y[r][v] = all(-qm[k * d + i + r]);
#pragma GCC unroll 2
                for (int j = 0; j < i + MR; j++, q += MR) {
                  vd b[NV];
                  for (int v = 0; v < NV; v++) b[v] = ld(xt + j * NP_ + n + v * ND);
#pragma GCC unroll 8
                  for (int r = 0; r < MR; r++)
                    for (int v = 0; v < NV; v++) y[r][v] += q[r] * b[v];
                }
#pragma GCC unroll 8
                for (int r = 0; r < MR; r++)
                  for (int v = 0; v < NV; v++) sq[v] += y[r][v] * y[r][v];
              }
              for (int v = 0; v < NV; v++) st(p + k * NP_ + n + v * ND, ld_[k] - 0.5 * sq[v]);
            }
          for (size_t n = lo; n < hi; n += ND) {
            vd mx = ld(p + n), s{};
            for (int k = 1; k < K; k++) mx = max(mx, ld(p + k * NP_ + n));
            for (int k = 0; k < K; k++) {
              vd e = exp(ld(p + k * NP_ + n) - mx);
              s += e;
              st(p + k * NP_ + n, e);
            }
            s = 1.0 / s;
            for (int k = 0; k < K; k++) st(p + k * NP_ + n, ld(p + k * NP_ + n) * s);
          }
        });
        for (int k = 0; k < K; k++)
          for (int n = N; n < NP_; n++) p[k * NP_ + n] = 0;
        double am = al[0], asum = 0;
        for (int k = 1; k < K; k++) am = std::max(am, al[k]);
        for (int k = 0; k < K; k++) asum += std::exp(al[k] - am);
        pool.run(K, [&](int k) {
          constexpr int NB = 40, DV = d / ND;
          alignas(64) double W[d][d] = {}, px[NB][d], s[d] = {}, c[d];
          const double *pr = p + k * NP_, *q = Q + k * d * d, *mk = mu + k * d;
          vd sv[DV] = {};
          double P = 0;
          for (int n0 = 0; n0 < N; n0 += NB) {
            for (int n = 0; n < NB; n++) {
              const double w = pr[n0 + n];
              P += w;
#pragma GCC unroll 8
              for (int v = 0; v < DV; v++) {
                vd a = w * ld(x + (n0 + n) * d + v * ND);
                sv[v] += a;
                st(px[n] + v * ND, a);
              }
            }
            for (int i = 0; i < d; i += MR) {
              auto tile = [&](auto width, int j) __attribute__((always_inline)) {
                constexpr int V = decltype(width)::value;
                vd acc[MR][V];
#pragma GCC unroll 8
                for (int r = 0; r < MR; r++)
                  for (int v = 0; v < V; v++) acc[r][v] = ld(W[i + r] + j + v * ND);
#pragma GCC unroll 2
                for (int n = 0; n < NB; n++) {
                  vd b[V];
                  for (int v = 0; v < V; v++) b[v] = ld(x + (n0 + n) * d + j + v * ND);
#pragma GCC unroll 8
                  for (int r = 0; r < MR; r++)
                    for (int v = 0; v < V; v++) acc[r][v] += px[n][i + r] * b[v];
                }
#pragma GCC unroll 8
                for (int r = 0; r < MR; r++)
                  for (int v = 0; v < V; v++) st(W[i + r] + j + v * ND, acc[r][v]);
              };
              int j = 0, left = i / ND + 1;
              for (; left > 4 || left == 3; left -= 3, j += 3 * ND) tile(std::integral_constant<int, 3>(), j);
              for (; left >= 2; left -= 2, j += 2 * ND) tile(std::integral_constant<int, 2>(), j);
              if (left) tile(std::integral_constant<int, 1>(), j);
            }
          }
          for (int v = 0; v < DV; v++) st(s + v * ND, sv[v]);
          for (int i = 0; i < d; i++)
            for (int j = 0; j <= i; j++) W[i][j] = W[j][i] = W[i][j] - s[i] * mk[j] - mk[i] * s[j] + P * mk[i] * mk[j];
          double *gi = gicf + k * di, *gl = gi + d, g[d][d];
          for (int i = 0; i < d; i++) {
            vd a[DV] = {};
            for (int l = 0; l <= i; l++)
              for (int v = 0; v < DV; v++) a[v] -= q[i * d + l] * ld(W[l] + v * ND);
            for (int v = 0; v < DV; v++) st(g[i] + v * ND, a[v]);
            c[i] = 0;
            for (int l = 0; l <= i; l++) c[i] += q[i * d + l] * (s[l] - P * mk[l]);
          }
          for (int j = 0; j < d; j++) {
            const double qj = q[j * d + j];
            gi[j] = g[j][j] * qj + P + gamma * gamma * qj * qj - m;
            double t = 0;
            for (int i = j; i < d; i++) t += q[i * d + j] * c[i];
            gmu[k * d + j] = t;
            for (int r = j + 1; r < d; r++) *gl++ = g[r][j] + gamma * gamma * q[r * d + j];
          }
          gal[k] = P - N * std::exp(al[k] - am) / asum;
        });
      },
      [&] { return total(gal.p, K) + total(gmu.p, K * d) + total(gicf.p, K * di); });
}

}  // namespace
