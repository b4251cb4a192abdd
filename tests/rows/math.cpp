// Operations composed of elementwise primitives, and promotion and broadcasting of operands.
#include "functra/functra.h"
#include "rows/elementwise.h"

namespace functra::testing {
namespace {
using Point = std::function<double(const double*)>;

// NumPy's broadcasting, element by element.
Reference broadcast(const Point& ref) {
  return [ref](const std::vector<Array>& in) {
    std::size_t rank = 0;
    for (auto& a : in) rank = std::max(rank, a.shape.size());
    Shape s = Shape::filled(rank, 1);
    for (auto& a : in)
      for (std::size_t i = 0; i < a.shape.size(); ++i)
        if (a.shape[i] != 1) s[rank - a.shape.size() + i] = a.shape[i];
    Array y{s, std::vector<double>(static_cast<std::size_t>(s.numel()))};
    for (std::size_t n = 0; n < y.size(); ++n) {
      double x[4];
      for (std::size_t k = 0; k < in.size(); ++k) {
        const Shape& t = in[k].shape;
        std::size_t rest = n, at = 0, step = 1;
        for (std::size_t d = rank; d-- > 0;) {
          auto i = rest % static_cast<std::size_t>(s[d]);
          rest /= static_cast<std::size_t>(s[d]);
          if (d + t.size() < rank) continue;
          auto extent = static_cast<std::size_t>(t[d + t.size() - rank]);
          if (extent != 1) at += i * step;
          step *= extent;
        }
        x[k] = in[k][at];
      }
      y[n] = ref(x);
    }
    return std::vector<Array>{y};
  };
}
struct Operands {
  DType dtype;
  double lo, hi;
};
// Operands of several shapes that broadcast.
Row broadcast_row(const Fn& f, const Point& ref, const std::vector<Operands>& ops) {
  Row r;
  const std::vector<std::vector<Shape>> shapes = {{{}, {}, {}},
                                                  {{3}, {3}, {3}},
                                                  {{2, 3}, {3}, {2, 1}},
                                                  {{4, 1}, {3}, {}},
                                                  {{}, {2, 2}, {2}},
                                                  {{1}, {5}, {5}},
                                                  {{2, 1, 3}, {4, 1}, {1, 1}},
                                                  {{0}, {1}, {}},
                                                  {{1, 3}, {2, 1}, {2, 3}}};
  for (auto& s : shapes) {
    Sample one{"", {}, f, broadcast(ref)};
    for (std::size_t k = 0; k < ops.size(); ++k) {
      one.name += (k ? " " : "") + std::string(name_of(ops[k].dtype)) + s[k].str();
      one.in.push_back(random_tensor(s[k], ops[k].dtype, ops[k].lo, ops[k].hi, static_cast<int>(k)));
    }
    r.samples.push_back(std::move(one));
  }
  return r;
}
double gelu_of(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double silu_of(double x) { return x / (1 + std::exp(-x)); }
double relu_of(double x) { return std::isnan(x) || x > 0 ? x : 0; }
constexpr DType d = DType::f64;
}  // namespace

// The tail of erfc magnifies the rounding of its argument x / sqrt(2) by x^2.
FUNCTRA_ROW(gelu) {
  Row r = unary_row(functra::gelu, gelu_of, {-4, 4});
  r.ulp = 32;
  r.samples.resize(r.samples.size() - 2);
  return r;
}
FUNCTRA_ROW(silu) {
  Row r = unary_row(functra::silu, silu_of, {-4, 4});
  r.samples.resize(r.samples.size() - 2);
  return r;
}
FUNCTRA_ROW(relu) {
  Row r = unary_row(functra::relu, relu_of, {-4, 4});
  with_integers(r, functra::relu, relu_of, {-4, 4}, {DType::i32});
  return r;
}
FUNCTRA_ROW(square) {
  Row r = unary_row(functra::square, [](double x) { return x * x; }, {-4, 4});
  with_integers(r, functra::square, [](double x) { return x * x; }, {-4, 4}, {DType::i32});
  return r;
}
FUNCTRA_ROW(reciprocal) {
  return unary_row(functra::reciprocal, [](double x) { return 1 / x; }, {0.4, 4});
}
FUNCTRA_ROW(isnan) {
  return flat(unary_row(functra::isnan, [](double x) -> double { return std::isnan(x); }, {-4, 4}));
}
FUNCTRA_ROW(isinf) {
  return flat(unary_row(functra::isinf, [](double x) -> double { return std::isinf(x); }, {-4, 4}));
}
FUNCTRA_ROW(isfinite) {
  return flat(unary_row(functra::isfinite, [](double x) -> double { return std::isfinite(x); }, {-4, 4}));
}
FUNCTRA_ROW(logical_not) {
  Row r = flat(unary_row(functra::logical_not, [](double x) -> double { return x == 0; }, {-4, 4}));
  with_integers(r, functra::logical_not, [](double x) -> double { return x == 0; }, {-2, 2}, {DType::i32});
  with_integers(r, functra::logical_not, [](double x) -> double { return x == 0; }, {0, 2}, {DType::bool_});
  return r;
}

// ---------------------------------------------------------------- broadcasting and promotion
FUNCTRA_ROW(operator_plus) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] + x[1]}; }, [](const double* x) { return x[0] + x[1]; }, {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(operator_minus) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] - x[1]}; }, [](const double* x) { return x[0] - x[1]; }, {{d, -4, 4}, {DType::i32, -4, 4}});
}
FUNCTRA_ROW(operator_times) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] * x[1]}; }, [](const double* x) { return x[0] * x[1]; },
                       {{DType::bool_, 0, 2}, {d, -4, 4}});
}
FUNCTRA_ROW(operator_over) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] / x[1]}; }, [](const double* x) { return x[0] / x[1]; }, {{d, -4, 4}, {d, 0.5, 3}});
}
FUNCTRA_ROW(operator_with_number) {
  return broadcast_row([](const Vec& x) { return Vec{(2 - x[0]) * 0.5 + 1 / x[0]}; }, [](const double* x) { return (2 - x[0]) * 0.5 + 1 / x[0]; },
                       {{d, 0.5, 3}});
}
FUNCTRA_ROW(remainder) {
  return broadcast_row([](const Vec& x) { return Vec{x[0] % x[1]}; }, [](const double* x) { return x[0] - std::floor(x[0] / x[1]) * x[1]; },
                       {{DType::i64, -9, 9}, {DType::i64, 1, 5}});
}
FUNCTRA_ROW(maximum) {
  return broadcast_row([](const Vec& x) { return Vec{functra::maximum(x[0], x[1])}; }, [](const double* x) { return std::fmax(x[0], x[1]); },
                       {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(minimum) {
  return broadcast_row([](const Vec& x) { return Vec{functra::minimum(x[0], x[1])}; }, [](const double* x) { return std::fmin(x[0], x[1]); },
                       {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(power) {
  Row r = broadcast_row([](const Vec& x) { return Vec{functra::pow(x[0], x[1])}; }, [](const double* x) { return std::pow(x[0], x[1]); },
                        {{d, 0.4, 3}, {d, -2, 2}});
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(power_of_number) {
  return broadcast_row([](const Vec& x) { return Vec{functra::pow(x[0], 3) + functra::pow(2.0, x[0]) + functra::pow(x[0], 2.5)}; },
                       [](const double* x) { return x[0] * x[0] * x[0] + std::pow(2.0, x[0]) + std::pow(x[0], 2.5); }, {{d, 0.4, 3}});
}
FUNCTRA_ROW(where) {
  return broadcast_row([](const Vec& x) { return Vec{functra::where(x[0], x[1], x[2])}; }, [](const double* x) { return x[0] != 0 ? x[1] : x[2]; },
                       {{DType::bool_, 0, 2}, {d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(where_number) {
  return broadcast_row([](const Vec& x) { return Vec{functra::where(x[0] > x[1], x[0], 7)}; }, [](const double* x) { return x[0] > x[1] ? x[0] : 7; },
                       {{d, -4, 4}, {d, -4, 4}});
}
FUNCTRA_ROW(clamp) {
  return broadcast_row([](const Vec& x) { return Vec{functra::clamp(x[0], x[1], x[2])}; },
                       [](const double* x) { return std::fmin(std::fmax(x[0], x[1]), x[2]); }, {{d, -4, 4}, {d, -3, -1}, {d, 0, 3}});
}
FUNCTRA_ROW(lerp) {
  return broadcast_row([](const Vec& x) { return Vec{functra::lerp(x[0], x[1], x[2])}; }, [](const double* x) { return x[0] + x[2] * (x[1] - x[0]); },
                       {{d, -4, 4}, {d, -4, 4}, {d, 0, 1}});
}
FUNCTRA_ROW(operator_less) {
  Row r = broadcast_row([](const Vec& x) { return Vec{x[0] < x[1]}; }, [](const double* x) -> double { return x[0] < x[1]; },
                        {{d, -4, 4}, {DType::i32, -4, 4}});
  return flat(r);
}
FUNCTRA_ROW(logical_and) {
  return broadcast_row([](const Vec& x) { return Vec{functra::logical_and(x[0], x[1])}; },
                       [](const double* x) -> double { return x[0] != 0 && x[1] != 0; }, {{DType::i32, -2, 2}, {DType::bool_, 0, 2}});
}
FUNCTRA_ROW(logical_or) {
  return broadcast_row([](const Vec& x) { return Vec{functra::logical_or(x[0], x[1])}; },
                       [](const double* x) -> double { return x[0] != 0 || x[1] != 0; }, {{DType::i32, -2, 2}, {DType::bool_, 0, 2}});
}
FUNCTRA_ROW(logical_xor) {
  return broadcast_row([](const Vec& x) { return Vec{functra::logical_xor(x[0], x[1])}; },
                       [](const double* x) -> double { return (x[0] != 0) != (x[1] != 0); }, {{DType::i32, -2, 2}, {DType::bool_, 0, 2}});
}

}  // namespace functra::testing
