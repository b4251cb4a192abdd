// The cache of machine code on disk: found again, and never trusted where it is not whole.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "functra/compiler/object_cache.h"
#include "functra/core/executor.h"
#include "functra/prims/cast.h"
#include "functra/functra.h"
#include "laws_count.h"
#include "support/compiled.h"
#include "support/process.h"
#include "functra/base/pool.h"
#include "functra/runtime/executable.h"
#include "functra/runtime/plan_file.h"

namespace {
namespace fs = std::filesystem;
using functra::compiler::Digest;
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
  EXPECT_FALSE(load_object(Digest("a")));
  store_object(Digest("a"), bytes(1000));
  ASSERT_TRUE(load_object(Digest("a")));
  EXPECT_EQ(*load_object(Digest("a")), bytes(1000));
  EXPECT_FALSE(load_object(Digest("b")));
  store_object(Digest("a"), bytes(10));
  EXPECT_EQ(*load_object(Digest("a")), bytes(10));
}
TEST_F(ObjectCache, only_its_owner_may_read_or_write) {
  store_object(Digest("a"), bytes(100));
  struct stat s;
  ASSERT_EQ(::stat(only_file().c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 077, 0u);
  ASSERT_EQ(::stat((dir / "inner").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 077, 0u);
  fs::permissions(dir / "inner", fs::perms::group_write | fs::perms::owner_all);
  EXPECT_FALSE(load_object(Digest("a")));  // others may have put it there
}
TEST_F(ObjectCache, files_cut_short_damaged_or_of_another_version_are_ignored_and_written_again) {
  for (int damage = 0; damage < 4; ++damage) {
    store_object(Digest("a"), bytes(1000));
    fs::path f = only_file();
    if (damage == 0) fs::resize_file(f, fs::file_size(f) - 1);
    else if (damage == 1) fs::resize_file(f, 20);
    else {
      std::fstream io(f, std::ios::in | std::ios::out | std::ios::binary);
      io.seekp(damage == 2 ? 500 : 3);
      io.put('#');
    }
    EXPECT_FALSE(load_object(Digest("a"))) << damage;
    store_object(Digest("a"), bytes(1000));
    EXPECT_TRUE(load_object(Digest("a"))) << damage;
  }
}
TEST_F(ObjectCache, concurrent_writers_leave_whole_files_and_nothing_else) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int k = 0; k < 50; ++k) {
        store_object(Digest("shared"), bytes(5000));
        if (auto v = load_object(Digest("shared"))) EXPECT_EQ(*v, bytes(5000));
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "inner"), fs::directory_iterator()), 1);
}
TEST_F(ObjectCache, a_directory_that_cannot_be_made_is_no_error) {
  ::setenv("FUNCTRA_CACHE_DIR", "/proc/nowhere", 1);
  store_object(Digest("a"), bytes(10));
  EXPECT_FALSE(load_object(Digest("a")));
}

TEST_F(ObjectCache, what_was_not_used_for_longest_goes_when_it_is_full) {
  ::setenv("FUNCTRA_CACHE_MB", "1", 1);
  const std::vector<char> large = bytes(30000);
  auto name = [](int k) { return Digest("entry " + std::to_string(k)); };
  store_object(name(0), large);
  const fs::path others = dir / "inner" / "notes.o";  // somebody else's file
  std::ofstream(others) << std::string(500000, 'x');
  for (int k = 1; k <= 100; ++k) {
    store_object(name(k), large);
    EXPECT_TRUE(load_object(name(0))) << k;  // in use
  }
  std::uintmax_t all = 0;
  for (auto& e : fs::directory_iterator(dir / "inner")) all += e.path() == others ? 0 : e.file_size();
  EXPECT_LE(all, (1u << 20) * 9 / 8 + 100000);
  EXPECT_GE(all, 500000u);
  EXPECT_FALSE(load_object(name(1)));
  EXPECT_TRUE(load_object(name(100)));
  EXPECT_TRUE(fs::exists(others));
  ::unsetenv("FUNCTRA_CACHE_MB");
}

// ---------------------------------------------------------------- plans
namespace {
// All forms of calls: nests alone, kernels with parameters, loops with bodies, branches, literals as results.
functra::Vec of_everything(const functra::Vec& v) {
  using namespace functra;
  auto step = [](const Tensor& c, const Tensor& x) { return std::pair{sin(c) + x, c * x}; };
  auto [last, ys] = scan(step, v[0][0], v[0]);
  const Tensor branch = cond(
      v[1] > 0.5, [](const Tensor& x) { return sort(x, 0).first; }, [](const Tensor& x) { return cumsum(x, 0); }, v[0]);
  const Tensor halved = while_loop([](const Tensor& x) { return x > 0.01; }, [](const Tensor& x) { return x * 0.5; }, v[1]);
  return {last, ys, branch, halved, sort(v[0], 0).first + 1.0, tensor({1.0, 2.0, 3.0}, f64), v[1], softmax(v[0], 0)};
}
}  // namespace
namespace {
// A program with forms of its own, as in another process: equal ones share what was made of them.
functra::core::ProgramPtr copy_of(const functra::core::Program& p) {
  using namespace functra::core;
  return seal(compact(p, p.inputs, p.n_hidden, p.outputs, live_vars(p, p.outputs)), false);
}
bool was_read(const functra::core::ProgramPtr& p) { return functra::runtime::executable(p)->plan().program == nullptr; }
}  // namespace
TEST_F(ObjectCache, a_plan_is_read_in_place_of_passes_and_nests) {
  using namespace functra;
  using functra::testing::Match;
  using functra::testing::results_differ;
  const Vec in{functra::testing::numbers({40}, f64), tensor(0.7, f64)};
  const auto program = jit(of_everything).trace(in).program();
  auto run = [&](const core::ProgramPtr& p) {
    Vec args = program.captured_tensors(), out(p->outputs.size());
    args.insert(args.end(), in.begin(), in.end());
    core::executor().run(p, args, out);
    return out;
  };
  const core::ProgramPtr cold = copy_of(*program.ir()), warm = copy_of(*program.ir());
  const Vec want = run(cold);
  EXPECT_FALSE(was_read(cold));
  EXPECT_EQ(results_differ(run(warm), want, Match::bits), "");
  EXPECT_TRUE(was_read(warm));
  EXPECT_EQ(results_differ(want, of_everything(in), Match::rounded, 100), "");
  // It says of itself what the one that was compiled says.
  using Form = core::Executor::Form;
  for (Form form : {Form::steps, Form::assembly}) EXPECT_EQ(core::executor().text(warm, form), core::executor().text(cold, form));
  EXPECT_EQ(core::executor().figures(warm).flops, core::executor().figures(cold).flops);
  EXPECT_EQ(core::executor().figures(warm).workspace, core::executor().figures(cold).workspace);
  EXPECT_EQ(core::executor().optimised(warm)->str(), core::executor().optimised(cold)->str());
  // Cut short: made again.
  for (auto& e : fs::directory_iterator(dir / "inner")) fs::resize_file(e.path(), fs::file_size(e.path()) / 2);
  const core::ProgramPtr again = copy_of(*program.ir()), last = copy_of(*program.ir());
  EXPECT_EQ(results_differ(run(again), want, Match::bits), "");
  EXPECT_FALSE(was_read(again));
  EXPECT_TRUE(was_read(last));
}
TEST_F(ObjectCache, what_else_a_plan_depends_on_is_in_its_name) {
  using namespace functra;
  const auto program = jit([](const Tensor& t) { return sum(exp(t) * exp(t) + 1.25); }).trace(functra::testing::numbers({33}, f64)).program();
  EXPECT_FALSE(was_read(copy_of(*program.ir())));
  EXPECT_TRUE(was_read(copy_of(*program.ir())));
  ::setenv("FUNCTRA_PASSES_OFF", "cse", 1);
  EXPECT_FALSE(was_read(copy_of(*program.ir())));
  ::unsetenv("FUNCTRA_PASSES_OFF");
  const int threads = num_threads();
  set_num_threads(threads + 1);
  EXPECT_FALSE(was_read(copy_of(*program.ir())));
  set_num_threads(threads);
  EXPECT_TRUE(was_read(copy_of(*program.ir())));
  auto other = [&](const Tensor& t) { return sum(exp(t) * exp(t) + 1.2500000000000002); };
  EXPECT_FALSE(was_read(copy_of(*jit(other).trace(functra::testing::numbers({33}, f64)).program().ir())));
}
// Text says NaN, but not which.
TEST_F(ObjectCache, programs_with_a_nan_of_its_own_are_not_kept) {
  using namespace functra;
  const Tensor x = functra::testing::numbers({33}, f64), one = tensor(1.0, f64);
  auto with = [&](std::uint64_t bits) {
    return jit([bits](const Tensor& t) { return prims::bitcast(where(t > 0.0, t, std::bit_cast<double>(bits)), i64); }).trace(x).program();
  };
  EXPECT_TRUE(runtime::text_tells(*with(0x7ff8000000000000).ir()));
  EXPECT_FALSE(runtime::text_tells(*with(0x7ff00000000007a2).ir()));
}
// A constant result is a value, in the process that compiled it and in the one that read it.
TEST_F(ObjectCache, constant_results_are_the_same_values) {
  using namespace functra;
  const auto program = jit([](const Tensor& t) { return std::pair{t * 2.0, tensor(3.0, f64)}; }).trace(functra::testing::numbers({5}, f64)).program();
  for (int k = 0; k < 2; ++k) {
    const core::ProgramPtr p = copy_of(*program.ir());
    Vec args = program.captured_tensors(), out(2);
    args.push_back(functra::testing::numbers({5}, f64));
    core::executor().run(p, args, out);
    EXPECT_EQ(was_read(p), k == 1);
    EXPECT_FALSE(out[1].literal());
    EXPECT_EQ(double(out[1]), 3.0);
  }
}
// What is written of a plan, cut short anywhere, is no plan: an error, and not a fault.
TEST_F(ObjectCache, a_part_of_a_plan_is_none) {
  using namespace functra;
  const Vec in{functra::testing::numbers({40}, f64), tensor(0.7, f64)};
  const auto program = jit(of_everything).trace(in).program();
  const std::string whole = runtime::write_plan(runtime::executable(program.ir())->plan());
  EXPECT_TRUE(runtime::read_plan(whole));
  for (std::size_t n = 0; n < whole.size(); n += 1 + n / 40) EXPECT_FALSE(runtime::read_plan(std::string_view(whole).substr(0, n))) << n;
}
TEST_F(ObjectCache, programs_with_functions_of_the_user_are_not_kept) {
  using namespace functra;
  if (std::string(core::executor().name()) != "native") GTEST_SKIP() << "nothing is compiled";
  const Tensor x = functra::testing::numbers({19}, f64);
  auto called = [](double by) { return jit([by](const Tensor& t) { return pure_callback([by](const Tensor& u) { return u * by; }, t, t * 3.0); }); };
  EXPECT_EQ(functra::testing::results_differ({called(2.0)(x)}, {x * 6.0}, functra::testing::Match::bits), "");
  EXPECT_EQ(functra::testing::results_differ({called(5.0)(x)}, {x * 15.0}, functra::testing::Match::rounded), "");
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
  functra::testing::expect_compiled(
      "long, so that threads share the making of its code",
      [](const Vec& v) {
        Vec r = v;
        for (int k = 0; k < 12; ++k)
          for (Tensor& t : r) t = sin(t) * exp(t * 0.25) + k * 0.125;
        return r;
      },
      {x, functra::testing::numbers({53}, f64, 1), functra::testing::numbers({90}, f64, 2)}, functra::testing::Match::rounded, 100);
  const Vec in{functra::testing::numbers({40}, f64), one};
  EXPECT_EQ(functra::testing::results_differ(jit(of_everything)(in), of_everything(in), functra::testing::Match::rounded, 100), "");
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
  ASSERT_GE(kept.size(), 8u);  // code of each, and plans of those that jit made
  succeed(child);
  EXPECT_EQ(written(), kept) << "what was there was made again";
  for (auto& [name, _] : kept) fs::resize_file(dir / "inner" / name, fs::file_size(dir / "inner" / name) / 2);
  succeed(child);
  succeed(child);
  for (auto& [name, time] : written()) EXPECT_NE(time, kept.at(name)) << name << " was cut short, and is not written again";
}
