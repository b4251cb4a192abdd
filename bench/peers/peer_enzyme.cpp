// Enzyme: reverse mode by __enzyme_autodiff, Jacobians by vector-forward __enzyme_fwddiff.
//
// No Debian package carries Enzyme. This text goes through the clang and Enzyme inside the PyPI package enzyme-ad
// (0.0.16, with jax 0.10.2): see peer_enzyme.py. Debian packages needed: libstdc++-12-dev (headers only).
//   python peer_enzyme.py
// With a ClangEnzyme plugin of one's own it is also an ordinary program:
//   clang++ -O3 -march=native -fno-math-errno -fplugin=ClangEnzyme-<version>.so peer_enzyme.cpp -o peer_enzyme && ./peer_enzyme
// (that second way is untried: only the first could be run). Timing is inside the C++ in both cases.
#include "cpp_workloads.hpp"
extern "C" {
extern int enzyme_dup, enzyme_const, enzyme_out, enzyme_width, enzyme_dupnoneed, enzyme_dupv;
}
#ifndef ENZYME_PYPI
namespace enzyme {
template <class R = void, class... A> R __enzyme_autodiff(A...);
template <class R = void, class... A> R __enzyme_fwddiff(A...);
}  // namespace enzyme
#endif

namespace {
using wl::Vec;
struct Result {
  wl::Times t;
  double check;
  const char* note;
};
template <class T> inline void keep(T* p) { asm volatile("" : : "r"(p) : "memory"); }

// call() writes out; the first call is timed apart (compile_ms adds it to the build)
template <class F> Result timed(F call, const Vec& out, const char* note = "") {
  double t0 = wl::now();
  call();
  double first = wl::now() - t0;
  wl::Times t = wl::measure(call, first);
  return Result{t, wl::total(out), note};
}

struct Max {
  double operator()(double a, double b) const { return a < b ? b : a; }
};
struct Pos {
  double operator()(double a) const { return a > 0 ? a : 0.0; }
};

// ---- primals as Enzyme takes them: plain functions of plain pointers (no noinline: enzyme-ad marks derivatives alwaysinline)
double p_scalar(double x) { return wl::scalar(x); }
void p_fk(const double* q, double* out) { wl::fk(q, out); }
void p_j2(const double* e, const double* ep, double alpha, double* out) { wl::j2_stress(e, ep, alpha, out, Pos()); }
double p_body(const double* s) { return wl::three_body(s); }
double p_kalman(const double* p, const double* C, const double* ys) { return wl::kalman(p, C, ys); }
// energy as an output, so that one reverse sweep gives the value and the gradient
void p_lj_out(const double* x, double* e) { *e = wl::lj_energy(x); }
double p_gmm(const double* p, const double* x, int d, int K, int N, double gamma, int m) {
  double qd[32 * 32], sumq[32];
  wl::gmm_diag(p, qd, sumq, d, K);
  double r = wl::gmm_rest(p, qd, sumq, d, K, N, gamma, m, Max());
  for (int n = 0; n < N; n++) r += wl::gmm_sample(p, qd, sumq, x + n * d, d, K, Max());
  return r;
}

// ---- derivatives
__attribute__((noinline)) void d_fk(const double* q, double* jac) {  // jac: 12x7
  double out[12], seed[49] = {0}, dout[84];
  for (int i = 0; i < 7; i++) seed[8 * i] = 1;
  enzyme::__enzyme_fwddiff<void>((void*)p_fk, enzyme_width, 7, enzyme_dup, q, seed, seed + 7, seed + 14, seed + 21, seed + 28, seed + 35, seed + 42,
                                 enzyme_dupnoneed, out, dout, dout + 12, dout + 24, dout + 36, dout + 48, dout + 60, dout + 72);
  for (int i = 0; i < 12; i++)
    for (int k = 0; k < 7; k++) jac[7 * i + k] = dout[12 * k + i];
}
__attribute__((noinline)) void d_j2(const double* e, const double* ep, double alpha, double* out, double* tan) {  // tan: 6x6
  double seed[36] = {0}, dout[36];
  for (int i = 0; i < 6; i++) seed[7 * i] = 1;
  enzyme::__enzyme_fwddiff<void>((void*)p_j2, enzyme_width, 6, enzyme_dup, e, seed, seed + 6, seed + 12, seed + 18, seed + 24, seed + 30,
                                 enzyme_const, ep, enzyme_const, alpha, enzyme_dup, out, dout, dout + 6, dout + 12, dout + 18, dout + 24, dout + 30);
  for (int i = 0; i < 6; i++)
    for (int k = 0; k < 6; k++) tan[6 * i + k] = dout[6 * k + i];
}

__attribute__((noinline)) double d_scalar(double x) { return enzyme::__enzyme_autodiff<double>((void*)p_scalar, enzyme_out, x); }
__attribute__((noinline)) void d_body(const double* s, double* g) { enzyme::__enzyme_autodiff<void>((void*)p_body, enzyme_dup, s, g); }
__attribute__((noinline)) void d_kalman(const double* p, double* g, const double* C, const double* ys) {
  enzyme::__enzyme_autodiff<void>((void*)p_kalman, enzyme_dup, p, g, enzyme_const, C, enzyme_const, ys);
}
__attribute__((noinline)) void d_lj(const double* x, double* g, double* e) {
  double seed = 1;
  enzyme::__enzyme_autodiff<void>((void*)p_lj_out, enzyme_dup, x, g, enzyme_dup, e, &seed);
}
__attribute__((noinline)) void d_gmm(const wl::Gmm& m, double* g) {
  enzyme::__enzyme_autodiff<void>((void*)p_gmm, enzyme_dup, m.p.data(), g, enzyme_const, m.x.data(), enzyme_const, m.d, enzyme_const, m.K,
                                  enzyme_const, m.N, enzyme_const, m.gamma, enzyme_const, m.m);
}

Result w_scalar() {
  Vec out(1);
  volatile double x = 0.7;
  return timed(
      [&] {
        out[0] = d_scalar(x);
        keep(&out[0]);
      },
      out, "reverse");
}
Result w_arm(long B) {
  Vec q = wl::sym(B * 7, 1, 1.5), out(B * 84);
  return timed(
      [&] {
        for (long b = 0; b < B; b++) d_fk(&q[7 * b], &out[84 * b]);
        keep(&out[0]);
      },
      out, "forward, width 7");
}
Result w_j2() {
  const long n = 100000;
  Vec e = wl::sym(n * 6, 1, 4e-3), ep = wl::sym(n * 6, 2, 1e-4), al = wl::uniform(n, 3), out(n * 42);
  for (double& a : al) a *= 1e-2;
  return timed(
      [&] {
        for (long b = 0; b < n; b++) d_j2(&e[6 * b], &ep[6 * b], al[b], &out[42 * b], &out[42 * b + 6]);
        keep(&out[0]);
      },
      out, "forward, width 6");
}
Result w_body() {
  Vec s = wl::sym(18, 1), out(18);
  return timed(
      [&] {
        std::fill(out.begin(), out.end(), 0.0);
        d_body(s.data(), out.data());
        keep(&out[0]);
      },
      out, "reverse");
}
Result w_kalman() {
  wl::Kalman k;
  Vec p = k.params(), out(38);
  return timed(
      [&] {
        std::fill(out.begin(), out.end(), 0.0);
        d_kalman(p.data(), out.data(), k.C.data(), k.ys.data());
        keep(&out[0]);
      },
      out, "reverse");
}
Result w_lj() {
  Vec x = wl::lj_positions(), out(1537);
  return timed(
      [&] {
        std::fill(out.begin(), out.end(), 0.0);
        d_lj(x.data(), out.data() + 1, out.data());
        keep(&out[0]);
      },
      out, "reverse; each pair once");
}
Result w_gmm() {
  wl::Gmm g;
  Vec out(g.p.size());
  return timed(
      [&] {
        std::fill(out.begin(), out.end(), 0.0);
        d_gmm(g, out.data());
        keep(&out[0]);
      },
      out, "reverse");
}
}  // namespace

#ifdef ENZYME_PYPI
template <std::size_t N> void run(enzyme::tensor<double, 4>& out, const enzyme::tensor<double, N>&) {
  Result r = WORKLOAD;
  out[0] = r.t.first;
  out[1] = r.t.min;
  out[2] = r.t.median;
  out[3] = r.check;
}
#else
int main() {
#define W(name, call)                                 \
  if (wl::want(name)) {                               \
    Result r = call;                                  \
    wl::report("enzyme", name, r.t, r.check, r.note); \
  }
  W("scalar_grad", w_scalar())
  W("arm_jacobian_x1", w_arm(1))
  W("arm_jacobian_x4096", w_arm(4096))
  W("j2_tangent_1e5", w_j2())
  W("three_body_rk4_grad_1e4", w_body())
  W("kalman_grad_t1000", w_kalman())
  W("lennard_jones_forces_n512", w_lj())
  W("gmm_grad_d32_k25_n1000", w_gmm())
}
#endif
