// What the examples share: where pictures go, and checks that end a program with an error when one fails.
#pragma once
#include <functra/fmt.h>
#include <functra/functra.h>
#include <functra/io/picture.h>
#include <functra/io/png.h>

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
