// Reductions, extremes and cumulative operations: references are plain loops.
#include <algorithm>
#include <cmath>
#include <limits>

#include "functra/prims/reduce.h"
#include "rows/strided.h"

namespace functra::testing {
namespace {

using Fold = double (*)(double, double);
using Reducer = Tensor (*)(const Tensor&, const Shape&);

Reference folded(const Shape& dims, Fold f, double init) {
  return [=](const std::vector<Array>& in) {
    const Shape& s = in[0].shape;
    Shape kept = dims.others(s.size());
    Array y = filled(s.pick(kept), init);
    for (std::int64_t i = 0; i < s.numel(); ++i) {
      double& to = y[ravel(unravel(i, s).pick(kept), y.shape)];
      to = f(to, in[0][static_cast<std::size_t>(i)]);
    }
    return std::vector<Array>{y};
  };
}
void over(Row& r, Reducer p, Fold f, double init, const Shape& s, const Shape& dims) {
  add_layouts(
      r, "over " + dims.str(), s, [p, dims](const Vec& x) { return Vec{p(x[0], dims)}; }, folded(dims, f, init));
}
Row reduction(Reducer p, Fold f, double init) {
  Row r;
  for (const Shape& dims : {Shape{0}, Shape{1}, Shape{2}, Shape{0, 2}, Shape{0, 1, 2}}) over(r, p, f, init, {3, 4, 5}, dims);
  over(r, p, f, init, {17}, {0});
  over(r, p, f, init, {2, 3, 2, 2}, {1, 3});
  over(r, p, f, init, {3, 0}, {0});
  over(r, p, f, init, {1, 4}, {0});
  return r;
}
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double smaller(double a, double b) { return std::isnan(a) || a < b ? a : b; }
constexpr double infinity = std::numeric_limits<double>::infinity();

Row logical(Reducer p, Fold f, double init) {
  Row r;
  for (const Shape& dims : {Shape{0}, Shape{1}, Shape{0, 1}}) {
    auto g = [p, dims](const Vec& x) { return Vec{p(x[0], dims)}; };
    for (int seed : {0, 1, 2}) {
      std::vector<double> v(12);
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = seed == 2 ? 1 : (i * 7 + static_cast<std::size_t>(seed)) % 3 == 0;
      Tensor x = from_values({3, 4}, DType::bool_, v);
      r.samples.push_back({"bool over " + dims.str(), {x}, g, folded(dims, f, init)});
      r.samples.push_back({"bool transposed over " + dims.str(), {transposed_view(x)}, g, folded(dims, f, init)});
    }
  }
  r.ulp = 0;
  r.second_order = false;
  r.zero_derivative = true;
  return r;
}

Row position(Tensor (*p)(const Tensor&, int), Fold better) {
  Row r;
  for (int dim : {0, 1, 2})
    add_layouts(
        r, "along " + std::to_string(dim), {3, 4, 5}, [=](const Vec& x) { return Vec{p(x[0], dim)}; },
        [=](const std::vector<Array>& in) {
          const Shape& s = in[0].shape;
          auto d = static_cast<std::size_t>(dim);
          Array y = filled(s.without(d), 0);
          for (std::int64_t i = 0; i < y.shape.numel(); ++i) {
            Shape c = unravel(i, y.shape);
            double best = in[0][ravel(c.with(d, 0), s)];
            for (std::int64_t k = 1; k < s[d]; ++k)
              if (double v = in[0][ravel(c.with(d, k), s)]; v != best && better(best, v) == v) {
                best = v;
                y[static_cast<std::size_t>(i)] = static_cast<double>(k);
              }
          }
          return std::vector<Array>{y};
        });
  r.ulp = 0;
  r.second_order = false;
  r.zero_derivative = true;
  return r;
}

Reference running(int dim, bool reverse, Fold f) {
  return [=](const std::vector<Array>& in) {
    Array y = in[0];
    const Shape& s = y.shape;
    auto d = static_cast<std::size_t>(dim);
    for (std::int64_t i = 0; i < s.numel(); ++i) {
      Shape c = unravel(reverse ? s.numel() - 1 - i : i, s), before = c;
      before[d] += reverse ? 1 : -1;
      if (before[d] >= 0 && before[d] < s[d]) y[ravel(c, s)] = f(y[ravel(before, s)], y[ravel(c, s)]);
    }
    return std::vector<Array>{y};
  };
}
Row cumulative(Tensor (*p)(const Tensor&, int, bool), Fold f) {
  Row r;
  for (int dim : {0, 1})
    for (bool reverse : {false, true})
      for (const Shape& s : {Shape{4, 5}, Shape{3, 1}, Shape{2, 3, 2}})
        add_layouts(
            r, "along " + std::to_string(dim) + (reverse ? " reversed" : ""), s, [=](const Vec& x) { return Vec{p(x[0], dim, reverse)}; },
            running(dim, reverse, f), -1.5, 1.5);
  return r;
}

}  // namespace

FUNCTRA_ROW(reduce_sum) {
  Row r = reduction(
      core::sum, [](double a, double b) { return a + b; }, 0);
  r.rtol = 1e-6;
  return r;
}
FUNCTRA_ROW(reduce_prod) {
  Row r = reduction(
      prims::reduce_prod, [](double a, double b) { return a * b; }, 1);
  for (const std::vector<double>& v : {std::vector<double>{2, 0, 3, 4}, {2, 0, 0, 4}, {0, 0, 0, 4}})  // derivatives at zeros
    r.samples.push_back({"zeros",
                         {from_values({4}, DType::f64, v)},
                         [](const Vec& x) { return Vec{prims::reduce_prod(x[0], {0})}; },
                         folded(
                             {0}, [](double a, double b) { return a * b; }, 1)});
  r.rtol = 1e-5;
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(reduce_max) { return reduction(prims::reduce_max, larger, -infinity); }
FUNCTRA_ROW(reduce_min) { return reduction(prims::reduce_min, smaller, infinity); }
FUNCTRA_ROW(reduce_and) {
  return logical(
      prims::reduce_and, [](double a, double b) { return static_cast<double>(a != 0 && b != 0); }, 1);
}
FUNCTRA_ROW(reduce_or) {
  return logical(
      prims::reduce_or, [](double a, double b) { return static_cast<double>(a != 0 || b != 0); }, 0);
}
FUNCTRA_ROW(argmax) { return position(prims::argmax, larger); }
FUNCTRA_ROW(argmin) { return position(prims::argmin, smaller); }
FUNCTRA_ROW(cumsum) {
  Row r = cumulative(prims::cumsum, [](double a, double b) { return a + b; });
  r.rtol = 1e-6;
  return r;
}
FUNCTRA_ROW(cumprod) {
  Row r = cumulative(prims::cumprod, [](double a, double b) { return a * b; });
  for (const std::vector<double>& v : {std::vector<double>{2, 0, 3, 4}, {2, 0, 0, 4}, {0, 0, 0, 4}})
    r.samples.push_back({"zeros",
                         {from_values({4}, DType::f64, v)},
                         [](const Vec& x) { return Vec{prims::cumprod(x[0], 0, false)}; },
                         running(0, false, [](double a, double b) { return a * b; })});
  r.rtol = 1e-6;
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(cummax) { return cumulative(prims::cummax, larger); }
FUNCTRA_ROW(cummin) { return cumulative(prims::cummin, smaller); }
FUNCTRA_ROW(logcumsumexp) {
  Fold f = [](double a, double b) { return std::fmax(a, b) == -infinity ? -infinity : std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b))); };
  Row r = cumulative(prims::logcumsumexp, f);
  r.samples.push_back({"far apart",  // each extreme hides those before it
                       {from_values({5}, DType::f64, {-1000, 0, -2, 1000, -infinity})},
                       [](const Vec& x) { return Vec{prims::logcumsumexp(x[0], 0, false)}; },
                       running(0, false, f)});
  r.samples.back().differentiable = false;
  r.atol = 1e-7;
  return r;
}
FUNCTRA_ROW(linear_recurrence) {
  Row r;
  for (DType d : {DType::f32, DType::f64})
    for (int dim : {0, 1})
      for (bool reverse : {false, true}) {
        Tensor a = random_tensor({4, 3}, d, -1.5, 1.5, 1), b = random_tensor({4, 3}, d, -1, 1, 2);
        auto f = [=](const Vec& x) { return Vec{prims::linear_recurrence(x[0], x[1], dim, reverse)}; };
        Reference ref = [=](const std::vector<Array>& in) {
          Array y = in[1];
          const Shape& s = y.shape;
          auto at = static_cast<std::size_t>(dim);
          for (std::int64_t i = 0; i < s.numel(); ++i) {
            Shape c = unravel(reverse ? s.numel() - 1 - i : i, s), before = c;
            before[at] += reverse ? 1 : -1;
            if (before[at] >= 0 && before[at] < s[at]) y[ravel(c, s)] += in[0][ravel(c, s)] * y[ravel(before, s)];
          }
          return std::vector<Array>{y};
        };
        r.samples.push_back({std::string(name_of(d)), {a, b}, f, ref});
        r.samples.push_back({std::string(name_of(d)) + " strided", {transposed_view(a), sliced_view(b)}, f, ref});
      }
  r.rtol = 1e-6;
  return r;
}

}  // namespace functra::testing
