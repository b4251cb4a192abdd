#include "functra/compiler/graph.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "functra/compiler/ranges.h"
#include "functra/core/params.h"

namespace functra::compiler {

// ---------------------------------------------------------------- constants
namespace {

bool is_f32(DType d) { return d == DType::f32; }
bool is_real(DType d) { return d == DType::f32 || d == DType::f64; }
double real_of(DType d, std::uint64_t bits) {
  if (d == DType::f16) return to_float(f16_t{static_cast<std::uint16_t>(bits)});
  if (d == DType::bf16) return to_float(bf16_t{static_cast<std::uint16_t>(bits)});
  return is_f32(d) ? std::bit_cast<float>(static_cast<std::uint32_t>(bits)) : std::bit_cast<double>(bits);
}
std::uint64_t bits_of(DType d, double v) {
  if (d == DType::f16) return to_f16(static_cast<float>(v)).bits;
  if (d == DType::bf16) return to_bf16(static_cast<float>(v)).bits;
  return is_f32(d) ? std::bit_cast<std::uint32_t>(static_cast<float>(v)) : std::bit_cast<std::uint64_t>(v);
}
double rounded(DType d, double v) { return real_of(d, bits_of(d, v)); }

// Integers are kept sign- or zero-extended to 64 bits.
std::uint64_t wrapped(DType d, std::uint64_t v) {
  if (is_bool(d)) return v & 1;
  int width = 8 * static_cast<int>(size_of(d));
  if (width == 64) return v;
  v &= (std::uint64_t{1} << width) - 1;
  if (is_signed_int(d) && v >> (width - 1)) v |= ~std::uint64_t{0} << width;
  return v;
}
bool less(DType d, std::uint64_t a, std::uint64_t b) {
  return is_signed_int(d) ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b;
}

// One operation on constants; false where it is left to the machine.
template <class T> bool fold_real(NumOp op, T a, T b, T& r) {
  switch (op) {
    case NumOp::neg: r = -a; return true;
    case NumOp::abs: r = std::fabs(a); return true;
    case NumOp::sqrt: r = std::sqrt(a); return true;
    case NumOp::floor: r = std::floor(a); return true;
    case NumOp::ceil: r = std::ceil(a); return true;
    case NumOp::rint: r = std::nearbyint(a); return true;
    case NumOp::trunc: r = std::trunc(a); return true;
    case NumOp::add: r = a + b; return true;
    case NumOp::sub: r = a - b; return true;
    case NumOp::mul: r = a * b; return true;
    case NumOp::div: r = a / b; return true;
    case NumOp::min: r = a < b || a != a ? a : b; return true;
    case NumOp::max: r = a > b || a != a ? a : b; return true;
    case NumOp::copysign: r = std::copysign(a, b); return true;
    case NumOp::scale: r = std::ldexp(a, static_cast<int>(b)); return std::fabs(b) < 4096;
    default: return false;
  }
}
template <class T> bool fold_compare(NumOp op, T a, T b, bool& r) {
  switch (op) {
    case NumOp::eq: r = a == b; return true;
    case NumOp::ne: r = a != b; return true;
    case NumOp::lt: r = a < b; return true;
    case NumOp::le: r = a <= b; return true;
    case NumOp::gt: r = a > b; return true;
    case NumOp::ge: r = a >= b; return true;
    default: return false;
  }
}
bool fold_integer(NumOp op, DType d, std::uint64_t a, std::uint64_t b, std::uint64_t& r) {
  switch (op) {
    case NumOp::neg: r = 0 - a; return true;
    case NumOp::abs: r = is_signed_int(d) && static_cast<std::int64_t>(a) < 0 ? 0 - a : a; return true;
    case NumOp::floor:
    case NumOp::ceil:
    case NumOp::rint:
    case NumOp::trunc: r = a; return true;
    case NumOp::invert: r = ~a; return true;
    case NumOp::add: r = a + b; return true;
    case NumOp::sub: r = a - b; return true;
    case NumOp::mul: r = a * b; return true;
    case NumOp::and_: r = a & b; return true;
    case NumOp::or_: r = a | b; return true;
    case NumOp::xor_: r = a ^ b; return true;
    case NumOp::min: r = less(d, a, b) ? a : b; return true;
    case NumOp::max: r = less(d, a, b) ? b : a; return true;
    default: return false;
  }
}
bool is_comparison(NumOp op) { return op >= NumOp::eq; }

}  // namespace

std::uint64_t identity_of(core::ReduceOp op, DType d) {
  using core::ReduceOp;
  if (is_bool(d)) return op == ReduceOp::prod || op == ReduceOp::min || op == ReduceOp::and_;
  switch (op) {
    case ReduceOp::sum: return is_real(d) ? bits_of(d, 0) : 0;
    case ReduceOp::prod: return is_real(d) ? bits_of(d, 1) : 1;
    case ReduceOp::and_: return ~std::uint64_t{0};
    case ReduceOp::or_: return 0;
    case ReduceOp::max:
      if (is_real(d)) return bits_of(d, -std::numeric_limits<double>::infinity());
      return is_signed_int(d) ? wrapped(d, std::uint64_t{1} << (8 * size_of(d) - 1)) : 0;
    case ReduceOp::min:
      if (is_real(d)) return bits_of(d, std::numeric_limits<double>::infinity());
      return wrapped(d, is_signed_int(d) ? (std::uint64_t{1} << (8 * size_of(d) - 1)) - 1 : ~std::uint64_t{0});
  }
  return 0;
}

// ---------------------------------------------------------------- nodes
namespace {
std::size_t hash_of(const Node& n) {
  return core::mix(static_cast<std::size_t>(n.op) << 24 | static_cast<std::size_t>(n.num) << 16 | static_cast<std::size_t>(n.type) << 8 |
                       static_cast<std::size_t>(n.from) << 1 | n.structural,
                   core::mix(static_cast<std::size_t>(n.a) << 32 | n.b, core::mix(n.c, n.attr)));
}
}  // namespace
Id Graph::add(const Node& n) {
  if (const Id known = find(n); known != none) return known;
  nodes_.push_back(n);
  ranges_.push_back(range_of(n));
  halves_.push_back(halves_of(n));
  rares_ += n.op == Op::rare;
  table_.emplace(hash_of(n), static_cast<Id>(nodes_.size() - 1));
  return static_cast<Id>(nodes_.size() - 1);
}
Id Graph::find(const Node& n) const {
  auto [from, to] = table_.equal_range(hash_of(n));
  for (auto it = from; it != to; ++it)
    if (nodes_[it->second] == n) return it->second;
  return none;
}
// Of a - b: b - a, if that has been made before; what even functions make of both is one value.
Id Graph::even(Id x) const {
  const Node& n = nodes_[x];
  if (n.op != Op::binary || n.num != NumOp::sub || !is_real(n.type)) return x;
  Node turned = n;
  std::swap(turned.a, turned.b);
  const Id other = find(turned);
  return other != none && other < x ? other : x;
}
bool Graph::opposite(Id a, Id b) const {
  auto of = [&](Id x, Id y) { return nodes_[x].op == Op::unary && nodes_[x].num == NumOp::neg && nodes_[x].a == y; };
  return of(a, b) || of(b, a);
}
// Rounding to a 16-bit type leaves these values as they are: what comes from there, and what has no more digits than its operands.
std::uint8_t Graph::halves_of(const Node& n) const {
  constexpr std::uint8_t in_f16 = 1, in_bf16 = 2, in_both = 3;
  if (!is_f32(n.type)) return 0;
  switch (n.op) {
    case Op::constant: {
      const double v = n.structural ? 0 : real_of(n.type, n.attr);
      return static_cast<std::uint8_t>((rounded(DType::f16, v) == v ? in_f16 : 0) | (rounded(DType::bf16, v) == v ? in_bf16 : 0));
    }
    case Op::convert: return n.from == DType::f16 ? in_f16 : n.from == DType::bf16 ? in_bf16 : size_of(n.from) == 1 ? in_both : 0;
    case Op::unary: return n.num == NumOp::sqrt ? 0 : halves_[n.a];
    case Op::binary:
      if (n.num == NumOp::copysign) return halves_[n.a];
      return n.num == NumOp::min || n.num == NumOp::max ? halves_[n.a] & halves_[n.b] : 0;
    case Op::select: return halves_[n.b] & halves_[n.c];
    default: return 0;
  }
}
Range Graph::range_of(const Node& n) const {
  if (!is_floating(n.type)) return {};
  switch (n.op) {
    case Op::constant: {
      const double v = n.structural ? 0 : real_of(n.type, n.attr);
      return v != v ? Range() : Range{v, v};
    }
    case Op::unary: return range_of_unary(n.num, n.type, ranges_[n.a]);
    case Op::binary:
      if (n.num == NumOp::mul && opposite(n.a, n.b)) {  // -x x
        const Range r = range_of_binary(n.num, n.type, ranges_[n.a], ranges_[n.a], true);
        return {-r.hi, -r.lo};
      }
      return range_of_binary(n.num, n.type, ranges_[n.a], ranges_[n.b], n.a == n.b);
    case Op::fma: return range_of_fma(n.type, ranges_[n.a], ranges_[n.b], ranges_[n.c], n.a == n.b);
    case Op::select: return both(ranges_[n.b], ranges_[n.c]);
    case Op::convert: {
      if (is_bool(n.from)) return {0, 1};
      if (!is_floating(n.from)) return {};
      const Range r = ranges_[n.a];
      return {rounded(n.type, r.lo), rounded(n.type, r.hi)};
    }
    default: return {};
  }
}
void Graph::bound(Id i, Range r) {
  if (nodes_[i].op == Op::constant) return;
  Range& mine = ranges_[i];
  if (is_f32(nodes_[i].type)) r = {static_cast<float>(r.lo), static_cast<float>(r.hi)};
  mine = {std::max(mine.lo, r.lo), std::min(mine.hi, r.hi)};
}
Id Graph::bits(DType d, std::uint64_t v) { return add({.op = Op::constant, .type = d, .attr = is_real(d) ? v : wrapped(d, v)}); }
Id Graph::structural_zero(DType d) { return add({.op = Op::constant, .type = d, .structural = true}); }
Id Graph::load(DType d, std::uint64_t k) { return add({.op = Op::load, .type = d, .attr = k}); }
Id Graph::gather(DType d, std::uint64_t k, DType from, Id further) {
  return add({.op = Op::gather, .type = d, .from = from, .a = further, .attr = k});
}
Id Graph::position(std::uint64_t axis) { return add({.op = Op::position, .type = DType::i64, .attr = axis}); }
Id Graph::reduced(DType d, std::uint64_t k) { return add({.op = Op::reduced, .type = d, .attr = k}); }
Id Graph::constant(DType d, Scalar s) {
  std::uint64_t v = 0;
  s.store(d, &v);
  return bits(d, v);
}
NumOp operation_of(core::ReduceOp op, DType d) {
  using core::ReduceOp;
  static constexpr NumOp ops[] = {NumOp::add, NumOp::mul, NumOp::max, NumOp::min, NumOp::and_, NumOp::or_};
  if (is_bool(d)) return op == ReduceOp::sum || op == ReduceOp::max || op == ReduceOp::or_ ? NumOp::or_ : NumOp::and_;
  return ops[static_cast<int>(op)];
}
Id Graph::combine(core::ReduceOp op, DType d, Id a, Id b) {
  const NumOp num = operation_of(op, d);
  return num == NumOp::add && is_real(d) ? contracted(d, a, b, false) : binary(num, d, a, b);
}
Id Graph::contracted(DType d, Id a, Id b, bool minus) {
  const NumOp num = minus ? NumOp::sub : NumOp::add;
  if (a == b) return binary(num, d, a, b);
  const Node x = nodes_[a], y = nodes_[b];
  auto product = [](const Node& n) { return n.op == Op::binary && n.num == NumOp::mul; };
  if (product(y) && x.op == Op::fma) {  // a + m + m, as derivatives of squares are: one operation to wait for, rounded once
    const Id two = constant(d, minus ? -2.0 : 2.0);
    if (x.b == y.b && x.a == (minus ? unary(NumOp::neg, d, y.a) : y.a)) return fma(d, two, b, x.c);
    if (!minus && x.c == b) return fma(d, two, b, binary(NumOp::mul, d, x.a, x.b));
  }
  if (product(x)) return fma(d, x.a, x.b, minus ? unary(NumOp::neg, d, b) : b);
  if (product(y)) return fma(d, minus ? unary(NumOp::neg, d, y.a) : y.a, y.b, a);
  return binary(num, d, a, b);
}
bool Graph::is(Id i, double v) const {
  const Node& n = nodes_[i];
  return n.op == Op::constant && !n.structural && is_real(n.type) && n.attr == bits_of(n.type, v);
}

Id Graph::unary(NumOp op, DType d, Id x) {
  const Node n = nodes_[x];
  if (n.op == Op::constant) {
    if (n.structural && (op == NumOp::neg || op == NumOp::abs)) return x;
    if (is_f32(d)) {
      float r;
      if (fold_real<float>(op, static_cast<float>(real_of(d, n.attr)), 0, r)) return bits(d, bits_of(d, r));
    } else if (is_real(d)) {
      double r;
      if (fold_real<double>(op, real_of(d, n.attr), 0, r)) return bits(d, bits_of(d, r));
    } else {
      std::uint64_t r;
      if (fold_integer(op, d, n.attr, 0, r)) return bits(d, r);
    }
  }
  if (n.op == Op::unary && n.num == op && (op == NumOp::neg || op == NumOp::invert)) return n.a;
  if (op == NumOp::abs && n.op == Op::unary && n.num == NumOp::neg && is_real(d)) x = n.a;
  if (op == NumOp::abs) x = even(x);
  if (!is_real(d) && (op == NumOp::floor || op == NumOp::ceil || op == NumOp::rint || op == NumOp::trunc)) return x;
  return add({.op = Op::unary, .num = op, .type = d, .from = d, .a = x});
}

// Identities that hold for every value, and those of structural zeros.
Id Graph::simplified(NumOp op, DType d, Id a, Id b) {
  const bool za = nodes_[a].structural, zb = nodes_[b].structural;
  switch (op) {
    case NumOp::add:
      if (za) return b;
      if (zb) return a;
      if (is_real(d) ? is(a, -0.0) : nodes_[a].op == Op::constant && nodes_[a].attr == 0) return b;
      if (is_real(d) ? is(b, -0.0) : nodes_[b].op == Op::constant && nodes_[b].attr == 0) return a;
      return none;
    case NumOp::sub:
      if (zb) return a;
      if (za) return unary(NumOp::neg, d, b);
      if (is_real(d) ? is(b, 0.0) : nodes_[b].op == Op::constant && nodes_[b].attr == 0) return a;
      return none;
    case NumOp::mul:
      if (za) return a;
      if (zb) return b;
      if (is(a, 1)) return b;
      if (is(b, 1)) return a;
      if (is(a, -1)) return unary(NumOp::neg, d, b);
      if (is(b, -1)) return unary(NumOp::neg, d, a);
      return none;
    case NumOp::div:
      if (za) return a;
      if (is(b, 1)) return a;
      // (1 / y) / y: infinite, zero and NaN where the product is.
      if (const Node n = nodes_[a]; n.op == Op::binary && n.num == NumOp::div && n.b == b && is(n.a, 1)) return binary(NumOp::mul, d, a, a);
      return none;
    case NumOp::and_:
    case NumOp::or_:
      if (a == b) return a;
      if (!is_bool(d)) return none;
      for (auto [x, y] : {std::pair(a, b), std::pair(b, a)})
        if (nodes_[x].op == Op::constant) return (nodes_[x].attr != 0) == (op == NumOp::and_) ? y : x;
      return none;
    default: return none;
  }
}

Id Graph::binary(NumOp op, DType d, Id a, Id b) {
  const Node x = nodes_[a], y = nodes_[b];
  const DType type = is_comparison(op) ? DType::bool_ : d;
  if (Id r = simplified(op, d, a, b); r != none) return r;
  if (x.op == Op::constant && y.op == Op::constant) {
    bool holds = false;
    if (is_real(d)) {
      double u = real_of(d, x.attr), v = real_of(d, y.attr), r;
      float rf;
      if (fold_compare(op, u, v, holds)) return bits(DType::bool_, holds);
      if (is_f32(d) ? fold_real<float>(op, static_cast<float>(u), static_cast<float>(v), rf) : fold_real<double>(op, u, v, r))
        return bits(d, is_f32(d) ? std::bit_cast<std::uint32_t>(rf) : bits_of(d, r));
    } else {
      std::uint64_t r;
      bool known = is_signed_int(d) ? fold_compare(op, static_cast<std::int64_t>(x.attr), static_cast<std::int64_t>(y.attr), holds)
                                    : fold_compare(op, x.attr, y.attr, holds);
      if (known) return bits(DType::bool_, holds);
      if (fold_integer(op, d, x.attr, y.attr, r)) return bits(d, r);
    }
  }
  if (is_real(d))
    if (int known = known_outcome(op, ranges_[a], ranges_[b]); known >= 0) return bits(DType::bool_, known != 0);
  if (op == NumOp::mul && a == b) a = b = even(a);
  Node n{.op = Op::binary, .num = op, .type = type, .from = d, .a = a, .b = b};
  return add(n);
}
Id Graph::fma(DType d, Id a, Id b, Id c) {
  if (nodes_[a].structural || nodes_[b].structural) return c;
  if (nodes_[c].structural || is(c, -0.0)) return binary(NumOp::mul, d, a, b);
  if (a == b) a = b = even(a);
  return add({.op = Op::fma, .type = d, .from = d, .a = a, .b = b, .c = c});
}
Id Graph::select(DType d, Id mask, Id yes, Id no) {
  if (nodes_[mask].op == Op::constant) return nodes_[mask].attr ? yes : no;
  if (yes == no) return yes;
  if (is_bool(d)) {  // masks in registers
    if (is_constant(yes) && is_constant(no)) return nodes_[yes].attr ? mask : unary(NumOp::invert, d, mask);
  }
  return add({.op = Op::select, .type = d, .from = d, .a = mask, .b = yes, .c = no});
}
Id Graph::bitcast(DType to, DType from, Id x) {
  if (to == from) return x;
  const Node n = nodes_[x];
  if (n.op == Op::constant) return bits(to, is_real(to) && is_f32(to) ? n.attr & 0xffffffffu : n.attr);
  if (n.op == Op::bitcast) return n.from == to ? n.a : bitcast(to, n.from, n.a);
  return add({.op = Op::bitcast, .type = to, .from = from, .a = x});
}
Id Graph::convert(DType to, DType from, Id x) {
  if (to == from) return x;
  const Node n = nodes_[x];
  if (n.structural) return structural_zero(to);
  if (n.op == Op::convert && n.from == to && is_integer(to) && is_integer(from) && size_of(from) >= size_of(to)) return n.a;
  if (is_half(from) ? !is_f32(to) : is_half(to) && !is_f32(from))
    return convert(to, DType::f32, convert(DType::f32, from, x));  // as the cast kernels
  if (n.op == Op::convert && n.from == to && is_half(to)) return n.a;
  if (n.op == Op::convert && is_half(from) && halves_[n.a] >> (from == DType::bf16) & 1) return n.a;  // nothing was rounded
  if (n.op == Op::constant) {
    if (is_floating(to)) {
      double v = is_floating(from)     ? real_of(from, n.attr)
                 : is_signed_int(from) ? static_cast<double>(static_cast<std::int64_t>(n.attr))
                                       : static_cast<double>(n.attr);
      bool exact = is_floating(from) || (is_signed_int(from) ? std::abs(static_cast<std::int64_t>(n.attr)) < (1LL << 53) : n.attr < (1ULL << 53));
      if (exact) return bits(to, bits_of(to, v));
    } else if (is_bool(to)) {
      return bits(to, is_real(from) ? real_of(from, n.attr) != 0 : n.attr != 0);
    } else if (!is_real(from)) {
      return bits(to, n.attr);
    }
  }
  return add({.op = Op::convert, .type = to, .from = from, .a = x});
}
Id Graph::rare(DType d, Id mask, Id value, const char* name, std::span<const Id> args) {
  if (nodes_[mask].op == Op::constant && !nodes_[mask].attr) return value;
  Fallback f{name, {args.begin(), args.end()}};
  std::size_t k = 0;
  while (k < fallbacks_.size() && !(fallbacks_[k] == f)) ++k;
  if (k == fallbacks_.size()) fallbacks_.push_back(f);
  return add({.op = Op::rare, .type = d, .from = d, .a = value, .b = mask, .attr = k});
}

}  // namespace functra::compiler
