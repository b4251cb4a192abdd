// Partitions of models: what the default one and the minimum cut keep between the halves, and that the halves are the gradient.
#include <gtest/gtest.h>

#include <cstdio>

#include "examples/support/models.h"
#include "functra/compile.h"
#include "support/close.h"

namespace ft = functra;
namespace fc = functra::compile;
using ft::Tensor;

namespace {

Tensor some(const ft::Shape& s) { return ft::random::normal(ft::random::key(9), s, ft::f64); }

// Forward then backward by hand; what eager says, to 1e-12.
template <class F, class Model> void expect_gradient(const F& f, const fc::Partition& parts, const Model& m, const Tensor& x) {
  std::vector<Tensor> out = parts.forward(ft::tree_leaves(std::tuple{m, x}));
  ASSERT_EQ(out.size(), 1 + parts.residuals);
  auto [want, value] = ft::grad_and_value<0, 1>(f)(m, x);
  expect_close(out[0], value, 1e-12);
  out.erase(out.begin());
  out.push_back(ft::tensor(1.0, ft::f64));
  std::vector<Tensor> g = parts.backward(out), each = ft::tree_leaves(want);
  ASSERT_EQ(g.size(), each.size());
  for (std::size_t i = 0; i < g.size(); ++i) expect_close(g[i], each[i], 1e-12);
}

// Bytes kept and equations computed twice, reported and returned: default, minimum cut.
template <class Model> std::pair<fc::Partition, fc::Partition> compared(const char* name, const Model& m, const Tensor& x) {
  auto loss = [](const Model& net, const Tensor& v) { return ft::mean(ft::square(net(v))); };
  auto joint = fc::aot_function(loss).programs(m, x).joint;
  auto kept = fc::default_partition(joint), cut = fc::min_cut_rematerialization_partition(joint);
  std::printf("%s: joint program of %zu equations; default keeps %lld bytes in %zu residuals, recomputes %zu; min-cut %lld in %zu, recomputes %zu\n",
              name, joint.program.size(), static_cast<long long>(kept.saved_bytes()), kept.residuals, kept.recomputed,
              static_cast<long long>(cut.saved_bytes()), cut.residuals, cut.recomputed);
  EXPECT_LE(cut.saved_bytes(), kept.saved_bytes());
  EXPECT_EQ(kept.recomputed, 0u);
  expect_gradient(loss, kept, m, x);
  expect_gradient(loss, cut, m, x);
  // With loops and products computed again too.
  auto least = fc::min_cut_rematerialization({.activation_memory_budget = 0})(joint);
  std::printf("  with a budget of 0: %lld, recomputes %zu\n", static_cast<long long>(least.saved_bytes()), least.recomputed);
  EXPECT_LE(least.saved_bytes(), cut.saved_bytes());
  expect_gradient(loss, least, m, x);
  // As users call them: the whole function through both partitions.
  for (const fc::Partitioner& partition : {fc::Partitioner(fc::default_partition), fc::Partitioner(fc::min_cut_rematerialization_partition)}) {
    auto got = ft::tree_leaves(ft::grad<0, 1>(fc::aot_function(loss, {.partition_fn = partition}))(m, x));
    auto want = ft::tree_leaves(ft::grad<0, 1>(loss)(m, x));
    for (std::size_t i = 0; i < got.size(); ++i) expect_close(got[i], want[i], 1e-12);
  }
  return {kept, cut};
}
std::size_t count(const ft::Program& p, const std::string& op) {
  std::size_t n = 0;
  for (auto& e : p.equations()) n += e.op == op;
  return n;
}

}  // namespace

TEST(PartitionOfModels, twelve_layer_mlp) {
  auto [kept, cut] = compared("12-layer MLP", example::DeepMlp(ft::random::key(1), 12, 16, ft::f64), some({8, 16}));
  // Of each hidden layer one value: the weights themselves are inputs, and are counted by both.
  std::size_t activations = 0;
  for (auto& s : cut.saved) activations += s.shape == ft::Shape{8, 16};
  EXPECT_LE(activations, 1 + 12u);
  EXPECT_GT(cut.recomputed, 0u);
  EXPECT_LT(cut.saved_bytes(), kept.saved_bytes());
  // No product of matrices is computed twice: 12 forward, and two per layer backward.
  EXPECT_EQ(count(cut.forward, "dot_general"), 12u);
  EXPECT_EQ(count(cut.backward, "dot_general"), 24u);
}
TEST(PartitionOfModels, transformer_block) {
  auto [kept, cut] = compared("transformer block", example::TransformerBlock(ft::random::key(2), 16, 4, ft::f64), some({6, 2, 16}));
  EXPECT_GT(cut.recomputed, 0u);
  EXPECT_LT(cut.saved_bytes(), kept.saved_bytes());
  EXPECT_EQ(count(cut.backward, "dot_general"), count(kept.backward, "dot_general"));
}
TEST(PartitionOfModels, lstm) {
  auto [kept, cut] = compared("LSTM", example::LstmOutputs(ft::random::key(3), 16, ft::f64), some({7, 2, 16}));
  EXPECT_EQ(count(cut.backward, "scan"), count(kept.backward, "scan"));  // loops are not run twice
}
