// Identities of arithmetic that hold for every IEEE value (x * 1, but not x + 0, which makes 0 of -0), and elementwise operations moved
// to where their operands are small.
#include <algorithm>
#include <cmath>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::add_p;

bool floating(const Tensor& t) { return is_floating(t.raw_dtype()); }
bool integral(const Tensor& t) { return is_integer(t.raw_dtype()); }
bool has_sign(const Tensor& t) { return floating(t) || is_signed_int(t.raw_dtype()); }
// x with the shape of the result.
Tensor whole(const Match& m, const Tensor& x) { return spread(x, m.result_shape()); }
// The literal -c, where t is the number c repeated.
Tensor minus_constant(const Match& m, const Tensor& t) {
  auto c = m.constant(t);
  return c && floating(t) ? like(-c->real(), m.scalar_of(t)) : Tensor();
}
bool is_minus_zero(const Match& m, const Tensor& t) { return m.is(t, 0) && std::signbit(m.constant(t)->real()); }

// ---------------------------------------------------------------- products and quotients
Tensor times_one(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (m.is(m[k], 1)) return whole(m, m[1 - k]);
  return {};
}
Tensor times_minus_one(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (has_sign(m[0]) && m.is(m[k], -1)) return neg(whole(m, m[1 - k]));
  return {};
}
Tensor integer_times_zero(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (integral(m[0]) && m.is(m[k], 0)) return whole(m, m[k]);
  return {};
}
Tensor signs_of_factors(const Match& m) {
  Made a = m.made(m[0], neg_p), b = m.made(m[1], neg_p);
  if (a && b) return mul(a[0], b[0]);
  if (!a && !b) return {};
  const Tensor inner = a ? a[0] : b[0], &other = m[a ? 1 : 0];
  if (Tensor c = minus_constant(m, other); c.defined() && (!inner.rank0() || other.rank0())) return a ? mul(inner, c) : mul(c, inner);
  if (!m.once(m[a ? 0 : 1])) return {};
  return neg(a ? mul(inner, other) : mul(other, inner));
}
Tensor over_one(const Match& m) {
  if (m.is(m[1], 1)) return whole(m, m[0]);
  return m.is(m[1], -1) && floating(m[0]) ? neg(whole(m, m[0])) : Tensor();
}
Tensor over_power_of_two(const Match& m) {  // the reciprocal is exact
  auto c = m.constant(m[1]);
  DType d = m[0].raw_dtype();
  if (!c || m[0].is_scalar() || (d != DType::f32 && d != DType::f64)) return {};
  int e = 0;
  double f = std::frexp(c->real(), &e);
  int most = d == DType::f32 ? 120 : 1000;
  if ((f != 0.5 && f != -0.5) || e > most || e < -most) return {};
  return mul(whole(m, m[0]), like(1 / c->real(), m.scalar_of(m[1])));
}
Tensor signs_of_quotient(const Match& m) {
  if (!floating(m[0])) return {};
  Made a = m.made(m[0], neg_p), b = m.made(m[1], neg_p);
  if (a && b) return div(a[0], b[0]);
  if (a) {
    if (Tensor c = minus_constant(m, m[1]); c.defined() && !a[0].rank0()) return div(a[0], c);
    return m.once(m[0]) ? neg(div(a[0], m[1])) : Tensor();
  }
  if (!b) return {};
  if (Tensor c = minus_constant(m, m[0]); c.defined() && !b[0].rank0()) return div(c, b[0]);
  return m.once(m[1]) ? neg(div(m[0], b[0])) : Tensor();
}

// ---------------------------------------------------------------- sums and differences
Tensor plus_zero(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (integral(m[0]) ? m.is(m[k], 0) : is_minus_zero(m, m[k])) return whole(m, m[1 - k]);
  return {};
}
Tensor plus_negative(const Match& m) {
  if (Made b = m.made(m[1], neg_p)) return core::sub(m[0], b[0]);
  Made a = m.made(m[0], neg_p);
  return a ? core::sub(m[1], a[0]) : Tensor();
}
Tensor minus_zero(const Match& m) {
  if (m.is(m[1], 0) && (integral(m[0]) || !is_minus_zero(m, m[1]))) return whole(m, m[0]);
  if (m.is(m[0], 0) && (is_signed_int(m[0].raw_dtype()) || is_minus_zero(m, m[0]))) return neg(whole(m, m[1]));
  return {};
}
Tensor minus_negative(const Match& m) {
  Made b = m.made(m[1], neg_p);
  return b ? core::add(m[0], b[0]) : Tensor();
}

// ---------------------------------------------------------------- signs
Tensor double_negation(const Match& m) {
  Made inner = m.made(m[0], neg_p);
  return inner ? inner[0] : Tensor();
}
Tensor negated_constant_factor(const Match& m) {  // -(x c) = x (-c), -(x / c) = x / (-c), -(c / x) = (-c) / x
  if (!m.once(m[0]) || !floating(m[0])) return {};
  for (const Primitive* p : {&mul_p, &div_p})
    if (Made f = m.made(m[0], *p)) {
      if (Tensor c = minus_constant(m, f[1]); c.defined() && f[0].rank0() == m[0].rank0()) return p == &mul_p ? mul(f[0], c) : div(f[0], c);
      if (Tensor c = minus_constant(m, f[0]); c.defined() && f[1].rank0() == m[0].rank0()) return p == &mul_p ? mul(c, f[1]) : div(c, f[1]);
    }
  return {};
}
bool same_value(const Tensor& a, const Tensor& b) { return a.tag() && a.tag() == b.tag() && a.kind() == Tensor::Kind::Var && a.var() == b.var(); }
Tensor without_sign(const Match& m) {  // |-x| = |x|, and what has no sign keeps it
  if (Made inner = m.made(m[0], neg_p)) return prims::abs(inner[0]);
  if (!floating(m[0])) return {};
  if (m.made(m[0], abs_p) || m.made(m[0], exp_p)) return m[0];
  Made square = m.made(m[0], mul_p);
  return square && same_value(square[0], square[1]) ? m[0] : Tensor();
}
Tensor small_powers(const Match& m) {
  std::int64_t n = m.params<IntegerPowParams>().n;
  if (n == 0) return prims::integer_pow(m[0], 0);
  if (n == 1) return m[0];
  if (n == 2) return mul(m[0], m[0]);
  return n == -1 && floating(m[0]) ? div(like(1, m[0]), m[0]) : Tensor();
}
Tensor power_without_sign(const Match& m) {
  std::int64_t n = m.params<IntegerPowParams>().n;
  for (const Primitive* p : {&neg_p, &abs_p})
    if (Made inner = m.made(m[0], *p); inner && n % 2 == 0) return prims::integer_pow(inner[0], n);
  return {};
}
Tensor extreme_of_itself(const Match& m) { return same_value(m[0], m[1]) ? m[0] : Tensor(); }

// ---------------------------------------------------------------- every elementwise operation
Tensor apply(const Match& m, Ins operands) {
  Tensor r;
  bind_prim(m.call(), operands, {&r, 1});
  return r;
}
Tensor of_constants(const Match& m) {  // numbers are computed with now, by evaluation
  for (const Tensor& t : m.operands())
    if (!t.is_scalar()) return {};
  if (m.size() == 0) return {};
  Tensor r;
  {
    core::Scope now(nullptr);
    m.prim().eval(m.call(), m.operands(), {&r, 1});
  }
  return r.weak() ? r : Tensor::literal_of(r.item(), r.raw_dtype());
}
Tensor repeated_numbers(const Match& m) {  // numbers need not be repeated; if there is nothing else, neither need the operation
  const Shape shape = m.result_shape();
  if (shape.empty()) return {};
  Buf<Tensor, 4> x(m.size());
  bool any = false, full = false;
  for (std::size_t k = 0; k < m.size(); ++k) {
    x[k] = m.scalar_of(m[k]);
    // Zeros that are added are for the pass that knows structural zeros: a 0 in their place would be added as written.
    if ((&m.prim() == &add_p || &m.prim() == &sub_p) && !m[k].rank0() && floating(x[k]) && m.is(x[k], 0)) x[k] = m[k];
    any |= x[k].rank0() && !m[k].rank0();
    full |= !x[k].rank0();
  }
  if (!any) return {};
  if (!full) return spread(apply(m, x), shape);
  return apply(m, x);
}
// Where all operands are repeated along the same dimensions, the operation is done before that.
Tensor repeated_operands(const Match& m) {
  const Shape shape = m.result_shape();
  Shape varies;  // dimensions along which some operand is not repeated
  bool any = false;
  for (const Tensor& t : m.operands()) {
    if (t.rank0()) continue;
    Made b = m.made(t, core::broadcast_in_dim_p);
    if (!b) return {};
    for (std::int64_t d : b.params<BroadcastParams>().dims)
      if (!varies.has(d)) varies.push_back(d);
    any = true;
  }
  if (!any || varies.size() == shape.size() || varies.empty()) return {};
  std::sort(varies.begin(), varies.end());
  Buf<Tensor, 4> x(m.size());
  for (std::size_t k = 0; k < m.size(); ++k) {
    x[k] = m[k];
    if (m[k].rank0()) continue;
    Made b = m.made(m[k], core::broadcast_in_dim_p);
    Shape dims = b.params<BroadcastParams>().dims;
    for (auto& d : dims) d = varies.find(d);
    x[k] = core::broadcast_in_dim(b[0], shape.pick(varies), dims);
  }
  return core::broadcast_in_dim(apply(m, x), shape, varies);
}
Tensor transposed_operands(const Match& m) {  // f(x^T, y^T) = f(x, y)^T; what is repeated goes with either
  Shape perm;
  for (const Tensor& t : m.operands()) {
    Made made = m.made(t, core::transpose_p);
    if (!made) continue;
    const Shape p = made.params<PermParams>().perm;
    if (!m.once(t) || (!perm.empty() && !(perm == p))) return {};
    perm = p;
  }
  if (perm.empty()) return {};
  Buf<Tensor, 4> x(m.size());
  for (std::size_t k = 0; k < m.size(); ++k) {
    Made made = m.made(m[k], core::transpose_p), repeated = m.made(m[k], core::broadcast_in_dim_p);
    if (m[k].rank0()) x[k] = m[k];
    else if (made) x[k] = made[0];
    else if (repeated) {
      const Shape dims = perm.pick(repeated.params<BroadcastParams>().dims), back = inverse(perm);
      if (!std::is_sorted(dims.begin(), dims.end())) return {};
      x[k] = core::broadcast_in_dim(repeated[0], repeated.params<BroadcastParams>().shape.pick(back), dims);
    } else return {};
  }
  return core::permute(apply(m, x), perm);
}

constexpr Rule rules[] = {
    {&mul_p, "times_one", "x * 1 = x", times_one},
    {&mul_p, "times_minus_one", "x * -1 = -x", times_minus_one},
    {&mul_p, "integer_times_zero", "of integers, x * 0 = 0", integer_times_zero},
    {&mul_p, "signs_of_factors", "-x * -y = x * y, -x * c = x * (-c), -x * y = -(x * y)", signs_of_factors},
    {&div_p, "over_one", "x / 1 = x, x / -1 = -x", over_one},
    {&div_p, "over_power_of_two", "x / 2^k = x * 2^-k", over_power_of_two},
    {&div_p, "signs_of_quotient", "-x / -y = x / y, -x / c = x / (-c), -x / y = x / -y = -(x / y)", signs_of_quotient},
    {&add_p, "plus_zero", "x + -0 = x; of integers, x + 0 = x", plus_zero},
    {&add_p, "plus_negative", "x + (-y) = x - y", plus_negative},
    {&sub_p, "minus_zero", "x - 0 = x, -0 - x = -x", minus_zero},
    {&sub_p, "minus_negative", "x - (-y) = x + y", minus_negative},
    {&neg_p, "double_negation", "-(-x) = x", double_negation},
    {&neg_p, "negated_constant_factor", "-(x * c) = x * (-c), and of quotients", negated_constant_factor},
    {&abs_p, "without_sign", "|-x| = |x|, ||x|| = |x|, |x * x| = x * x, |exp(x)| = exp(x)", without_sign},
    {&integer_pow_p, "small_powers", "x^0 = 1, x^1 = x, x^2 = x * x, x^-1 = 1 / x", small_powers},
    {&integer_pow_p, "power_without_sign", "(-x)^n = |x|^n = x^n for even n", power_without_sign},
    {&max_p, "largest_of_itself", "max(x, x) = x", extreme_of_itself},
    {&min_p, "least_of_itself", "min(x, x) = x", extreme_of_itself},
    {nullptr, "of_constants", "operations on numbers are done now", of_constants},
    {nullptr, "repeated_numbers", "f(repeat(a), x) = f(a, x), f(repeat(a), repeat(b)) = repeat(f(a, b)) for 0-d a, b", repeated_numbers},
    {nullptr, "repeated_operands", "f(repeat(x), repeat(y)) = repeat(f(x, y))", repeated_operands},
    {nullptr, "transposed_operands", "f(x^T, y^T) = f(x, y)^T", transposed_operands},
};

}  // namespace

Rules arithmetic_rules() { return rules; }

}  // namespace functra::compiler
