#include <cstring>

#include "functra/prims/cast.h"
#include "rows/elementwise.h"

namespace functra::testing {
namespace {
Fn convert_to(DType d) {
  return [d](const Vec& x) { return Vec{core::convert(x[0], d)}; };
}
Fn bitcast_to(DType d) {
  return [d](const Vec& x) { return Vec{prims::bitcast(x[0], d)}; };
}
template <class To, class From> double bits_of(double x) {
  auto from = static_cast<From>(x);
  To to;
  std::memcpy(&to, &from, sizeof to);
  return static_cast<double>(to);
}
}  // namespace

FUNCTRA_ROW(convert) {
  Row r;
  auto add = [&](DType from, DType to, Domain d, const std::function<double(const double*)>& ref) {
    for (Sample& s : elementwise_samples(1, convert_to(to), ref, {d}, {from})) {
      s.name += " to " + std::string(name_of(to));
      s.linear = is_floating(to);  // f64 to f32 rounds: differences do not see its derivative
      r.samples.push_back(std::move(s));
    }
  };
  auto same = [](const double* x) { return x[0]; };
  add(DType::f32, DType::f64, {-4, 4}, same);
  add(DType::f64, DType::f32, {-4, 4}, [](const double* x) -> double { return static_cast<float>(x[0]); });
  add(DType::f64, DType::i32, {-4, 4}, [](const double* x) { return std::trunc(x[0]); });
  add(DType::f32, DType::bool_, {-4, 4}, [](const double* x) -> double { return x[0] != 0; });
  add(DType::i64, DType::i8, {-120, 120}, same);
  add(DType::i32, DType::f64, {-9, 9}, same);
  add(DType::i64, DType::bool_, {-2, 2}, [](const double* x) -> double { return x[0] != 0; });
  add(DType::bool_, DType::f32, {0, 2}, same);
  add(DType::u8, DType::i16, {0, 250}, same);
  for (DType d : {DType::f16, DType::bf16, DType::c64}) {  // and back: halves are exact in each
    Fn f = [d](const Vec& x) { return Vec{core::convert(core::convert(x[0], d), DType::f64)}; };
    r.samples.push_back(special_sample(f, [](const double* x) { return x[0]; }, DType::f64, {{0, -1.5, 2.5, 100, inf, -inf}}));
  }
  r.samples.push_back(
      special_sample(convert_to(DType::i32),
                     [](const double* x) { return std::isnan(x[0]) ? 0 : std::fmin(std::fmax(std::trunc(x[0]), -2147483648.0), 2147483647.0); },
                     DType::f64, {{nan, inf, -inf, 1e30, -1e30, 2147483648.0, -0.5}}));
  return r;
}
FUNCTRA_ROW(bitcast) {
  Row r;
  auto add = [&](DType from, DType to, Domain d, double (*ref)(double)) {
    for (Sample& s : elementwise_samples(1, bitcast_to(to), [ref](const double* x) { return ref(x[0]); }, {d}, {from})) {
      s.name += " to " + std::string(name_of(to));
      r.samples.push_back(std::move(s));
    }
  };
  add(DType::f32, DType::i32, {-4, 4}, bits_of<std::int32_t, float>);
  add(DType::f64, DType::i64, {-4, 4}, bits_of<std::int64_t, double>);
  add(DType::i64, DType::f64, {1e15, 4e18}, bits_of<double, std::int64_t>);
  add(DType::u8, DType::i8, {0, 250}, bits_of<std::int8_t, std::uint8_t>);
  add(DType::i32, DType::u32, {-9, 9}, bits_of<std::uint32_t, std::int32_t>);
  return flat(r);
}
FUNCTRA_ROW(stop_gradient) {
  Row r = flat(unary_row(prims::stop_gradient, [](double x) { return x; }, {-4, 4}));
  with_integers(r, prims::stop_gradient, [](double x) { return x; }, {-4, 4}, {DType::i32});
  with_integers(r, prims::stop_gradient, [](double x) { return x; }, {0, 2}, {DType::bool_});
  return r;
}

}  // namespace functra::testing
