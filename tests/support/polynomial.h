// Truncated polynomials: derivatives of double functions to third order in two variables, without the library under test.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>

namespace functra::testing {

// A polynomial in (dw, dx) up to total degree 3, times at most the first power of each of `depth` further infinitesimals, in which the
// derivatives that a function itself takes are read off.
class Poly {
 public:
  static constexpr int degree = 3, depth = 3, terms = 1 << depth;
  Poly(double v = 0) { at(0, 0, 0) = v; }
  static Poly variable(double v, int which) {  // 0: w, 1: x
    Poly p(v);
    (which ? p.at(0, 1, 0) : p.at(1, 0, 0)) = 1;
    return p;
  }
  static Poly infinitesimal(int k) {
    Poly p;
    p.at(0, 0, 1 << k) = 1;
    return p;
  }
  double value() const { return at(0, 0, 0); }
  // d^(i + j) / dw^i dx^j
  double derivative(int i, int j) const {
    double f = 1;
    for (int k = 2; k <= i; ++k) f *= k;
    for (int k = 2; k <= j; ++k) f *= k;
    return f * at(i, j, 0);
  }
  Poly coefficient(int k) const {  // of infinitesimal k
    Poly p;
    each([&](int i, int j, int e) {
      if (e >> k & 1) p.at(i, j, e & ~(1 << k)) = at(i, j, e);
    });
    return p;
  }
  Poly operator-() const { return Poly(0) - *this; }
  friend Poly operator+(Poly a, const Poly& b) {
    each([&](int i, int j, int e) { a.at(i, j, e) += b.at(i, j, e); });
    return a;
  }
  friend Poly operator-(Poly a, const Poly& b) {
    each([&](int i, int j, int e) { a.at(i, j, e) -= b.at(i, j, e); });
    return a;
  }
  friend Poly operator*(const Poly& a, const Poly& b) {
    Poly p;
    each([&](int i, int j, int e) {
      for (int k = 0; k <= i; ++k)
        for (int l = 0; l <= j; ++l)
          for (int f = e;; f = (f - 1) & e) {
            p.at(i, j, e) += a.at(k, l, f) * b.at(i - k, j - l, e & ~f);
            if (!f) break;
          }
    });
    return p;
  }
  // f(a), by f's derivatives at the value of a: f^(0), ..., f^(degree + depth).
  friend Poly compose(const Poly& a, const std::array<double, degree + depth + 1>& f) {
    Poly d = a, power(1.0), r;
    d.at(0, 0, 0) = 0;
    double factorial = 1;
    for (int k = 0; k <= degree + depth; ++k) {
      if (k) factorial *= k;
      r = r + power * Poly(f[static_cast<std::size_t>(k)] / factorial);
      power = power * d;
    }
    return r;
  }
  friend Poly sin(const Poly& a) {
    double s = std::sin(a.value()), c = std::cos(a.value());
    return compose(a, {s, c, -s, -c, s, c, -s});
  }
  friend Poly sqrt(const Poly& a) {
    double v = a.value(), r = std::sqrt(v);
    return compose(a, {r, .5 / r, -.25 / (r * v), .375 / (r * v * v), -.9375 / (r * v * v * v), 3.28125 / (r * v * v * v * v),
                       -14.765625 / (r * v * v * v * v * v)});
  }

 private:
  double& at(int i, int j, int e) { return c_[static_cast<std::size_t>((i * (degree + 1) + j) * terms + e)]; }
  double at(int i, int j, int e) const { return c_[static_cast<std::size_t>((i * (degree + 1) + j) * terms + e)]; }
  template <class F> static void each(F f) {
    for (int i = 0; i <= degree; ++i)
      for (int j = 0; i + j <= degree; ++j)
        for (int e = 0; e < terms; ++e) f(i, j, e);
  }
  std::array<double, static_cast<std::size_t>((degree + 1) * (degree + 1) * terms)> c_{};
};

}  // namespace functra::testing
