// Loops of small steps: forward and backward by hand. Part of peer_hand.cpp, which alone includes it.
#pragma once
#include "harness.h"

namespace {

// Three bodies in relative coordinates d_k = q_{k+1} - q_k (lanes 0..2, one vector per axis); the centre of mass
// moves uniformly. With f = d w, w = (|d|^2 + eps)^{-3/2}:  d'' = mu sum_k f_k - M f,  mu_k = m_{k+2}.
// q' = v, so the RK4 stages are q1 = q, q2 = q + h/2 v, q3 = q2 + h^2/4 a1, q4 = q + h v + h^2/2 a2: a1 and a2 do
// not wait for each other, nor do a3 and a4. Reverse: fbar = sum_k(mu_k bbar_k) - M bbar,
// dbar = w fbar - 3 w/r2 (fbar.d) d; each stage's d, w and -3w/r2 are kept.
typedef double v4 __attribute__((vector_size(32)));
INLINE v4 rot1(v4 v) { return __builtin_shuffle(v, (decltype(v4{} > v4{})){1, 2, 0, 3}); }
INLINE v4 rot2(v4 v) { return __builtin_shuffle(v, (decltype(v4{} > v4{})){2, 0, 1, 3}); }
INLINE v4 sum3(v4 v) { return v + (rot1(v) + rot2(v)); }
struct V3 {
  v4 x, y, z;
};
INLINE V3 operator+(V3 a, V3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
INLINE V3 operator*(double s, V3 a) { return {s * a.x, s * a.y, s * a.z}; }
struct Stage {
  V3 d;
  v4 w, w3;
};
void three_body() {
  constexpr int N = 10'000;
  constexpr double m[3] = {1.0, 0.8, 0.6}, M = 2.4, h = 1e-3;
  const v4 mu = {m[2], m[0], m[1], 0}, eps = {0.05, 0.05, 0.05, 1};
  auto s0 = sym<double>(18, 1);
  Buf<Stage> tape((size_t)N * 4);
  Buf<double> g(18);
  auto acc = [&](V3 d, Stage & s) __attribute__((always_inline)) {
    v4 r2 = d.x * d.x + (d.y * d.y + (d.z * d.z + eps));
    v4 q = (v4)_mm256_sqrt_pd((__m256d)r2), i = 1.0 / r2, w = q * (i * i);
    s.d = d;
    s.w = w;
    s.w3 = -3.0 * w * i;
    V3 f = {d.x * w, d.y * w, d.z * w};
    return V3{mu * sum3(f.x) - M * f.x, mu * sum3(f.y) - M * f.y, mu * sum3(f.z) - M * f.z};
  };
  auto back = [&](V3 b, const Stage& s) __attribute__((always_inline)) {
    V3 f = {sum3(mu * b.x) - M * b.x, sum3(mu * b.y) - M * b.y, sum3(mu * b.z) - M * b.z};
    v4 k = (f.x * s.d.x + f.y * s.d.y + f.z * s.d.z) * s.w3;
    return V3{s.w * f.x + k * s.d.x, s.w * f.y + k * s.d.y, s.w * f.z + k * s.d.z};
  };
  bench(
      "three_body_rk4_grad_1e4", "f64", "serial", 1,
      [&] {
        auto axis = [&](const double* p, int a) { return v4{p[3 + a] - p[a], p[6 + a] - p[3 + a], p[a] - p[6 + a], 0}; };
        V3 d = {axis(s0, 0), axis(s0, 1), axis(s0, 2)}, v = {axis(s0 + 9, 0), axis(s0 + 9, 1), axis(s0 + 9, 2)};
        Stage* t = tape;
        for (int n = 0; n < N; n++, t += 4) {
          V3 d2 = d + h / 2 * v;
          V3 a1 = acc(d, t[0]), a2 = acc(d2, t[1]);
          V3 a3 = acc(d2 + h * h / 4 * a1, t[2]), a4 = acc(d + h * v + h * h / 2 * a2, t[3]);
          V3 a23 = a2 + a3;
          d = d + h * v + h * h / 6 * (a1 + a23);
          v = v + h / 6 * (a1 + a4) + h / 3 * a23;
        }
        // final absolute state from d and the centre of mass; q0 = cm - (m1 d0 + m2 (d0 + d1))/M
        V3 db, vb;
        double cb[2][3];  // adjoint of the centre of mass' position and velocity
        for (int half = 0; half < 2; half++) {
          const double* s = s0 + 9 * half;
          for (int a = 0; a < 3; a++) {
            const v4 D = half ? (a == 0 ? v.x : a == 1 ? v.y : v.z) : (a == 0 ? d.x : a == 1 ? d.y : d.z);
            double cm = (m[0] * s[a] + m[1] * s[3 + a] + m[2] * s[6 + a]) / M;
            if (!half) cm += N * h * (m[0] * s0[9 + a] + m[1] * s0[12 + a] + m[2] * s0[15 + a]) / M;
            double q0 = cm - (m[1] * D[0] + m[2] * (D[0] + D[1])) / M, q1 = q0 + D[0], q2 = q1 + D[1];
            double S = 2 * (q0 + q1 + q2);
            v4 B = {2 * (q1 + q2) - S * (m[1] + m[2]) / M, 2 * q2 - S * m[2] / M, 0, 0};
            (half ? (a == 0 ? vb.x : a == 1 ? vb.y : vb.z) : (a == 0 ? db.x : a == 1 ? db.y : db.z)) = B;
            cb[half][a] = S;
          }
        }
        for (int n = 0; n < N; n++) {
          t -= 4;
          V3 l = h * h / 6 * db, mv = h / 6 * vb, b23 = l + 2.0 * mv;
          V3 c4 = back(mv, t[3]), c3 = back(b23, t[2]);
          V3 c2 = back(b23 + h * h / 2 * c4, t[1]), c1 = back(l + mv + h * h / 4 * c3, t[0]);
          vb = vb + h * (db + c4) + h / 2 * (c3 + c2);
          db = db + ((c1 + c2) + (c3 + c4));
        }
        for (int half = 0; half < 2; half++)
          for (int a = 0; a < 3; a++) {
            const v4 B = half ? (a == 0 ? vb.x : a == 1 ? vb.y : vb.z) : (a == 0 ? db.x : a == 1 ? db.y : db.z);
            double c = cb[half][a] + (half ? N * h * cb[0][a] : 0);
            for (int k = 0; k < 3; k++) g[9 * half + 3 * k + a] = B[(k + 2) % 3] - B[k] + c * m[k] / M;
          }
      },
      [&] { return total(g.p, 18); });
}

// One problem per lane, four vectors in flight, a finished lane is refilled from the queue at once. The last slope of
// an accepted step is the first of the next, the error norm costs one division, x^{-1/3} starts from the exponent.
// A lane without work sits at t = 10 with h = 0, where a step changes nothing.
INLINE vd inv_cbrt(vd x) {  // 1e-3 < x < 1e3
  typedef float fh __attribute__((vector_size(VB / 2)));
  typedef int32_t ih __attribute__((vector_size(VB / 2)));
  fh f = __builtin_convertvector(x, fh);
  fh b = __builtin_convertvector((ih)f, fh) * (-1.0f / 3) + 1.41997e9f;  // bits of x^{-1/3} to about 5 bits
  vd y = __builtin_convertvector((fh) __builtin_convertvector(b, ih), vd);
  for (int k = 0; k < 2; k++) {  // fourth order: r = 1 - x y^3, y (1-r)^{-1/3}
    vd r = 1.0 - x * y * (y * y);
    y = y + y * r * (1.0 / 3 + r * (2.0 / 9 + r * (14.0 / 81)));
  }
  return y;
}
void adaptive_ode() {
  const int n = 1024, W = 4;
  auto mu = u<double>(n, 1, 0.5, 4.5);
  Buf<double> out(2 * n);
  std::atomic<int> next{0};
  auto lanes = [&] {
    vd t[W], h[W], y0[W], y1[W], f1[W], m[W];
    int id[W][ND];
    unsigned busy[W];
    auto refill = [&](int w, int l) {
      int k = next.fetch_add(1, std::memory_order_relaxed);
      if (k >= n) {
        t[w][l] = 10;
        h[w][l] = 0;
        busy[w] &= ~(1u << l);
        return;
      }
      id[w][l] = k;
      busy[w] |= 1u << l;
      t[w][l] = 0;
      h[w][l] = 0.01;
      y0[w][l] = 2;
      y1[w][l] = 0;
      f1[w][l] = -2;
      m[w][l] = mu[k];
    };
    for (int w = 0; w < W; w++) {
      t[w] = h[w] = y0[w] = y1[w] = f1[w] = m[w] = vd{};
      busy[w] = 0;
      for (int l = 0; l < ND; l++) refill(w, l);
    }
    for (unsigned left = busy[0]; left;) {  // the first vector is filled first, so it has work if any has
      unsigned finished[W], any = 0;
#pragma GCC unroll 4
      for (int w = 0; w < W; w++) {
        const vd M = m[w], a0 = y0[w], a1 = y1[w];
        auto rhs = [&](vd u, vd v) { return M * (1.0 - u * u) * v - u; };
        vd hh = min(h[w], 10.0 - t[w]);
        vd k1 = f1[w];  // slopes of y1; those of y0 are y1 itself
        vd u2 = a0 + 0.5 * hh * a1, v2 = a1 + 0.5 * hh * k1, k2 = rhs(u2, v2);
        vd u3 = a0 + 0.75 * hh * v2, v3 = a1 + 0.75 * hh * k2, k3 = rhs(u3, v3);
        vd h9 = hh * (1.0 / 9);
        vd n0 = a0 + h9 * (2.0 * a1 + 3.0 * v2 + 4.0 * v3), n1 = a1 + h9 * (2.0 * k1 + 3.0 * k2 + 4.0 * k3);
        vd k4 = rhs(n0, n1), h72 = hh * (1.0 / 72);
        vd e0 = abs(h72 * (6.0 * v2 + 8.0 * v3 - 5.0 * a1 - 9.0 * n1)), e1 = abs(h72 * (6.0 * k2 + 8.0 * k3 - 5.0 * k1 - 9.0 * k4));
        vd s0 = 1e-6 + 1e-6 * abs(n0), s1 = 1e-6 + 1e-6 * abs(n1);
        vd e = max(e0 * s1, e1 * s0) / (s0 * s1);
        vl ok = e <= 1.0;
        vd fac = min(max(0.9 * inv_cbrt(min(max(e, all(0.005)), all(100.0))), all(0.2)), all(5.0));
        vd tn = ok ? t[w] + hh : t[w];
        t[w] = tn;
        h[w] = hh * fac;
        y0[w] = ok ? n0 : a0;
        y1[w] = ok ? n1 : a1;
        f1[w] = ok ? k4 : k1;
        finished[w] = mask_bits(tn >= 10.0) & busy[w];
        any |= finished[w];
      }
      if (!any) [[likely]]
        continue;
      left = 0;
      for (int w = 0; w < W; w++) {
        for (unsigned f = finished[w]; f; f &= f - 1) {
          int l = __builtin_ctz(f);
          out[2 * id[w][l]] = y0[w][l];
          out[2 * id[w][l] + 1] = y1[w][l];
          refill(w, l);
        }
        left |= busy[w];
      }
    }
  };
  bench(
      "adaptive_ode_vmap1024", "f64", "", 1,
      [&] {
        next = 0;
        pool.run(pool.threads, [&](int) { lanes(); });
      },
      [&] { return total(out.p, out.n); });
}

// out = init +- A B in rows of 8 doubles (W of them used), A(i,k) = A[i * ai + k * ak]. Everything unrolls.
typedef double Mat[8];
template <int M, int K, int sign = 1, int W = 8> INLINE void mm(Mat* out, const Mat* init, const double* A, int ai, int ak, const Mat* B) {
  constexpr int C = W < ND ? 1 : W / ND;
  vd r[M][C];
#pragma GCC unroll 8
  for (int i = 0; i < M; i++)
#pragma GCC unroll 2
    for (int c = 0; c < C; c++) r[i][c] = init ? ld(init[i] + c * ND) : vd{};
#pragma GCC unroll 8
  for (int k = 0; k < K; k++)
#pragma GCC unroll 8
    for (int i = 0; i < M; i++) {
      const vd a = all(A[i * ai + k * ak]);
#pragma GCC unroll 2
      for (int c = 0; c < C; c++) r[i][c] = sign > 0 ? r[i][c] + a * ld(B[k] + c * ND) : r[i][c] - a * ld(B[k] + c * ND);
    }
#pragma GCC unroll 8
  for (int i = 0; i < M; i++)
#pragma GCC unroll 2
    for (int c = 0; c < C; c++) st(out[i] + c * ND, r[i][c]);
}

// Predicted form, with P = P^-_t, D = C P, S = D C^T + r I, B = A P C^T S^{-1}, F = A - B C:
//   P^-_{t+1} = A P A^T + q I - B (C P A^T),  x^-_{t+1} = A x^- + B e,  M_{t+1} = A P_t = A P - B D
// Adjoint (z of x^-, N = Pbar^- + z z^T / 2, which makes the two recursions independent), u = S^{-1} e:
//   z_t = F^T z - C^T u,  N_t = F^T N F + C^T S^{-1} C / 2
//   q: tr N - z.z/2   r: tr B^T N' B + tr S^{-1}/2 - |B^T z' + u|^2/2   A: 2 N M + z (x_{t-1} - M^T z)^T
void kalman() {
  constexpr int n = 6, m = 3, T = 1000;
  struct alignas(64) Step {
    Mat BT[3], M[6], Si[3], u[1], x[1];
  };  // BT = B^T, M and x: of the step before
  auto a0 = sym<double>(36, 1, .03), c0 = sym<double>(18, 2), y0 = sym<double>(T * m, 3);
  const double q = 0.1, r = 0.2;
  Buf<Step> tape(T + 1);
  Buf<double> gA(36), ybuf(8 * T);
  Mat* const y = (Mat*)ybuf.p;
  for (int t = 0; t < T; t++)
    for (int i = 0; i < m; i++) y[t][i] = y0[3 * t + i];
  double gq = 0, gr = 0;
  bench(
      "kalman_grad_t1000", "f64", "serial", 1,
      [&] {
        alignas(64) Mat A[6] = {}, AT[6] = {}, C[3] = {}, CT[6] = {}, HC[6] = {}, qI[6] = {}, rI[3] = {};
        for (int i = 0; i < n; i++)
          for (int j = 0; j < n; j++) A[i][j] = AT[j][i] = 0.9 * (i == j) + a0[6 * i + j];
        for (int i = 0; i < m; i++)
          for (int j = 0; j < n; j++) {
            C[i][j] = CT[j][i] = c0[6 * i + j];
            HC[j][i] = 0.5 * C[i][j];
          }
        for (int i = 0; i < n; i++) qI[i][i] = q;
        for (int i = 0; i < m; i++) rI[i][i] = r;
        alignas(64) Mat P[6], AP[6], D[3], TT[3], W[6], S[3], e[1], x[1] = {};
        mm<6, 6>(P, qI, A[0], 8, 1, AT);  // P_0 = I
        std::memcpy(tape[0].M, A, sizeof A);
        for (auto& v : tape[0].x[0]) v = 0;
        for (int t = 0; t < T; t++) {
          Step& s = tape[t];
          Step& nx = tape[t + 1];
          mm<3, 6>(D, nullptr, C[0], 8, 1, P);
          mm<3, 6, 1, 4>(S, rI, D[0], 8, 1, CT);
          const double a = S[0][0], b = S[1][0], c = S[2][0], d = S[1][1], f = S[2][1], g = S[2][2];
          const double k00 = d * g - f * f, k01 = c * f - b * g, k02 = b * f - c * d, id = 1 / (a * k00 + b * k01 + c * k02);
          Mat* I = s.Si;
          I[0][0] = k00 * id;
          I[0][1] = I[1][0] = k01 * id;
          I[0][2] = I[2][0] = k02 * id;
          I[1][1] = (a * g - c * c) * id;
          I[1][2] = I[2][1] = (b * c - a * f) * id;
          I[2][2] = (a * d - b * b) * id;
          mm<6, 6>(AP, nullptr, A[0], 8, 1, P);  // these overlap the latency of S^{-1}
          mm<3, 6>(TT, nullptr, D[0], 8, 1, AT);
          mm<6, 6>(W, qI, AP[0], 8, 1, AT);
          mm<3, 3>(s.BT, nullptr, I[0], 8, 1, TT);
          mm<6, 3, -1>(P, W, s.BT[0], 1, 8, TT);
          mm<6, 3, -1>(nx.M, AP, s.BT[0], 1, 8, D);
          mm<1, 6, -1, 4>(e, y + t, x[0], 8, 1, CT);
          mm<1, 3, 1, 4>(s.u, nullptr, e[0], 8, 1, I);
          mm<1, 3>(nx.x, x, s.u[0], 8, 1, D);
          mm<1, 6>(x, nullptr, nx.x[0], 8, 1, AT);
        }
        alignas(64) Mat N[6] = {}, NF[6], NB[3], F[6], SC[3], gM[6] = {}, z[1] = {}, w[1];
        double sq = 0, sr = 0;
        vd rb{};
        for (int t = T - 1; t >= 0; t--) {
          const Step& s = tape[t];
          mm<6, 3, -1>(F, A, s.BT[0], 1, 8, C);
          mm<6, 6>(NF, nullptr, N[0], 8, 1, F);
          mm<3, 6>(NB, nullptr, s.BT[0], 8, 1, N);
#pragma GCC unroll 3
          for (int k = 0; k < 3; k++) {
            vd v{};
            for (int i = 0; i < 8; i += ND) {
              rb += ld(NB[k] + i) * ld(s.BT[k] + i);
              v += ld(s.BT[k] + i) * ld(z[0] + i);
            }
            const double b = s.u[0][k] + hsum(v);
            sr += 0.5 * (s.Si[k][k] - b * b);
          }
          mm<3, 3>(SC, nullptr, s.Si[0], 8, 1, C);
          mm<6, 3>(N, nullptr, HC[0], 8, 1, SC);
          mm<6, 6>(N, N, F[0], 1, 8, NF);
          mm<1, 6>(z, nullptr, z[0], 8, 1, F);
          mm<1, 3, -1>(z, z, s.u[0], 8, 1, C);
          mm<6, 6>(gM, gM, N[0], 8, 1, s.M);
          for (int i = 0; i < 6; i++) sq += N[i][i] - 0.5 * z[0][i] * z[0][i];
          mm<1, 6, -1>(w, s.x, z[0], 8, 1, s.M);
          for (int i = 0; i < 8; i += ND) st(w[0] + i, 0.5 * ld(w[0] + i));
          mm<6, 1>(gM, gM, z[0], 1, 8, w);
        }
        for (int i = 0; i < 6; i++)
          for (int j = 0; j < 6; j++) gA[6 * i + j] = 2 * gM[i][j];
        gq = sq;
        gr = sr + hsum(rb);
      },
      [&] { return total(gA.p, 36) + std::fabs(gq) + std::fabs(gr); });
}

// Forward keeps i, f, g, o, s, tanh s, h of every step. Reverse, per step, with dh and ds carried:
// do = dh ts o(1-o), ds += dh o (1-ts^2), di = ds g i(1-i), df = ds s' f(1-f), dg = ds i (1-g^2), ds' = ds f,
// dh' = dgates Wh^T; the weight gradients are two matrix products over time at the end.
void lstm() {
  constexpr int T = 200, H = 16, G = 64, HV = H / NF, GV = G / NF;
  auto wx = sym<float>(H * G, 1, .3), wh = sym<float>(H * G, 2, 0.25), b = sym<float>(G, 3, .1), xs = sym<float>(T * H, 4);
  Buf<float> act(T * G), s((T + 1) * H), ts(T * H), h((T + 1) * H), dgate(T * G), pre(T * G), wt(G * H);
  Buf<float> gx(H * G), gh(H * G), gb(G);
  auto outer = [&](const float* L, float* out) {  // out (16 x 64) = L^T (T x 16) dgate (T x 64)
    constexpr int NV = VB == 64 ? 4 : 2, R = 4;
    for (int i = 0; i < H; i += R)
      for (int j = 0; j < G; j += NV * NF) {
        vf acc[R][NV] = {};
        for (int t = 0; t < T; t++)
#pragma GCC unroll 4
          for (int r = 0; r < R; r++)
#pragma GCC unroll 4
            for (int v = 0; v < NV; v++) acc[r][v] += L[t * H + i + r] * ld(dgate + t * G + j + v * NF);
        for (int r = 0; r < R; r++)
          for (int v = 0; v < NV; v++) st(out + (i + r) * G + j + v * NF, acc[r][v]);
      }
  };
  bench(
      "lstm_grad_t200_h16", "f32", "serial", 1,
      [&] {
        for (int t = 0; t < T; t++) {
          vf a[GV];
#pragma GCC unroll 8
          for (int v = 0; v < GV; v++) a[v] = ld(b + v * NF);
#pragma GCC unroll 16
          for (int k = 0; k < H; k++)
#pragma GCC unroll 8
            for (int v = 0; v < GV; v++) a[v] += xs[t * H + k] * ld(wx + k * G + v * NF);
#pragma GCC unroll 8
          for (int v = 0; v < GV; v++) st(pre + t * G + v * NF, a[v]);
        }
        for (int t = 0; t < T; t++) {
          vf a[GV];
          const float* hp = h + t * H;
#pragma GCC unroll 8
          for (int v = 0; v < GV; v++) a[v] = ld(pre + t * G + v * NF);
#pragma GCC unroll 16
          for (int k = 0; k < H; k++)
#pragma GCC unroll 8
            for (int v = 0; v < GV; v++) a[v] += hp[k] * ld(wh + k * G + v * NF);
#pragma GCC unroll 8
          for (int v = 0; v < GV; v++) {  // sigmoid(x) = (1 + tanh(x/2))/2
            const bool cell = v >= 2 * HV && v < 3 * HV;
            vf y = tanh(cell ? a[v] : 0.5f * a[v]);
            a[v] = cell ? y : 0.5f + 0.5f * y;
            st(act + t * G + v * NF, a[v]);
          }
#pragma GCC unroll 2
          for (int v = 0; v < HV; v++) {
            vf sn = a[HV + v] * ld(s + t * H + v * NF) + a[v] * a[2 * HV + v], y = tanh(sn);
            st(s + (t + 1) * H + v * NF, sn);
            st(ts + t * H + v * NF, y);
            st(h + (t + 1) * H + v * NF, a[3 * HV + v] * y);
          }
        }
        for (int k = 0; k < H; k++)
          for (int j = 0; j < G; j++) wt[j * H + k] = wh[k * G + j];
        vf ds[HV] = {}, dh[HV] = {}, db[GV] = {};
        for (int t = T - 1; t >= 0; t--) {
          float* d = dgate + t * G;
#pragma GCC unroll 2
          for (int v = 0; v < HV; v++) {
            const float* p = act + t * G + v * NF;
            vf i = ld(p), f = ld(p + H), g = ld(p + 2 * H), o = ld(p + 3 * H), y = ld(ts + t * H + v * NF);
            vf e = dh[v] + (2.0f / (T * H)) * ld(h + (t + 1) * H + v * NF);
            vf q = ds[v] + e * (o * (1.0f - y * y));
            vf di = q * (g * i * (1.0f - i)), df = q * (ld(s + t * H + v * NF) * f * (1.0f - f));
            vf dg = q * (i * (1.0f - g * g)), dq = e * (y * o * (1.0f - o));
            st(d + v * NF, di);
            st(d + H + v * NF, df);
            st(d + 2 * H + v * NF, dg);
            st(d + 3 * H + v * NF, dq);
            db[v] += di;
            db[HV + v] += df;
            db[2 * HV + v] += dg;
            db[3 * HV + v] += dq;
            ds[v] = q * f;
          }
          vf acc[4][HV] = {};
#pragma GCC unroll 64
          for (int k = 0; k < G; k++)
#pragma GCC unroll 2
            for (int v = 0; v < HV; v++) acc[k % 4][v] += d[k] * ld(wt + k * H + v * NF);
          for (int v = 0; v < HV; v++) dh[v] = (acc[0][v] + acc[1][v]) + (acc[2][v] + acc[3][v]);
        }
        for (int v = 0; v < GV; v++) st(gb + v * NF, db[v]);
        outer(xs, gx);
        outer(h, gh);  // h of the step before
      },
      [&] { return total(gx.p, H * G) + total(gh.p, H * G) + total(gb.p, G); });
}

// grad U = X^T (sigmoid(X w) - y) + w; the gradient at the end of a step serves the beginning of the next.
// X is stored in blocks of 8 vectors of rows, feature by feature. Threads take half the blocks each and exchange partial
// sums, then make the same step; the block order alternates so that what is still in L1 is used first.
void hmc() {
  constexpr int n = 500, K = 20, V = 8, R = V * ND, NB = (n + R - 1) / R, steps = 1000, MaxT = 8;
  const double h = 0.01;
  auto X = sym<double>(n * K, 1), p0 = sym<double>(K, 3);
  Buf<double> xb(NB * K * R), yb(NB * R), out(2 * K);
  for (int i = 0; i < n; i++) {
    yb[i] = u1(i, 2) > .5;
    for (int k = 0; k < K; k++) xb[(i / R * K + k) * R + i % R] = X[i * K + k];
  }
  struct alignas(128) Slot {
    double g[24];
    std::atomic<int> seq;
  };
  static Slot slots[MaxT][2];
  const int threads = std::min({pool.threads, MaxT, 2});
  int base = 0;
  auto run = [&](int id) {
    const int lo = NB * id / threads, hi = NB * (id + 1) / threads;
    alignas(64) double w[24] = {}, p[24] = {}, g[24];
    for (int k = 0; k < K; k++) p[k] = p0[k];
    for (int it = 0; it <= steps; it++) {
      vd acc[K] = {};
      for (int c = lo; c < hi; c++) {
        const int blk = it & 1 ? hi - 1 - (c - lo) : c;
        const double* x = xb + blk * K * R;
        vd r[V] = {};
        for (int k = 0; k < K; k++)
#pragma GCC unroll 8
          for (int v = 0; v < V; v++) r[v] += w[k] * ld(x + k * R + v * ND);
#pragma GCC unroll 8
        for (int v = 0; v < V; v++) r[v] = sigmoid(r[v]) - ld(yb + blk * R + v * ND);
        for (int k = 0; k < K; k++) {
          vd a = acc[k], b{};
#pragma GCC unroll 4
          for (int v = 0; v < V; v += 2) {
            a += r[v] * ld(x + k * R + v * ND);
            b += r[v + 1] * ld(x + k * R + (v + 1) * ND);
          }
          acc[k] = a + b;
        }
      }
      for (int k = 0; k < K; k++) g[k] = hsum(acc[k]);
      if (threads > 1) {
        Slot& mine = slots[id][it & 1];
        Slot& other = slots[1 - id][it & 1];
        std::memcpy(mine.g, g, sizeof(double) * K);
        mine.seq.store(base + it + 1, std::memory_order_release);
        while (other.seq.load(std::memory_order_acquire) != base + it + 1) _mm_pause();
        for (int k = 0; k < K; k++) g[k] += other.g[k];  // two terms: the same sum on both sides
      }
      const double hp = it == 0 || it == steps ? h / 2 : h;
      for (int k = 0; k < K; k++) {
        p[k] -= hp * (g[k] + w[k]);
        if (it < steps) w[k] += h * p[k];
      }
    }
    if (id == 0)
      for (int k = 0; k < K; k++) {
        out[k] = w[k];
        out[K + k] = p[k];
      }
  };
  bench(
      "hmc_logistic_1000_leapfrog", "f64", "", 1,
      [&] {
        base += steps + 2;
        pool.run(threads, run);
      },
      [&] { return total(out.p, out.n); });
}

}  // namespace
