// Masks, choices, and changes of element type.
#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/cast.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;
using core::convert_p;
using core::select_p;

bool same_value(const Tensor& a, const Tensor& b) { return a.kind() == Tensor::Kind::Var && b.kind() == Tensor::Kind::Var && a.var() == b.var(); }
bool boolean(const Tensor& t) { return is_bool(t.raw_dtype()); }
Tensor whole(const Match& m, const Tensor& x) { return spread(x, m.result_shape()); }

// ---------------------------------------------------------------- select (mask, a, b)
Tensor select_known(const Match& m) {
  auto c = m.constant(m[0]);
  return c ? whole(m, m[c->real() != 0 ? 1 : 2]) : Tensor();
}
Tensor select_of_equals(const Match& m) {
  if (same_value(m[1], m[2])) return whole(m, m[1]);
  auto a = m.constant(m[1]), b = m.constant(m[2]);
  return a && b && a->str() == b->str() ? whole(m, m[1]) : Tensor();
}
Tensor select_by_not(const Match& m) {
  Made n = m.made(m[0], bitwise_not_p);
  return n ? core::select(n[0], m[2], m[1]) : Tensor();
}
Tensor select_of_bools(const Match& m) {
  if (!boolean(m[1])) return {};
  if (m.is(m[1], 1) && m.is(m[2], 0)) return whole(m, m[0]);
  if (m.is(m[1], 0) && m.is(m[2], 1)) return bitwise_not(whole(m, m[0]));
  return {};
}
Tensor select_of_select(const Match& m) {  // by the same mask
  Made a = m.made(m[1], select_p), b = m.made(m[2], select_p);
  bool first = a && same_value(a[0], m[0]), second = b && same_value(b[0], m[0]);
  return first || second ? whole(m, core::select(m[0], first ? a[1] : m[1], second ? b[2] : m[2])) : Tensor();
}

// ---------------------------------------------------------------- bits
std::uint64_t every_bit(DType d) { return size_of(d) == 8 ? ~0ull : (1ull << (8 * size_of(d))) - 1; }
std::optional<std::uint64_t> bits_of(const Match& m, const Tensor& t) {
  auto c = m.constant(t);
  if (!c) return {};
  if (boolean(t)) return c->real() != 0;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(*c)) & every_bit(t.raw_dtype());
}
std::uint64_t ones(const Tensor& t) { return boolean(t) ? 1 : every_bit(t.raw_dtype()); }
Tensor and_known(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (auto b = bits_of(m, m[k])) {
      if (*b == ones(m[k])) return whole(m, m[1 - k]);
      if (*b == 0) return whole(m, m[k]);
    }
  return same_value(m[0], m[1]) ? m[0] : Tensor();
}
Tensor or_known(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (auto b = bits_of(m, m[k])) {
      if (*b == 0) return whole(m, m[1 - k]);
      if (*b == ones(m[k])) return whole(m, m[k]);
    }
  return same_value(m[0], m[1]) ? m[0] : Tensor();
}
Tensor xor_known(const Match& m) {
  for (std::size_t k : {0u, 1u})
    if (auto b = bits_of(m, m[k])) {
      if (*b == 0) return whole(m, m[1 - k]);
      if (*b == ones(m[k])) return bitwise_not(whole(m, m[1 - k]));
    }
  return {};
}
Tensor not_of_not(const Match& m) {
  if (Made n = m.made(m[0], bitwise_not_p)) return n[0];
  // Of equality only: < and >= are both false for NaN.
  if (Made e = m.made(m[0], eq_p); e && m.once(m[0])) return ne(e[0], e[1]);
  if (Made e = m.made(m[0], ne_p); e && m.once(m[0])) return eq(e[0], e[1]);
  return {};
}
Tensor equal_to_bool(const Match& m) {
  if (!boolean(m[0])) return {};
  for (std::size_t k : {0u, 1u})
    if (auto c = m.constant(m[k])) {
      bool same = (c->real() != 0) == (&m.prim() == &eq_p);
      return same ? whole(m, m[1 - k]) : bitwise_not(whole(m, m[1 - k]));
    }
  return {};
}
Tensor compared_with_itself(const Match& m) {  // of integers: for NaN nothing but ne holds
  if (!same_value(m[0], m[1]) || is_floating(m[0].raw_dtype())) return {};
  bool holds = &m.prim() == &eq_p || &m.prim() == &le_p || &m.prim() == &ge_p;
  return filled(Scalar(holds), DType::bool_, m.result_shape());
}

// ---------------------------------------------------------------- convert
// Every value of a is one of b.
bool holds(DType b, DType a) {
  if (a == b || is_bool(a)) return true;
  if (is_complex(a) || is_complex(b) || is_bool(b)) return false;
  auto digits = [](DType d) {  // of the numbers that are held without gaps
    switch (d) {
      case DType::f16: return 11;
      case DType::bf16: return 8;
      case DType::f32: return 24;
      case DType::f64: return 53;
      default: return static_cast<int>(8 * size_of(d)) - is_signed_int(d);
    }
  };
  if (is_floating(a)) return is_floating(b) && (b == DType::f64 || (b == DType::f32 && a != DType::f64));
  if (is_floating(b)) return digits(a) <= digits(b) && b != DType::f16;
  return digits(a) <= digits(b) && (is_signed_int(b) || is_unsigned(a));
}
Tensor convert_of_itself(const Match& m) {
  auto& p = m.params<ConvertParams>();
  if (m[0].is_scalar() && !p.weak) return Tensor::literal_of(m[0].item(), p.dtype);
  return m[0].raw_dtype() == p.dtype && m[0].weak() == p.weak ? m[0] : Tensor();
}
Tensor convert_of_convert(const Match& m) {  // there and back, or on from a type that lost nothing
  Made inner = m.made(m[0], convert_p);
  if (!inner) return {};
  auto& p = m.params<ConvertParams>();
  DType from = inner[0].raw_dtype(), mid = m[0].raw_dtype();
  if (!holds(mid, from) || is_complex(p.dtype)) return {};
  if (is_integer(from) && is_floating(mid) && is_integer(p.dtype) && !holds(p.dtype, from)) return {};  // integers wrap, the others end
  return core::as_type(inner[0], p.dtype, p.weak);
}
Tensor convert_of_broadcast(const Match& m) {
  Made b = m.made(m[0], core::broadcast_in_dim_p);
  auto& p = m.params<ConvertParams>();
  if (!b || p.weak) return {};
  const BroadcastParams q = b.params<BroadcastParams>();
  return core::broadcast_in_dim(convert(b[0], p.dtype), q.shape, q.dims);
}
Tensor convert_of_iota(const Match& m) {
  Made i = m.made(m[0], iota_p);
  auto& p = m.params<ConvertParams>();
  if (!i || is_bool(p.dtype) || is_complex(p.dtype) || p.weak) return {};
  const IotaParams q = i.params<IotaParams>();
  std::int64_t n = q.shape[at(q.dim)];
  return n <= 127 ? prims::iota(p.dtype, q.shape, static_cast<int>(q.dim)) : Tensor();  // that every type holds
}

constexpr Rule rules[] = {
    {&select_p, "select_known", "select(true, a, b) = a", select_known},
    {&select_p, "select_of_equals", "select(m, a, a) = a", select_of_equals},
    {&select_p, "select_by_not", "select(!m, a, b) = select(m, b, a)", select_by_not},
    {&select_p, "select_of_bools", "select(m, true, false) = m", select_of_bools},
    {&select_p, "select_of_select", "select(m, select(m, a, b), c) = select(m, a, c)", select_of_select},
    {&bitwise_and_p, "and_known", "x & 1..1 = x, x & 0 = 0, x & x = x", and_known},
    {&bitwise_or_p, "or_known", "x | 0 = x, x | 1..1 = 1..1, x | x = x", or_known},
    {&bitwise_xor_p, "xor_known", "x ^ 0 = x, x ^ 1..1 = ~x", xor_known},
    {&bitwise_not_p, "not_of_not", "!!x = x, !(a == b) = (a != b)", not_of_not},
    {&eq_p, "equal_to_bool", "(x == true) = x", equal_to_bool},
    {&ne_p, "unequal_to_bool", "(x != false) = x", equal_to_bool},
    {&eq_p, "equal_to_itself", "of integers, x == x", compared_with_itself},
    {&ne_p, "unequal_to_itself", "of integers, not x != x", compared_with_itself},
    {&lt_p, "below_itself", "of integers, not x < x", compared_with_itself},
    {&le_p, "at_most_itself", "of integers, x <= x", compared_with_itself},
    {&gt_p, "above_itself", "of integers, not x > x", compared_with_itself},
    {&ge_p, "at_least_itself", "of integers, x >= x", compared_with_itself},
    {&convert_p, "convert_of_itself", "to the type that is there, and of a number", convert_of_itself},
    {&convert_p, "convert_of_convert", "there and back, or on, by way of a type that holds every value", convert_of_convert},
    {&convert_p, "convert_of_broadcast", "what is repeated is converted", convert_of_broadcast},
    {&convert_p, "convert_of_iota", "positions of the other type", convert_of_iota},
};

}  // namespace

Rules logic_rules() { return rules; }

}  // namespace functra::compiler
