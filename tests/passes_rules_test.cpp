// Every rule of the passes in a program where it applies: it did, the program still verifies and is no longer than it was, and values stay,
// to the bit and at special values unless the row says that they round.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "laws_count.h"
#include "support/optimised.h"
#include "support/rule_rows.h"

namespace functra::testing {
namespace {

using compiler::Rules;

Tensor input(const Aval& a, std::size_t k) {
  const double inf = std::numeric_limits<double>::infinity();
  const double special[] = {1.5, -2.25, 0.0, -0.0, inf, -inf, std::numeric_limits<double>::quiet_NaN(), 5e-324, -1e300};
  std::vector<double> v;
  for (std::int64_t i = 0; i < a.shape.numel(); ++i) {
    auto n = static_cast<std::size_t>(i);
    if (is_floating(a.dtype))
      v.push_back(a.shape.numel() == 81 ? special[k % 2 ? n % 9 : n / 9] : std::sin(1.7 * static_cast<double>(i) + static_cast<double>(k) + 0.3));
    else
      v.push_back(is_bool(a.dtype) ? (i + static_cast<std::int64_t>(k)) % 2 : static_cast<double>((i * 53 + static_cast<std::int64_t>(k) * 7) % 90));
  }
  return tensor(v, f64).reshape(a.shape).to(a.dtype);
}
std::vector<Rules> tables() {
  return {compiler::arithmetic_rules(), compiler::power_rules(),     compiler::logic_rules(),       compiler::movement_rules(),
          compiler::pieces_rules(),     compiler::reduction_rules(), compiler::control_rules(),     compiler::zero_rules(),
          compiler::seed_rules(),       compiler::product_rules(),   compiler::contraction_rules(), compiler::gather_rules(),
          compiler::narrowing_rules(),  compiler::sum_rules(),       compiler::turn_rules(),        compiler::half_rules()};
}
std::string differs_in_bits(const Vec& a, const Vec& b) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    auto x = a[k].to_vector<double>(), y = b[k].to_vector<double>();
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::signbit(x[i]) != std::signbit(y[i]) && !std::isnan(x[i]))
        return "the sign of element " + std::to_string(i) + " of result " + std::to_string(k);
  }
  return {};
}

}  // namespace

TEST(PassRules, each_applies_and_keeps_values) {
  for (const RuleRow& row : rule_rows()) {
    SCOPED_TRACE(std::string(row.rule) + ": " + row.text);
    core::ProgramPtr p = core::parse_program("program" + std::string(row.text)), q;
    Rules table;
    for (Rules t : tables())
      for (auto& r : t)
        if (std::string(r.name) == row.rule) table = t;
    ASSERT_FALSE(table.empty()) << "no such rule";
    compiler::Fired fired;
    ASSERT_NO_THROW({
      core::verify(*p);
      q = compiler::rewrite(p, {table}, &fired);
      core::verify(*q);
    });
    EXPECT_GT(fired[row.rule], 0u) << q->str();
    EXPECT_LE(q->eqns.size(), p->eqns.size() + (row.kind == RuleRow::rounds ? 40 : 6)) << q->str();
    Vec in;
    for (std::size_t k = 0; k < p->inputs.size(); ++k) in.push_back(input(p->type(p->inputs[k]), k));
    for (auto program : {q, compiler::optimize(p)}) {
      Vec is = core::eval_program(*program, in), should = core::eval_program(*p, in);
      std::string d = difference(is, should, row.kind == RuleRow::rounds ? 4e-15 : 0);
      if (d.empty() && row.kind == RuleRow::exact && program == q) d = differs_in_bits(is, should);
      count_law(d.empty());
      EXPECT_EQ(d, "") << program->str();
    }
  }
}
// pow(x, k/2) by roots, reciprocals and products: within the 4 units of the last place that pow has itself, special values as pow.
TEST(PassRules, constant_powers_are_as_exact_as_pow) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<double> v{0.0, -0.0, inf, -inf, std::numeric_limits<double>::quiet_NaN(), -1.0, -2.5, 1.0, -1e-3};
  for (int i = 0; i < 4000; ++i) v.push_back(std::exp2(std::sin(i * 0.7) * 60 + std::sin(i * 1.3)));
  for (DType d : {f64, f32}) {
    Tensor x = tensor(v, f64).to(d);
    const double ulp = d == f64 ? 0x1p-52 : 0x1p-23, least = d == f64 ? 2.3e-308 : 1.2e-38;
    for (int k = -8; k <= 8; ++k) {
      const std::string text = "program(v0: T) { v1: T = pow(v0, " + std::to_string(k * 0.5) + ":" + std::string(name_of(d)) + ")\n return v1 }";
      std::string typed;
      for (char c : text)
        if (c == 'T') typed += x.aval().str();
        else typed += c;
      core::ProgramPtr p = core::parse_program(typed), q = compiler::simplify(p);
      for (auto& e : q->eqns) EXPECT_STRNE(e.prim->name, "pow");
      auto is = core::eval_program(*q, Vec{x})[0].to_vector<double>(), should = x.to_vector<double>();
      for (std::size_t i = 0; i < is.size(); ++i) {
        double y = std::pow(should[i], k * 0.5);
        if (d == f32) y = static_cast<float>(y);
        if (std::isnan(y) || std::isinf(y) || y == 0) {
          EXPECT_TRUE(std::isnan(y) ? std::isnan(is[i]) : is[i] == y && std::signbit(is[i]) == std::signbit(y))
              << should[i] << " to " << k << "/2: " << is[i];
        } else if (std::fabs(y) > least) EXPECT_LE(std::fabs(is[i] - y), 4 * ulp * std::fabs(y)) << should[i] << " to " << k << "/2";
      }
    }
  }
  count_law(true);
}
TEST(PassRules, none_is_without_a_row_or_without_words) {
  std::set<std::string> rows, names;
  for (const RuleRow& r : rule_rows()) rows.insert(r.rule);
  for (Rules t : tables())
    for (auto& r : t) {
      EXPECT_TRUE(rows.count(r.name)) << r.name << " has no row";
      EXPECT_GT(std::strlen(r.what), 5u) << r.name;
    }
}

}  // namespace functra::testing
