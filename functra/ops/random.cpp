// Distributions from random bits. Formulas and their order of operations are those of jax.random, so that results agree.
#include "functra/ops/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/index.h"
#include "functra/ops/reduce.h"
#include "functra/prims/cast.h"
#include "functra/prims/math.h"
#include "functra/prims/random.h"
#include "functra/prims/shape.h"
#include "functra/prims/sort.h"

namespace functra {
namespace {
using core::convert;
using core::Site;
using prims::like;
using prims::RandomBitsParams;

DType float_type(OptDType dtype, const char* who) {
  DType d = dtype.value_or(default_dtype());
  if (d != f32 && d != f64)
    throw DTypeError(std::string(who) + ": random numbers are f32 or f64, not " + std::string(name_of(d)) + "; convert the result");
  return d;
}
Tensor checked(const Tensor& key, const char* who) {
  Tensor k = ops::firm(key);
  if (k.raw_dtype() != u32 || k.sizes() != Shape{2})
    throw ShapeError(std::string(who) + ": expected a key, u32 [2] as random::key(seed) gives, got " + std::string(name_of(k.dtype())) +
                     k.sizes().str() + (k.dim() > 1 ? "; map over stacked keys with vmap" : ""));
  return k;
}
Tensor zero() { return Tensor::literal_of(Scalar(0), u64); }
Tensor bits_of(const Tensor& key, const Shape& shape, DType d) { return prims::random_bits(key, zero(), RandomBitsParams{shape, d, false}); }
DType bits_for(DType d) { return d == f32 ? u32 : u64; }

// [0, 1): the random bits as the fraction of a number in [1, 2).
Tensor unit(const Tensor& bits, DType d) {
  bool single = d == f32;
  Tensor one = single ? Tensor::literal_of(Scalar(std::int64_t{0x3f800000}), u32) : Tensor::literal_of(Scalar(std::int64_t{0x3ff0000000000000}), u64);
  Tensor f = prims::bitcast(prims::bitwise_or(prims::shift_right(bits, like(single ? 9 : 12, bits)), one), d);
  return core::sub(f, like(1, f));
}
Tensor fitted(const Tensor& bound, DType d, const Shape& shape, const char* who) {
  Tensor b = convert(bound, d);
  return b.dim() ? ops::broadcast_to(b, shape, who) : b;
}
Tensor between(const Tensor& u, const Tensor& lo, const Tensor& hi) { return prims::max(lo, core::add(prims::mul(u, core::sub(hi, lo)), lo)); }
double below_one(DType d) { return d == f32 ? static_cast<double>(std::nextafterf(-1.0f, 0.0f)) : std::nextafter(-1.0, 0.0); }
Tensor normal_of(const Tensor& bits, DType d) {
  Tensor u = unit(bits, d), x = between(u, like(below_one(d), u), like(1, u));
  return prims::mul(like(std::sqrt(2.0), x), prims::erf_inv(x));
}
Tensor draw(const Shape& shape, DType d) { return prims::draw_bits(RandomBitsParams{shape, bits_for(d), false}); }
}  // namespace

namespace random {

Tensor key(std::uint64_t seed) {
  std::uint32_t k[2] = {static_cast<std::uint32_t>(seed >> 32), static_cast<std::uint32_t>(seed)};
  return Tensor::copy_of(k, u32, {2});
}
Tensor split(const Tensor& key, std::int64_t n) {
  Site site(FUNCTRA_SITE);
  if (n < 0) throw ValueError("random::split: " + std::to_string(n) + " keys");
  return prims::random_bits(checked(key, "random::split"), zero(), RandomBitsParams{{n}, u32, true});
}
std::array<Tensor, 2> split(const Tensor& key) {
  Site site(FUNCTRA_SITE);
  Tensor both = prims::random_bits(checked(key, "random::split"), zero(), RandomBitsParams{{2}, u32, true});
  auto row = [&](std::int64_t i) { return prims::reshape(prims::slice(both, {i, 0}, {i + 1, 2}, {1, 1}), {2}); };
  return {row(0), row(1)};
}
Tensor fold_in(const Tensor& key, const Tensor& data) {
  Site site(FUNCTRA_SITE);
  if (data.dim() != 0 || (!is_integer(data.dtype()) && !is_bool(data.dtype())))
    throw ShapeError("random::fold_in: expected one integer to fold into the key, got " + std::string(name_of(data.dtype())) + data.sizes().str());
  return prims::random_bits(checked(key, "random::fold_in"), convert(convert(data, u32), u64), RandomBitsParams{{}, u32, true});
}
Tensor bits(const Tensor& key, const Shape& shape, DType dtype) {
  Site site(FUNCTRA_SITE);
  return bits_of(checked(key, "random::bits"), shape, dtype);
}
Tensor uniform(const Tensor& key, const Shape& shape, OptDType dtype, const Tensor& minval, const Tensor& maxval) {
  Site site(FUNCTRA_SITE);
  DType d = float_type(dtype, "random::uniform");
  Tensor u = unit(bits_of(checked(key, "random::uniform"), shape, bits_for(d)), d);
  if (prims::is_literal(minval, 0) && prims::is_literal(maxval, 1)) return u;
  return between(u, fitted(minval, d, shape, "random::uniform"), fitted(maxval, d, shape, "random::uniform"));
}
Tensor normal(const Tensor& key, const Shape& shape, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  DType d = float_type(dtype, "random::normal");
  return normal_of(bits_of(checked(key, "random::normal"), shape, bits_for(d)), d);
}
Tensor exponential(const Tensor& key, const Shape& shape, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  return prims::neg(prims::log1p(prims::neg(uniform(key, shape, dtype))));
}
Tensor gumbel(const Tensor& key, const Shape& shape, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  DType d = float_type(dtype, "random::gumbel");
  double tiny = d == f32 ? static_cast<double>(std::numeric_limits<float>::min()) : std::numeric_limits<double>::min();
  return prims::neg(prims::log(prims::neg(prims::log(uniform(key, shape, d, tiny, 1.0)))));
}
Tensor bernoulli(const Tensor& key, const Tensor& p, DimsOrAll shape) {
  Site site(FUNCTRA_SITE);
  Shape s = shape ? *shape : p.sizes();
  DType d = float_type(p.weak() || !is_floating(p.dtype()) ? OptDType() : OptDType(p.dtype()), "random::bernoulli");
  return prims::lt(uniform(key, s, d), fitted(p, d, s, "random::bernoulli"));
}
Tensor randint(const Tensor& key, const Shape& shape, const Tensor& minval, const Tensor& maxval, DType dtype) {
  Site site(FUNCTRA_SITE);
  if (dtype < u8 || dtype > i64) throw DTypeError("random::randint: expected an integer dtype, got " + std::string(name_of(dtype)));
  std::size_t width = size_of(dtype);
  if (width < 4) {  // drawn with 32 bits, for less bias
    double low = is_unsigned(dtype) ? 0 : -std::ldexp(1.0, static_cast<int>(width) * 8 - 1),
           high = low + std::ldexp(1.0, static_cast<int>(width) * 8);
    auto clip = [&](const Tensor& bound, double top) {
      Tensor b = convert(bound, i32);
      return prims::min(prims::max(b, like(low, b)), like(top, b));
    };
    return convert(randint(key, shape, clip(minval, high - 1), clip(maxval, high), i32), dtype);
  }
  DType raw = width == 4 ? u32 : u64;
  Tensor lo = fitted(minval, dtype, shape, "random::randint"), hi = fitted(maxval, dtype, shape, "random::randint");
  auto [k1, k2] = split(checked(key, "random::randint"));
  Tensor high = bits_of(k1, shape, raw), low = bits_of(k2, shape, raw);
  auto as_raw = [&](const Tensor& t) { return dtype == raw ? t : prims::bitcast(t, raw); };
  Tensor span = core::select(prims::le(hi, lo), like(1, high), as_raw(core::sub(hi, lo)));
  Tensor half = prims::rem(like(std::ldexp(1.0, static_cast<int>(width) * 4), span), span);  // 2^(bits / 2) mod span, squared
  Tensor multiplier = prims::rem(prims::mul(half, half), span);
  Tensor offset = prims::rem(core::add(prims::mul(prims::rem(high, span), multiplier), prims::rem(low, span)), span);
  return core::add(lo, dtype == raw ? offset : prims::bitcast(offset, dtype));
}
Tensor categorical(const Tensor& key, const Tensor& logits, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  Tensor l = ops::to_floating(ops::firm(logits));
  return argmax(core::add(gumbel(key, l.sizes(), l.dtype()), l), dim);
}

Tensor permutation(const Tensor& key, const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor k = checked(key, "random::permutation");
  if (x.dim() == 0 && !is_integer(x.dtype()))
    throw ShapeError("random::permutation: expected an integer or a tensor with a dimension to reorder, got a 0-d " +
                     std::string(name_of(x.dtype())));
  std::int64_t n = x.dim() ? x.size(0) : x.item<std::int64_t>();
  if (n < 0) throw ValueError("random::permutation: of " + std::to_string(n) + " numbers");
  Tensor order = arange(n);
  // Sorted by random keys, often enough for ties of keys not to matter.
  int rounds = static_cast<int>(std::ceil(3 * std::log(std::max(1.0, static_cast<double>(n))) / std::log(4294967295.0)));
  for (int i = 0; i < rounds; ++i) {
    auto [next, sub] = split(k);
    k = next;
    const Tensor pair[2] = {bits_of(sub, {n}, u32), order};
    order = prims::sort(Ins(pair, 2), 0, false)[1];
  }
  return x.dim() ? index_select(x, 0, order) : order;
}

}  // namespace random

void manual_seed(std::uint64_t seed) { prims::seed_generator(seed); }
Tensor rand(const Shape& shape, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  DType d = float_type(dtype, "rand");
  return unit(draw(shape, d), d);
}
Tensor randn(const Shape& shape, OptDType dtype) {
  Site site(FUNCTRA_SITE);
  DType d = float_type(dtype, "randn");
  return normal_of(draw(shape, d), d);
}
Tensor rand_like(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return rand(x.sizes(), x.dtype());
}
Tensor randn_like(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  return randn(x.sizes(), x.dtype());
}
Tensor bernoulli(const Tensor& p) {
  Site site(FUNCTRA_SITE);
  Tensor q = ops::firm(p);
  DType d = float_type(q.dtype(), "bernoulli");
  return convert(prims::lt(rand(q.sizes(), d), q), d);
}
Tensor dropout(const Tensor& x, double p, bool training) {
  Site site(FUNCTRA_SITE);
  if (!(p >= 0 && p <= 1)) throw ValueError("dropout: p is " + std::to_string(p) + ", expected a probability");
  Tensor y = ops::to_floating(ops::firm(x));
  if (!training || p == 0) return y;
  Tensor u = unit(draw(y.sizes(), f32), f32);
  Tensor kept = prims::ge(u, like(p, u));
  return core::select(kept, prims::mul(y, like(p < 1 ? 1 / (1 - p) : 0, y)), like(0, y));
}

}  // namespace functra
