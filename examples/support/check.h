// What the examples share: where pictures go, and checks that end a program with an error when one fails.
#pragma once
#include <functra/fmt.h>
#include <functra/functra.h>
#include <functra/io/picture.h>
#include <functra/io/png.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <string>

namespace example {

namespace ft = functra;
using ft::Tensor;

inline int failures = 0;
inline void check(const std::string& what, bool ok) {
  fmt::print("{}: {}\n", what, ok ? "ok" : "FAILED");
  failures += !ok;
}
inline void check_close(const std::string& what, double got, double want, double tolerance) {
  fmt::print("{}: {:.9g}, expected {:.9g}: {}\n", what, got, want, std::fabs(got - want) <= tolerance * (1 + std::fabs(want)) ? "ok" : "FAILED");
  failures += !(std::fabs(got - want) <= tolerance * (1 + std::fabs(want)));
}
// The largest difference of two trees of tensors, in units of the largest element of the second, is at most `tolerance`.
template <class T> void check_same(const std::string& what, const T& got, const T& want, double tolerance) {
  auto a = ft::tree_leaves(got), b = ft::tree_leaves(want);
  double difference = a.size() == b.size() ? 0 : NAN, size = 1e-30;
  for (std::size_t i = 0; i < b.size() && i < a.size(); ++i) {
    double d = a[i].sizes() == b[i].sizes() ? double(ft::amax(ft::abs(a[i] - b[i]))) : NAN;
    if (std::isnan(d) || d > difference) difference = d;
    size = std::max(size, double(ft::amax(ft::abs(b[i]))));
  }
  fmt::print("{}: relative difference {:.1e}: {}\n", what, difference / size, difference <= tolerance * size ? "ok" : "FAILED");
  failures += !(difference <= tolerance * size);
}
// Seconds per call of f: of one round of `calls`, and the least of several rounds after a call that is not counted.
template <class F> double once(F& f, int calls) {
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / calls;
}
template <class F> double seconds(F f, int rounds = 3, int calls = 1) {
  double best = (f(), INFINITY);
  for (int r = 0; r < rounds; ++r) best = std::min(best, once(f, calls));
  return best;
}
// Times a loop and the transform that replaces it, in turns, and prints both. No check: times are the machine's, too.
template <class L, class T> void compare_times(const std::string& what, L loop, T transform, int rounds, int calls = 1) {
  double a = (loop(), INFINITY), b = (transform(), INFINITY);
  for (int r = 0; r < rounds; ++r) {
    a = std::min(a, once(loop, calls));
    b = std::min(b, once(transform, calls));
  }
  fmt::print("{}: the loop {:.3f} ms, the transform {:.3f} ms, {:.1f} times as fast\n", what, a * 1e3, b * 1e3, a / b);
}
// Times f and jit(f) on the same arguments, for `items` of them at once, checks that they agree, and gives the result of jit.
template <class F, class... A> auto eager_and_jit(const std::string& what, std::int64_t items, F f, const A&... args) {
  auto fast = ft::jit(f);
  auto call = [&] { fast(args...); };
  double first = once(call, 1), eager = seconds([&] { f(args...); }), jit = seconds(call, 10);
  fmt::print("{}, {} at once: eager {:.1f} ms ({:.0f} ns each), jit {:.2f} ms ({:.1f} ns each), {:.0f} times as fast; first call {:.0f} ms\n", what,
             items, eager * 1e3, eager * 1e9 / items, jit * 1e3, jit * 1e9 / items, eager / jit, first * 1e3);
  auto result = fast(args...);
  check_same(what + ", jit against eager", result, f(args...), 1e-12);
  return result;
}
// The folder after --out, or "out"; made if it is not there.
inline std::string out_folder(int argc, char** argv) {
  std::string folder = "out";
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string(argv[i]) == "--out") folder = argv[i + 1];
  std::filesystem::create_directories(folder);
  return folder;
}
inline void save(const std::string& path, const Tensor& picture) {
  ft::io::write_png(path, picture);
  fmt::print("wrote {}\n", path);
}
// The derivative of f at x along d, by a central difference.
template <class F, class T> double difference(F f, const T& x, const T& d, double h) {
  auto at = [&](double s) { return double(f(ft::tree_map([&](const Tensor& a, const Tensor& b) { return a + s * b; }, x, d))); };
  return (at(h) - at(-h)) / (2 * h);
}
template <class T> double dot(const T& a, const T& b) {
  double s = 0;
  ft::tree_map([&](const Tensor& x, const Tensor& y) { return s += double(ft::sum(x * y)), x; }, a, b);
  return s;
}
inline std::vector<double> column(const Tensor& t, std::int64_t i) { return t.index({ft::Ellipsis, i}).contiguous().to_vector<double>(); }

// Adam (Kingma & Ba, 2015) on any tree of parameters.
template <class P> class Adam {
 public:
  explicit Adam(const P& like) : m_(zeros(like)), v_(zeros(like)) {}
  P step(const P& p, const P& g, double rate) {
    ++t_;
    m_ = ft::tree_map([](const Tensor& m, const Tensor& d) { return 0.9 * m + 0.1 * d; }, m_, g);
    v_ = ft::tree_map([](const Tensor& v, const Tensor& d) { return 0.999 * v + 0.001 * d * d; }, v_, g);
    double a = rate * std::sqrt(1 - std::pow(0.999, t_)) / (1 - std::pow(0.9, t_));
    return ft::tree_map([a](const Tensor& x, const Tensor& m, const Tensor& v) { return x - a * m / (ft::sqrt(v) + 1e-8); }, p, m_, v_);
  }

 private:
  static P zeros(const P& p) {
    return ft::tree_map([](const Tensor& x) { return ft::zeros_like(x); }, p);
  }
  P m_, v_;
  int t_ = 0;
};

}  // namespace example
