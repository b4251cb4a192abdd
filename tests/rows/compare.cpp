#include "rows/elementwise.h"

namespace functra::testing {
namespace {
using D2 = double (*)(double, double);
Row compare_row(Tensor (*f)(const Tensor&, const Tensor&), D2 ref) {
  Row r = flat(binary_row(f, ref, {-4, 4}, {-4, 4}, {0.0, -0.0, 1, -2.5, inf, -inf, nan}));
  with_integers(r, f, ref, {-2, 2}, {-2, 2}, {DType::i8, DType::i32, DType::i64});
  with_integers(r, f, ref, {0, 3}, {0, 3}, {DType::u8, DType::u64});
  with_integers(r, f, ref, {0, 2}, {0, 2}, {DType::bool_});
  return r;
}
}  // namespace

FUNCTRA_ROW(eq) {
  return compare_row(prims::eq, [](double a, double b) -> double { return a == b; });
}
FUNCTRA_ROW(ne) {
  return compare_row(prims::ne, [](double a, double b) -> double { return a != b; });
}
FUNCTRA_ROW(lt) {
  return compare_row(prims::lt, [](double a, double b) -> double { return a < b; });
}
FUNCTRA_ROW(le) {
  return compare_row(prims::le, [](double a, double b) -> double { return a <= b; });
}
FUNCTRA_ROW(gt) {
  return compare_row(prims::gt, [](double a, double b) -> double { return a > b; });
}
FUNCTRA_ROW(ge) {
  return compare_row(prims::ge, [](double a, double b) -> double { return a >= b; });
}

// ---------------------------------------------------------------- select
FUNCTRA_ROW(select) {
  Row r;
  Fn f = [](const Vec& x) { return Vec{core::select(x[0], x[1], x[2])}; };
  Reference ref = [](const std::vector<Array>& in) {
    std::size_t n = 0;
    const Array* full = &in[0];
    for (auto& a : in)
      if (a.shape.size() > full->shape.size()) full = &a;
    Array y{full->shape, std::vector<double>(full->size())};
    for (n = 0; n < y.size(); ++n) {
      auto at = [&](const Array& a) { return a.shape.empty() ? a[0] : a[n]; };
      y[n] = at(in[0]) != 0 ? at(in[1]) : at(in[2]);
    }
    return std::vector<Array>{y};
  };
  auto mask = [](const Shape& s, int seed) { return random_tensor(s, DType::bool_, 0, 2, seed); };
  for (DType d : {DType::f32, DType::f64, DType::i8, DType::i16, DType::i64, DType::bool_}) {
    std::string name(name_of(d));
    double lo = is_bool(d) ? 0 : -4, hi = is_bool(d) ? 2 : 4;
    for (const Shape& s : {Shape{}, Shape{4}, Shape{2, 3}, Shape{2, 0}, Shape{17}})
      r.samples.push_back({name + " " + s.str(), {mask(s, 1), random_tensor(s, d, lo, hi, 2), random_tensor(s, d, lo, hi, 3)}, f, ref});
    for (int ranks = 1; ranks < 7; ++ranks) {  // which operands are repeated
      Shape s[3];
      for (int k = 0; k < 3; ++k) s[k] = ranks >> k & 1 ? Shape{} : Shape{5};
      r.samples.push_back({name + " repeated " + std::to_string(ranks),
                           {mask(s[0], 1), random_tensor(s[1], d, lo, hi, 2), random_tensor(s[2], d, lo, hi, 3)},
                           f,
                           ref});
    }
    r.samples.push_back(
        {name + " strided",
         {transposed_view(mask({3, 4, 2}, 1)), sliced_view(random_tensor({3, 4, 2}, d, lo, hi, 2)), random_tensor({3, 4, 2}, d, lo, hi, 3)},
         f,
         ref});
  }
  return r;
}

}  // namespace functra::testing
