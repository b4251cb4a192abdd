#include "rows/elementwise.h"

namespace functra::testing {
namespace {
using D2 = double (*)(double, double);
std::int64_t whole(double x) { return static_cast<std::int64_t>(x); }
Row bits_row(Tensor (*f)(const Tensor&, const Tensor&), D2 ref) {
  Row r;
  with_integers(r, f, ref, {-120, 120}, {-120, 120}, {DType::i8, DType::i32, DType::i64});
  with_integers(r, f, ref, {0, 250}, {0, 250}, {DType::u8, DType::u16, DType::u64});
  with_integers(r, f, ref, {0, 2}, {0, 2}, {DType::bool_});
  return r;
}
Row shift_row(Tensor (*f)(const Tensor&, const Tensor&), D2 ref, const std::function<double(const double*)>& beyond) {
  Row r;
  with_integers(r, f, ref, {-8, 8}, {0, 4}, {DType::i8, DType::i32, DType::i64});
  with_integers(r, f, ref, {0, 8}, {0, 4}, {DType::u8, DType::u32, DType::u64});
  r.samples.push_back(special_sample(binary_fn(f), beyond, DType::i32, {{1, -1, 5, -5, 0}, {32, 40, 100, -1, 64}}));
  return r;
}
}  // namespace

FUNCTRA_ROW(bitwise_and) {
  return bits_row(prims::bitwise_and, [](double a, double b) { return static_cast<double>(whole(a) & whole(b)); });
}
FUNCTRA_ROW(bitwise_or) {
  return bits_row(prims::bitwise_or, [](double a, double b) { return static_cast<double>(whole(a) | whole(b)); });
}
FUNCTRA_ROW(bitwise_xor) {
  return bits_row(prims::bitwise_xor, [](double a, double b) { return static_cast<double>(whole(a) ^ whole(b)); });
}
FUNCTRA_ROW(bitwise_not) {
  Row r;
  with_integers(r, prims::bitwise_not, [](double x) { return -x - 1; }, {-120, 120}, {DType::i8, DType::i32, DType::i64});
  with_integers(r, prims::bitwise_not, [](double x) { return 255 - x; }, {0, 250}, {DType::u8});
  with_integers(r, prims::bitwise_not, [](double x) { return 1 - x; }, {0, 2}, {DType::bool_});
  return r;
}
FUNCTRA_ROW(shift_left) {
  return shift_row(
      prims::shift_left, [](double a, double b) { return std::ldexp(a, static_cast<int>(b)); }, [](const double*) { return 0.0; });
}
FUNCTRA_ROW(shift_right) {
  return shift_row(
      prims::shift_right, [](double a, double b) { return std::floor(std::ldexp(a, -static_cast<int>(b))); },
      [](const double* x) { return x[0] < 0 ? -1.0 : 0.0; });
}

}  // namespace functra::testing
