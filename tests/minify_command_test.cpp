// functra-minify: the command, on a program kept as files and a shell command that fails.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "functra/functra.h"
#include "functra/io/repro.h"
#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
namespace fs = std::filesystem;
using testing::run;
using testing::shell_word;

struct MinifyCommand : ::testing::Test {
  std::string binary = std::string(testing::binary_dir()) + "/tools/functra-minify";
  fs::path dir = fs::temp_directory_path() / ("functra_minify_" + std::to_string(::getpid()));
  std::string program = shell_word((dir / "program.txt").string()), inputs = shell_word((dir / "inputs.npz").string());

  void SetUp() override {
    if (!fs::exists(binary)) GTEST_SKIP() << binary << " is not built";
    fs::remove_all(dir);
    Tensor x = arange(3, f64);
    auto f = [](const Tensor& v) { return log(exp(sin(v) * 2.0) - cos(v)); };
    io::save_repro(dir.string(), make_fx(f)(x), {x});
  }
  void TearDown() override { fs::remove_all(dir); }
  testing::Ran minify(const std::string& rest) { return run("cd " + shell_word(dir.string()) + " && " + shell_word(binary) + " " + rest); }
  void expect_error(const std::string& rest, const std::string& message) {
    auto r = minify(rest);
    EXPECT_EQ(r.status, 2) << r.output;
    EXPECT_NE(r.output.find(message), r.output.npos) << r.output;
  }
};

TEST_F(MinifyCommand, leaves_the_smallest_program_for_which_the_command_fails) {
  // Fails where the program holds an exponential and its inputs file is there.
  auto r = minify(program + " " + inputs + " -o small -- sh -c 'test -s \"$1\" && ! grep -q \"= exp(\" \"$0\"'");
  EXPECT_EQ(r.status, 0) << r.output;
  auto small = io::load_repro((dir / "small/program.txt").string(), (dir / "small/inputs.npz").string());
  ASSERT_EQ(small.program.size(), 1u) << r.output;
  EXPECT_EQ(small.program.equation(0).op, "exp");
  ASSERT_EQ(small.inputs.size(), 1u);
  EXPECT_TRUE(allclose(small.inputs[0], sin(arange(3, f64)) * 2.0));  // the value that it had
  EXPECT_TRUE(fs::exists(dir / "small/repro.cpp"));
  EXPECT_FALSE(fs::exists(dir / "small/trial"));
  EXPECT_NE(r.output.find("programs tried; in small"), r.output.npos) << r.output;
}
TEST_F(MinifyCommand, a_command_that_dies_by_a_signal_has_failed) {
  auto r = minify(program + " " + inputs + " -- sh -c '! grep -q \"= log(\" \"$0\" || kill -9 $$'");
  EXPECT_EQ(r.status, 0) << r.output;
  auto small = io::load_repro((dir / "minified/program.txt").string(), (dir / "minified/inputs.npz").string());  // the default place
  ASSERT_EQ(small.program.size(), 1u) << r.output;
  EXPECT_EQ(small.program.equation(0).op, "log");
}
TEST_F(MinifyCommand, mistakes_are_named_and_end_with_status_two) {
  const std::string files = program + " " + inputs;
  expect_error("", "usage: functra-minify PROGRAM.txt INPUTS.npz [-o DIRECTORY] -- COMMAND");
  expect_error(files, "usage:");
  expect_error(program + " -- true", "usage:");
  expect_error(files + " -- true", "does not fail");
  expect_error(files + " -- ./no-such-command", "cannot run ./no-such-command");
  expect_error("missing.txt " + inputs + " -- false", "missing.txt");
  expect_error(program + " missing.npz -- false", "missing.npz");
  expect_error(files + " -o /proc/no/such -- false", "/proc/no/such");
  std::ofstream(dir / "broken.txt") << "program(v0: f64[3]) {";
  expect_error("broken.txt " + inputs + " -- false", "broken.txt");
  Tensor other = arange(4, f64);
  io::save_repro((dir / "other").string(), make_fx([](const Tensor& v) { return sin(v); })(other), {other});
  expect_error(program + " other/inputs.npz -- false", "f64[3]");
  EXPECT_FALSE(fs::exists(dir / "minified/trial")) << "trial files are left behind";
}

}  // namespace
}  // namespace functra
