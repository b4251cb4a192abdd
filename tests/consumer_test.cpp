// The library is installed to a prefix of its own, and programs outside the tree build against it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "functra/functra.h"
#include "functra/io/npy.h"
#include "functra/io/repro.h"
#include "tests/laws_count.h"
#include "tests/support/process.h"

namespace functra {
namespace {
namespace fs = std::filesystem;
using testing::run;
using testing::shell_word;

struct Installed : ::testing::Test {
  static inline fs::path root, prefix, source;
  static inline std::string flags;
  static void SetUpTestSuite() {
    const char* shard = std::getenv("GTEST_SHARD_INDEX");  // several processes may run these at a time
    root = fs::path(testing::binary_dir()) / "consumer" / (shard ? shard : "0");
    prefix = root / "prefix";
    source = fs::path(testing::source_dir()) / "tests/consumer";
    fs::remove_all(root);
    fs::create_directories(root);
    if (*testing::sanitizers()) flags = std::string("-fsanitize=") + testing::sanitizers();
    auto r = run("cmake --install " + shell_word(testing::binary_dir()) + " --prefix " + shell_word(prefix.string()));
    ASSERT_EQ(r.status, 0) << r.output;
  }
  static void expect_runs(const fs::path& program) {
    auto r = run(shell_word(program.string()));
    EXPECT_EQ(r.status, 0) << r.output;
    EXPECT_EQ(r.output, "f16\n");
  }
};

TEST_F(Installed, FindPackageBuildsAProgram) {
  std::string build = shell_word((root / "cmake").string());
  auto r = run("cmake -G Ninja -S " + shell_word(source.string()) + " -B " + build + " -DCMAKE_PREFIX_PATH=" + shell_word(prefix.string()) +
               " -DCMAKE_CXX_COMPILER=" + shell_word(testing::compiler()) + " -DCMAKE_CXX_FLAGS='" + flags + "' && cmake --build " + build);
  ASSERT_EQ(r.status, 0) << r.output;
  expect_runs(root / "cmake/consumer");
}

// A source file built by what pkg-config says of the installed library.
void build(const fs::path& file, const fs::path& program) {
  std::string path;
  for (const auto& e : fs::recursive_directory_iterator(Installed::prefix))
    if (e.path().filename() == "functra.pc") path = e.path().parent_path().string();
  ASSERT_FALSE(path.empty()) << "functra.pc is not installed";
  auto r = run("PKG_CONFIG_PATH=" + shell_word(path) + "; export PKG_CONFIG_PATH; " + shell_word(testing::compiler()) + " " + Installed::flags + " " +
               shell_word(file.string()) + " $(pkg-config --cflags --libs functra) -o " + shell_word(program.string()));
  ASSERT_EQ(r.status, 0) << r.output;
}

TEST_F(Installed, PkgConfigBuildsAProgram) {
  ASSERT_NO_FATAL_FAILURE(build(source / "main.cpp", root / "pkg-config"));
  expect_runs(root / "pkg-config");
}

// What the minifier leaves behind is a program that fails alike.
TEST_F(Installed, AReproBuildsAndFails) {
  Tensor x = zeros({3}, f64);
  const std::string nan = "return any(isnan(outputs[0])).item<bool>();";
  io::save_repro((root / "repro").string(), make_fx([](const Tensor& v) { return v / v; })(x), {x}, nan);
  ASSERT_NO_FATAL_FAILURE(build(root / "repro/repro.cpp", root / "repro/repro"));
  auto r = run("cd " + shell_word((root / "repro").string()) + " && ./repro");
  EXPECT_EQ(r.status, 1) << r.output;
  EXPECT_NE(r.output.find("nan"), r.output.npos) << r.output;
  Tensor one = ones({3}, f64);  // other inputs, which do not fail
  io::write_npz((root / "ones.npz").string(), {{"i0", one}});
  r = run("cd " + shell_word((root / "repro").string()) + " && ./repro ../ones.npz");
  EXPECT_EQ(r.status, 0) << r.output;
  EXPECT_NE(r.output.find("does not fail"), r.output.npos) << r.output;
}

TEST_F(Installed, HoldsNoPrivateFile) {
  for (const auto& e : fs::recursive_directory_iterator(prefix / "include")) {
    auto name = e.path().filename().string();
    EXPECT_FALSE(name.ends_with("-inl.h") || name.ends_with(".cpp")) << e.path();
  }
}
}  // namespace
}  // namespace functra
