// The examples run, their own checks hold, and they leave their pictures, which are those on the pages of docs/.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "functra/functra.h"
#include "functra/io/png.h"
#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
struct Example {
  const char* name;
  std::vector<const char*> pictures;
};
class Examples : public ::testing::TestWithParam<Example> {};
}  // namespace

TEST_P(Examples, checks_hold) {
  std::string root = testing::binary_dir(), program = root + "/examples/" + GetParam().name, out = root + "/examples/out";
  if (!std::filesystem::exists(program)) GTEST_SKIP() << program << " is not built";
  auto r = testing::run(testing::shell_word(program) + " --out " + testing::shell_word(out));
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_NE(r.output.find(": ok"), r.output.npos) << r.output;
  EXPECT_EQ(r.output.find("FAILED"), r.output.npos) << r.output;
  for (const char* picture : GetParam().pictures) {
    ASSERT_TRUE(std::filesystem::exists(out + "/" + picture)) << picture;
    const std::string on_page = std::string(testing::source_dir()) + "/docs/tutorials/" + picture;
    if (!std::filesystem::exists(on_page)) continue;
    Tensor drawn = io::read_png(out + "/" + picture), shown = io::read_png(on_page);
    ASSERT_EQ(drawn.sizes(), shown.sizes()) << picture;
    auto a = drawn.to_vector<double>(), b = shown.to_vector<double>();
    std::size_t same = 0;  // up to what the last digits of another machine may turn
    for (std::size_t i = 0; i < a.size(); ++i) same += std::fabs(a[i] - b[i]) <= 2;
    EXPECT_GT(static_cast<double>(same), 0.99 * static_cast<double>(a.size())) << picture << " is not the picture on its page";
    EXPECT_LT(std::filesystem::file_size(on_page), 60000u) << picture;
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, Examples,
    ::testing::Values(Example{"three_body", {"three_body.png"}}, Example{"kalman", {"kalman.png", "kalman_loss.png"}},
                      Example{"adaptive_ode", {"adaptive_ode.png", "adaptive_ode_steps.png"}},
                      Example{"neural_ode", {"neural_ode.png", "neural_ode_loss.png"}},
                      Example{"aot_autograd", {"aot_joint.svg", "aot_default.svg", "aot_min_cut.svg"}},
                      Example{"minifier", {"minifier_before.svg", "minifier_after.svg"}},
                      Example{"maml_sinusoid", {"maml_sinusoid.png", "maml_sinusoid_loss.png"}},
                      Example{"lennard_jones", {"lennard_jones_energy.png", "lennard_jones_force.png", "lennard_jones_loss.png"}},
                      Example{"parallel_training", {"parallel_training.png", "parallel_training_rates.png"}}, Example{"whirlwind_tour", {}},
                      Example{"per_sample_grads", {"per_sample_grads.png"}}, Example{"jacobians_hessians", {"jacobians_hessians.png"}},
                      Example{"ensembling", {"ensembling.png"}}, Example{"neural_tangent_kernels", {"neural_tangent_kernels.png"}},
                      Example{"robot_arm", {"robot_arm.png", "robot_arm_circle.png"}}, Example{"constitutive", {"constitutive.png"}},
                      Example{"greeks", {"greeks.png", "greeks_gamma.png"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace functra
