// The examples run, their own checks hold, and they leave their pictures.
#include <gtest/gtest.h>

#include <filesystem>

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
  for (const char* picture : GetParam().pictures) EXPECT_TRUE(std::filesystem::exists(out + "/" + picture)) << picture;
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
