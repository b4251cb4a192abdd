// Inputs, primal functions and timing shared by the C++ peers: the C++ side of common.py and peer_jax.py.
// The primals are templates over the scalar, so that a tape type or a plain double goes through the same text.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace wl {
using std::cos;
using std::exp;
using std::log;
using std::sin;
using std::sqrt;
using std::tanh;
typedef std::vector<double> Vec;

// ---- inputs (products are kept apart by volatile so that no fused multiply-add changes the last bit)
inline double u(long i, int seed) {
  volatile double a = double(i + 1) * 0.6180339887498949, b = seed * 0.7548776662466927;
  volatile double x = a + b;
  return x - std::floor(x);
}
inline Vec uniform(long n, int seed) {
  Vec v(n);
  for (long i = 0; i < n; i++) v[i] = u(i, seed);
  return v;
}
inline Vec sym(long n, int seed, double scale = 1.0) {
  Vec v(n);
  for (long i = 0; i < n; i++) {
    volatile double t = 2 * u(i, seed);
    t = t - 1;
    t = t * scale;
    v[i] = t;
  }
  return v;
}
inline double total(const Vec& v) {
  double s = 0;
  for (double x : v) s += std::fabs(x);
  return s;
}

// ---- timing: one call a sample as in common.py; calls under 20 us are timed in batches of about 50 us
struct Times {
  double first, min, median;
};
inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
inline double budget_s() {
  const char* e = std::getenv("PEER_BUDGET_S");
  return e ? std::atof(e) : 1.0;
}
inline bool want(const char* name) {
  const char* e = std::getenv("PEER_ONLY");
  if (!e || !*e) return true;
  return (std::string(",") + e + ",").find(std::string(",") + name + ",") != std::string::npos;
}
template <class F> Times measure(F&& call, double first) {
  const double budget = budget_s();
  call();
  double t0 = now();
  call();
  double one = now() - t0;
  long batch = one < 20e-6 ? long(50e-6 / std::max(one, 20e-9)) : 1;
  if (batch < 1) batch = 1;
  Vec t;
  double start = now();
  while ((now() - start < budget || t.size() < 5) && t.size() < 20000) {
    double a = now();
    for (long i = 0; i < batch; i++) call();
    t.push_back((now() - a) / batch);
    if (now() - start > 8 * budget && t.size() >= 3) break;
  }
  std::sort(t.begin(), t.end());
  return Times{first, t[0], t[t.size() / 2]};
}
inline void report(const char* peer, const char* name, Times t, double check, const char* note) {
  std::printf(
      "{\"workload\": \"%s\", \"peer\": \"%s\", \"dtype\": \"f64\", \"compile_ms\": %.2f, \"min_us\": %.3f, "
      "\"median_us\": %.3f, \"check\": %.17g, \"note\": \"%s\"}\n",
      name, peer, t.first * 1e3, t.min * 1e6, t.median * 1e6, check, note);
  std::fflush(stdout);
}

// small fixed loops are unrolled before clang's Enzyme pass sees them; other compilers decide for themselves
#ifdef __clang__
#define U _Pragma("clang loop unroll(full)")
#else
#define U
#endif

// ---- scalar_grad
template <class T> T scalar(const T& x) {
  T y = sin(x) * exp(-(x * x));
  T z = log(1.0 + x * x) + y * y;
  return sqrt(1.0 + z * z) * tanh(y);
}

// ---- arm_jacobian: 7 joint angles -> 3x4 pose
template <class T> void fk(const T* q, T* out) {
  const double h = 3.14159265358979323846 / 2;
  const double d[7] = {.333, 0, .316, 0, .384, 0, .107}, a[7] = {0, 0, .0825, -.0825, 0, .088, 0}, al[7] = {-h, h, h, -h, h, h, 0};
  T M[12];
  U for (int i = 0; i < 12; i++) M[i] = T((i % 5 == 0) ? 1.0 : 0.0);
  U for (int i = 0; i < 7; i++) {
    T c = cos(q[i]), s = sin(q[i]);
    const double ca = std::cos(al[i]), sa = std::sin(al[i]);
    U for (int r = 0; r < 3; r++) {
      T *m = M + 4 * r, x = m[0] * c + m[1] * s, y = m[1] * c - m[0] * s, z = m[2];
      m[0] = x;
      m[1] = y * ca + z * sa;
      m[2] = z * ca - y * sa;
      m[3] = m[3] + x * a[i] + z * d[i];
    }
  }
  U for (int i = 0; i < 12; i++) out[i] = M[i];
}

// ---- j2_tangent: in = strain(6), plastic strain(6), hardening(1); out = stress(6). pos(x) is max(x, 0)
template <class T, class Q, class Pos> void j2_stress(const T* e, const Q* ep, const Q& alpha, T* out, Pos pos) {
  const double E = 200e3, nu = 0.3, sy = 250.0, H = 1000.0, G = E / (2 * (1 + nu)), Kb = E / (3 * (1 - 2 * nu));
  T s[6];
  U for (int i = 0; i < 6; i++) s[i] = e[i] - ep[i];
  T tr = s[0] + s[1] + s[2], m = tr / 3.0;
  T w = T(0.0);
  U for (int i = 0; i < 6; i++) {
    s[i] = 2 * G * (i < 3 ? T(s[i] - m) : s[i]);
    w = w + (i < 3 ? 1.0 : 2.0) * (s[i] * s[i]);
  }
  T nrm = sqrt(w + 1e-30);
  T ftr = nrm - std::sqrt(2.0 / 3) * (sy + H * alpha);
  T f = 1.0 - 2 * G / (2 * G + 2.0 / 3 * H) * pos(ftr) / nrm;
  U for (int i = 0; i < 6; i++) out[i] = i < 3 ? T(s[i] * f + Kb * tr) : T(s[i] * f);
}

// ---- three_body_rk4_grad_1e4
template <class T> void body_rhs(const T* s, T* k) {
  const double m[3] = {1.0, 0.8, 0.6};
  U for (int i = 0; i < 9; i++) {
    k[i] = s[9 + i];
    k[9 + i] = T(0.0);
  }
  U for (int i = 0; i < 3; i++) U for (int j = i + 1; j < 3; j++) {
    T d[3];
    U for (int c = 0; c < 3; c++) d[c] = s[3 * j + c] - s[3 * i + c];
    T r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 0.05;
    T w = 1.0 / (r2 * sqrt(r2));
    U for (int c = 0; c < 3; c++) {
      T f = w * d[c];
      k[9 + 3 * i + c] = k[9 + 3 * i + c] + m[j] * f;
      k[9 + 3 * j + c] = k[9 + 3 * j + c] - m[i] * f;
    }
  }
}
template <class T> void body_step(T* s) {
  const double h = 1e-3;
  T k1[18], k2[18], k3[18], k4[18], t[18];
  body_rhs(s, k1);
  U for (int i = 0; i < 18; i++) t[i] = s[i] + h / 2 * k1[i];
  body_rhs(t, k2);
  U for (int i = 0; i < 18; i++) t[i] = s[i] + h / 2 * k2[i];
  body_rhs(t, k3);
  U for (int i = 0; i < 18; i++) t[i] = s[i] + h * k3[i];
  body_rhs(t, k4);
  U for (int i = 0; i < 18; i++) s[i] = s[i] + h / 6 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
}
template <class T> T three_body(const T* s0, int steps = 10000) {
  T s[18];
  U for (int i = 0; i < 18; i++) s[i] = s0[i];
  for (int i = 0; i < steps; i++) body_step(s);
  T r = T(0.0);
  U for (int i = 0; i < 18; i++) r = r + s[i] * s[i];
  return r;
}

// ---- kalman_grad_t1000: p = A(36), q, r
struct Kalman {
  Vec A, C, ys;
  Kalman() : A(sym(36, 1, .03)), C(sym(18, 2)), ys(sym(3000, 3)) { U for (int i = 0; i < 6; i++) A[7 * i] += 0.9; }
  Vec params() const {
    Vec p(A);
    p.push_back(0.1);
    p.push_back(0.2);
    return p;
  }
};
template <class T> T kalman(const T* p, const double* C, const double* ys, int steps = 1000) {
  const T *A = p, q = p[36], r = p[37];
  T x[6], P[36], W[36], l = T(0.0);
  U for (int i = 0; i < 6; i++) x[i] = T(0.0);
  U for (int i = 0; i < 36; i++) P[i] = T(i % 7 == 0 ? 1.0 : 0.0);
  for (int t = 0; t < steps; t++) {
    T xn[6], CP[18], S[9], L[9], e[3], w[3];
    U for (int i = 0; i < 6; i++) {
      T a = A[6 * i] * x[0];
      U for (int j = 1; j < 6; j++) a = a + A[6 * i + j] * x[j];
      xn[i] = a;
    }
    U for (int i = 0; i < 6; i++) U for (int j = 0; j < 6; j++) {
      T a = A[6 * i] * P[j];
      U for (int k = 1; k < 6; k++) a = a + A[6 * i + k] * P[6 * k + j];
      W[6 * i + j] = a;
    }
    U for (int i = 0; i < 6; i++) U for (int j = 0; j < 6; j++) {
      T a = W[6 * i] * A[6 * j];
      U for (int k = 1; k < 6; k++) a = a + W[6 * i + k] * A[6 * j + k];
      P[6 * i + j] = a;
    }
    U for (int i = 0; i < 6; i++) P[7 * i] = P[7 * i] + q;
    U for (int i = 0; i < 3; i++) U for (int j = 0; j < 6; j++) {
      T a = C[6 * i] * P[j];
      U for (int k = 1; k < 6; k++) a = a + C[6 * i + k] * P[6 * k + j];
      CP[6 * i + j] = a;
    }
    U for (int i = 0; i < 3; i++) U for (int j = 0; j < 3; j++) {
      T a = CP[6 * i] * C[6 * j];
      U for (int k = 1; k < 6; k++) a = a + CP[6 * i + k] * C[6 * j + k];
      S[3 * i + j] = a;
    }
    U for (int i = 0; i < 3; i++) S[4 * i] = S[4 * i] + r;
    U for (int i = 0; i < 3; i++) U for (int j = 0; j <= i; j++) {
      T a = S[3 * i + j];
      U for (int k = 0; k < j; k++) a = a - L[3 * i + k] * L[3 * j + k];
      if (i == j) L[4 * i] = sqrt(a);
      else L[3 * i + j] = a / L[4 * j];
    }
    U for (int i = 0; i < 3; i++) {
      T a = ys[3 * t + i] - C[6 * i] * xn[0];
      U for (int j = 1; j < 6; j++) a = a - C[6 * i + j] * xn[j];
      e[i] = a;
    }
    U for (int i = 0; i < 3; i++) {
      T a = e[i];
      U for (int k = 0; k < i; k++) a = a - L[3 * i + k] * w[k];
      w[i] = a / L[4 * i];
    }
    T K[18];  // K transposed: S^-1 (C P)
    U for (int c = 0; c < 6; c++) {
      U for (int i = 0; i < 3; i++) {
        T a = CP[6 * i + c];
        U for (int k = 0; k < i; k++) a = a - L[3 * i + k] * K[6 * k + c];
        K[6 * i + c] = a / L[4 * i];
      }
      U for (int i = 2; i >= 0; i--) {
        T a = K[6 * i + c];
        U for (int k = i + 1; k < 3; k++) a = a - L[3 * k + i] * K[6 * k + c];
        K[6 * i + c] = a / L[4 * i];
      }
    }
    U for (int i = 0; i < 6; i++) x[i] = xn[i] + K[i] * e[0] + K[6 + i] * e[1] + K[12 + i] * e[2];
    U for (int i = 0; i < 6; i++) U for (int j = 0; j < 6; j++) P[6 * i + j] =
        P[6 * i + j] - (K[i] * CP[j] + K[6 + i] * CP[6 + j] + K[12 + i] * CP[12 + j]);
    l = l + 0.5 * (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]) + log(L[0] * L[4] * L[8]);
  }
  return l;
}

#undef U

// ---- lennard_jones_forces_n512 (each pair once)
inline Vec lj_positions() {
  Vec x = sym(1536, 1, .1);
  for (int i = 0; i < 512; i++) {
    x[3 * i] += (i / 64) * 1.2;
    x[3 * i + 1] += (i / 8 % 8) * 1.2;
    x[3 * i + 2] += (i % 8) * 1.2;
  }
  return x;
}
template <class T> T lj_energy(const T* x, int n = 512) {
  T s = T(0.0);
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++) {
      T a = x[3 * i] - x[3 * j], b = x[3 * i + 1] - x[3 * j + 1], c = x[3 * i + 2] - x[3 * j + 2];
      T inv = 1.0 / (a * a + b * b + c * c), s6 = inv * inv * inv;
      s = s + (s6 * s6 - s6);
    }
  return 4.0 * s;
}

// ---- gmm_grad_d32_k25_n1000; p = alphas(K), means(K d), icf(K d(d+1)/2)
struct Gmm {
  int d = 0, K = 0, N = 0, m = 0;
  double gamma = 0;
  Vec p, x;
  Gmm() {
    std::string f = __FILE__;  // the folder data/ beside this one; PEER_DATA where the compiler saw a relative path
    size_t cut = f.rfind('/');
    const char* env = std::getenv("PEER_DATA");
    f = env ? std::string(env) : (cut == std::string::npos ? std::string(".") : f.substr(0, cut)) + "/../data";
    f += "/adbench/gmm/1k/gmm_d32_K25.txt";
    FILE* h = std::fopen(f.c_str(), "r");
    if (!h || std::fscanf(h, "%d %d %d", &d, &K, &N) != 3) {
      std::fprintf(stderr, "cannot read %s\n", f.c_str());
      std::abort();
    }
    p.resize(K + K * d + K * d * (d + 1) / 2);
    x.resize(size_t(N) * d);
    for (double& v : p)
      if (std::fscanf(h, "%lf", &v) != 1) std::abort();
    for (double& v : x)
      if (std::fscanf(h, "%lf", &v) != 1) std::abort();
    if (std::fscanf(h, "%lf %d", &gamma, &m) != 2) std::abort();
    std::fclose(h);
  }
};
template <class T, class Max> T logsumexp(const T* v, int n, Max mx) {
  T s = T(0.0), shift = v[0];
  for (int i = 1; i < n; i++) shift = mx(shift, v[i]);
  for (int i = 0; i < n; i++) s = s + exp(v[i] - shift);
  return shift + log(s);
}
// log of the mixture density of one sample, without constants; d <= 32, K <= 32
template <class T, class X, class Max> T gmm_sample(const T* p, const T* qd, const T* sumq, const X* x, int d, int K, Max mx) {
  const int di = d * (d + 1) / 2;
  const T *al = p, *mu = p + K, *icf = p + K + K * d;
  T main[32], xc[32], Qx[32];
  for (int k = 0; k < K; k++) {
    for (int i = 0; i < d; i++) {
      xc[i] = x[i] - mu[k * d + i];
      Qx[i] = qd[k * d + i] * xc[i];
    }
    for (int c = 0; c < d; c++) {
      const T* L = icf + k * di + d + c * (2 * d - c - 1) / 2 - c - 1;
      for (int r = c + 1; r < d; r++) Qx[r] = Qx[r] + L[r] * xc[c];
    }
    T n2 = Qx[0] * Qx[0];
    for (int i = 1; i < d; i++) n2 = n2 + Qx[i] * Qx[i];
    main[k] = al[k] + sumq[k] - 0.5 * n2;
  }
  return logsumexp(main, K, mx);
}
// the terms that do not depend on the samples, and the diagonals' exponentials
template <class T> void gmm_diag(const T* p, T* qd, T* sumq, int d, int K) {
  const T* icf = p + K + K * d;
  const int di = d * (d + 1) / 2;
  for (int k = 0; k < K; k++) {
    T s = icf[k * di];
    for (int i = 1; i < d; i++) s = s + icf[k * di + i];
    sumq[k] = s;
    for (int i = 0; i < d; i++) qd[k * d + i] = exp(icf[k * di + i]);
  }
}
template <class T, class Max> T gmm_rest(const T* p, const T* qd, const T* sumq, int d, int K, int N, double gamma, int m, Max mx) {
  const T* icf = p + K + K * d;
  const int di = d * (d + 1) / 2, n_ = d + m + 1;
  const double pi = 3.14159265358979323846;
  double lg = 0.25 * d * (d - 1) * std::log(pi);
  for (int j = 1; j <= d; j++) lg += lgamma(0.5 * (n_ + 1 - j));
  const double C = n_ * d * (std::log(gamma) - 0.5 * std::log(2.0)) - lg;
  T r = -N * d * 0.5 * std::log(2 * pi) - double(N) * logsumexp(p, K, mx) - K * C;
  for (int k = 0; k < K; k++) {
    T f = T(0.0);
    for (int i = 0; i < d; i++) f = f + qd[k * d + i] * qd[k * d + i];
    for (int i = d; i < di; i++) f = f + icf[k * di + i] * icf[k * di + i];
    r = r + 0.5 * gamma * gamma * f - double(m) * sumq[k];
  }
  return r;
}
}  // namespace wl
