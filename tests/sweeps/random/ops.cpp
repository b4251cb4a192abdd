// The operations of random programs: where each may stand, between which bounds its result lies, and its call.
#include <cmath>

#include "tests/sweeps/random/program.h"

namespace functra::testing::programs {
namespace {

using Make = std::function<bool(Maker&, Node&)>;
using Call = std::function<Tensor(const Node&, const Vec&)>;
Op op(const char* name, double weight, Make make, Call call) {
  return {name, weight, std::move(make), [call](const Node& n, const Vec& in, const Vec&, bool) { return Vec{call(n, in)}; }};
}

// Elementwise on operands within [lo, hi]; `range` gives the bounds of the result.
Op unary(const char* name, Tensor (*f)(const Tensor&), double lo, double hi, std::function<std::pair<double, double>(double, double)> range) {
  return op(
      name, 1,
      [=](Maker& m, Node& n) {
        int v = m.pick([&](const Type& t) { return t.lo >= lo && t.hi <= hi; });
        if (v < 0) return false;
        auto [a, b] = range(m.type(v).lo, m.type(v).hi);
        n.in = {v};
        n.out = {bounded(m.type(v).shape, a, b)};
        return true;
      },
      [f](const Node&, const Vec& x) { return f(x[0]); });
}
Op rising(const char* name, Tensor (*f)(const Tensor&), double (*g)(double), double lo = -limit, double hi = limit) {
  return unary(name, f, lo, hi, [g](double a, double b) { return std::pair{g(a), g(b)}; });
}
Op falling(const char* name, Tensor (*f)(const Tensor&), double (*g)(double), double lo = -limit, double hi = limit) {
  return unary(name, f, lo, hi, [g](double a, double b) { return std::pair{g(b), g(a)}; });
}
Op within(const char* name, Tensor (*f)(const Tensor&), double a, double b, double lo = -limit, double hi = limit) {
  return unary(name, f, lo, hi, [a, b](double, double) { return std::pair{a, b}; });
}
// Of two operands that broadcast.
bool broadcasts(const Shape& a, const Shape& b) {
  for (std::size_t i = 1; i <= std::min(a.size(), b.size()); ++i) {
    std::int64_t x = a[a.size() - i], y = b[b.size() - i];
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}
Shape broadcast(const Shape& a, const Shape& b) {
  Shape r = a.size() >= b.size() ? a : b;
  const Shape& o = a.size() >= b.size() ? b : a;
  for (std::size_t i = 1; i <= o.size(); ++i)
    if (r[r.size() - i] == 1) r[r.size() - i] = o[o.size() - i];
  return r;
}
using Bounds = std::optional<std::pair<double, double>>;
Bounds products(const Type& a, const Type& b) {
  double p[] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi};
  return std::pair{*std::min_element(p, p + 4), *std::max_element(p, p + 4)};
}
Op binary(const char* name, double weight, Tensor (*f)(const Tensor&, const Tensor&), std::function<Bounds(const Type&, const Type&)> range) {
  return op(
      name, weight,
      [=](Maker& m, Node& n) {
        int a = m.any();
        int b = m.pick([&](const Type& t) { return broadcasts(m.type(a).shape, t.shape) && range(m.type(a), t); });
        if (b < 0) return false;
        auto r = *range(m.type(a), m.type(b));
        n.in = {a, b};
        n.out = {bounded(broadcast(m.type(a).shape, m.type(b).shape), r.first, r.second)};
        return true;
      },
      [f](const Node&, const Vec& x) { return f(x[0], x[1]); });
}
// Of one operand of at least that rank, and an attribute dim; `type` says the result, or nothing where it does not fit.
Op along(const char* name, double weight, int rank, std::function<std::optional<Type>(const Type&, std::size_t dim)> type,
         std::function<Tensor(const Tensor&, std::int64_t dim)> f) {
  return op(
      name, weight,
      [=](Maker& m, Node& n) {
        int v = m.pick([&](const Type& t) { return t.shape.rank() >= rank; });
        if (v < 0) return false;
        std::int64_t dim = m.below(m.type(v).shape.rank());
        auto t = type(m.type(v), static_cast<std::size_t>(dim));
        if (!t) return false;
        n.in = {v};
        n.ints = {dim};
        n.out = {*t};
        return true;
      },
      [f](const Node& n, const Vec& x) { return f(x[0], n.ints[0]); });
}
// Values that may be equal but for rounding, moved apart along d: which of them is the largest must not be for rounding to decide.
constexpr double apart = 0.01;
Tensor told_apart(const Tensor& x, std::int64_t d) {
  std::vector<std::int64_t> column(static_cast<std::size_t>(x.dim() - d), 1);
  column[0] = x.size(d);
  return x + apart * sin(1.0 + 2.4 * reshape(arange(x.size(d)).to(x.dtype()), column));
}
std::optional<Type> reduced(const Type& t, std::size_t d, double lo, double hi) { return bounded(t.shape.without(d), lo, hi); }
std::optional<Type> same_type(const Type& t, std::size_t) { return t; }
Op matrix_product(const char* name, int ra, int rb, std::function<Tensor(const Tensor&, const Tensor&)> f) {
  return op(
      name, 1.5,
      [=](Maker& m, Node& n) {
        int a = m.pick([&](const Type& t) { return t.shape.rank() == ra; });
        if (a < 0) return false;
        std::int64_t k = m.type(a).shape.back();
        int b = m.pick([&](const Type& t) { return t.shape.rank() == rb && t.shape[static_cast<std::size_t>(rb > 1 ? rb - 2 : 0)] == k; });
        if (b < 0) return false;
        auto p = *products(m.type(a), m.type(b));
        Shape s = m.type(a).shape.without(static_cast<std::size_t>(ra - 1));
        if (rb == 2) s.push_back(m.type(b).shape[1]);
        n.in = {a, b};
        n.out = {bounded(s, static_cast<double>(k) * p.first, static_cast<double>(k) * p.second)};
        return true;
      },
      [f](const Node&, const Vec& x) { return f(x[0], x[1]); });
}
Tensor positions(const Node& n, std::size_t from) {
  return tensor(std::vector<std::int64_t>(n.ints.begin() + static_cast<std::ptrdiff_t>(from), n.ints.end()));
}
double recip(double x) { return 1 / x; }
Shape shape_of(const Node& n, std::size_t from = 0) { return Shape(n.ints.data() + from, n.ints.size() - from); }
double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double softplus_of(double x) { return std::log1p(std::exp(x)); }
double rsqrt_of(double x) { return 1 / std::sqrt(x); }

std::vector<Op> table() {
  std::vector<Op> t = {
      within("sin", sin, -1, 1),
      within("cos", cos, -1, 1),
      rising("tanh", tanh, std::tanh),
      rising("exp", exp, std::exp, -6, 3),
      rising("log", log, std::log, 0.05, limit),
      rising("log1p", log1p, std::log1p, -0.9, limit),
      rising("expm1", expm1, std::expm1, -6, 3),
      rising("sqrt", sqrt, std::sqrt, 0.02, limit),
      falling("rsqrt", rsqrt, rsqrt_of, 0.05, limit),
      falling("reciprocal", reciprocal, recip, 0.2, limit),
      rising("sigmoid", sigmoid, sigmoid_of),
      rising("softplus", softplus, softplus_of),
      rising("erf", erf, std::erf),
      falling("erfc", erfc, std::erfc),
      rising("atan", atan, std::atan),
      rising("asin", asin, std::asin, -0.9, 0.9),
      falling("acos", acos, std::acos, -0.9, 0.9),
      rising("tan", tan, std::tan, -1.2, 1.2),
      rising("sinh", sinh, std::sinh, -3, 3),
      unary("cosh", cosh, -3, 3, [](double a, double b) { return std::pair{1.0, std::cosh(std::max(-a, b))}; }),
      within("erf_inv", erf_inv, -0.75, 0.75, -0.7, 0.7),
      unary("square", square, -4, 4, [](double a, double b) { return std::pair{a > 0 ? a * a : 0, std::max(a * a, b * b)}; }),
      unary("neg", [](const Tensor& x) { return -x; }, -limit, limit, [](double a, double b) { return std::pair{-b, -a}; }),
      unary("abs", abs, -limit, limit, [](double a, double b) { return std::pair{0.0, std::max(-a, b)}; }),
      unary("relu", relu, -limit, limit, [](double a, double b) { return std::pair{std::max(a, 0.0), std::max(b, 0.0)}; }),
      unary("gelu", gelu, -limit, limit, [](double, double b) { return std::pair{-0.2, std::max(b, 0.0)}; }),
      op("mean_all", 0.5,
         [](Maker& m, Node& n) {
           n.in = {m.any()};
           n.out = {bounded({}, m.type(n.in[0]).lo, m.type(n.in[0]).hi)};
           return true;
         },
         [](const Node&, const Vec& x) { return mean(x[0]); }),
      unary("scaled", [](const Tensor& x) { return 0.5 * x + 0.25; }, -limit, limit, [](double a, double b) { return std::pair{a / 2 + 0.25, b / 2 + 0.25}; }),

      binary("add", 2, [](const Tensor& a, const Tensor& b) { return a + b; }, [](auto& a, auto& b) { return Bounds({a.lo + b.lo, a.hi + b.hi}); }),
      binary("sub", 2, [](const Tensor& a, const Tensor& b) { return a - b; }, [](auto& a, auto& b) { return Bounds({a.lo - b.hi, a.hi - b.lo}); }),
      binary("mul", 3, [](const Tensor& a, const Tensor& b) { return a * b; }, products),
      binary("div", 1.5, [](const Tensor& a, const Tensor& b) { return a / b; },
             [](auto& a, auto& b) { return b.lo < 0.3 ? Bounds() : products(a, bounded({}, 1 / b.hi, 1 / b.lo)); }),
      binary("maximum", 1, maximum, [](auto& a, auto& b) { return Bounds({std::max(a.lo, b.lo), std::max(a.hi, b.hi)}); }),
      binary("minimum", 1, minimum, [](auto& a, auto& b) { return Bounds({std::min(a.lo, b.lo), std::min(a.hi, b.hi)}); }),
      binary("where", 1, [](const Tensor& a, const Tensor& b) { return where(a < b, a, b * 1.0); },
             [](auto& a, auto& b) { return Bounds({std::min(a.lo, b.lo), std::min(a.hi, b.hi)}); }),
      binary("atan2", 1, atan2, [](auto&, auto& b) { return b.lo < 0.2 ? Bounds() : Bounds({-1.6, 1.6}); }),
      binary("pow", 1, pow,
             [](auto& a, auto& b) {
               if (a.lo < 0.3 || a.hi > 3 || magnitude(b) > 2) return Bounds();
               double e = std::max(std::log(a.hi), -std::log(a.lo)) * magnitude(b);
               return Bounds({std::exp(-e), std::exp(e)});
             }),

      along("sum", 1.5, 1,
            [](const Type& x, std::size_t d) {
              double n = static_cast<double>(x.shape[d]);
              return reduced(x, d, n * x.lo, n * x.hi);
            },
            [](const Tensor& x, std::int64_t d) { return sum(x, d); }),
      along("mean", 1, 1, [](const Type& x, std::size_t d) { return reduced(x, d, x.lo, x.hi); }, [](const Tensor& x, std::int64_t d) { return mean(x, d); }),
      along("amax", 1, 1, [](const Type& x, std::size_t d) { return reduced(x, d, x.lo - apart, x.hi + apart); },
            [](const Tensor& x, std::int64_t d) { return amax(told_apart(x, d), d); }),
      along("amin", 1, 1, [](const Type& x, std::size_t d) { return reduced(x, d, x.lo - apart, x.hi + apart); },
            [](const Tensor& x, std::int64_t d) { return amin(told_apart(x, d), d); }),
      along("prod", 1, 1,
            [](const Type& x, std::size_t d) {
              double b = std::pow(std::max(1.0, magnitude(x)), static_cast<double>(x.shape[d]));
              return reduced(x, d, -b, b);
            },
            [](const Tensor& x, std::int64_t d) { return prod(x, d); }),
      along("logsumexp", 1, 1,
            [](const Type& x, std::size_t d) {
              double n = std::log(static_cast<double>(x.shape[d]));
              return reduced(x, d, x.lo + n, x.hi + n);
            },
            [](const Tensor& x, std::int64_t d) { return logsumexp(x, d); }),
      along("var", 0.5, 1,
            [](const Type& x, std::size_t d) { return reduced(x, d, 0, (x.hi - x.lo) * (x.hi - x.lo)); },
            [](const Tensor& x, std::int64_t d) { return var(x, d, 0); }),
      along("softmax", 1, 1, [](const Type& x, std::size_t) { return std::optional(bounded(x.shape, 0, 1)); }, [](const Tensor& x, std::int64_t d) { return softmax(x, d); }),
      along("cumsum", 1, 1,
            [](const Type& x, std::size_t d) {
              double n = static_cast<double>(x.shape[d]);
              return std::optional(bounded(x.shape, std::min(x.lo, n * x.lo), std::max(x.hi, n * x.hi)));
            },
            [](const Tensor& x, std::int64_t d) { return cumsum(x, d); }),
      along("cumprod", 1, 1,
            [](const Type& x, std::size_t d) {
              double b = std::pow(std::max(1.0, magnitude(x)), static_cast<double>(x.shape[d]));
              return std::optional(bounded(x.shape, -b, b));
            },
            [](const Tensor& x, std::int64_t d) { return cumprod(x, d); }),
      along("flip", 0.5, 1, same_type, [](const Tensor& x, std::int64_t d) { return flip(x, d); }),
      along("roll", 0.5, 1, same_type, [](const Tensor& x, std::int64_t d) { return roll(x, 1, d); }),
      along("sort", 1, 1, same_type, [](const Tensor& x, std::int64_t d) { return sort(x, d).first; }),
      along("argsort_take", 1, 1, [](const Type& x, std::size_t) { return std::optional(bounded(x.shape, 0, magnitude(x) * magnitude(x))); }, [](const Tensor& x, std::int64_t d) { return take_along_dim(x * x, argsort(x, d), d) / (1.0 + abs(x)); }),
      along("unsqueeze", 0.5, 1, [](const Type& x, std::size_t d) { return std::optional(bounded(x.shape.with(d, 1), x.lo, x.hi)); },
            [](const Tensor& x, std::int64_t d) { return unsqueeze(x, d); }),
      along("transpose", 1, 2, [](const Type& x, std::size_t d) {
              Shape s = x.shape;
              std::swap(s[0], s[d]);
              return std::optional(bounded(s, x.lo, x.hi));
            },
            [](const Tensor& x, std::int64_t d) { return transpose(x, 0, d); }),
      along("diagonal", 0.5, 2,
            [](const Type& x, std::size_t) {
              Shape s = x.shape.without(0).without(0);
              s.push_back(std::min(x.shape[0], x.shape[1]));
              return std::optional(bounded(s, x.lo, x.hi));
            },
            [](const Tensor& x, std::int64_t) { return diagonal(x); }),
      along("max_pool", 0.5, 1,
            [](const Type& x, std::size_t d) {
              if (x.shape[d] < 2) return std::optional<Type>();
              Shape s = x.shape;
              --s[d];
              return std::optional(bounded(s, x.lo, x.hi));
            },
            [](const Tensor& x, std::int64_t d) {
              Shape w = Shape::filled(static_cast<std::size_t>(x.dim()), 1);
              w[static_cast<std::size_t>(d)] = 2;
              return lax::reduce_window(x, lax::WindowOp::max, {.size = w});
            }),
      matrix_product("dot", 1, 1, [](auto& a, auto& b) { return dot(a, b); }),
      matrix_product("mv", 2, 1, [](auto& a, auto& b) { return mv(a, b); }),
      matrix_product("vm", 1, 2, [](auto& a, auto& b) { return matmul(a, b); }),
      matrix_product("mm", 2, 2, [](auto& a, auto& b) { return mm(a, b); }),
      matrix_product("bmm", 3, 2, [](auto& a, auto& b) { return matmul(a, b); }),
      op("outer", 0.7,
         [](Maker& m, Node& n) {
           auto vector = [](const Type& t) { return t.shape.rank() == 1; };
           int a = m.pick(vector), b = m.pick(vector);
           if (a < 0) return false;
           auto p = *products(m.type(a), m.type(b));
           n.in = {a, b};
           n.out = {bounded({m.type(a).shape[0], m.type(b).shape[0]}, p.first, p.second)};
           return true;
         },
         [](const Node&, const Vec& x) { return outer(x[0], x[1]); }),
      op("reshape", 1,
         [](Maker& m, Node& n) {
           int v = m.any();
           const Type& t = m.type(v);
           Shape to = t.shape.rank() > 1 ? Shape{t.shape.numel()} : t.shape.numel() % 2 == 0 ? Shape{2, t.shape.numel() / 2} : Shape{t.shape.numel(), 1};
           n.in = {v};
           n.ints.assign(to.begin(), to.end());
           n.out = {bounded(to, t.lo, t.hi)};
           return true;
         },
         [](const Node& n, const Vec& x) { return reshape(x[0], shape_of(n)); }),
      op("expand", 1,
         [](Maker& m, Node& n) {
           int v = m.any();
           const Type& t = m.type(v);
           Shape to = t.shape.with(0, m.between(1, 3));
           n.in = {v};
           n.ints.assign(to.begin(), to.end());
           n.out = {bounded(to, t.lo, t.hi)};
           return true;
         },
         [](const Node& n, const Vec& x) { return broadcast_to(x[0], shape_of(n)); }),
      op("cat", 1,
         [](Maker& m, Node& n) {
           int a = m.pick([](const Type& t) { return t.shape.rank() > 0; });
           if (a < 0) return false;
           auto d = static_cast<std::size_t>(m.below(m.type(a).shape.rank()));
           int b = m.pick([&](const Type& t) { return t.shape.size() == m.type(a).shape.size() && t.shape.without(d) == m.type(a).shape.without(d); });
           Shape s = m.type(a).shape;
           s[d] += m.type(b).shape[d];
           n.in = {a, b};
           n.ints = {static_cast<std::int64_t>(d)};
           n.out = {bounded(s, std::min(m.type(a).lo, m.type(b).lo), std::max(m.type(a).hi, m.type(b).hi))};
           return true;
         },
         [](const Node& n, const Vec& x) { return cat({x[0], x[1]}, n.ints[0]); }),
      op("stack", 1,
         [](Maker& m, Node& n) {
           int a = m.any(), b = m.pick([&](const Type& t) { return t.shape == m.type(a).shape; });
           std::int64_t d = m.below(m.type(a).shape.rank() + 1);
           n.in = {a, b};
           n.ints = {d};
           n.out = {bounded(m.type(a).shape.with(static_cast<std::size_t>(d), 2), std::min(m.type(a).lo, m.type(b).lo), std::max(m.type(a).hi, m.type(b).hi))};
           return true;
         },
         [](const Node& n, const Vec& x) { return stack({x[0], x[1]}, n.ints[0]); }),
      op("slice", 1,
         [](Maker& m, Node& n) {  // dim, start, stop, step
           int v = m.pick([](const Type& t) { return t.shape.rank() > 0; });
           if (v < 0) return false;
           const Type& t = m.type(v);
           std::int64_t d = m.below(t.shape.rank()), extent = t.shape[static_cast<std::size_t>(d)], start = m.below(extent), step = m.between(1, 2);
           Shape s = t.shape;
           s[static_cast<std::size_t>(d)] = (extent - start + step - 1) / step;
           n.in = {v};
           n.ints = {d, start, extent, step};
           n.out = {bounded(s, t.lo, t.hi)};
           return true;
         },
         [](const Node& n, const Vec& x) {
           std::vector<Index> i(static_cast<std::size_t>(n.ints[0]), Slice());
           i.push_back(Slice(n.ints[1], n.ints[2], n.ints[3]));
           return x[0].index(i);
         }),
      op("index_select", 1,
         [](Maker& m, Node& n) {  // dim, positions, repeated ones too
           int v = m.pick([](const Type& t) { return t.shape.rank() > 0; });
           if (v < 0) return false;
           const Type& t = m.type(v);
           n.in = {v};
           n.ints = {m.below(t.shape.rank())};
           auto d = static_cast<std::size_t>(n.ints[0]);
           for (std::int64_t k = m.between(1, 3); k-- > 0;) n.ints.push_back(m.below(t.shape[d]));
           Shape s = t.shape;
           s[d] = static_cast<std::int64_t>(n.ints.size()) - 1;
           n.out = {bounded(s, t.lo, t.hi)};
           return true;
         },
         [](const Node& n, const Vec& x) { return index_select(x[0], n.ints[0], positions(n, 1)); }),
      op("index_put", 1,
         [](Maker& m, Node& n) {  // x, a 0-d value; accumulate?, positions along dimension 0
           int v = m.pick([](const Type& t) { return t.shape.rank() > 0; }), w = m.pick([](const Type& t) { return t.shape.empty(); });
           if (v < 0 || w < 0) return false;
           const Type &t = m.type(v), &u = m.type(w);
           n.in = {v, w};
           n.ints = {m.below(2)};
           std::int64_t last = m.below(t.shape[0]);
           n.ints.push_back(last);
           if (n.ints[0]) n.ints.push_back(m.below(t.shape[0]));
           double k = n.ints[0] ? 2 : 0;
           n.out = {bounded(t.shape, std::min({t.lo + std::min(k * u.lo, 0.0), u.lo, t.lo}), std::max({t.hi + std::max(k * u.hi, 0.0), u.hi, t.hi}))};
           return true;
         },
         [](const Node& n, const Vec& x) { return x[0].index_put(std::vector<Index>{Index(positions(n, 1))}, x[1], n.ints[0] != 0); }),
      op("dynamic_slice", 0.7,
         [](Maker& m, Node& n) {  // of 2 along dimension 0, at an integer made of values
           int v = m.pick([](const Type& t) { return t.shape.rank() == 1 && t.shape[0] >= 2; });
           if (v < 0) return false;
           n.in = {v};
           n.out = {bounded({2}, m.type(v).lo, m.type(v).hi)};
           return true;
         },
         [](const Node&, const Vec& x) { return lax::dynamic_slice(x[0], {argmax(x[0], 0)}, {2}); }),
      op("pad", 0.7,
         [](Maker& m, Node& n) {
           int v = m.pick([](const Type& t) { return t.shape.rank() > 0; });
           if (v < 0) return false;
           const Type& t = m.type(v);
           Shape s = t.shape;
           s[s.size() - 1] += 2;
           n.in = {v};
           n.out = {bounded(s, std::min(t.lo, 0.5), std::max(t.hi, 0.5))};
           return true;
         },
         [](const Node&, const Vec& x) { return pad(x[0], {1, 1}, 0.5); }),
      op("conv1d", 0.5,
         [](Maker& m, Node& n) {
           int v = m.pick([](const Type& t) { return t.shape.rank() == 2; }), w = m.pick([](const Type& t) { return t.shape.rank() == 1 && t.shape[0] <= 3; });
           if (v < 0 || w < 0 || m.type(v).shape[1] < m.type(w).shape[0]) return false;
           auto p = *products(m.type(v), m.type(w));
           double k = static_cast<double>(m.type(w).shape[0]);
           n.in = {v, w};
           n.out = {bounded({m.type(v).shape[0], m.type(v).shape[1] - m.type(w).shape[0] + 1}, std::min(0.0, k * p.first), std::max(0.0, k * p.second))};
           return true;
         },
         [](const Node&, const Vec& x) { return squeeze(conv1d(unsqueeze(x[0], 1), unsqueeze(unsqueeze(x[1], 0), 0)), 1); }),
      op("squash", 0.5,
         [](Maker& m, Node& n) {
           n.in = {m.any()};
           n.reals = {-1, 1};
           n.out = {bounded(m.type(n.in[0]).shape, -1, 1)};
           return true;
         },
         [](const Node& n, const Vec& x) {
           double middle = (n.reals[0] + n.reals[1]) / 2, half = (n.reals[1] - n.reals[0]) / 2;
           return middle + half * tanh(x[0] * 0.5);
         }),
      op("constant", 0.3,
         [](Maker& m, Node& n) {
           n.ints = {m.between(1, 3)};
           n.reals = {m.real(-1, 1)};
           n.out = {bounded({n.ints[0]}, n.reals[0], n.reals[0])};
           return true;
         },
         [](const Node& n, const Vec&) { return full(shape_of(n), n.reals[0], dtype); }),
  };
  return t;
}

}  // namespace

const std::vector<Op>& operations() {
  static const std::vector<Op> all = table();
  return all;
}

}  // namespace functra::testing::programs
