// The cache of machine code on disk: found again, and never trusted where it is not whole.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "functra/compiler/object_cache.h"
#include "laws_count.h"

namespace {
namespace fs = std::filesystem;
using functra::compiler::load_object;
using functra::compiler::store_object;

struct ObjectCache : ::testing::Test {
  fs::path dir = fs::path(functra::testing::binary_dir()) / "object_cache_test";
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
