// The workloads beside peers: each target has a program, and the quick ones give what JAX gives.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
std::string program() { return std::string(testing::binary_dir()) + "/bench/functra_bench"; }
}  // namespace

TEST(Bench, every_target_has_a_program) {
  if (!std::filesystem::exists(program())) GTEST_SKIP() << program() << " is not built";
  auto listed = testing::run(testing::shell_word(program()) + " --list");
  ASSERT_EQ(listed.status, 0) << listed.output;
  std::set<std::string> programs, targets;
  std::istringstream lines(listed.output);
  for (std::string line; std::getline(lines, line);) programs.insert(line);
  std::string text = testing::text_of(std::filesystem::path(testing::source_dir()) / "bench/peers/targets.json");
  const std::regex key("\"(\\w+)\": \\{");
  for (std::sregex_iterator i(text.begin(), text.end(), key), end; i != end; ++i) targets.insert((*i)[1]);
  EXPECT_EQ(programs, targets);
  EXPECT_GE(targets.size(), 37u);
}

// The program itself compares every element with plain evaluation. `check` is the sum of the absolute values of all outputs, here by
// bench/peers/peer_jax.py with jax 0.10.2.
TEST(Bench, quick_workloads_give_what_jax_gives) {
  if (!std::filesystem::exists(program())) GTEST_SKIP() << program() << " is not built";
  const std::map<std::string, std::pair<double, double>> expected = {{"scalar_grad", {0.0764954649517358, 1e-9}},
                                                                     {"arm_jacobian_x1", {26.1138559963865, 1e-9}},
                                                                     {"chain12_value_grad_1e4", {3447.10302249869, 1e-5}},
                                                                     {"lstm_grad_t200_h16", {0.237951426855723, 1e-5}},
                                                                     {"kalman_grad_t1000", {6088.99249642098, 1e-9}},
                                                                     {"unrolled_100_layers_grad", {1.2583613911945e-17, 1e-9}},
                                                                     {"tanh_layer_grad_32x784x128", {46.0940025565313, 1e-5}},
                                                                     {"maml_sinusoid_25x10", {11037.614473179, 1e-5}},
                                                                     {"attention_grad_t128_h4_d64", {225452.273373887, 1e-5}}};
  std::string only;
  for (const auto& [name, value] : expected) only += (only.empty() ? "" : ",") + name;
  auto r = testing::run("PEER_BUDGET_S=0.001 PEER_ONLY=" + only + " " + testing::shell_word(program()) + " --workloads");
  EXPECT_EQ(r.status, 0) << r.output;
  const std::regex row("\"workload\": \"(\\w+)\".*\"check\": ([-+.0-9e]+)");
  std::set<std::string> seen;
  for (std::sregex_iterator i(r.output.begin(), r.output.end(), row), end; i != end; ++i) {
    const auto& [check, near] = expected.at((*i)[1]);
    bool ok = std::fabs(std::stod((*i)[2]) - check) <= near * check;
    testing::count_law(ok);
    EXPECT_TRUE(ok) << (*i)[1] << ": " << (*i)[2] << ", by JAX " << check;
    seen.insert((*i)[1]);
  }
  EXPECT_EQ(seen.size(), expected.size()) << r.output;
}

}  // namespace functra
