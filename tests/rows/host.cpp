// The user's own C++ in programs: effects beside a value, callbacks, defined primitives, batching rules.
#include <cmath>

#include "functra/functra.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

Tensor operand(const Shape& s, int seed) { return random_tensor(s, DType::f64, 0.3, 1.2, seed); }
Reference each(double (*f)(double)) {
  return [f](const std::vector<Array>& in) {
    Array y = in[0];
    for (double& v : y.v) v = f(v);
    return std::vector<Array>{y};
  };
}
Row unary_row(const Fn& f, double (*ref)(double), bool differentiable = true) {
  Row r;
  for (const Shape& s : {Shape{}, Shape{3}, Shape{2, 2}}) {
    r.samples.push_back({"f64 " + s.str(), {operand(s, 1)}, f, each(ref)});
    r.samples.back().differentiable = differentiable;
  }
  return r;
}
double twice(double x) { return 2 * x; }
double cube_of(double x) { return x * x * x; }

void for_doubles(std::span<const Tensor> in, std::span<const OutputBuffer> out, double (*f)(double)) {
  auto x = in[0].span<double>();
  auto y = out[0].span<double>();
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = f(x[i]);
}
std::vector<TensorType> like_operand(std::span<const TensorType> in) { return {in[0]}; }
const DefinedPrimitive& cube() {
  static const DefinedPrimitive op = define_primitive({.name = "test cube",
                                                       .shape = like_operand,
                                                       .eval = [](auto in, auto out) { for_doubles(in, out, cube_of); },
                                                       .jvp = [](auto x, auto, auto t) { return std::vector<Tensor>{3.0 * x[0] * x[0] * t[0]}; },
                                                       .vmap = CallbackVmap::expand_dims});
  return op;
}
const DefinedPrimitive& doubled() {  // linear, with all rules in terms of itself
  static const DefinedPrimitive op = define_primitive({.name = "test doubled",
                                                       .shape = like_operand,
                                                       .eval = [](auto in, auto out) { for_doubles(in, out, twice); },
                                                       .jvp = [](auto, auto, auto t) { return std::vector<Tensor>{doubled()(t[0])}; },
                                                       .transpose = [](auto ct, auto) { return std::vector<Tensor>{doubled()(ct[0])}; },
                                                       .batch =
                                                           [](auto, auto x, auto dims) {
                                                             return std::pair{std::vector<Tensor>{doubled()(x[0])}, std::vector<int>{dims[0]}};
                                                           }});
  return op;
}

}  // namespace

FUNCTRA_ROW(debug_print) {
  debug::set_sink([](const std::string&) {});
  return unary_row(
      [](const Vec& x) {
        debug::print("{}", x[0]);
        return Vec{x[0] * 2.0};
      },
      twice);
}
FUNCTRA_ROW(debug_callback) {
  return unary_row(
      [](const Vec& x) {
        debug::callback([](const Tensor& v) { (void)v.to_vector<double>(); }, x[0]);
        return Vec{x[0] * 2.0};
      },
      twice);
}
FUNCTRA_ROW(pure_callback) {
  auto host = [](const Tensor& x) {
    std::vector<double> v = x.to_vector<double>();
    for (double& e : v) e = cube_of(e);
    return from_values(x.sizes(), DType::f64, v);
  };
  Row r = unary_row(
      [host](const Vec& x) {
        return Vec{pure_callback({.vmap = CallbackVmap::sequential}, host, eval_shape([](const Tensor& a) { return a; }, x[0]), x[0])};
      },
      cube_of, false);
  for (auto how : {CallbackVmap::expand_dims, CallbackVmap::broadcast_all}) {
    r.samples.push_back({"mode " + std::to_string(static_cast<int>(how)),
                         {operand({3}, 1)},
                         [host, how](const Vec& x) { return Vec{pure_callback({.vmap = how}, host, x[0], x[0])}; },
                         each(cube_of)});
    r.samples.back().differentiable = false;
  }
  return r;
}
FUNCTRA_ROW(host_op) {
  return unary_row([](const Vec& x) { return Vec{cube()(x[0])}; }, cube_of);
}
FUNCTRA_ROW(host_linear_op) {
  return unary_row([](const Vec& x) { return Vec{doubled()(x[0])}; }, twice);
}
FUNCTRA_ROW(custom_vmap_call) {
  auto f = custom_vmap([](const Tensor& a, const Tensor& b) { return sin(a) * b; },
                       [](std::int64_t, const std::array<bool, 2>& mapped, const Tensor& a, const Tensor& b) {
                         auto one = [](const Tensor& x, const Tensor& y) { return sin(x) * y; };
                         return std::pair{vmap(one, {.in_dims = {mapped[0] ? Axes(0) : Axes(none), mapped[1] ? Axes(0) : Axes(none)}})(a, b), true};
                       });
  Row r;
  r.ulp = 8;
  for (const Shape& s : {Shape{}, Shape{3}})
    r.samples.push_back({"f64 " + s.str(),
                         {operand(s, 1), operand(s, 2)},
                         [f](const Vec& x) { return Vec{f(x[0], x[1])}; },
                         [](const std::vector<Array>& in) {
                           Array y = in[0];
                           for (std::size_t i = 0; i < y.size(); ++i) y[i] = std::sin(in[0][i]) * in[1][i];
                           return std::vector<Array>{y};
                         }});
  auto twice_of = custom_vmap([](const Tensor& a) { return a * 2.0; },
                              [](std::int64_t, const std::array<bool, 1>&, const Tensor& a) {
                                return std::pair{a * 2.0, true};
                              });
  r.samples.push_back({"of a linear function", {operand({3}, 1)}, [twice_of](const Vec& x) { return Vec{twice_of(x[0])}; }, each(twice)});
  r.samples.back().linear = true;
  return r;
}

}  // namespace functra::testing
