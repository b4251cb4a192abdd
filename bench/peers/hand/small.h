// Batches of small problems, one per lane. Part of peer_hand.cpp, which alone includes it.
#pragma once
#include "harness.h"

namespace {

// Per element A^{-1} - x x^T and 2x, x = A^{-1} b (f = b^T A^{-1} b + log det A). One SIMD lane per matrix.
// 3x3: adjugate over determinant.
void chol3_group(const double* A, const double* b, double* gA, double* gb) {
  vd m[9], r[3], x[3], o[9];
  load_records<9>(A, m);
  load_records<3>(b, r);
  vd c00 = m[4] * m[8] - m[7] * m[7], c01 = m[6] * m[7] - m[3] * m[8], c02 = m[3] * m[7] - m[6] * m[4];
  vd id = 1.0 / (m[0] * c00 + m[3] * c01 + m[6] * c02);
  vd i00 = c00 * id, i01 = c01 * id, i02 = c02 * id;
  vd i11 = (m[0] * m[8] - m[6] * m[6]) * id, i12 = (m[3] * m[6] - m[0] * m[7]) * id, i22 = (m[0] * m[4] - m[3] * m[3]) * id;
  x[0] = i00 * r[0] + i01 * r[1] + i02 * r[2];
  x[1] = i01 * r[0] + i11 * r[1] + i12 * r[2];
  x[2] = i02 * r[0] + i12 * r[1] + i22 * r[2];
  o[0] = i00 - x[0] * x[0];
  o[1] = o[3] = i01 - x[0] * x[1];
  o[2] = o[6] = i02 - x[0] * x[2];
  o[4] = i11 - x[1] * x[1];
  o[5] = o[7] = i12 - x[1] * x[2];
  o[8] = i22 - x[2] * x[2];
  for (auto& v : x) v = v + v;
  store_records<9>(gA, o);
  store_records<3>(gb, x);
}
// 6x6: six symmetric sweeps turn A into -A^{-1} in place (21 entries), carrying b along as a seventh column.
void chol6_group(const double* A, const double* b, double* gA, double* gb) {
  vd a[6][6], x[6], t[4];  // lower triangle of a
  load_block<36>(A, t);
  a[0][0] = t[0];
  a[1][0] = t[1];
  a[2][0] = t[2];
  a[3][0] = t[3];  // row 0 = column 0
  load_block<36>(A + 4, t);
  a[4][0] = t[0];
  a[5][0] = t[1];
  a[1][1] = t[3];
  load_block<36>(A + 8, t);
  a[2][1] = t[0];
  a[3][1] = t[1];
  a[4][1] = t[2];
  a[5][1] = t[3];
  load_block<36>(A + 14, t);
  a[2][2] = t[0];
  a[3][2] = t[1];
  a[4][2] = t[2];
  a[5][2] = t[3];
  load_block<36>(A + 20, t);
  a[3][3] = t[1];
  a[4][3] = t[2];
  a[5][3] = t[3];
  load_block<36>(A + 28, t);
  a[4][4] = t[0];
  a[5][4] = t[1];
  load_block<36>(A + 32, t);
  a[5][5] = t[3];
  load_records<6>(b, x);
  auto L = [&](int i, int j) -> vd& { return i >= j ? a[i][j] : a[j][i]; };
#pragma GCC unroll 6
  for (int k = 0; k < 6; k++) {
    vd d = 1.0 / a[k][k], s[6];
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++)
      if (i != k) s[i] = L(i, k) * d;
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++)
#pragma GCC unroll 6
      for (int j = 0; j <= i; j++)
        if (i != k && j != k) a[i][j] -= s[i] * L(j, k);
    vd xk = x[k];
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++)
      if (i != k) {
        x[i] -= s[i] * xk;
        L(i, k) = s[i];
      }
    x[k] = xk * d;
    a[k][k] = -d;
  }
  vd o[36];
#pragma GCC unroll 6
  for (int i = 0; i < 6; i++)
#pragma GCC unroll 6
    for (int j = 0; j <= i; j++) o[6 * i + j] = o[6 * j + i] = -a[i][j] - x[i] * x[j];
  for (auto& v : x) v = v + v;
  store_records<36>(gA, o);
  store_records<6>(gb, x);
}
// Groups of records are written to a small buffer first, then streamed as whole cache lines.
INLINE void stream_out(double* dst, const double* src, size_t n) {
  for (size_t i = 0; i < n; i += ND) stream(dst + i, ld(src + i));
}

template <int n> void chol(const char* name) {
  const size_t B = 100'000, G = 32;  // G elements make whole cache lines
  auto M = sym<double>(B * n * n, 1), b = sym<double>(B * n, 2);
  Buf<double> A(B * n * n), gA(B * n * n), gb(B * n);
  for (size_t e = 0; e < B; e++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        double s = 0;
        for (int k = 0; k < n; k++) s += M[e * n * n + i * n + k] * M[e * n * n + j * n + k];
        A[e * n * n + i * n + j] = s + (i == j);
      }
  bench(
      name, "f64", "", 1,
      [&] {
        parallel(B, 64 * G, [&](size_t lo, size_t hi, int) {
          alignas(64) double oA[G * n * n], ob[G * n];
          for (size_t e = lo; e < hi; e += G) {
            for (size_t k = 0; k < G; k += ND)
              if constexpr (n == 3) chol3_group(A + (e + k) * 9, b + (e + k) * 3, oA + k * 9, ob + k * 3);
              else chol6_group(A + (e + k) * 36, b + (e + k) * 6, oA + k * 36, ob + k * 6);
            stream_out(gA + e * n * n, oA, G * n * n);
            stream_out(gb + e * n, ob, G * n);
          }
        });
      },
      [&] { return total(gA.p, gA.n) + total(gb.p, gb.n); });
}

// DH frames X, Y, Z, P by columns; the derivative of the pose along joint j is z_j x (X, Y, Z, P - p_j), with
// z_j, p_j the joint's own axis and origin. All link twists are 0 or +-90 degrees, so a link costs two rotations.
constexpr double arm_d[7] = {.333, 0, .316, 0, .384, 0, .107}, arm_a[7] = {0, 0, .0825, -.0825, 0, .088, 0};
constexpr int arm_sa[7] = {-1, 1, 1, -1, 1, 1, 0};
template <class T> struct Frame { T X[3], Y[3], Z[3], P[3]; };
template <class T> INLINE void arm_link(Frame<T>& f, int i, T c, T s) {
  for (int r = 0; r < 3; r++) {
    T x = f.X[r], y = f.Y[r], z = f.Z[r];
    f.X[r] = c * x + s * y;
    f.P[r] = f.P[r] + arm_a[i] * f.X[r] + arm_d[i] * z;
    if (arm_sa[i] == 0) f.Y[r] = c * y - s * x;
    else if (arm_sa[i] > 0) {
      f.Y[r] = z;
      f.Z[r] = s * x - c * y;
    } else {
      f.Y[r] = -z;
      f.Z[r] = c * y - s * x;
    }
  }
}
template <class T> INLINE Frame<T> arm_first(T c, T s) {  // link 0 from the identity
  T o = c - c;
  return {{c, s, o}, {o, o, o - 1.0}, {o - s, c, o}, {o, o, o + arm_d[0]}};
}
void arm1() {
  auto q = sym<double>(8, 1, 1.5);
  Buf<double> out(12 * 7 + 1);
  q[7] = 0;
  bench(
      "arm_jacobian_x1", "f64", "mean of 100 calls", 100,
      [&] {
        asm volatile("" ::: "memory");
        alignas(64) double c[8], s[8], zx[8], zy[8], zz[8], px[8], py[8], pz[8];
        for (int i = 0; i < 8; i += ND) {
          vd a, b;
          sincos(ld(q + i), a, b);
          st(s + i, a);
          st(c + i, b);
        }
        Frame<double> f = arm_first(c[0], s[0]);
        zx[0] = zy[0] = px[0] = py[0] = pz[0] = 0;
        zz[0] = 1;
#pragma GCC unroll 7
        for (int i = 1; i < 7; i++) {
          zx[i] = f.Z[0];
          zy[i] = f.Z[1];
          zz[i] = f.Z[2];
          px[i] = f.P[0];
          py[i] = f.P[1];
          pz[i] = f.P[2];
          arm_link(f, i, c[i], s[i]);
        }
        zx[7] = zy[7] = zz[7] = px[7] = py[7] = pz[7] = 0;
        const double *z[3] = {zx, zy, zz}, *p[3] = {px, py, pz}, *col[3] = {f.X, f.Y, f.Z};
    // Joints are the lanes. A row of 7 spills one lane into the next row, which overwrites it.
#pragma GCC unroll 3
        for (int r = 0; r < 3; r++) {
          const int u = (r + 1) % 3, w = (r + 2) % 3;
#pragma GCC unroll 4
          for (int k = 0; k < 4; k++)
            for (int i = 0; i < 8; i += ND) {
              vd a = k < 3 ? all(col[k][w]) : f.P[w] - ld(p[w] + i), b = k < 3 ? all(col[k][u]) : f.P[u] - ld(p[u] + i);
              st(out + 7 * (4 * r + k) + i, ld(z[u] + i) * a - ld(z[w] + i) * b);
            }
        }
      },
      [&] { return total(out.p, 84); });
}
void arm4096() {
  const size_t B = 4096;
  auto q = sym<double>(B * 7, 1, 1.5);
  Buf<double> out(B * 84);
  bench(
      "arm_jacobian_x4096", "f64", "", 1,
      [&] {
        parallel(B, 256, [&](size_t lo, size_t hi, int) {
          for (size_t e = lo; e < hi; e += ND) {
            vd a[7], z[7][3], p[7][3], o[84], c, s;
            load_records<7>(q + e * 7, a);
            sincos(a[0], s, c);
            Frame<vd> f = arm_first(c, s);
#pragma GCC unroll 7
            for (int i = 1; i < 7; i++) {
              for (int r = 0; r < 3; r++) {
                z[i][r] = f.Z[r];
                p[i][r] = f.P[r];
              }
              sincos(a[i], s, c);
              arm_link(f, i, c, s);
            }
            const vd* col[3] = {f.X, f.Y, f.Z};
            for (int k = 0; k < 3; k++) {
              o[7 * k] = -col[k][1];
              o[28 + 7 * k] = col[k][0];
              o[56 + 7 * k] = vd{};
            }
            o[21] = -f.P[1];
            o[49] = f.P[0];
            o[77] = vd{};
#pragma GCC unroll 7
            for (int j = 1; j < 7; j++) {
              auto cross = [&](int k, const vd v[3]) {
                o[7 * k + j] = z[j][1] * v[2] - z[j][2] * v[1];
                o[7 * (4 + k) + j] = z[j][2] * v[0] - z[j][0] * v[2];
                o[7 * (8 + k) + j] = z[j][0] * v[1] - z[j][1] * v[0];
              };
              vd d[3] = {f.P[0] - p[j][0], f.P[1] - p[j][1], f.P[2] - p[j][2]};
              cross(0, f.X);
              cross(1, f.Y);
              cross(2, f.Z);
              cross(3, d);
            }
            store_records<84>(out + e * 84, o);
          }
        });
      },
      [&] { return total(out.p, out.n); });
}

// Radial return. With b = 2G dg/|s|, sigma = (1-b) s + K tr I, and
// dsigma_i/de_j = (1-b) 2G D_ij + K I_i I_j - c s_i w_j s_j,  c = 2G (2G/h - b)/|s|^2 when plastic, else 0,
// D the deviator, w = (1,1,1,2,2,2), h = 2G + 2H/3.
void j2() {
  const double E = 200e3, nu = 0.3, sy = 250, H = 1000, G2 = E / (1 + nu), Kb = E / (3 * (1 - 2 * nu)), h = G2 + 2.0 / 3 * H;
  const size_t n = 100'000, B = 32;
  auto e = sym<double>(n * 6, 1, 4e-3), ep = sym<double>(n * 6, 2, 1e-4), al = u<double>(n, 3, 0, 1e-2);
  Buf<double> sig(n * 6), jac(n * 36);
  bench(
      "j2_tangent_1e5", "f64", "", 1,
      [&] {
        parallel(n, 64 * B, [&](size_t lo, size_t hi, int) {
          alignas(64) double os[B * 6], oj[B * 36];
          for (size_t i = lo; i < hi; i += B) {
            for (size_t k = 0; k < B; k += ND) {
              vd ee[6], p[6], s[6], o[36];
              load_records<6>(e + (i + k) * 6, ee);
              load_records<6>(ep + (i + k) * 6, p);
              for (int c = 0; c < 6; c++) ee[c] -= p[c];
              vd tr = ee[0] + ee[1] + ee[2], q = all(1e-30);
              for (int c = 0; c < 3; c++) {
                s[c] = G2 * (ee[c] - tr * (1.0 / 3));
                q += s[c] * s[c];
              }
              for (int c = 3; c < 6; c++) {
                s[c] = G2 * ee[c];
                q += 2.0 * s[c] * s[c];
              }
              vd in = 1.0 / sqrt(q);
              vd ftr = q * in - std::sqrt(2.0 / 3) * (sy + H * ld(al + i + k));
              vd b = max(ftr, vd{}) * (G2 / h) * in;
              vd c = ftr > 0 ? (G2 / h - b) * G2 * in * in : vd{};
              vd one = 1.0 - b, kt = Kb * tr, diag = one * G2, off = Kb - diag * (1.0 / 3), cs[6];
              for (int r = 0; r < 6; r++) cs[r] = c * s[r];
#pragma GCC unroll 6
              for (int r = 0; r < 6; r++)
#pragma GCC unroll 6
                for (int j = 0; j < 6; j++) {
                  vd base = r < 3 && j < 3 ? (r == j ? off + diag : off) : r == j ? diag : vd{};
                  o[6 * r + j] = base - (j < 3 ? cs[r] * s[j] : (cs[r] + cs[r]) * s[j]);
                }
              for (int r = 0; r < 6; r++) s[r] = one * s[r] + (r < 3 ? kt : vd{});
              store_records<6>(os + k * 6, s);
              store_records<36>(oj + k * 36, o);
            }
            stream_out(sig + i * 6, os, B * 6);
            stream_out(jac + i * 36, oj, B * 36);
          }
        });
      },
      [&] { return total(sig.p, sig.n) + total(jac.p, jac.n); });
}

// z = A t, t = tanh x, p = softmax z, d = 1 - t^2:
// H = diag(d) (A^T diag(p) A - s s^T) diag(d) + diag(1 - 2 t d s),  s = A^T p.  A symmetric rank-64 product per point.
void hessian64() {
  constexpr int n = 64, B = 256, MR = ND;  // tiles of MR rows and up to three vectors of columns, from the diagonal to the right
  auto A = sym<double>(n * n, 1, .3), x = sym<double>(B * n, 2);
  Buf<double> out((size_t)B * n * n), AT(n * n);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) AT[j * n + i] = A[i * n + j];
  bench(
      "hessian64_x256", "f64", "", 1,
      [&] {
        parallel(B, 4, [&](size_t lo, size_t hi, int) {
          alignas(64) double t[n], d[n], p[n], s[n], L[n * n];  // L: p_k d_i A_ki in panels of MR rows i
          for (size_t e = lo; e < hi; e++) {
            for (int i = 0; i < n; i += ND) {
              vd v = tanh(ld(x + e * n + i));
              st(t + i, v);
              st(d + i, 1.0 - v * v);
            }
            vd z[n / ND] = {}, m, sum{};
            for (int b = 0; b < n / ND; b += 8)  // eight accumulators at a time
              for (int k = 0; k < n; k++)
#pragma GCC unroll 8
                for (int i = b; i < b + 8; i++) z[i] += t[k] * ld(AT + k * n + i * ND);
            m = z[0];
            for (auto& v : z) m = max(m, v);
            const vd mx = all(hmax(m));
            for (auto& v : z) {
              v = exp(v - mx);
              sum += v;
            }
            const double inv = 1 / hsum(sum);
            for (int i = 0; i < n / ND; i++) st(p + i * ND, z[i] * inv);
            for (int i = 0; i < n; i += 4 * ND) {
              vd q[4] = {}, di[4];
#pragma GCC unroll 4
              for (int v = 0; v < 4; v++) di[v] = ld(d + i + v * ND);
              for (int k = 0; k < n; k++)
#pragma GCC unroll 4
                for (int v = 0; v < 4; v++) {
                  vd a = p[k] * ld(A + k * n + i + v * ND);
                  q[v] += a;
                  st(L + (i + v * ND) * n + k * MR, a * di[v]);
                }
#pragma GCC unroll 4
              for (int v = 0; v < 4; v++) st(s + i + v * ND, q[v] * di[v]);  // d s
            }
            double* o = out + e * n * n;
            for (int i = 0; i < n; i += MR) {
              auto tile = [&](auto width, int j) __attribute__((always_inline)) {
                constexpr int NV = decltype(width)::value;
                vd acc[MR][NV] = {};
                const double* l = L + i * n;
#pragma GCC unroll 2
                for (int k = 0; k < n; k++) {
                  vd b[NV];
#pragma GCC unroll 3
                  for (int v = 0; v < NV; v++) b[v] = ld(A + k * n + j + v * ND);
#pragma GCC unroll 8
                  for (int r = 0; r < MR; r++)
#pragma GCC unroll 3
                    for (int v = 0; v < NV; v++) acc[r][v] += l[k * MR + r] * b[v];
                }
#pragma GCC unroll 3
                for (int v = 0; v < NV; v++) {
                  const int c0 = j + v * ND;
                  const vd dj = ld(d + c0), sj = ld(s + c0);
#pragma GCC unroll 8
                  for (int r = 0; r < MR; r++) {
                    acc[r][v] = acc[r][v] * dj - s[i + r] * sj;
                    st(o + (i + r) * n + c0, acc[r][v]);
                  }
                  if (c0 == i) continue;  // a diagonal tile is symmetric already
#pragma GCC unroll 2
                  for (int h = 0; h < ND / 4; h++)
#pragma GCC unroll 2
                    for (int r = 0; r < MR; r += 4) {
                      __m256d q[4];
                      rows4(part(acc[r][v], h), part(acc[r + 1][v], h), part(acc[r + 2][v], h), part(acc[r + 3][v], h), q);
#pragma GCC unroll 4
                      for (int c = 0; c < 4; c++) _mm256_storeu_pd(o + (c0 + 4 * h + c) * n + i + r, q[c]);
                    }
                }
              };
              int j = i, left = (n - i) / ND;
              for (; left > 4 || left == 3; left -= 3, j += 3 * ND) tile(std::integral_constant<int, 3>(), j);
              for (; left >= 2; left -= 2, j += 2 * ND) tile(std::integral_constant<int, 2>(), j);
              if (left) tile(std::integral_constant<int, 1>(), j);
            }
            for (int i = 0; i < n; i++) o[i * n + i] += 1 - 2 * t[i] * s[i];
          }
        });
      },
      [&] { return total(out.p, out.n); });
}

}  // namespace
