// The workloads beside peers: each target has a program, the quick ones give what JAX gives, and a table and a page are made of them.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
std::string program() { return std::string(testing::binary_dir()) + "/bench/functra_bench"; }
// The runner of bench/peers; -1 where there is no Python.
testing::Ran run_peers(const std::string& options) {
  if (testing::run("command -v python3").status != 0) return {-1, ""};
  return testing::run("python3 " + testing::shell_word(std::string(testing::source_dir()) + "/bench/peers/run.py") + " " + options);
}
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

// The runner itself: what it makes of figures, how it takes them, and that it ends a program that does not.
TEST(Bench, a_page_has_ratios_marks_medians_and_first_calls) {
  const std::string json = std::string(testing::binary_dir()) + "/bench_figures.json", page = std::string(testing::binary_dir()) + "/bench_page.md";
  auto row = [](const char* peer, double least, double median, double check, const char* more = "") {
    return "\"" + std::string(peer) + "\": {\"dtype\": \"f64\", \"compile_ms\": 30, \"min_us\": " + std::to_string(least) +
           ", \"median_us\": " + std::to_string(median) + ", \"check\": " + std::to_string(check) + more + "}";
  };
  std::ofstream(json) << R"({"rows": {"kalman_grad_t1000": {)"
                      << row("functra", 200, 210, 5, R"(, "trace_ms": 1, "code_ms": 28, "warm": {"compile_ms": 4, "trace_ms": 1, "code_ms": 2})")
                      << ", " << row("eager", 150, 160, 5) << ", " << row("hand", 100, 101, 5) << ", " << row("jax", 700, 710, 5) << ", "
                      << row("enzyme", 180, 190, 6)
                      << R"(}}, "missing": {"kalman_grad_t1000": {"torch.compile": "> 60 s", "torch.func": "no <scan>"}},
    "peers": ["functra", "eager", "hand", "jax", "torch.func", "torch.compile", "enzyme", "mlx"], "left_out": {"casadi": "not installed"},
    "budget": "0.5", "rounds": 1, "machine": {"cpu": "a", "cores": 2, "system": "b", "date": "c", "commit": "d"}})";
  auto r = run_peers("--from " + testing::shell_word(json) + " --page " + testing::shell_word(page));
  if (r.status < 0) GTEST_SKIP() << "there is no python3";
  ASSERT_EQ(r.status, 0) << r.output;
  const std::string text = testing::text_of(page), start = "| kalman_grad_t1000 | ";
  for (const std::string& expected :
       {start + "200† | 150 | 100 | 700 | — | > 60 s | 180! |  | 0.50 | 0.90 | 30 | 4 | 0.45 of hand: met, but Enzyme is faster |\n",
        start + "210† | 160 | 101 | 710 | — | > 60 s | 190! |  |\n", start + "1 | 28 | 30 | 1 | 2 | 4 | 30 | — | > 60 s | 30! |  |\n",
        std::string("(†): `kalman_grad_t1000`."), std::string("Another library is faster: `kalman_grad_t1000` (Enzyme, 0.90)."),
        std::string("Failed (—): `kalman_grad_t1000` by torch.func (no &lt;scan&gt;)."), std::string("Left out: CasADi (not installed)."),
        std::string("(bench_page.svg)")}) {
    testing::count_law(text.find(expected) != text.npos);
    EXPECT_NE(text.find(expected), text.npos) << expected << "\nis not in\n" << text;
  }
  EXPECT_NE(testing::text_of(std::string(testing::binary_dir()) + "/bench_page.svg").find(">0.50</text>"), std::string::npos);
}
TEST(Bench, the_runner_measures_first_calls_twice_and_ends_what_does_not_end) {
  if (!std::filesystem::exists(program())) GTEST_SKIP() << program() << " is not built";
  const std::string json = std::string(testing::binary_dir()) + "/bench_run.json", endless = std::string(testing::binary_dir()) + "/bench_endless";
  const std::string options = "--only scalar_grad --budget 0.001 --json " + testing::shell_word(json);
  auto r = run_peers("--peers functra,eager --program " + testing::shell_word(program()) + " " + options);
  if (r.status < 0) GTEST_SKIP() << "there is no python3";
  ASSERT_EQ(r.status, 0) << r.output;
  std::string figures = testing::text_of(json);
  for (const char* key : {"\"functra\": {", "\"eager\": {", "\"warm\": {", "\"trace_ms\": ", "\"code_ms\": ", "\"median_us\": "})
    EXPECT_NE(figures.find(key), figures.npos) << key << " is not in " << figures;
  std::ofstream(endless) << "#!/bin/sh\nsleep 100 & wait\n";
  std::filesystem::permissions(endless, std::filesystem::perms::owner_all);
  r = run_peers("--peers functra --limit 0.2 --program " + testing::shell_word(endless) + " " + options);
  EXPECT_EQ(r.status, 1) << r.output;
  EXPECT_NE(r.output.find("| scalar_grad | > 0.2 s |"), r.output.npos) << r.output;
}

}  // namespace functra
