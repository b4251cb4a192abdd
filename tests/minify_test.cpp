// The minifier, and failing programs kept as files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "functra/aot/minify.h"
#include "functra/functra.h"
#include "functra/io/repro.h"
#include "support/close.h"

namespace ft = functra;
namespace fc = functra::compile;
using ft::Program;
using ft::Tensor;

namespace {
bool has(const Program& p, const std::string& op) {
  for (auto& e : p.equations())
    if (e.op == op) return true;
  return false;
}
// Inputs, equations and the return: what other libraries count as nodes.
std::size_t nodes(const Program& p) { return p.inputs().size() + p.size() + 1; }
bool any_nan(const std::vector<Tensor>& v) {
  for (auto& t : v)
    if (ft::any(ft::isnan(t)).item<bool>()) return true;
  return false;
}
const auto nan_appears = [](const Program& p, const std::vector<Tensor>& in) { return !any_nan(in) && any_nan(p(in)); };
}  // namespace

TEST(Minifier, a_multiplication_is_found_in_four_lines) {
  auto f = [](Tensor x, Tensor y) {
    y = y / 3.0;
    x = x + 3.0;
    x = x * y;
    return x + y;
  };
  Tensor a = ft::ones({3});
  auto m = fc::minifier(ft::make_fx(f)(a, a), {a, a}, [](const Program& p, const auto&) { return has(p, "mul"); });
  EXPECT_EQ(nodes(m.program), 4u) << m.program;
  EXPECT_EQ(m.inputs.size(), 2u);
  EXPECT_TRUE(has(m.program, "mul"));
}
TEST(Minifier, zero_by_zero_is_found_in_three_lines) {
  auto f = [](Tensor x) {
    x = ft::cos(x * 3.0 + 5.0);
    Tensor zero = x - x;
    return (zero / zero + 3.0) * 2.0;
  };
  Tensor a = ft::ones({3});
  auto m = fc::minifier(ft::make_fx(f)(a), {a}, nan_appears);
  EXPECT_EQ(nodes(m.program), 3u) << m.program;
  EXPECT_TRUE(nan_appears(m.program, m.inputs));
}
TEST(Minifier, an_input_that_is_returned_is_found_in_two_lines) {
  auto f = [](Tensor a, Tensor b, Tensor c) {
    a = ft::sin(a);
    c = ft::cos(c);
    return std::tuple{a, b, c, a * c};
  };
  Tensor a = ft::ones({3});
  auto m = fc::minifier(ft::make_fx(f)(a, a, a), {a, a, a}, [](const Program& p, const auto&) {
    for (auto& o : p.outputs())
      for (auto& i : p.inputs())
        if (o.name == i.name) return true;
    return false;
  });
  EXPECT_EQ(nodes(m.program), 2u) << m.program;
}
TEST(Minifier, bodies_of_loops_and_branches_shrink_too) {
  auto f = [](const Tensor& x) {
    auto [c, ys] = ft::scan(
        [](const Tensor& c, const Tensor& v) {
          Tensor t = ft::exp(ft::sin(c) * v) + ft::cos(c);
          t = ft::cond(
              v > 0, [](const Tensor& q) { return ft::sin(ft::tanh(ft::cos(q))); }, [](const Tensor& q) { return ft::exp(q); }, t);
          return std::pair{t, ft::cos(t)};
        },
        ft::tensor(0.5), x);
    return ft::sum(ys) * c;
  };
  Tensor x = ft::ones({3});
  Program p = ft::make_fx(f)(x);
  auto m = fc::minifier(p, {x}, [](const Program& q, const auto&) { return q.str().find("tanh") != std::string::npos; });
  std::string text = m.program.str();
  for (const char* op : {"exp(", "sin(", "cos("}) EXPECT_EQ(text.find(op), std::string::npos) << text;
  EXPECT_NE(text.find("tanh"), std::string::npos);
  EXPECT_EQ(m.program.size(), 1u) << text;
  m.program.verify();
}
TEST(Minifier, effects_captured_tensors_and_calls) {
  Tensor w = ft::ones({2});
  auto f = [&](const Tensor& x) {
    ft::debug::callback([](const Tensor&) {}, x);
    Tensor y = ft::jit([](const Tensor& v) { return ft::exp(v) / v; })(x) * w;
    return ft::sum(ft::log(y - y));
  };
  auto m = fc::minifier(ft::make_fx(f)(w), {w}, [](const Program& p, const auto& in) { return !any_nan(in) && has(p, "log") && p(in).size() == 1; });
  EXPECT_EQ(m.program.size(), 1u) << m.program;
}
TEST(Minifier, what_is_found_is_told_and_an_exception_of_the_check_is_no_failure) {
  auto f = [](const Tensor& x) { return ft::log(ft::sin(ft::exp(x)) - 2.0); };
  Tensor x = ft::ones({2});
  std::size_t last = 100, told = 0;
  auto m = fc::minifier(ft::make_fx(f)(x), {x},
                        [](const Program& p, const auto& in) {
                          if (!has(p, "log")) throw std::runtime_error("no log");
                          return any_nan(p(in));
                        },
                        {.found = [&](const Program& p, const auto&) {
                          EXPECT_LE(p.size(), last);
                          last = p.size();
                          ++told;
                        }});
  EXPECT_GT(told, 1u);
  EXPECT_EQ(m.program.size(), 1u);
  expect_throw<ft::ValueError>([&] { (void)fc::minifier(ft::make_fx(f)(x), {x}, [](const auto&, const auto&) { return false; }); }, "does not fail");
  expect_throw<ft::ValueError>([&] { (void)fc::minifier(ft::make_fx(f)(x), {}, nan_appears); }, "takes 1 inputs, got 0");
  expect_throw<ft::ValueError>([&] { (void)fc::minifier(Program(), {}, nan_appears); }, "empty");
}
TEST(Minifier, a_failing_program_is_kept_as_files_that_lead_back_to_it) {
  auto dir = std::filesystem::temp_directory_path() / ("functra_repro_" + std::to_string(::getpid()));
  auto f = [](const Tensor& x, const Tensor& n) { return ft::log(x - 2.0) + n.to(ft::f64); };
  Tensor x = ft::ones({2}, ft::f64), n = ft::arange(2);
  Program p = ft::make_fx(f)(x, n);
  ft::io::save_repro(dir.string(), p, {x, n}, "return true;");
  auto r = ft::io::load_repro((dir / "program.txt").string(), (dir / "inputs.npz").string());
  EXPECT_TRUE(r.program == p);
  EXPECT_TRUE(ft::equal(r.inputs[0], x) && ft::equal(r.inputs[1], n));
  EXPECT_TRUE(std::filesystem::exists(dir / "repro.cpp"));
  expect_throw<ft::ValueError>([&] { ft::io::save_repro(dir.string(), p, {x}); }, "takes 2 inputs, got 1");
  expect_throw<ft::IoError>([&] { ft::io::save_repro("/proc/no/such", p, {x, n}); }, "/proc/no/such");
  expect_throw<ft::IoError>([&] { (void)ft::io::load_repro((dir / "missing.txt").string(), ""); }, "missing.txt");
  std::ofstream(dir / "broken.txt") << "program(v0: f32[2]) {";
  expect_throw<ft::IoError>([&] { (void)ft::io::load_repro((dir / "broken.txt").string(), (dir / "inputs.npz").string()); }, "broken.txt");
  std::filesystem::remove_all(dir);
}
