// The stages of a compiled function, from its program to machine code.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "functra/base/memory.h"
#include "tests/support/close.h"
#include "tests/laws_count.h"

namespace {
namespace ft = functra;
using ft::Tensor;

Tensor f(const Tensor& x) { return ft::sum(ft::exp(-ft::square(x)) * 1.0 + 0.0 * x); }
Tensor points(std::int64_t n) { return ft::arange(n).to(ft::f64) / 10.0; }
bool holds(const std::string& text, const char* part) { return text.find(part) != text.npos; }
}  // namespace

TEST(Stages, show_a_function_on_its_way_to_machine_code) {
  auto fast = ft::jit(ft::grad(f));
  auto stages = fast.trace(points(100));
  auto low = stages.lower();
  EXPECT_LT(low.program().size(), stages.program().size());
  low.program().verify();
  EXPECT_TRUE(holds(low.text(), "1 nest of")) << low.text();
  EXPECT_TRUE(holds(low.text(), "i0=[0, 100)")) << low.text();
  EXPECT_TRUE(holds(low.llvm_ir(), "define void @nest0")) << low.llvm_ir();
  EXPECT_TRUE(holds(low.assembly(), "nest0:"));
}
TEST(Stages, show_each_pass) {
  auto stages = ft::jit(ft::grad(f)).trace(points(100));
  auto steps = stages.lower().passes();
  ASSERT_GT(steps.size(), 10u);
  EXPECT_EQ(steps.front().name, "inline");
  EXPECT_EQ(steps.front().before, stages.program().size());
  EXPECT_EQ(steps.back().program.str(), stages.lower().program().str());
  for (std::size_t k = 1; k < steps.size(); ++k) EXPECT_EQ(steps[k].before, steps[k - 1].after);
  for (auto& s : steps) EXPECT_GE(s.ms, 0) << s.name;
  ::setenv("FUNCTRA_PASSES_OFF", "simplify,cse", 1);
  auto fewer = stages.lower().passes();
  ::unsetenv("FUNCTRA_PASSES_OFF");
  EXPECT_LT(fewer.size(), steps.size());
  for (auto& s : fewer) EXPECT_NE(s.name, "simplify");
}
TEST(Stages, are_written_to_files_where_the_user_wants_them) {
  const std::filesystem::path dir = std::filesystem::path(functra::testing::binary_dir()) / ("dump_test_" + std::to_string(::getpid()));
  std::filesystem::create_directory(dir);
  ::setenv("FUNCTRA_DUMP_DIR", dir.c_str(), 1);
  (void)ft::jit([](const Tensor& x) { return ft::sum(ft::sin(x) * 1.0 + 0.734); })(points(31));
  ::unsetenv("FUNCTRA_DUMP_DIR");
  std::string all;
  for (auto& e : std::filesystem::directory_iterator(dir)) {
    std::ifstream in(e.path());
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  std::filesystem::remove_all(dir);
  for (const char* part : {"# as traced\nprogram(v0: f64[31])", "# after simplify: ", "# in the order it runs\n", "1 nest of"})
    EXPECT_TRUE(holds(all, part)) << all;
}
TEST(Stages, compile_to_what_can_be_called_and_says_what_it_costs) {
  auto fast = ft::jit(f);
  Tensor x = points(1000);
  auto call = fast.trace(x).lower().compile();
  expect_close(call({x})[0], f(x), 1e-12);
  EXPECT_EQ(call.nests(), 1u);
  EXPECT_EQ(call.kernels(), 0u);
  EXPECT_GE(call.cost().flops, 1000 * 5);
  EXPECT_EQ(call.cost().bytes, 8 * 1001);
  EXPECT_EQ(call.memory().arguments, 8000u);
  EXPECT_EQ(call.memory().results, 8u);
  EXPECT_EQ(call.memory().peak(), 8008u);
  EXPECT_GT(call.compile_ms(), 0);
  expect_throw<ft::ShapeError>([&] { (void)call({points(3)}); }, "takes f64[1000] as input 0");
  expect_throw<ft::ValueError>([&] { (void)call({x, x}); }, "of 1 inputs got 2");
}
TEST(Stages, compile_to_calls_that_take_the_arguments_of_the_function) {
  struct Model {
    Tensor w;
    int power = 1;
  };
  auto g = [](const Model& m, const Tensor& x) { return std::pair{Model{m.w * x, m.power + 1}, ft::sum(ft::pow(x, m.power))}; };
  const Tensor x = points(8) + 1.0;
  auto call = ft::jit(g).trace(Model{points(8), 3}, x).lower().compile();
  auto [m, s] = call(Model{points(8) * 2.0, 3}, x);
  expect_close(m.w, points(8) * 2.0 * x, 1e-12);
  EXPECT_EQ(m.power, 4);
  expect_close(s, ft::sum(x * x * x), 1e-12);
  auto again = call(Model{points(8), 3}, x * 2.0);
  expect_close(m.w, points(8) * 2.0 * x, 1e-12);  // results are values
  expect_close(again.second, ft::sum(x * x * x) * 8.0, 1e-12);
  expect_close(call({points(8), x})[0], points(8) * x, 1e-12);
  expect_throw<ft::StructureError>([&] { (void)call(Model{points(8), 2}, x); }, "a static value");
  expect_throw<ft::ShapeError>([&] { (void)call(Model{points(8), 3}, points(9)); }, "1 has type f64[9], prepared for f64[8]");
  expect_close(ft::vmap([&](const Tensor& v) { return call(Model{points(8), 3}, v).second; })(ft::stack({x, x * 2.0}))[1], again.second, 1e-12);
  ft::Ref count(ft::tensor(0.0, ft::f64));
  auto counted = ft::jit([&](const Tensor& v) {
                   count.add(1.0);
                   return v * count.get();
                 })
                     .trace(x)
                     .lower()
                     .compile();
  EXPECT_EQ(double(count.get()), 0);
  expect_close(counted(x), x, 0);
  expect_close(counted(x), x * 2.0, 0);
}
TEST(Stages, give_the_object_file_and_figures_of_what_kernels_hold) {
  auto layers = [](const Tensor& x, const Tensor& w) {
    Tensor y = x;
    for (int i = 0; i < 6; ++i) y = ft::tanh(ft::matmul(y, w));
    return ft::sum(y);
  };
  const Tensor x = ft::reshape(points(64 * 80), {64, 80}) / 500.0, w = ft::reshape(points(80 * 80), {80, 80}) / 900.0;
  auto fast = ft::jit(ft::grad(layers));
  auto call = fast.trace(x, w).lower().compile();
  const std::string object = call.object();
  EXPECT_GT(object.size(), 200u);
  EXPECT_EQ(object.substr(1, 3), "ELF");
  EXPECT_TRUE(holds(object, "nest0"));
  // The six values of tanh live until they are used; all that is held when memory is counted is arrays like x.
  (void)fast(x, w);
  ft::reset_peak_memory();
  const std::size_t before = ft::memory_stats().in_use;
  const Tensor held = fast(x, w);
  const double unit = 8.0 * 64 * 80, measured = static_cast<double>(ft::memory_stats().peak - before) / unit;
  const double figure = static_cast<double>(call.memory().workspace + call.memory().results) / unit;
  EXPECT_GE(figure, 6.0);
  EXPECT_NEAR(figure, measured, 2.0);
}
TEST(Stages, captured_tensors_come_with_the_compiled_program) {
  Tensor w = points(8);
  auto fast = ft::jit([&](const Tensor& x) { return x * w; });
  expect_close(fast.trace(points(8)).lower().compile()({points(8)})[0], points(8) * w);
}
TEST(Stages, products_are_calls_of_kernels_and_their_values_are_tensors) {
  auto g = [](const Tensor& a, const Tensor& b) { return ft::tanh(ft::matmul(a * 2.0, b)); };
  Tensor a = ft::reshape(points(64 * 80), {64, 80}) / 500.0, b = ft::reshape(points(80 * 72), {80, 72}) / 500.0;
  auto low = ft::jit(g).trace(a, b).lower();
  EXPECT_TRUE(holds(low.text(), "kernel dot_general")) << low.text();
  EXPECT_GE(low.compile().cost().flops, 2.0 * 64 * 80 * 72);
  expect_close(low.compile()({a, b})[0], g(a, b), 1e-12);
}
TEST(Stages, loops_show_their_bodies) {
  auto g = [](auto step) {
    return [=](const Tensor& x) {
      return ft::fori_loop(
          0, 10, [=](const Tensor&, const Tensor& c) { return step(c); }, x);
    };
  };
  auto lanes = g([](const Tensor& c) { return ft::sin(c); });
  auto mixed = g([](const Tensor& c) { return ft::sin(c) - ft::mean(c); });
  auto shows = [](auto f, std::int64_t n, const char* part) {
    auto low = ft::jit(f).trace(points(n)).lower();
    EXPECT_TRUE(holds(low.text(), "scan(")) << low.text();
    EXPECT_TRUE(holds(low.text(), part)) << low.text();
    EXPECT_TRUE(holds(low.llvm_ir(), "define void"));
    expect_close(low.compile()({points(n)})[0], f(points(n)), 1e-12);
  };
  shows(lanes, 2000, "  steps 10\n");      // each lane for itself
  shows(mixed, 4, "serial i0=[0, 10)\n");  // written out, with the carry in registers
  shows(mixed, 2000, "{\n");               // a loop over nests
}

// ---------------------------------------------------------------- profilers
TEST(Stages, profilers_learn_the_names_of_compiled_functions) {
  const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  std::remove(path.c_str());
  auto fresh = [](double c) { (void)ft::jit([c](const Tensor& x) { return ft::sum(ft::sin(x * c)); })(points(77)); };
  fresh(0.123);
  EXPECT_FALSE(std::ifstream(path).good());  // unless asked for
  setenv("FUNCTRA_PERF_MAP", "1", 1);
  fresh(0.456);
  unsetenv("FUNCTRA_PERF_MAP");
  std::ifstream map(path);
  std::string address, size, name;
  std::size_t lines = 0;
  for (; map >> address >> size >> name; ++lines) {
    EXPECT_GT(std::stoul(address, nullptr, 16), 4096u);
    EXPECT_GT(std::stoul(size, nullptr, 16), 16u);
    EXPECT_EQ(name.rfind("functra", 0), 0u) << name;
    EXPECT_TRUE(holds(name, ".nest")) << name;
  }
  EXPECT_GE(lines, 1u);
  std::remove(path.c_str());
}
