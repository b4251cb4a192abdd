// Divisions as products with a reciprocal: x / c for a number c, x / y where y divides several values, as a repeated y does, and for numbers
// where y is there long before x. A division takes as long as some twenty products. The result differs from the quotient in the last place,
// and where 1 / y is not a normal number: |y| below 2^-1022 or above 2^1022 (2^126 of f32) or so. What is rounded to an integer or compared
// keeps its quotient: there the last place decides.
#include <cmath>
#include <optional>
#include <unordered_map>

#include "functra/compiler/bodies.h"
#include "functra/compiler/fuse.h"
#include "functra/compiler/passes.h"
#include "functra/core/interp.h"
#include "functra/core/replay.h"
#include "functra/prims/build.h"
#include "functra/prims/cast.h"
#include "functra/prims/math.h"

namespace functra::compiler {
namespace {
using namespace functra::core;
using namespace functra::prims;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

class Reciprocals {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    bool changed = false;
    std::vector<std::optional<ParamRef>> bodies(p.eqns.size());  // new ones
    for (std::size_t k = 0; k < p.eqns.size(); ++k) {
      bool other = false;
      ParamRef params = bodies_.map(
          p.eqns[k], [](const ProgramPtr& inner) { return Reciprocals().run(inner); }, other);
      if (other) bodies[k] = params;
      changed |= other;
    }
    plan(p);
    for (Var y : divisor_) changed |= pays(y);
    if (!changed) return program;
    return retrace(p, [&](const Eqn& e, Ins in, Outs out) {
      const std::size_t k = at(&e - p.eqns.data());
      if (e.prim == &broadcast_in_dim_p) source_[p.operands(e)[0]] = in[0];
      if (pays(divisor_[k])) out[0] = mul(in[0], reciprocal(p, divisor_[k], p.operands(e)[1], in[1]));
      else if (bodies[k]) bind_prim({*e.prim, *bodies[k]}, in, out);
      else return false;
      return true;
    });
  }

 private:
  static constexpr Var nobody = unknown;

  // By what the equation divides: a number, a variable, or the variable that is repeated.
  void plan(const Program& p) {
    made_.assign(p.type_of.size(), nullptr);
    std::vector<std::uint8_t> exact(p.type_of.size(), 0), equal(p.type_of.size(), 0);
    for (std::size_t k = p.eqns.size(); k-- > 0;) {
      const Eqn& e = p.eqns[k];
      bool before = tests_equality(p, e);
      for (std::uint32_t i = 0; i < e.n_out; ++i) {
        made_[e.out + i] = &e;
        before |= equal[e.out + i] != 0;
      }
      for (Var v : p.operands(e))
        if (v >= 0) equal[at(v)] |= before, exact[at(v)] |= discontinuous(p, e);
    }
    const auto there = times(p);
    divisor_.assign(p.eqns.size(), nobody);
    for (std::size_t k = 0; k < p.eqns.size(); ++k) {
      const Eqn& e = p.eqns[k];
      if (e.prim != &div_p || exact[e.out] || equal[e.out]) continue;
      const Var x = p.operands(e)[0], y = p.operands(e)[1];
      const DType d = p.type(static_cast<Var>(e.out)).dtype;
      if ((d != DType::f32 && d != DType::f64) || (x < 0 && y < 0)) continue;
      if (y < 0) {
        if (p.operand_type(y).shape.empty() && is_normal(d, 1 / number(p, y))) divisor_[k] = y;
        continue;
      }
      const Eqn* m = made_[at(y)];
      const bool repeated = m && m->prim == &broadcast_in_dim_p;
      const Var key = repeated ? p.operands(*m)[0] : y;
      if (key < 0) continue;  // a number, repeated
      divisor_[k] = key;
      Use& u = uses_[key];
      u.early |= x >= 0 && p.type(static_cast<Var>(e.out)).shape.empty() && there[at(y)] + quotient <= there[at(x)];
      ++u.divisions;
      u.repeated |= p.type(key).shape.numel() < p.type(static_cast<Var>(e.out)).shape.numel();
    }
  }
  bool pays(Var key) {
    if (key < 0) return key != nobody;
    const Use& u = uses_[key];
    return u.repeated || u.divisions > 1 || u.early;
  }
  static constexpr double quotient = 14;  // cycles
  // When each number is there, in cycles, about.
  static std::vector<double> times(const Program& p) {
    std::vector<double> r(p.type_of.size(), 0);
    for (const Eqn& e : p.eqns) {
      double start = 0;
      for (Var v : p.operands(e))
        if (v >= 0) start = std::max(start, r[at(v)]);
      const double takes = e.prim == &div_p || e.prim == &sqrt_p ? quotient : cheap_formula(e.prim->name) ? 4 : 50;
      for (std::uint32_t i = 0; i < e.n_out; ++i) r[e.out + i] = start + takes;
    }
    return r;
  }
  static bool discontinuous(const Program& p, const Eqn& e) {
    for (const Primitive* q : {&floor_p, &ceil_p, &round_p, &trunc_p, &eq_p, &ne_p, &lt_p, &le_p, &gt_p, &ge_p, &rem_p, &fmod_p, &floor_div_p})
      if (e.prim == q) return true;
    return (e.prim == &convert_p && !is_floating(p.type(static_cast<Var>(e.out)).dtype)) || e.prim == &bitcast_p;
  }
  // Of values with each other: a maximum with what it is the maximum of, which may be computed twice, beside different divisions.
  static bool tests_equality(const Program& p, const Eqn& e) {
    if (e.prim != &eq_p && e.prim != &ne_p) return false;
    return p.operands(e)[0] >= 0 && p.operands(e)[1] >= 0;
  }
  static double number(const Program& p, Var v) { return p.literals[at(~v)].item().real(); }
  static bool is_normal(DType d, double v) { return d == DType::f32 ? std::isnormal(static_cast<float>(v)) : std::isnormal(v); }

  // 1 / y, where y stands for the variable `whole`, which is `key` or repeats it.
  Tensor reciprocal(const Program& p, Var key, Var whole, const Tensor& y) {
    if (key < 0) return like(1 / number(p, key), y);
    Tensor& r = over_[whole];
    if (r.defined()) return r;
    if (whole == key) return r = div(like(1, y), y);
    const Eqn& repeat = *made_[at(whole)];
    const Tensor x = reciprocal(p, key, key, source_.at(key));
    bind_prim({*repeat.prim, repeat.params}, {&x, 1}, {&r, 1});
    return r;
  }

  struct Use {
    int divisions = 0;
    bool repeated = false;
    bool early = false;  // a number that is known long before what it divides: the reciprocal is not waited for
  };
  Bodies bodies_;
  std::vector<const Eqn*> made_;  // per variable
  std::vector<Var> divisor_;      // per equation
  std::unordered_map<Var, Use> uses_;
  std::unordered_map<Var, Tensor> source_, over_;  // of what is repeated; reciprocals
};

}  // namespace

ProgramPtr share_reciprocals(const ProgramPtr& p) { return Reciprocals().run(p); }

}  // namespace functra::compiler
