// The cache of machine code on disk: found again, and never trusted where it is not whole.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "functra/compiler/object_cache.h"
#include "functra/core/executor.h"
#include "functra/functra.h"
#include "laws_count.h"
#include "support/compiled.h"
#include "support/process.h"

namespace {
namespace fs = std::filesystem;
using functra::compiler::load_object;
using functra::compiler::store_object;

struct ObjectCache : ::testing::Test {
  fs::path dir = fs::path(functra::testing::binary_dir()) / ("object_cache_test_" + std::to_string(::getpid()));
  std::string before;
  void SetUp() override {
    if (const char* v = std::getenv("FUNCTRA_CACHE_DIR")) before = v;
    fs::remove_all(dir);
    ::setenv("FUNCTRA_CACHE_DIR", (dir / "inner").c_str(), 1);
  }
  void TearDown() override {
    before.empty() ? ::unsetenv("FUNCTRA_CACHE_DIR") : ::setenv("FUNCTRA_CACHE_DIR", before.c_str(), 1);
    fs::remove_all(dir);
  }
  fs::path only_file() const { return fs::directory_iterator(dir / "inner")->path(); }
};
std::vector<char> bytes(std::size_t n) {
  std::vector<char> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<char>(i * 31 + 7);
  return v;
}
}  // namespace

TEST_F(ObjectCache, what_was_stored_is_found_under_its_key_alone) {
  EXPECT_FALSE(load_object("a"));
  store_object("a", bytes(1000));
  ASSERT_TRUE(load_object("a"));
  EXPECT_EQ(*load_object("a"), bytes(1000));
  EXPECT_FALSE(load_object("b"));
  store_object("a", bytes(10));
  EXPECT_EQ(*load_object("a"), bytes(10));
}
TEST_F(ObjectCache, only_its_owner_may_read_or_write) {
  store_object("a", bytes(100));
  struct stat s;
  ASSERT_EQ(::stat(only_file().c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 077, 0u);
  ASSERT_EQ(::stat((dir / "inner").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 077, 0u);
  fs::permissions(dir / "inner", fs::perms::group_write | fs::perms::owner_all);
  EXPECT_FALSE(load_object("a"));  // others may have put it there
}
TEST_F(ObjectCache, files_cut_short_damaged_or_of_another_version_are_ignored_and_written_again) {
  for (int damage = 0; damage < 4; ++damage) {
    store_object("a", bytes(1000));
    fs::path f = only_file();
    if (damage == 0) fs::resize_file(f, fs::file_size(f) - 1);
    else if (damage == 1) fs::resize_file(f, 20);
    else {
      std::fstream io(f, std::ios::in | std::ios::out | std::ios::binary);
      io.seekp(damage == 2 ? 500 : 3);
      io.put('#');
    }
    EXPECT_FALSE(load_object("a")) << damage;
    store_object("a", bytes(1000));
    EXPECT_TRUE(load_object("a")) << damage;
  }
}
TEST_F(ObjectCache, concurrent_writers_leave_whole_files_and_nothing_else) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int k = 0; k < 50; ++k) {
        store_object("shared", bytes(5000));
        if (auto v = load_object("shared")) EXPECT_EQ(*v, bytes(5000));
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "inner"), fs::directory_iterator()), 1);
}
TEST_F(ObjectCache, a_directory_that_cannot_be_made_is_no_error) {
  ::setenv("FUNCTRA_CACHE_DIR", "/proc/nowhere", 1);
  store_object("a", bytes(10));
  EXPECT_FALSE(load_object("a"));
}

// ---------------------------------------------------------------- processes
// What the test below starts: compiles some functions, by whatever is in the directory, and compares them with eager ones.
TEST(ObjectCacheChild, compiles_and_compares) {
  if (!std::getenv("FUNCTRA_TEST_CHILD")) GTEST_SKIP() << "started by ObjectCache.processes_share_a_directory";
  using namespace functra;
  const Tensor x = functra::testing::numbers({37}, f64), one = tensor(0.7, f64);
  functra::testing::expect_compiled("softmax",
                                    [](const Vec& v) {
                                      return Vec{softmax(v[0], 0), grad([](const Tensor& t) { return sum(sin(t) * exp(t)); })(v[0])};
                                    },
                                    {x});
  functra::testing::expect_compiled("number", [](const Vec& v) { return Vec{grad([](const Tensor& t) { return sin(t) * exp(-t * t); })(v[0])}; },
                                    {one});
  functra::testing::expect_compiled(
      "loop",
      [](const Vec& v) {
        auto step = [](const Tensor& c, NoneType) { return std::pair{sin(c) + 0.1, none}; };
        return Vec{scan(step, v[0], {.length = 20}).first};
      },
      {x}, functra::testing::Match::rounded, 100);
}
TEST_F(ObjectCache, processes_share_a_directory) {
  if (std::string(functra::core::executor().name()) != "native") GTEST_SKIP() << "nothing is compiled";
  const std::string inner = (dir / "inner").string();
  const std::string child =
      "env FUNCTRA_TEST_CHILD=1 GTEST_TOTAL_SHARDS=1 GTEST_SHARD_INDEX=0 FUNCTRA_CACHE_DIR=" + functra::testing::shell_word(inner) + " " +
      functra::testing::shell_word(fs::read_symlink("/proc/self/exe").string()) + " --gtest_filter='ObjectCacheChild.*'";
  auto succeed = [](const std::string& command) {
    auto r = functra::testing::run(command);
    EXPECT_EQ(r.status, 0) << r.output;
    EXPECT_EQ(r.output.find("FAILED"), r.output.npos) << r.output;
  };
  auto written = [&] {
    std::map<std::string, fs::file_time_type> r;
    for (auto& e : fs::directory_iterator(inner)) r[e.path().filename().string()] = e.last_write_time();
    return r;
  };
  succeed("(" + child + ") & first=$!; (" + child + ") && wait $first");  // at a time
  const auto kept = written();
  ASSERT_GE(kept.size(), 3u);
  succeed(child);
  EXPECT_EQ(written(), kept) << "what was there was made again";
  for (auto& [name, _] : kept) fs::resize_file(dir / "inner" / name, fs::file_size(dir / "inner" / name) / 2);
  succeed(child);
  succeed(child);
  for (auto& [name, time] : written()) EXPECT_NE(time, kept.at(name)) << name << " was cut short, and is not written again";
}
