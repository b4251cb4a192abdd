// Gradients of elementwise programs and reductions; sorting and segments.
#include "bench/workloads/row.h"

namespace bench {
namespace {

Tensor scalar(const Tensor& x) {
  Tensor y = ft::sin(x) * ft::exp(-(x * x));
  Tensor z = ft::log(1 + x * x) + y * y;
  return ft::sqrt(1 + z * z) * ft::tanh(y);
}

Tensor rosenbrock(const Tensor& x) {
  Tensor head = x.index({ft::Slice(0, -1)}), tail = x.index({ft::Slice(1)});
  return ft::sum(100 * ft::square(tail - ft::square(head)) + ft::square(1 - head));
}

Tensor chain12(const Tensor& x) {
  Tensor y = x * 1.5 + 0.25;
  Tensor z = ft::tanh(y) * ft::exp(-y * y);
  Tensor w = ft::sqrt(z * z + 1) / (1 + ft::abs(y));
  return ft::sum(ft::log(w + 1) * ft::sin(z));
}
template <int N> void chain12_of(const Row& row) { row.jit(ft::value_and_grad(chain12), sym({N}, 1)); }

Tensor gelu_softmax(const Tensor& x, const Tensor& t) { return ft::sum(ft::softmax(ft::gelu_tanh(x), -1) * t); }

Tensor normal_cdf(const Tensor& z) { return 0.5 * (1 + ft::erf(z / std::sqrt(2.0))); }
Tensor price(const Tensor& s, const Tensor& v, const Tensor& t, const Tensor& r) {
  const double k = 100;
  Tensor d1 = (ft::log(s / k) + (r + 0.5 * v * v) * t) / (v * ft::sqrt(t));
  Tensor d2 = d1 - v * ft::sqrt(t);
  return s * normal_cdf(d1) - k * ft::exp(-r * t) * normal_cdf(d2);
}
void black_scholes(const Row& row) {
  const std::int64_t n = 1000000;
  auto greeks = ft::vmap(ft::value_and_grad<0, 1, 2, 3>(price));
  row.jit(greeks, 80 + 40 * uniform({n}, 1), 0.1 + 0.4 * uniform({n}, 2), 0.1 + 1.9 * uniform({n}, 3), 0.05 * uniform({n}, 4));
}

void segment_sum(const Row& row) {
  const std::int64_t edges = 1000000, nodes = 100000, features = 16;
  Tensor src = (uniform({edges}, 1) * double(nodes)).to(ft::i32), dst = (uniform({edges}, 2) * double(nodes)).to(ft::i32);
  Tensor w = sym({nodes, features}, 4);
  auto f = [=](const Tensor& x) { return ft::sum(ft::tanh(ft::segment_sum(x.index({src}), dst, nodes)) * w); };
  row.jit(ft::grad(f), sym({nodes, features}, 3));
}

void sorted(const Row& row) {
  Tensor w = sym({1000000}, 2);
  row.jit(ft::grad([=](const Tensor& x) { return ft::sum(ft::sort(x).first * w); }), sym({1000000}, 1));
}

}  // namespace

std::vector<Row> elementwise_rows() {
  return {
      {"scalar_grad", [](const Row& row) { row.jit(ft::grad(scalar), strong(0.7)); }, "bound call, mean of 100", 100},
      {"eager_scalar_grad", [](const Row& row) { row.eager(ft::grad(scalar), strong(0.7)); }, "eager, mean of 100", 100},
      {"rosenbrock_grad_1e6", [](const Row& row) { row.jit(ft::grad(rosenbrock), sym({1000000}, 0)); }},
      {"chain12_value_grad_1e4", chain12_of<10000>},
      {"chain12_value_grad_1e7", chain12_of<10000000>},
      {"gelu_softmax_vg_4096x1024",
       [](const Row& row) {
         row.jit(ft::value_and_grad(gelu_softmax), sym({4096, 1024}, 1, 3), sym({4096, 1024}, 2));
       }},
      {"black_scholes_greeks_1e6", black_scholes},
      {"segment_sum_grad_1e6x16", segment_sum},
      {"sort_grad_1e6", sorted},
  };
}

}  // namespace bench
