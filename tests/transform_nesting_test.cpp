// Every nesting of three transforms, each closing over the value of the one around it, against nested dual numbers.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "functra/functra.h"
#include "laws_count.h"

namespace ft = functra;
using ft::Tensor;

namespace {

// ---------------------------------------------------------------- the reference: plain C++ on dual numbers of dual numbers
template <class T> struct Dual { T a, d; };
template <class T> Dual<T> operator+(const Dual<T>& x, const Dual<T>& y) { return {x.a + y.a, x.d + y.d}; }
template <class T> Dual<T> operator*(const Dual<T>& x, const Dual<T>& y) { return {x.a * y.a, x.a * y.d + x.d * y.a}; }
inline double sine(double x) { return std::sin(x); }
inline double cosine(double x) { return std::cos(x); }
inline double number(double v, double) { return v; }
template <class T> Dual<T> number(double v, const Dual<T>&);
template <class T> Dual<T> cosine(const Dual<T>& x);
template <class T> Dual<T> sine(const Dual<T>& x) { return {sine(x.a), cosine(x.a) * x.d}; }
template <class T> Dual<T> cosine(const Dual<T>& x) { return {cosine(x.a), number(-1, x.a) * sine(x.a) * x.d}; }
template <class T> Dual<T> number(double v, const Dual<T>& like) { return {number(v, like.a), number(0, like.a)}; }

template <class T> using Vec = std::array<T, 3>;
constexpr double weight[3] = {0.5, -1.0, 2.0}, lanes[2] = {1.0, -0.5};
template <class T> Vec<Dual<T>> lifted(const Vec<T>& x) {
  Vec<Dual<T>> r;
  for (std::size_t i = 0; i < 3; ++i) r[i] = {x[i], number(0, x[i])};
  return r;
}
struct Base {
  template <class T> Vec<T> operator()(const Vec<T>& x) const {
    Vec<T> r;
    for (std::size_t i = 0; i < 3; ++i) r[i] = sine(x[i]) * x[(i + 1) % 3];
    return r;
  }
};
// k(u) = h(u) x + h(x) u, where x is that of the function around it.
template <class H, class T> Vec<T> closure(const H& h, const Vec<T>& u, const Vec<T>& x) {
  Vec<T> a = h(u), b = h(x), r;
  for (std::size_t i = 0; i < 3; ++i) r[i] = a[i] * x[i] + b[i] * u[i];
  return r;
}
enum class Kind { value, gradient, tangent, lanes };
template <Kind K, class H> struct Apply {
  template <class T> Vec<T> operator()(const Vec<T>& x) const {
    H h;
    Vec<T> u, r;
    for (std::size_t i = 0; i < 3; ++i) u[i] = sine(x[i]);
    if constexpr (K == Kind::value) return closure(h, u, x);
    else if constexpr (K == Kind::gradient) {
      for (std::size_t i = 0; i < 3; ++i) {
        auto du = lifted(u);
        du[i].d = number(1, u[i]);
        auto y = closure(h, du, lifted(x));
        r[i] = number(0, u[i]);
        for (std::size_t k = 0; k < 3; ++k) r[i] = r[i] + number(weight[k], u[i]) * y[k].d;
      }
    } else if constexpr (K == Kind::tangent) {
      auto du = lifted(u);
      for (std::size_t i = 0; i < 3; ++i) du[i].d = cosine(x[i]);
      auto y = closure(h, du, lifted(x));
      for (std::size_t i = 0; i < 3; ++i) r[i] = y[i].d;
    } else {
      for (std::size_t i = 0; i < 3; ++i) r[i] = number(0, u[i]);
      for (double a : lanes) {
        Vec<T> v;
        for (std::size_t i = 0; i < 3; ++i) v[i] = number(a, u[i]) * u[i];
        Vec<T> y = closure(h, v, x);
        for (std::size_t i = 0; i < 3; ++i) r[i] = r[i] + y[i];
      }
    }
    return r;
  }
};
using Reference = std::function<Vec<double>(const Vec<double>&)>;
template <class F> Reference reference(Kind k) {
  switch (k) {
    case Kind::value: return Apply<Kind::value, F>{};
    case Kind::gradient: return Apply<Kind::gradient, F>{};
    case Kind::tangent: return Apply<Kind::tangent, F>{};
    default: return Apply<Kind::lanes, F>{};
  }
}
template <class F> Reference reference(Kind k, Kind inner) {
  switch (inner) {
    case Kind::value: return reference<Apply<Kind::value, F>>(k);
    case Kind::gradient: return reference<Apply<Kind::gradient, F>>(k);
    case Kind::tangent: return reference<Apply<Kind::tangent, F>>(k);
    default: return reference<Apply<Kind::lanes, F>>(k);
  }
}
Reference reference(Kind k, Kind middle, Kind inner) {
  switch (inner) {
    case Kind::value: return reference<Apply<Kind::value, Base>>(k, middle);
    case Kind::gradient: return reference<Apply<Kind::gradient, Base>>(k, middle);
    case Kind::tangent: return reference<Apply<Kind::tangent, Base>>(k, middle);
    default: return reference<Apply<Kind::lanes, Base>>(k, middle);
  }
}

// ---------------------------------------------------------------- the library
using Fn = std::function<Tensor(const Tensor&)>;
Tensor w() { return ft::tensor({weight[0], weight[1], weight[2]}, ft::f64); }
Tensor of_closure(const Fn& h, const Tensor& u, const Tensor& x) { return h(u) * x + h(x) * u; }
struct Op {
  const char* name;
  Kind kind;
  Tensor (*apply)(const Fn& h, const Tensor& u, const Tensor& x);  // of k at u; k closes over x
};
const Op ops[] = {
    {"grad", Kind::gradient,
     [](const Fn& h, const Tensor& u, const Tensor& x) { return ft::grad([&](const Tensor& v) { return ft::sum(of_closure(h, v, x) * w()); })(u); }},
    {"vjp", Kind::gradient,
     [](const Fn& h, const Tensor& u, const Tensor& x) { return ft::vjp([&](const Tensor& v) { return of_closure(h, v, x); }, u).second(w()); }},
    {"vmap of a pullback", Kind::gradient,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       auto pullback = ft::vjp([&](const Tensor& v) { return of_closure(h, v, x); }, u).second;
       return ft::sum(ft::vmap(pullback)(ft::eye(3, ft::f64) * w()), 0);
     }},
    {"jvp", Kind::tangent,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       return ft::jvp([&](const Tensor& v) { return of_closure(h, v, x); }, u, ft::cos(x)).second;
     }},
    {"linearize", Kind::tangent,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       return ft::linearize([&](const Tensor& v) { return of_closure(h, v, x); }, u).second(ft::cos(x));
     }},
    {"jacrev", Kind::tangent,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       return ft::matmul(ft::jacrev([&](const Tensor& v) { return of_closure(h, v, x); })(u), ft::cos(x));
     }},
    {"jacfwd", Kind::tangent,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       return ft::matmul(ft::jacfwd([&](const Tensor& v) { return of_closure(h, v, x); }, {.chunk_size = 2})(u), ft::cos(x));
     }},
    {"jit", Kind::value,
     [](const Fn& h, const Tensor& u, const Tensor& x) { return ft::jit([&](const Tensor& v) { return of_closure(h, v, x); })(u); }},
    {"make_fx", Kind::value,
     [](const Fn& h, const Tensor& u, const Tensor& x) { return ft::make_fx([&](const Tensor& v) { return of_closure(h, v, x); })(u)({u})[0]; }},
    {"vmap", Kind::lanes,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       return ft::sum(ft::vmap([&](const Tensor& a) { return of_closure(h, u * a, x); })(ft::tensor({lanes[0], lanes[1]}, ft::f64)), 0);
     }},
    {"vmap at other dims", Kind::lanes,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       auto f = ft::vmap([&](const Tensor& v) { return of_closure(h, v, x); }, {.in_dims = 1, .out_dims = -1, .chunk_size = 1});
       return ft::sum(f(ft::stack({u * lanes[0], u * lanes[1]}, 1)), 1);
     }},
    {"custom_jvp", Kind::value,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       auto k = [h](const Tensor& v, const Tensor& c) { return of_closure(h, v, c); };
       return ft::custom_jvp(k, [k](const auto& primals, const auto& tangents) { return ft::jvp(k, primals, tangents); })(u, x);
     }},
    {"custom_vjp", Kind::value,
     [](const Fn& h, const Tensor& u, const Tensor& x) {
       auto k = [h](const Tensor& v, const Tensor& c) { return of_closure(h, v, c); };
       auto fwd = [k](const Tensor& v, const Tensor& c) { return std::pair{k(v, c), std::pair{v, c}}; };
       auto bwd = [k](const std::pair<Tensor, Tensor>& at, const Tensor& ct) { return ft::vjp(k, at.first, at.second).second(ct); };
       return ft::custom_vjp(k, fwd, bwd)(u, x);
     }},
};
Fn applied(const Op& op, Fn h) {
  return [&op, h = std::move(h)](const Tensor& x) { return op.apply(h, ft::sin(x), x); };
}
void compare(const std::string& name, const Fn& f, const Reference& want) {
  std::string wrong;
  try {
    std::vector<double> y = f(ft::tensor({0.3, -0.7, 1.1}, ft::f64)).to_vector<double>();
    Vec<double> r = want({0.3, -0.7, 1.1});
    for (std::size_t i = 0; i < 3; ++i)
      if (!(std::fabs(y.at(i) - r[i]) <= 1e-11 * (1 + std::fabs(r[i]))))
        wrong = "element " + std::to_string(i) + " is " + std::to_string(y[i]) + ", not " + std::to_string(r[i]);
  } catch (const std::exception& e) { wrong = e.what(); }
  ft::testing::count_law(wrong.empty());
  EXPECT_EQ(wrong, "") << name;
}
Tensor base(const Tensor& x) { return ft::sin(x) * ft::roll(x, {-1}); }

}  // namespace

class TransformNesting : public testing::TestWithParam<std::size_t> {};
TEST_P(TransformNesting, of_three_transforms_that_close_over_each_other_equals_nested_duals) {
  const Op& inner = ops[GetParam()];
  Fn first = applied(inner, base);
  compare(inner.name, first, reference<Base>(inner.kind));
  for (const Op& middle : ops) {
    Fn second = applied(middle, first);
    std::string name = std::string(middle.name) + " of " + inner.name;
    compare(name, second, reference<Base>(middle.kind, inner.kind));
    for (const Op& outer : ops)
      compare(std::string(outer.name) + " of " + name, applied(outer, second), reference(outer.kind, middle.kind, inner.kind));
  }
}
INSTANTIATE_TEST_SUITE_P(Transforms, TransformNesting, testing::Range<std::size_t>(0, std::size(ops)), [](const auto& info) {
  std::string s = ops[info.param].name;
  for (char& c : s)
    if (c == ' ') c = '_';
  return s;
});
