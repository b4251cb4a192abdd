// What compiled calls ask of the heap.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "functra/base/thread_limit.h"
#include "support/compiled.h"
#include "support/heap.h"

namespace functra::testing {
namespace {

// In 20 calls, after two.
template <class F> std::size_t blocks_of(F f) {
  f();
  f();
  const std::size_t before = heap_blocks();
  for (int k = 0; k < 20; ++k) f();
  return heap_blocks() - before;
}

}  // namespace

TEST(NativeHeap, every_kind_of_block_is_counted) {
  if (!FUNCTRA_COUNTS_HEAP) GTEST_SKIP() << "the heap belongs to a sanitizer, or to another C library";
  auto given = [](void* p) {  // or the compiler leaves out what is freed at once
    asm volatile("" : "+r"(p) : : "memory");
    return p;
  };
  EXPECT_EQ(blocks_of([&] { given(std::vector<int>(100).data()); }), 20u);
  EXPECT_EQ(blocks_of([&] { ::operator delete(given(::operator new(100, std::align_val_t(64))), std::align_val_t(64)); }), 20u);
  EXPECT_EQ(blocks_of([&] { std::free(given(std::malloc(100))); }), 20u);
  EXPECT_EQ(blocks_of([&] { std::free(given(std::calloc(100, 1))); }), 20u);
  EXPECT_EQ(blocks_of([&] { std::free(given(std::realloc(given(std::malloc(100)), 5000))); }), 40u);
  EXPECT_EQ(blocks_of([&] { std::free(given(std::aligned_alloc(64, 128))); }), 20u);
  EXPECT_EQ(blocks_of([&] {
              void* p = nullptr;
              EXPECT_EQ(posix_memalign(&p, 64, 100), 0);
              std::free(given(p));
            }),
            20u);
}
TEST(NativeHeap, prepared_calls_ask_for_nothing) {
  if (!FUNCTRA_COUNTS_HEAP) GTEST_SKIP() << "the heap belongs to a sanitizer, or to another C library";
  struct Pair {
    Tensor a;
    std::vector<Tensor> rest;
  };
  const Tensor s = tensor(0.5, f64), x = numbers({200}), m = numbers({40, 30});
  auto number = jit([](const Tensor& a, const Tensor& b) { return sin(a) * b; }).bind(s, s);
  EXPECT_EQ(blocks_of([&] { number(s, s); }), 0u);
  auto array = jit([](const Tensor& a) { return std::pair{exp(a) * 2.0, sum(a)}; }).bind(x);
  EXPECT_EQ(blocks_of([&] { array(x); }), 0u);
  auto gradient = jit(grad([](const Tensor& a) { return sum(softmax(a, 1) * sin(a)) + sum(square(sum(a, 0))); })).bind(m);
  EXPECT_EQ(blocks_of([&] { gradient(m); }), 0u);
  Pair p{x, {s, x}};
  auto trees = jit([](const Pair& q, int n) { return Pair{q.a * static_cast<double>(n), {q.rest[0] + 1.0, q.rest[1] - q.a}}; }).bind(p, 3);
  EXPECT_EQ(blocks_of([&] { trees(p, 3); }), 0u);
  auto loop = jit([](const Tensor& a) {
                return fori_loop(
                    0, 5, [](const Tensor&, const Tensor& c) { return sin(c) + 0.1; }, a);
              }).bind(s);
  EXPECT_EQ(blocks_of([&] { loop(s); }), 0u);
  auto asks = [](auto f, const Tensor& a) {
    auto call = jit(f).bind(a);
    return blocks_of([&] { call(a); });
  };
  const Tensor large = numbers({300000}), q = numbers({200, 200}), positive = matmul(q, q.t()) + 200.0 * eye(200, f64);
  EXPECT_EQ(asks([](const Tensor& a) { return std::pair{exp(a) * 2.0, sum(sin(a))}; }, large), 0u);  // shared among threads
  // Kernels of ours, not of oneDNN, and bodies of control flow that hold them. By one thread: another one takes what it keeps where it first
  // takes part, at any call.
  ThreadLimit one(1);
  EXPECT_EQ(asks([](const Tensor& a) { return softmax(cumsum(sin(a), 0) * 0.01, 0) - mean(a); }, x), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return matmul(a, a); }, q), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return einsum("abc,dbc->da", a.permute({2, 1, 0}), a.permute({2, 1, 0})); }, numbers({40, 30, 50})), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return linalg::cholesky(a); }, positive), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return linalg::solve(a, a); }, positive), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return std::pair{sort(a).first, topk(a, 3).first}; }, x), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return sort(a).first; }, large), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return index_add(a, 0, tensor({1, 2, 1}), narrow(a, 0, 0, 3)); }, x), 0u);
  EXPECT_EQ(asks([](const Tensor& a) { return random::normal(a, {100}); }, random::key(1)), 0u);
  EXPECT_EQ(asks(
                [](const Tensor& a) {
                  return cond(
                      sum(a) > 0.0, [](const Tensor& u) { return cumsum(u, 0); }, [](const Tensor& u) { return u * 2.0; }, a);
                },
                x),
            0u);
  EXPECT_EQ(asks(
                [](const Tensor& a) {
                  return while_loop([](const Tensor& c) { return sum(c) < 1e3; }, [](const Tensor& c) { return abs(cumsum(c, 0)) + 1.0; }, a);
                },
                x),
            0u);
}

}  // namespace functra::testing
