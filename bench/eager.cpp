// Measurements of plain evaluation: calls, loops, small matrices, memory. A row of memory has bytes_per_op too.
#include "bench/eager.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <functra/base/memory.h>

#include "bench/measure.h"

namespace bench {
namespace {

// A field of /proc/self/status, in bytes; 0 where there is none.
double status_bytes(const char* field) {
  double kib = 0;
  if (std::FILE* f = std::fopen("/proc/self/status", "r")) {
    for (char line[256]; std::fgets(line, sizeof line, f);)
      if (std::strncmp(line, field, std::strlen(field)) == 0) kib = std::atof(line + std::strlen(field));
    std::fclose(f);
  }
  return kib * 1024;
}
// How far the resident set rises above what it was during one call, with no memory kept from before.
void measure_memory(const std::string& name, const char* dtype, double operations, const std::function<std::vector<Tensor>()>& call) {
  ft::release_cached_memory();
  malloc_trim(0);
  if (std::FILE* f = std::fopen("/proc/self/clear_refs", "w")) {  // 5: the peak is now the present size
    std::fputs("5", f);
    std::fclose(f);
  }
  double before = status_bytes("VmRSS:"), t0 = now();
  std::vector<Tensor> out = call();
  double seconds = now() - t0, peak = status_bytes("VmHWM:");
  char more[64];
  std::snprintf(more, sizeof more, ", \"bytes_per_op\": %.1f", (peak - before) / operations);
  print({name, "functra", dtype, seconds, {seconds, seconds}, total(out), "eager", more});
}

// ---------------------------------------------------------------- scalars
Tensor scal(const Tensor& x) {  // 12 operations
  Tensor y = ft::sin(x) * ft::exp(-(x * x));
  Tensor z = ft::log(1.0 + x * x) + y * y;
  return ft::sqrt(1.0 + z * z) * ft::tanh(y);
}

// ---------------------------------------------------------------- 100,000 small matrices: ns per matrix is min_us / 100
extern "C" {
void dpotrf_(const char*, const int*, double*, const int*, int*);
void dgesv_(const int*, const int*, double*, const int*, int*, double*, const int*, int*);
}
void small_matrices(std::int64_t n, bool solve) {
  std::string name = (solve ? "solve_" : "cholesky_") + std::to_string(n) + "_1e5";
  if (!wanted(name)) return;
  const std::int64_t count = 100000;
  Tensor g = ft::sin(ft::reshape(ft::arange(count * n * n, ft::f64), {count, n, n}) * 0.7);
  Tensor a = ft::matmul(g, ft::transpose(g, 1, 2)) + ft::eye(n, ft::f64), b = ft::sin(ft::reshape(ft::arange(count * n, ft::f64), {count, n}));
  measure(name, "f64", [&] { return std::vector<Tensor>{solve ? ft::linalg::solve(a, b) : ft::linalg::cholesky(a)}; });
  std::vector<double> x(static_cast<std::size_t>(a.numel())), y(static_cast<std::size_t>(b.numel()));
  auto lapack = [&] {  // what is symmetric is stored the same by rows and by columns
    std::copy_n(a.data<double>(), a.numel(), x.data());
    std::copy_n(b.data<double>(), b.numel(), y.data());
    int order = static_cast<int>(n), one = 1, info = 0, pivots[16];
    for (std::int64_t i = 0; i < count; ++i) {
      double* m = x.data() + i * n * n;
      if (solve) {
        dgesv_(&order, &one, m, &order, pivots, y.data() + i * n, &order, &info);
      } else {
        dpotrf_("U", &order, m, &order, &info);
        for (std::int64_t r = 0; r < n; ++r) std::fill(m + r * n + r + 1, m + (r + 1) * n, 0.0);
      }
    }
    return std::vector<Tensor>{solve ? ft::from_span(y, {count, n}) : ft::from_span(x, {count, n, n})};
  };
  measure(name, "f64", lapack, 1, "lapack", "a loop over dpotrf or dgesv, with a copy of the operands");
}

// ---------------------------------------------------------------- loops of small steps: ns per step is min_us / (steps / 1000)
Tensor scanned(const Tensor& w, const Tensor& xs) {
  return ft::scan([&](const Tensor& c, const Tensor& x) { return std::pair{ft::sin(c) * w + x, ft::none}; }, strong(0.1), xs).first;
}
auto counted(ft::WhileOptions o) {  // as many steps as xs has elements
  return [o](const Tensor& w, const Tensor& n) {
    auto last = ft::while_loop([&](const auto& c) { return std::get<0>(c) < n; },
                               [&](const auto& c) {
                                 return std::tuple{std::get<0>(c) + 1, ft::sin(std::get<1>(c)) * w + 0.3};
                               },
                               std::tuple{ft::tensor(0), strong(0.1)}, o);
    return std::get<1>(last);
  };
}
void loops(std::int64_t n, const std::string& size) {
  Tensor w = strong(0.9), xs = ft::sin(ft::arange(n, ft::f64)) * 0.3, count = ft::tensor(n, ft::i64);
  auto row = [&](const std::string& name, auto f, const Tensor& a) {
    auto call = [&] { return std::vector<Tensor>{f(w, a)}; };
    if (wanted(name)) measure(name, "f64", call);
    if (wanted(name + "_memory")) measure_memory(name + "_memory", "f64", static_cast<double>(n), call);
  };
  row("eager_scan_" + size, scanned, xs);
  row("eager_scan_" + size + "_grad", ft::grad(scanned), xs);
  row("eager_scan_" + size + "_grad2", ft::grad(ft::grad(scanned)), xs);
  row("eager_while_" + size, counted({}), count);
  row("eager_while_" + size + "_grad_max_steps", ft::grad(counted({.max_steps = n})), count);
  row("eager_while_" + size + "_grad_checkpoint_0", ft::grad(counted({.max_steps = ft::none, .checkpoint = 0})), count);
}
// Two steps of a body of 10^4 equations, which is traced, transformed and run at every call.
Tensor long_body(const Tensor& w) {
  auto step = [&](const Tensor& c, ft::NoneType) {
    Tensor y = c;
    for (int i = 0; i < 5000; ++i) y = ft::sin(y) * w;
    return std::pair{y, ft::none};
  };
  return ft::scan(step, w, {.length = 2}).first;
}

}  // namespace

void run_eager() {
  if (wanted("eager_mul_0d")) {
    Tensor x = strong(0.999), acc = strong(1);
    measure("eager_mul_0d", "f64", [&] {
      Tensor a = acc;
      for (int i = 0; i < 1000; ++i) a = a * x;
      return std::vector<Tensor>{a};
    });
  }
  if (wanted("eager_mul_8")) {
    Tensor x = sym({8}, 1), y = sym({8}, 2);
    measure("eager_mul_8", "f32", [&] {
      Tensor a;
      for (int i = 0; i < 1000; ++i) a = x * y;
      return std::vector<Tensor>{a};
    });
  }
  auto level = [&](const char* name, const auto& g) {
    Tensor x = strong(0.7);
    if (wanted(name))
      measure(
          name, "f64", [&] { return std::vector<Tensor>{g(x)}; }, 20);
  };
  level("eager_scalar_grad2", ft::grad(ft::grad(scal)));
  level("eager_scalar_grad3", ft::grad(ft::grad(ft::grad(scal))));
  auto chain = ft::grad([](const Tensor& t) {  // 10^5 operations, whose derivative does not vanish
    Tensor y = t;
    for (int i = 0; i < 50000; ++i) y = ft::sin(y) * 1.0001;
    return y;
  });
  auto differentiate_chain = [&] { return std::vector<Tensor>{chain(strong(0.7))}; };
  if (wanted("eager_chain_1e5_grad_memory")) measure_memory("eager_chain_1e5_grad_memory", "f64", 1e5, differentiate_chain);
  if (wanted("eager_chain_1e5_grad")) measure("eager_chain_1e5_grad", "f64", differentiate_chain);
  loops(10000, "1e4");
  loops(100000, "1e5");
  if (wanted("eager_body_1e4_grad")) {
    auto g = ft::grad(long_body);
    measure("eager_body_1e4_grad", "f64", [&] { return std::vector<Tensor>{g(strong(1.0001))}; });
  }
  small_matrices(3, false);
  small_matrices(6, false);
  small_matrices(3, true);
}

}  // namespace bench
