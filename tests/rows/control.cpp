// Primitives that hold Programs: the same laws, through compiled functions and custom rules.
#include <cmath>

#include "functra/functra.h"
#include "functra/prims/control.h"
#include "functra/prims/math.h"
#include "laws/row.h"

namespace functra::testing {
namespace {

Reference product_of_sines() {  // sin(a) b, a + b
  return [](const std::vector<Array>& in) {
    Array y = in[0], z = in[0];
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = std::sin(in[0][i]) * in[1][i];
      z[i] = in[0][i] + in[1][i];
    }
    return std::vector<Array>{y, z};
  };
}
Vec samples_in(const Shape& s) { return {random_tensor(s, DType::f64, -1, 1, 1), random_tensor(s, DType::f64, 0.5, 2, 2)}; }
Row row_of(const Fn& f, const Reference& ref) {
  Row r;
  r.ulp = 8;
  for (const Shape& s : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0}}) r.samples.push_back({"f64 " + s.str(), samples_in(s), f, ref});
  return r;
}
}  // namespace

FUNCTRA_ROW(jit_call) {
  auto f = jit([](const Tensor& a, const Tensor& b) { return std::pair{prims::mul(prims::sin(a), b), core::add(a, b)}; });
  return row_of(
      [f](const Vec& x) {
        auto [y, z] = f(x[0], x[1]);
        return Vec{y, z};
      },
      product_of_sines());
}
FUNCTRA_ROW(compiled_call) {
  Row r = row_of(
      [](const Vec& x) {  // a runner that computes by itself; all but evaluation is the Program's
        core::ProgramPtr p = core::trace_program(
            {x[0].aval(), x[1].aval()},
            [](Ins a) {
              return Vec{prims::mul(prims::sin(a[0]), a[1]), core::add(a[0], a[1])};
            },
            true);
        static const prims::RunnerPtr run = prims::register_runner("sin(a) b, a + b", [](std::vector<Tensor> a) {
          return Vec{mul(sin(a[0]), a[1]), a[0] + a[1]};
        });
        return core::bind_all(prims::compiled_call_p, x, prims::CompiledParams{p, run});
      },
      product_of_sines());
  // Linear in b, with no work on a alone, as the backward half of an AOT function is in its cotangents: linear_transpose transposes the call.
  Fn linear = [](const Vec& x) {
    core::ProgramPtr p = core::trace_program(
        {x[0].aval(), x[1].aval()},
        [](Ins a) {
          return Vec{prims::mul(a[0], a[1]), prims::neg(a[1])};
        },
        true);
    static const prims::RunnerPtr run = prims::register_runner("a b, -b", [](std::vector<Tensor> a) { return Vec{a[0] * a[1], -a[1]}; });
    return core::bind_all(prims::compiled_call_p, x, prims::CompiledParams{p, run});
  };
  for (const Shape& s : {Shape{}, Shape{3}, Shape{2, 3}}) {
    Sample sample{"linear in b, f64 " + s.str(), samples_in(s), linear, [](const std::vector<Array>& in) {
                    Array y = in[0], z = in[0];
                    for (std::size_t i = 0; i < y.size(); ++i) {
                      y[i] = in[0][i] * in[1][i];
                      z[i] = -in[1][i];
                    }
                    return std::vector<Array>{y, z};
                  }};
    sample.diff = {1};
    sample.linear = true;
    r.samples.push_back(std::move(sample));
  }
  return r;
}
FUNCTRA_ROW(custom_jvp_call) {
  auto f = custom_jvp(
      [](const Tensor& a, const Tensor& b) { return prims::mul(prims::sin(a), b); },
      [](const auto& primals, const auto& tangents) {
        auto [a, b] = primals;
        auto [s, t] = tangents;
        return std::pair{prims::mul(prims::sin(a), b), core::add(prims::mul(prims::mul(s, prims::cos(a)), b), prims::mul(t, prims::sin(a)))};
      });
  return row_of([f](const Vec& x) { return Vec{f(x[0], x[1])}; },
                [](const std::vector<Array>& in) { return std::vector<Array>{product_of_sines()(in)[0]}; });
}
namespace {
Fn custom_vjp_fn() {
  auto f = custom_vjp([](const Tensor& a, const Tensor& b) { return prims::mul(prims::sin(a), b); },
                      [](const Tensor& a, const Tensor& b) {
                        return std::pair{prims::mul(prims::sin(a), b), std::pair{a, b}};
                      },
                      [](const std::pair<Tensor, Tensor>& res, const Tensor& ct) {
                        auto& [a, b] = res;
                        return std::tuple{prims::mul(ct, prims::mul(prims::cos(a), b)), prims::mul(ct, prims::sin(a))};
                      });
  return [f](const Vec& x) { return Vec{f(x[0], x[1])}; };
}
}  // namespace
FUNCTRA_ROW(custom_vjp_call) {
  return row_of(custom_vjp_fn(), [](const std::vector<Array>& in) { return std::vector<Array>{product_of_sines()(in)[0]}; });
}
FUNCTRA_ROW(custom_linear) {  // the linear half of custom_vjp, on its own: the tangent of sin at 1, as a function of the tangent
  Row r;
  Fn f = [](const Vec& x) {
    Tensor at = random_tensor(x[0].sizes(), DType::f64, 0.5, 1, 4), b = random_tensor(x[0].sizes(), DType::f64, 0.5, 1, 5);
    return Vec{functra::jvp(
                   [](const Tensor& a, const Tensor& c) {
                     return custom_vjp_fn()({a, c})[0];
                   },
                   std::tuple{at, b}, std::tuple{x[0], core::zeros(x[0].aval())})
                   .second};
  };
  for (const Shape& s : {Shape{}, Shape{3}, Shape{2, 3}})
    r.samples.push_back({"f64 " + s.str(), {random_tensor(s, DType::f64, -1, 1, 1)}, f, [s](const std::vector<Array>& in) {
                           Array y = in[0], at = to_array(random_tensor(s, DType::f64, 0.5, 1, 4)),
                                 b = to_array(random_tensor(s, DType::f64, 0.5, 1, 5));
                           for (std::size_t i = 0; i < y.size(); ++i) y[i] = in[0][i] * std::cos(at[i]) * b[i];
                           return std::vector<Array>{y};
                         }});
  // Pulled back: the backward rule as a function of the cotangent, with a and b held.
  Fn pulled = [](const Vec& x) {
    Tensor at = random_tensor(x[0].sizes(), DType::f64, 0.5, 1, 4), b = random_tensor(x[0].sizes(), DType::f64, 0.5, 1, 5);
    auto [y, pull] = functra::vjp([](const Vec& v) { return custom_vjp_fn()(v); }, Vec{at, b});
    return pull(Vec{x[0]});
  };
  for (const Shape& s : {Shape{}, Shape{3}, Shape{2, 3}})
    r.samples.push_back({"pulled back, f64 " + s.str(), {random_tensor(s, DType::f64, -1, 1, 1)}, pulled, [s](const std::vector<Array>& in) {
                           Array ga = in[0], gb = in[0], at = to_array(random_tensor(s, DType::f64, 0.5, 1, 4)),
                                 b = to_array(random_tensor(s, DType::f64, 0.5, 1, 5));
                           for (std::size_t i = 0; i < ga.size(); ++i) {
                             ga[i] = in[0][i] * std::cos(at[i]) * b[i];
                             gb[i] = in[0][i] * std::sin(at[i]);
                           }
                           return std::vector<Array>{ga, gb};
                         }});
  return r;
}

}  // namespace functra::testing
