// Rules: small identities between equations, each a function, kept in tables by family. A pass that is made of rules walks over a
// Program once, in order, and asks the rules of each equation's primitive; a rule answers with what stands for the result, written with
// the wrappers of prims/ and core/basis.h, or with nothing. What a rule writes is asked about too before it is recorded, so the operands
// that a rule sees are as simple as the tables make them, and a rule looks one or two equations back at most.
//
//   Tensor double_negation(const Match& m) {               // neg(neg(x)) -> x
//     Made inner = m.made(m[0], neg_p);
//     return inner ? inner[0] : Tensor();
//   }
//   constexpr Rule rules[] = {{&neg_p, "double_negation", "-(-x) = x", double_negation}, ...};
//
// The result must have the type of what it replaces, and fewer or cheaper equations: a walk is repeated as long as rules apply, so two
// rules must not undo each other.
#pragma once
#include <initializer_list>
#include <map>
#include <optional>
#include <span>

#include "functra/core/forms.h"
#include "functra/prims/build.h"

namespace functra::compiler {

class Rewriter;

// The equation that a value comes from, if it is one of the primitive asked for.
class Made {
 public:
  Made() = default;
  Made(const Rewriter* w, const core::Eqn& e) : w_(w), e_(e) {}
  explicit operator bool() const { return w_ != nullptr; }
  std::size_t size() const { return e_.n_in; }
  Tensor operator[](std::size_t k) const;  // its operands
  const core::Primitive* prim() const { return e_.prim; }
  template <class P> const P& params() const { return core::Params(e_.params).get<P>(); }
  core::Params any_params() const { return e_.params; }

 private:
  const Rewriter* w_ = nullptr;
  core::Eqn e_{};
};

// An equation that is about to be recorded.
class Match {
 public:
  Match(const Rewriter& w, const core::Call& c, Ins in) : w_(w), c_(c), in_(in) {}
  std::size_t size() const { return in_.size(); }
  const Tensor& operator[](std::size_t k) const { return in_[k]; }
  Ins operands() const { return in_; }
  const core::Primitive& prim() const { return c_.prim; }
  const core::Call& call() const { return c_; }
  template <class P> const P& params() const { return c_.params.get<P>(); }

  Made made(const Tensor& t, const core::Primitive& p) const;  // by an equation of p
  Made made(const Tensor& t) const;                            // by any equation of one result
  const Shape& shape(const Tensor& t) const;
  Shape result_shape() const;
  // Nothing else uses t, as far as is known.
  bool once(const Tensor& t) const;
  // The one number that every element of t is: of a literal, or of a literal repeated.
  std::optional<Scalar> constant(const Tensor& t) const;
  bool is(const Tensor& t, double value) const;  // constant of this value; 0 is 0 or -0
  // t without repetition: the 0-d value it repeats, or t itself where that is not known.
  Tensor scalar_of(const Tensor& t) const;

 private:
  const Rewriter& w_;
  const core::Call& c_;
  Ins in_;
};

struct Rule {
  const core::Primitive* prim;  // null: every elementwise primitive
  const char* name;
  const char* what;
  Tensor (*one)(const Match&);                // the result; a null Tensor: it does not apply
  bool (*all)(const Match&, Outs) = nullptr;  // in place of `one`, where there may be several results
};
using Rules = std::span<const Rule>;
using Fired = std::map<std::string, std::size_t>;  // how often each rule was applied

// p with the rules of all tables applied until none is.
core::ProgramPtr rewrite(const core::ProgramPtr& p, std::initializer_list<Rules> tables, Fired* fired = nullptr);

// ---- the tables
Rules arithmetic_rules();   // simplify_arithmetic.cpp
Rules power_rules();        // simplify_power.cpp
Rules logic_rules();        // simplify_logic.cpp
Rules movement_rules();     // simplify_movement.cpp
Rules pieces_rules();       // simplify_pieces.cpp
Rules narrowing_rules();    // simplify_narrowing.cpp
Rules reduction_rules();    // simplify_reduction.cpp
Rules control_rules();      // simplify_control.cpp
Rules zero_rules();         // zeros.cpp
Rules seed_rules();         // seeds.cpp
Rules product_rules();      // contractions.cpp: contractions that sum nothing
Rules contraction_rules();  // contractions.cpp
Rules sum_rules();          // sums.cpp
Rules turn_rules();         // turns.cpp
Rules gather_rules();       // gathers.cpp
Rules half_rules();         // halves.cpp

// ---- what rules share
inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
// The 0-d literal v in the dtype and weakness of t.
using prims::like;
// The literal v, of t's dtype, repeated to this shape.
Tensor filled(const Scalar& v, DType d, const Shape& shape);
// x [rank 0, or of that shape] repeated to the shape.
Tensor spread(const Tensor& x, const Shape& shape);

}  // namespace functra::compiler
