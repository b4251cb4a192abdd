// Programs as data: rules, patterns, edits by hand, pictures.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "functra/aot/draw.h"
#include "functra/aot/rewrite.h"
#include "functra/functra.h"
#include "support/close.h"

namespace ft = functra;
namespace fc = functra::compile;
using ft::Program;
using ft::Tensor;

namespace {
Tensor some(const ft::Shape& s) { return ft::sin(ft::arange(0, s.numel(), 1, ft::f64) + 0.3).reshape(s); }
std::size_t count(const Program& p, const std::string& op) {
  std::size_t n = 0;
  for (auto& e : p.equations()) n += e.op == op;
  return n;
}
}  // namespace

TEST(Rewrite, a_rule_replaces_inserts_and_deletes) {
  Tensor x = some({3}), w = some({3}) + 2.0;
  Program p = ft::make_fx([&](const Tensor& v) { return ft::exp(ft::sin(v) * w) + ft::cos(v); })(x);
  Program q = fc::rewrite(p, [](const Program::Equation& e, const std::vector<Tensor>& in) -> std::optional<std::vector<Tensor>> {
    if (e.op == "sin") return {{ft::cos(in[0]) * 2.0}};
    if (e.op == "exp") return {{in[0]}};
    return std::nullopt;
  });
  q.verify();
  EXPECT_EQ(count(q, "exp") + count(q, "sin"), 0u) << q;
  expect_close(q({x})[0], ft::cos(x) * 2.0 * w + ft::cos(x), 1e-15);
  EXPECT_EQ(q.captured(), p.captured());
}
TEST(Rewrite, bodies_of_loops_too_unless_told_otherwise) {
  Tensor x = some({3});
  Program p = ft::make_fx([](const Tensor& v) {
    return ft::scan([](const Tensor& c, const Tensor& a) { return std::pair{c + ft::sin(a), c}; }, ft::tensor(0.0, ft::f64), v).first;
  })(x);
  fc::Rule rule = [](const Program::Equation& e, const std::vector<Tensor>& in) -> std::optional<std::vector<Tensor>> {
    if (e.op == "sin") return {{ft::cos(in[0])}};
    return std::nullopt;
  };
  expect_close(fc::rewrite(p, rule)({x})[0], ft::sum(ft::cos(x)));
  expect_close(fc::rewrite(p, rule, {.inner = false})({x})[0], ft::sum(ft::sin(x)));
}
TEST(Rewrite, a_result_of_another_type_is_refused_by_name) {
  Program p = ft::make_fx([](const Tensor& v) { return ft::sin(v); })(some({3}));
  auto give = [&](std::vector<Tensor> r) { return fc::rewrite(p, [r](const auto&, const auto&) { return std::optional(r); }); };
  expect_throw<ft::ShapeError>([&] { give({some({2})}); }, "result 0 of sin has type f64[3], the rule gave f64[2]");
  expect_throw<ft::ValueError>([&] { give({}); }, "sin has 1 results, the rule gave 0");
  fc::Decompositions endless{{"sin", [](const auto&, const std::vector<Tensor>& x) { return std::vector<Tensor>{ft::sin(x[0])}; }}};
  expect_throw<ft::ValueError>([&] { (void)fc::decompose(p, endless); }, "gives back the primitive");
}
TEST(Rewrite, core_decompositions_keep_values) {
  auto f = [](const Tensor& x) {
    return ft::sigmoid(x) + ft::tanh(x) - ft::tan(x) + ft::sinh(x) * ft::cosh(x) + ft::exp2(x) - ft::rsqrt(ft::exp(x)) + ft::log2(ft::exp(x)) +
           ft::log10(ft::exp(x));
  };
  Tensor x = some({9});
  Program p = ft::make_fx(f)(x), q = fc::decompose(p, fc::core_decompositions());
  for (auto& [op, rule] : fc::core_decompositions()) EXPECT_EQ(count(q, op), 0u) << op;
  EXPECT_GT(q.size(), p.size());
  expect_close(q({x})[0], f(x), 1e-13);
}
TEST(Rewrite, patterns_are_replaced_wherever_they_occur) {
  Tensor x = some({3}), y = some({3}) * 2.0;
  auto f = [](const Tensor& a, const Tensor& b) { return ft::exp(ft::sin(a) * b) + ft::exp(ft::sin(b) * a) + ft::sin(a); };
  auto pattern = [](const Tensor& a, const Tensor& b) { return ft::exp(a * b); };
  auto r = fc::replace_pattern(
      ft::make_fx(f)(x, y), pattern, [](const Tensor& a, const Tensor& b) { return ft::cos(a) - b; }, x, y);
  EXPECT_EQ(r.count, 2u);
  expect_close(r.program({x, y})[0], (ft::cos(ft::sin(x)) - y) + (ft::cos(ft::sin(y)) - x) + ft::sin(x), 1e-15);
  // Literals and parameters stand for themselves.
  auto g = [](const Tensor& a) { return ft::sum(a * 2.0) + ft::sum(a * 3.0); };
  auto two = fc::replace_pattern(
      ft::make_fx(g)(x), [](const Tensor& a) { return a * 2.0; }, [](const Tensor& a) { return a + a; }, x);
  EXPECT_EQ(two.count, 1u);
  expect_close(two.program({x})[0], g(x), 1e-15);
}
TEST(Rewrite, a_pattern_whose_inner_results_are_used_elsewhere_stays) {
  Tensor x = some({3});
  auto pattern = [](const Tensor& a) { return ft::exp(ft::sin(a)); };
  auto other = [](const Tensor& a) { return a; };
  auto inner = fc::replace_pattern(ft::make_fx([](const Tensor& a) {
                                     Tensor s = ft::sin(a);
                                     return ft::exp(s) + s;
                                   })(x),
                                   pattern, other, x);
  EXPECT_EQ(inner.count, 0u);
  auto returned = fc::replace_pattern(ft::make_fx([](const Tensor& a) {
                                        Tensor s = ft::sin(a);
                                        return std::pair{ft::exp(s), s};
                                      })(x),
                                      pattern, other, x);
  EXPECT_EQ(returned.count, 0u);
  auto both = [](const Tensor& a) {
    Tensor s = ft::sin(a);
    return std::pair{ft::exp(s), s};
  };
  auto given = fc::replace_pattern(
      ft::make_fx([&](const Tensor& a) {
        auto [e, s] = both(a);
        return e + s;
      })(x),
      both,
      [](const Tensor& a) {
        return std::pair{a, a * 2.0};
      },
      x);
  EXPECT_EQ(given.count, 1u);
  expect_close(given.program({x})[0], x * 3.0, 1e-15);
}
TEST(Rewrite, the_same_operand_twice_must_be_so_in_the_program) {
  Tensor x = some({3}), y = some({3}) + 1.0;
  auto f = [](const Tensor& a, const Tensor& b) { return a * b + b * b; };
  auto r = fc::replace_pattern(
      ft::make_fx(f)(x, y), [](const Tensor& a) { return a * a; }, [](const Tensor& a) { return ft::square(a) * 0.5; }, x);
  EXPECT_EQ(r.count, 1u);
  expect_close(r.program({x, y})[0], x * y + y * y * 0.5, 1e-15);
}
TEST(Rewrite, mistakes_in_patterns_are_named) {
  Tensor x = some({3});
  Program p = ft::make_fx([](const Tensor& a) { return ft::sin(a); })(x);
  auto same = [](const Tensor& a) { return a; };
  expect_throw<ft::ValueError>([&] { (void)fc::replace_pattern(p, same, same, x); }, "no equations");
  expect_throw<ft::ShapeError>(
      [&] {
        (void)fc::replace_pattern(
            p, [](const Tensor& a) { return ft::sin(a); }, [](const Tensor& a) { return ft::sum(a); }, x);
      },
      "differ in the types");
  expect_throw<ft::ValueError>(
      [&] {
        (void)fc::replace_pattern(
            p, [&](const Tensor& a) { return ft::sin(a) * x; }, same, x);
      },
      "closes over");
  expect_throw<ft::ValueError>(
      [&] {
        (void)fc::replace_pattern(
            ft::make_fx([](const Tensor& a) { return ft::sin(a) * 2.0; })(x), [](const Tensor& a, const Tensor&) { return ft::sin(a); },
            [](const Tensor& a, const Tensor&) { return a; }, x, x);
      },
      "does not use one of its inputs");
}
TEST(ProgramEditor, inserts_replaces_and_erases) {
  Tensor x = some({3});
  Program p = ft::make_fx([](const Tensor& a) { return ft::exp(ft::sin(a)); })(x);
  fc::ProgramEditor e(p);
  std::string in = p.inputs()[0].name, sine = p.equations()[0].results[0].name;
  auto added = e.insert(1, {sine}, [](const std::vector<Tensor>& v) { return std::vector<Tensor>{v[0] * 2.0}; });
  ASSERT_EQ(added.size(), 1u);
  EXPECT_EQ(e.size(), 3u);
  e.replace_uses(sine, added[0]);
  Program q = e.finish();
  expect_close(q({x})[0], ft::exp(ft::sin(x) * 2.0), 1e-15);
  expect_throw<ft::ValueError>([&] { e.erase(0); }, "equation 0 (sin) gives " + sine + ", which equation 1 (mul) uses");
  e.replace_uses(added[0], in);
  e.replace_uses(sine, in);
  e.erase(1), e.erase(0);
  expect_close(e.finish()({x})[0], ft::exp(x), 1e-15);
  e.set_outputs({in});
  expect_close(e.finish()({x})[0], x);
  expect_throw<ft::ValueError>([&] { e.set_outputs({"v77"}); }, "no variable 'v77'");
  expect_throw<ft::IndexError>([&] { e.erase(9); }, "equation 9 of 1");
  fc::ProgramEditor late(p);
  late.replace_uses(in, p.equations()[1].results[0].name);
  expect_throw<ft::ValueError>([&] { (void)late.finish(); }, "used before it is defined");
}
TEST(Drawing, dot_names_operations_types_and_bodies) {
  Program p = ft::make_fx([](const Tensor& v) {
    return ft::scan([](const Tensor& c, const Tensor& a) { return std::pair{c + ft::sin(a) * 2.0, c}; }, ft::tensor(0.0, ft::f64), ft::exp(v)).first;
  })(some({3}));
  std::string dot = fc::to_dot(p, {.title = "a \"scan\""});
  for (const char* text : {"label=\"exp", "f64[3]", "24 B", "cluster_", "scan, program 0", "label=\"2.0\"", "a \\\"scan\\\""})
    EXPECT_NE(dot.find(text), std::string::npos) << text << " in\n" << dot;
  auto base = (std::filesystem::temp_directory_path() / ("functra_draw_" + std::to_string(::getpid()))).string();
  for (const char* ending : {".dot", ".svg", ".png"}) {
    fc::draw_graph(p, base + ending);
    EXPECT_GT(std::filesystem::file_size(base + ending), 500u);
    std::filesystem::remove(base + ending);
  }
  expect_throw<ft::ValueError>([&] { fc::draw_graph(p, base + ".jpg"); }, ".svg, .png, .pdf");
  expect_throw<ft::IoError>([&] { fc::draw_graph(p, "/nowhere/p.svg"); }, "/nowhere/p.svg");
}
TEST(Drawing, joint_programs_show_what_is_computed_twice) {
  auto joint = fc::joint_program(ft::make_fx([](const Tensor& x) { return ft::cos(ft::cos(x)); })(some({3})));
  auto violet = [&](const fc::Partition& parts) {
    std::string dot = fc::to_dot(joint, parts), colour = "fillcolor=\"#e0d3f0\"";
    std::size_t n = 0;
    for (std::size_t at = 0; (at = dot.find(colour, at)) != dot.npos; ++at) ++n;
    return n;
  };
  EXPECT_EQ(violet(fc::default_partition(joint)), 0u);
  auto cut = fc::min_cut_rematerialization_partition(joint);
  EXPECT_EQ(cut.recomputed, 1u);
  EXPECT_EQ(violet(cut), cut.recomputed);
}
