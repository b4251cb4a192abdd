// Jacobians in chunks: the same values, in little more memory than a chunk needs.
#include <gtest/gtest.h>

#include "functra/base/memory.h"
#include "support/close.h"

namespace ft = functra;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64)).reshape(s); }
template <class F> double peak_megabytes(F f) {
  ft::reset_peak_memory();
  std::size_t before = ft::memory_stats().in_use;
  (void)f();
  return static_cast<double>(ft::memory_stats().peak - before) / 1e6;
}
}  // namespace

TEST(Jacobian, PeakMemoryOfAChunkedOneStaysNearItsChunk) {
  Tensor x = some({64}), wide = some({1, 1024});
  auto f = [&](const Tensor& v) { return ft::sum(ft::sin(v.unsqueeze(1) * wide), 1); };  // each row or column passes through 0.5 MB
  for (bool reverse : {true, false}) {
    auto jacobian = [&](ft::JacOptions o) { return reverse ? ft::jacrev(f, o)(x) : ft::jacfwd(f, o)(x); };
    expect_close(jacobian({.chunk_size = 3}), jacobian({}), 1e-13);
    double chunked = peak_megabytes([&] { return jacobian({.chunk_size = 4}); }), whole = peak_megabytes([&] { return jacobian({}); });
    EXPECT_LT(chunked, 3 * 4 * 0.53 + 3 * 0.53) << "reverse: " << reverse;
    EXPECT_GT(whole, 64 * 0.52) << "reverse: " << reverse;
  }
}
TEST(Jacobian, AChunkedOneIsHeldOnce) {
  Tensor x = some({1024});
  auto f = [](const Tensor& v) { return std::pair{ft::sin(v), ft::sum(v)}; };
  for (bool reverse : {true, false}) {
    auto jacobian = [&](ft::JacOptions o) { return reverse ? ft::jacrev(f, o)(x) : ft::jacfwd(f, o)(x); };
    auto [a, b] = jacobian({.chunk_size = 16});
    expect_close(a, ft::eye(1024, ft::f64) * ft::cos(x), 1e-14);
    expect_close(b, ft::ones({1024}, ft::f64), 0);
    a = b = Tensor();
    EXPECT_LT(peak_megabytes([&] { return jacobian({.chunk_size = 16}); }), 8.4 + 4 * 16 * 1024 * 8e-6) << "reverse: " << reverse;
  }
}
TEST(Jacobian, ChunksOfSeveralShapesAndTransformsAreTheWhole) {
  struct In {
    Tensor a, b;
  };
  auto f = [](const In& in) { return std::pair{ft::matmul(in.a, in.b), ft::sum(in.a) * in.b[0]}; };
  In in{some({2, 3}), some({3, 2})};
  auto agree = [](const auto& p, const auto& q) {
    auto x = ft::tree_leaves(p), y = ft::tree_leaves(q);
    ASSERT_EQ(x.size(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i) expect_close(x[i], y[i], 1e-13);
  };
  for (std::int64_t chunk : {1, 2, 4, 5, 100}) {
    ft::JacOptions o{.chunk_size = chunk};
    agree(ft::jacrev(f, o)(in), ft::jacrev(f)(in));
    agree(ft::jacfwd(f, o)(in), ft::jacrev(f)(in));
    auto g = [](const Tensor& v) { return ft::sin(v) * ft::sum(v); };
    expect_close(ft::hessian([&](const Tensor& v) { return ft::sum(g(v)); }, o)(in.a),
                 ft::hessian([&](const Tensor& v) { return ft::sum(g(v)); })(in.a));
    expect_close(ft::vmap(ft::jacrev(g, o))(in.a), ft::vmap(ft::jacrev(g))(in.a));
    expect_close(ft::jit(ft::jacfwd(g, o))(in.a), ft::jacrev(g)(in.a));
    expect_close(ft::jacrev(ft::jacfwd(g, o))(in.b), ft::jacfwd(ft::jacrev(g))(in.b));
  }
}
