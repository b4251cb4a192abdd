// CppAD, ADOL-C and Ceres jets, the C++ libraries that Debian 12 carries.
//
// Debian packages (12, bookworm):
//   CppAD     r-cran-tmb 1.9.2       headers only, CppAD 20141230 as copied into TMB (Debian has no package of CppAD itself)
//   ADOL-C    libadolc-dev 2.7.2     -ladolc (pulls libcolpack-dev)
//   Ceres jet libceres-dev 2.1.0     header ceres/jet.h only, and libeigen3-dev 3.4.0
// Compile (apt-get download + dpkg -x into DIR serves as well as installing: prefix the paths with DIR):
//   g++ -O3 -march=native -fno-math-errno -std=c++17 -DNDEBUG -w peer_cppad.cpp -o peer_cppad \
//       -I /usr/lib/R/site-library/TMB/include -I /usr/include/eigen3 -ladolc
//   ./peer_cppad        (from this folder, or with PEER_DATA=path of ../data; PEER_ONLY=names, PEER_LIB=cppad,adolc,ceres_jet,
//                       PEER_BUDGET_S as for the other peers)
// One thread. Tapes are recorded once and replayed, which holds for other inputs too: the only branches (max) are on the tape.
// compile_ms is recording (and CppAD's optimize) plus the first derivative call.
#include <iostream>
#include <Eigen/Dense>  // the TMB copy expects its own prelude (TMB.hpp); these stand in for it, without R
#define Rcout std::cerr
#define CSKIP(...) __VA_ARGS__
template <class T> struct isDouble {
  enum { value = false };
};
template <> struct isDouble<double> {
  enum { value = true };
};
#include <cppad/cppad.hpp>
#undef Rcout
#include <adolc/adolc.h>
#include <ceres/jet.h>
#include "cpp_workloads.hpp"
using wl::Vec;

static bool lib(const char* name) {
  const char* e = std::getenv("PEER_LIB");
  return !e || !*e || (std::string(",") + e + ",").find(std::string(",") + name + ",") != std::string::npos;
}

// ------------------------------------------------------------------ CppAD
namespace cppad {
typedef CppAD::AD<double> A;
typedef std::vector<A> AVec;
typedef CppAD::ADFun<double> Fun;
struct Max {
  A operator()(const A& a, const A& b) const { return CppAD::CondExpGt(a, b, a, b); }
};
struct Pos {
  A operator()(const A& a) const { return CppAD::CondExpGt(a, A(0.0), a, A(0.0)); }
};

template <class F> void record(Fun& f, const Vec& x, int m, F&& body, bool optimize = true) {
  AVec ax(x.begin(), x.end()), ay(m);
  CppAD::Independent(ax);
  body(ax.data(), ay.data());
  f.Dependent(ax, ay);
  if (optimize) f.optimize();
}
void gradient(Fun& f, const Vec& x, Vec& y, Vec& g) {
  static const Vec one(1, 1.0);
  y = f.Forward(0, x);
  g = f.Reverse(1, one);
}

template <class F> void timed(const char* name, const char* note, const Vec& out, double t0, F call) {
  call();
  double first = wl::now() - t0;
  wl::Times t = wl::measure(call, first);
  wl::report("cppad", name, t, wl::total(out), note);
}

void run() {
  if (wl::want("scalar_grad")) {
    double t0 = wl::now();
    Fun f;
    Vec x(1, 0.7), y, out;
    record(f, x, 1, [](A* x, A* y) { y[0] = wl::scalar(x[0]); });
    timed("scalar_grad", "tape replayed, reverse", out = Vec(1), t0, [&] { gradient(f, x, y, out); });
  }
  for (long B : {1L, 4096L}) {
    const char* name = B == 1 ? "arm_jacobian_x1" : "arm_jacobian_x4096";
    if (!wl::want(name)) continue;
    Vec q = wl::sym(B * 7, 1, 1.5), out(B * 84), x(q.begin(), q.begin() + 7), dx(7), dy;
    double t0 = wl::now();
    Fun f;
    record(f, x, 12, [](A* x, A* y) { wl::fk(x, y); });
    timed(name, "tape replayed, 7 forward sweeps a point", out, t0, [&] {
      for (long b = 0; b < B; b++) {
        std::copy(&q[7 * b], &q[7 * b] + 7, x.begin());
        f.Forward(0, x);
        for (int k = 0; k < 7; k++) {
          dx[k] = 1;
          dy = f.Forward(1, dx);
          dx[k] = 0;
          for (int i = 0; i < 12; i++) out[84 * b + 7 * i + k] = dy[i];
        }
      }
    });
  }
  if (wl::want("j2_tangent_1e5")) {
    const long n = 100000;
    Vec e = wl::sym(n * 6, 1, 4e-3), ep = wl::sym(n * 6, 2, 1e-4), al = wl::uniform(n, 3), out(n * 42), x(13), dx(13), y;
    auto load = [&](long b) {
      for (int i = 0; i < 6; i++) {
        x[i] = e[6 * b + i];
        x[6 + i] = ep[6 * b + i];
      }
      x[12] = al[b] * 1e-2;
    };
    double t0 = wl::now();
    Fun f;
    load(0);
    record(f, x, 6, [](A* x, A* y) { wl::j2_stress(x, x + 6, x[12], y, Pos()); });
    timed("j2_tangent_1e5", "tape replayed, 6 forward sweeps a point", out, t0, [&] {
      for (long b = 0; b < n; b++) {
        load(b);
        y = f.Forward(0, x);
        std::copy(y.begin(), y.end(), &out[42 * b]);
        for (int k = 0; k < 6; k++) {
          dx[k] = 1;
          y = f.Forward(1, dx);
          dx[k] = 0;
          for (int i = 0; i < 6; i++) out[42 * b + 6 + 6 * i + k] = y[i];
        }
      }
    });
  }
  if (wl::want("three_body_rk4_grad_1e4")) {
    // tape of one step, replayed over the stored states
    const int T = 10000;
    Vec s0 = wl::sym(18, 1), x(18), y, w(18), out(18);
    std::vector<Vec> st(T + 1);
    double t0 = wl::now();
    Fun f;
    record(f, s0, 18, [](A* x, A* y) {
      for (int i = 0; i < 18; i++) y[i] = x[i];
      wl::body_step(y);
    });
    timed("three_body_rk4_grad_1e4", "tape of one step, chained by hand", out, t0, [&] {
      st[0] = s0;
      for (int i = 0; i < T; i++) st[i + 1] = f.Forward(0, st[i]);
      for (int i = 0; i < 18; i++) w[i] = 2 * st[T][i];
      for (int i = T; i-- > 0;) {
        f.Forward(0, st[i]);
        w = f.Reverse(1, w);
      }
      out = w;
    });
    Fun g;
    t0 = wl::now();
    record(
        g, s0, 1, [](A* x, A* y) { y[0] = wl::three_body(x); }, false);
    wl::Times t;
    auto call = [&] { gradient(g, s0, y, out); };
    call();
    t = wl::measure(call, wl::now() - t0);
    wl::report("cppad_whole_tape", "three_body_rk4_grad_1e4", t, wl::total(out), "one tape of all steps, replayed, not optimized");
  }
  if (wl::want("kalman_grad_t1000")) {
    wl::Kalman k;
    Vec p = k.params(), y, out(38);
    double t0 = wl::now();
    Fun f;
    record(f, p, 1, [&](A* x, A* y) { y[0] = wl::kalman(x, k.C.data(), k.ys.data()); });
    timed("kalman_grad_t1000", "one tape of all steps, replayed", out, t0, [&] { gradient(f, p, y, out); });
  }
  if (wl::want("lennard_jones_forces_n512")) {
    Vec x = wl::lj_positions(), y, g, out(1537);
    double t0 = wl::now();
    Fun f;
    record(
        f, x, 1, [](A* x, A* y) { y[0] = wl::lj_energy(x); }, false);
    timed("lennard_jones_forces_n512", "tape replayed, not optimized; each pair once", out, t0, [&] {
      gradient(f, x, y, g);
      out[0] = y[0];
      std::copy(g.begin(), g.end(), out.begin() + 1);
    });
  }
  if (wl::want("gmm_grad_d32_k25_n1000")) {
    // three small tapes: diagonals, one sample (replayed per sample), the rest
    wl::Gmm m;
    const int d = m.d, K = m.K, np = m.p.size(), nq = K * d + K;
    Vec out(np);
    double t0 = wl::now();
    Fun fd, fs, fr;
    record(fd, m.p, nq, [&](A* p, A* y) { wl::gmm_diag(p, y, y + K * d, d, K); });
    Vec z(m.p);
    Vec qd = fd.Forward(0, m.p);
    z.insert(z.end(), qd.begin(), qd.end());
    Vec zs(z);
    zs.insert(zs.end(), m.x.begin(), m.x.begin() + d);
    record(fs, zs, 1, [&](A* p, A* y) { y[0] = wl::gmm_sample(p, p + np, p + np + K * d, p + np + nq, d, K, Max()); });
    record(fr, z, 1, [&](A* p, A* y) { y[0] = wl::gmm_rest(p, p + np, p + np + K * d, d, K, m.N, m.gamma, m.m, Max()); });
    Vec one(1, 1.0), g(np + nq), r, w(nq);
    timed("gmm_grad_d32_k25_n1000", "tape of one sample, replayed per sample", out, t0, [&] {
      qd = fd.Forward(0, m.p);
      std::copy(qd.begin(), qd.end(), z.begin() + np);
      std::copy(z.begin(), z.end(), zs.begin());
      fr.Forward(0, z);
      g = fr.Reverse(1, one);
      for (int n = 0; n < m.N; n++) {
        std::copy(&m.x[n * d], &m.x[n * d] + d, zs.begin() + np + nq);
        fs.Forward(0, zs);
        r = fs.Reverse(1, one);
        for (int i = 0; i < np + nq; i++) g[i] += r[i];
      }
      std::copy(g.begin() + np, g.end(), w.begin());
      r = fd.Reverse(1, w);
      for (int i = 0; i < np; i++) out[i] = g[i] + r[i];
    });
  }
}
}  // namespace cppad

// ------------------------------------------------------------------ ADOL-C
namespace adol {
struct Max {
  adouble operator()(const adouble& a, const adouble& b) const {
    adouble r;
    condassign(r, a - b, a, b);
    return r;
  }
};
struct Pos {
  adouble operator()(const adouble& a) const {
    adouble r;
    condassign(r, a, a, adouble(0.0));
    return r;
  }
};
// buf: entries of the tape's buffers, large enough that no tape goes to disk, and no larger: each sweep allocates them
template <class F> void record(short tag, const Vec& x, int m, F&& body, unsigned buf = 1u << 14) {
  trace_on(tag, 0, buf, buf, buf, buf);
  {
    std::vector<adouble> ax(x.size()), ay(m);
    for (size_t i = 0; i < x.size(); i++) ax[i] <<= x[i];
    body(ax.data(), ay.data());
    double v;
    for (int i = 0; i < m; i++) ay[i] >>= v;
  }
  trace_off();
}
template <class F> void timed(const char* name, const char* note, const Vec& out, double t0, F call) {
  call();
  double first = wl::now() - t0;
  wl::Times t = wl::measure(call, first);
  wl::report("adolc", name, t, wl::total(out), note);
}
// value and reverse gradient of a scalar tape
void value_grad(short tag, Vec& x, double* y, double* g) {
  const double one = 1;
  zos_forward(tag, 1, x.size(), 1, x.data(), y);
  fos_reverse(tag, 1, x.size(), const_cast<double*>(&one), g);
}
// m x k matrix of directions as ADOL-C wants it
struct Rows {
  Vec v;
  std::vector<double*> p;
  Rows(int m, int k) : v(m * k), p(m) {
    for (int i = 0; i < m; i++) p[i] = &v[i * k];
  }
};

void run() {
  if (wl::want("scalar_grad")) {
    double t0 = wl::now();
    Vec x(1, 0.7), out(1);
    double y;
    record(1, x, 1, [](adouble* x, adouble* y) { y[0] = wl::scalar(x[0]); });
    timed("scalar_grad", "tape replayed, reverse", out, t0, [&] { gradient(1, 1, x.data(), out.data()); });
  }
  for (long B : {1L, 4096L}) {
    const char* name = B == 1 ? "arm_jacobian_x1" : "arm_jacobian_x4096";
    if (!wl::want(name)) continue;
    Vec q = wl::sym(B * 7, 1, 1.5), out(B * 84), x(q.begin(), q.begin() + 7), y(12);
    double t0 = wl::now();
    Rows X(7, 7), Y(12, 7);
    for (int i = 0; i < 7; i++) X.p[i][i] = 1;
    record(2, x, 12, [](adouble* x, adouble* y) { wl::fk(x, y); });
    timed(name, "tape replayed, one vector-forward sweep a point", out, t0, [&] {
      for (long b = 0; b < B; b++) {
        fov_forward(2, 12, 7, 7, &q[7 * b], X.p.data(), y.data(), Y.p.data());
        std::copy(Y.v.begin(), Y.v.end(), &out[84 * b]);
      }
    });
  }
  if (wl::want("j2_tangent_1e5")) {
    const long n = 100000;
    Vec e = wl::sym(n * 6, 1, 4e-3), ep = wl::sym(n * 6, 2, 1e-4), al = wl::uniform(n, 3), out(n * 42), x(13), y(6);
    auto load = [&](long b) {
      for (int i = 0; i < 6; i++) {
        x[i] = e[6 * b + i];
        x[6 + i] = ep[6 * b + i];
      }
      x[12] = al[b] * 1e-2;
    };
    double t0 = wl::now();
    Rows X(13, 6), Y(6, 6);
    load(0);
    for (int i = 0; i < 6; i++) X.p[i][i] = 1;
    record(3, x, 6, [](adouble* x, adouble* y) { wl::j2_stress(x, x + 6, x[12], y, Pos()); });
    timed("j2_tangent_1e5", "tape replayed, one vector-forward sweep a point", out, t0, [&] {
      for (long b = 0; b < n; b++) {
        load(b);
        fov_forward(3, 6, 13, 6, x.data(), X.p.data(), y.data(), Y.p.data());
        std::copy(y.begin(), y.end(), &out[42 * b]);
        std::copy(Y.v.begin(), Y.v.end(), &out[42 * b + 6]);
      }
    });
  }
  if (wl::want("three_body_rk4_grad_1e4")) {
    const int T = 10000;
    Vec s0 = wl::sym(18, 1), st(18 * (T + 1)), w(18), v(18), y(18), out(18);
    double t0 = wl::now();
    record(4, s0, 18, [](adouble* x, adouble* y) {
      for (int i = 0; i < 18; i++) y[i] = x[i];
      wl::body_step(y);
    });
    timed("three_body_rk4_grad_1e4", "tape of one step, chained by hand", out, t0, [&] {
      std::copy(s0.begin(), s0.end(), st.begin());
      for (int i = 0; i < T; i++) zos_forward(4, 18, 18, 0, &st[18 * i], &st[18 * (i + 1)]);
      for (int i = 0; i < 18; i++) w[i] = 2 * st[18 * T + i];
      for (int i = T; i-- > 0;) {
        zos_forward(4, 18, 18, 1, &st[18 * i], y.data());
        fos_reverse(4, 18, 18, w.data(), v.data());
        w.swap(v);
      }
      out = w;
    });
  }
  if (wl::want("kalman_grad_t1000")) {
    wl::Kalman k;
    Vec p = k.params(), out(38);
    double y;
    double t0 = wl::now();
    record(
        5, p, 1, [&](adouble* x, adouble* y) { y[0] = wl::kalman(x, k.C.data(), k.ys.data()); }, 1u << 25);
    timed("kalman_grad_t1000", "one tape of all steps, replayed", out, t0, [&] { value_grad(5, p, &y, out.data()); });
  }
  if (wl::want("lennard_jones_forces_n512")) {
    Vec x = wl::lj_positions(), out(1537);
    double t0 = wl::now();
    record(
        6, x, 1, [](adouble* x, adouble* y) { y[0] = wl::lj_energy(x); }, 1u << 25);
    timed("lennard_jones_forces_n512", "tape replayed; each pair once", out, t0, [&] { value_grad(6, x, &out[0], &out[1]); });
  }
  if (wl::want("gmm_grad_d32_k25_n1000")) {
    wl::Gmm m;
    const int d = m.d, K = m.K, np = m.p.size(), nq = K * d + K;
    Vec out(np), qd(nq), z(m.p), zs;
    double t0 = wl::now(), y;
    record(
        7, m.p, nq, [&](adouble* p, adouble* y) { wl::gmm_diag(p, y, y + K * d, d, K); }, 1u << 19);
    zos_forward(7, nq, np, 0, m.p.data(), qd.data());
    z.insert(z.end(), qd.begin(), qd.end());
    zs = z;
    zs.insert(zs.end(), m.x.begin(), m.x.begin() + d);
    record(
        8, zs, 1, [&](adouble* p, adouble* y) { y[0] = wl::gmm_sample(p, p + np, p + np + K * d, p + np + nq, d, K, Max()); }, 1u << 19);
    record(
        9, z, 1, [&](adouble* p, adouble* y) { y[0] = wl::gmm_rest(p, p + np, p + np + K * d, d, K, m.N, m.gamma, m.m, Max()); }, 1u << 19);
    Vec g(np + nq), r(np + nq + d);
    timed("gmm_grad_d32_k25_n1000", "tape of one sample, replayed per sample", out, t0, [&] {
      zos_forward(7, nq, np, 1, m.p.data(), qd.data());
      std::copy(qd.begin(), qd.end(), z.begin() + np);
      std::copy(z.begin(), z.end(), zs.begin());
      value_grad(9, z, &y, g.data());
      for (int n = 0; n < m.N; n++) {
        std::copy(&m.x[n * d], &m.x[n * d] + d, zs.begin() + np + nq);
        value_grad(8, zs, &y, r.data());
        for (int i = 0; i < np + nq; i++) g[i] += r[i];
      }
      zos_forward(7, nq, np, 1, m.p.data(), qd.data());
      fos_reverse(7, nq, np, &g[np], r.data());
      for (int i = 0; i < np; i++) out[i] = g[i] + r[i];
    });
  }
}
}  // namespace adol

// ------------------------------------------------------------------ Ceres jets: forward mode only, no tape
namespace jets {
template <int N> using J = ceres::Jet<double, N>;
struct Pos {
  template <class T> T operator()(const T& a) const { return a.a > 0 ? a : T(0.0); }
};
template <class F> void timed(const char* name, const char* note, const Vec& out, F call) {
  double t0 = wl::now();
  call();
  double first = wl::now() - t0;
  wl::Times t = wl::measure(call, first);
  wl::report("ceres_jet", name, t, wl::total(out), note);
}
void run() {
  if (wl::want("scalar_grad")) {
    Vec out(1);
    volatile double x = 0.7;
    timed("scalar_grad", "forward, width 1", out, [&] {
      out[0] = wl::scalar(J<1>(double(x), 0)).v[0];
      asm volatile("" : : "r"(&out[0]) : "memory");
    });
  }
  for (long B : {1L, 4096L}) {
    const char* name = B == 1 ? "arm_jacobian_x1" : "arm_jacobian_x4096";
    if (!wl::want(name)) continue;
    Vec q = wl::sym(B * 7, 1, 1.5), out(B * 84);
    timed(name, "forward, width 7", out, [&] {
      for (long b = 0; b < B; b++) {
        J<7> x[7], y[12];
        for (int i = 0; i < 7; i++) x[i] = J<7>(q[7 * b + i], i);
        wl::fk(x, y);
        for (int i = 0; i < 12; i++)
          for (int k = 0; k < 7; k++) out[84 * b + 7 * i + k] = y[i].v[k];
      }
    });
  }
  if (wl::want("j2_tangent_1e5")) {
    const long n = 100000;
    Vec e = wl::sym(n * 6, 1, 4e-3), ep = wl::sym(n * 6, 2, 1e-4), al = wl::uniform(n, 3), out(n * 42);
    for (double& a : al) a *= 1e-2;
    timed("j2_tangent_1e5", "forward, width 6", out, [&] {
      for (long b = 0; b < n; b++) {
        J<6> x[6], y[6];
        for (int i = 0; i < 6; i++) x[i] = J<6>(e[6 * b + i], i);
        wl::j2_stress(x, &ep[6 * b], al[b], y, Pos());
        for (int i = 0; i < 6; i++) {
          out[42 * b + i] = y[i].a;
          for (int k = 0; k < 6; k++) out[42 * b + 6 + 6 * i + k] = y[i].v[k];
        }
      }
    });
  }
}
}  // namespace jets

int main() {
  if (lib("cppad")) cppad::run();
  if (lib("adolc")) adol::run();
  if (lib("ceres_jet")) jets::run();
}
