// Workloads beside peers. One JSON line each: workload, peer, dtype, compile_ms (first call), min_us, median_us, check (sum of absolute
// values of all outputs). PEER_ONLY (comma list) and PEER_BUDGET_S choose and bound them. A row of memory has bytes_per_op too.
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <functra/base/memory.h>
#include <functra/functra.h>

namespace ft = functra;
using ft::Tensor;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
double budget() {
  const char* b = std::getenv("PEER_BUDGET_S");
  return b ? std::atof(b) : 1.0;
}
bool wanted(const std::string& name) {
  const char* only = std::getenv("PEER_ONLY");
  return !only || !*only || ("," + std::string(only) + ",").find("," + name + ",") != std::string::npos;
}
double u(std::int64_t i, int seed) {
  double x = static_cast<double>(i + 1) * 0.6180339887498949 + seed * 0.7548776662466927;
  return x - std::floor(x);
}
Tensor sym(const ft::Shape& s, int seed, double scale = 1) {
  std::vector<float> v(static_cast<std::size_t>(s.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>((2 * u(static_cast<std::int64_t>(i), seed) - 1) * scale);
  return ft::from_span(v, s);
}
double check_of(const std::vector<Tensor>& out) {
  double c = 0;
  for (const Tensor& t : out)
    for (double v : t.to_vector<double>()) c += std::fabs(v);
  return c;
}
// `inner` calls per timing, for what is faster than the clock.
void measure(const std::string& name, const char* dtype, const std::function<std::vector<Tensor>()>& call, int inner = 1,
             const char* peer = "functra", const char* note = "eager") {
  double t0 = now();
  std::vector<Tensor> out = call();
  double first = now() - t0, start = now();
  std::vector<double> times;
  while ((now() - start < budget() || times.size() < 5) && times.size() < 20000) {
    double t = now();
    for (int i = 0; i < inner; ++i) out = call();
    times.push_back((now() - t) / inner);
    if (now() - start > 8 * budget() && times.size() >= 3) break;
  }
  std::sort(times.begin(), times.end());
  std::printf(
      "{\"workload\": \"%s\", \"peer\": \"%s\", \"dtype\": \"%s\", \"compile_ms\": %.2f, \"min_us\": %.4f, \"median_us\": %.4f, \"check\": "
      "%.12g, \"note\": \"%s\"}\n",
      name.c_str(), peer, dtype, first * 1e3, times.front() * 1e6, times[times.size() / 2] * 1e6, check_of(out), note);
  std::fflush(stdout);
}
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
  std::printf(
      "{\"workload\": \"%s\", \"peer\": \"functra\", \"dtype\": \"%s\", \"compile_ms\": %.2f, \"min_us\": %.4f, \"median_us\": %.4f, \"check\": "
      "%.12g, \"bytes_per_op\": %.1f, \"note\": \"eager\"}\n",
      name.c_str(), dtype, seconds * 1e3, seconds * 1e6, seconds * 1e6, check_of(out), (peak - before) / operations);
  std::fflush(stdout);
}

// ---------------------------------------------------------------- scalars
Tensor scal(const Tensor& x) {  // 12 operations
  Tensor y = ft::sin(x) * ft::exp(-(x * x));
  Tensor z = ft::log(1.0 + x * x) + y * y;
  return ft::sqrt(1.0 + z * z) * ft::tanh(y);
}
Tensor strong(double v) { return ft::tensor(v, ft::f64); }

// ---------------------------------------------------------------- a perceptron of two layers
struct Layer {
  Tensor w, b;
};
using Mlp = std::vector<Layer>;
Mlp mlp(const std::vector<std::int64_t>& widths) {
  Mlp m;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i)
    m.push_back({sym({widths[i], widths[i + 1]}, 10 + 2 * static_cast<int>(i), std::sqrt(3.0 / static_cast<double>(widths[i]))),
                 sym({widths[i + 1]}, 11 + 2 * static_cast<int>(i), 0.1)});
  return m;
}
Tensor one(const Mlp& p, const Tensor& x, const Tensor& y) {
  Tensor h = x;
  for (std::size_t i = 0; i < p.size(); ++i) {
    h = ft::matmul(h, p[i].w) + p[i].b;
    if (i + 1 < p.size()) h = ft::relu(h);
  }
  Tensor top = ft::amax(ft::stop_gradient(h), -1);
  return top + ft::log(ft::sum(ft::exp(h - top), -1)) - ft::sum(h * y, -1);
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

int main() {
  if (wanted("eager_scalar_grad")) {
    auto g = ft::grad(scal);
    Tensor x = strong(0.7);
    measure(
        "eager_scalar_grad", "f64", [&] { return std::vector<Tensor>{g(x)}; }, 100);
  }
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
  if (wanted("eager_per_sample_grads_mlp_b256")) {
    Mlp p = mlp({784, 128, 10});
    Tensor x = sym({256, 784}, 1);
    std::vector<float> hot(256 * 10);
    for (std::size_t i = 0; i < 256; ++i) hot[i * 10 + i * 7 % 10] = 1;
    Tensor y = ft::from_span(hot, {256, 10});
    auto g = ft::vmap(ft::grad(one), {.in_dims = {ft::none, 0, 0}});
    measure("eager_per_sample_grads_mlp_b256", "f32", [&] { return ft::tree_leaves(g(p, x, y)); });
  }
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
