// Small factorisations as Programs of elementwise operations on single elements (of the shape of the batch), for lanes and loop
// bodies that keep them in registers.
#include "functra/prims/linalg.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

#include <limits>

namespace functra::prims {
namespace {

constexpr std::int64_t kLargest = 16;  // core/expansion.h says which are worth it
Shape leading(const Shape& s) { return Shape(s.data(), s.size() - 2); }

class Elements {  // of matrices [..., rows, cols]; undefined elements are zero
 public:
  Elements(std::int64_t rows, std::int64_t cols) : rows_(rows), cols_(cols), all_(static_cast<std::size_t>(rows * cols)) {}
  explicit Elements(const Tensor& x) : Elements(x.sizes()[x.sizes().size() - 2], x.sizes().back()) {
    Shape lead = leading(x.sizes());
    for (std::int64_t i = 0; i < rows_; ++i)
      for (std::int64_t j = 0; j < cols_; ++j) at(i, j) = reshape(submatrix(x, i, 1, j, 1), lead);
  }
  Tensor& at(std::int64_t i, std::int64_t j) { return all_[static_cast<std::size_t>(i * cols_ + j)]; }
  Tensor assembled(const Aval& type) const {
    Shape lead = leading(type.shape), one = lead.with(lead.size(), 1);
    Vec parts;
    for (const Tensor& e : all_) parts.push_back(reshape(instantiate(e, {type.dtype, false, lead}), one));
    return reshape(concatenate(parts, one.rank() - 1), type.shape);
  }

 private:
  std::int64_t rows_, cols_;
  Vec all_;
};
// acc - a b, of which any may be a zero
void subtract_product(Tensor& acc, const Tensor& a, const Tensor& b) { acc = core::sub(acc, mul(a, b)); }

}  // namespace

core::ProgramPtr expand_cholesky(const Call&, std::span<const Aval> in) {
  std::int64_t n = in[0].shape.back();
  if (n == 0 || n > kLargest) return nullptr;
  return core::trace_program({in[0]}, [&](Ins x) {
    Elements a(x[0]), l(n, n);
    Tensor half = like(0.5, x[0]), one = like(1, x[0]);
    for (std::int64_t j = 0; j < n; ++j) {
      Tensor pivot = a.at(j, j);
      for (std::int64_t k = 0; k < j; ++k) subtract_product(pivot, l.at(j, k), l.at(j, k));
      Tensor nan = like(std::numeric_limits<double>::quiet_NaN(), pivot);
      l.at(j, j) = sqrt(core::select(gt(pivot, like(0, pivot)), pivot, nan));
      if (j + 1 == n) break;
      Tensor inverse = div(one, l.at(j, j));
      for (std::int64_t i = j + 1; i < n; ++i) {
        Tensor v = mul(core::add(a.at(i, j), a.at(j, i)), half);
        for (std::int64_t k = 0; k < j; ++k) subtract_product(v, l.at(i, k), l.at(j, k));
        l.at(i, j) = mul(v, inverse);
      }
    }
    return Vec{l.assembled(in[0])};
  });
}

core::ProgramPtr expand_triangular_solve(const Call& c, std::span<const Aval> in) {
  auto& p = c.params.get<TriangularParams>();
  std::int64_t n = in[0].shape.back(), k = in[1].shape.back();
  if (n == 0 || k == 0 || n > kLargest || k > kLargest) return nullptr;
  return core::trace_program({in[0], in[1]}, [&](Ins x) {
    Elements a(x[0]), b(x[1]);
    bool forward = p.upper == p.transposed;
    auto row = [&](std::int64_t i) { return forward ? i : n - 1 - i; };
    auto op = [&](std::int64_t i, std::int64_t j) -> Tensor& { return p.transposed ? a.at(j, i) : a.at(i, j); };
    for (std::int64_t i = 0; i < n; ++i) {
      Tensor inverse = p.unit ? Tensor() : div(like(1, x[0]), op(row(i), row(i)));
      for (std::int64_t q = 0; q < k; ++q) {
        Tensor& v = b.at(row(i), q);
        for (std::int64_t j = 0; j < i; ++j) subtract_product(v, op(row(i), row(j)), b.at(row(j), q));
        if (!p.unit) v = mul(v, inverse);
      }
    }
    return Vec{b.assembled(in[1])};
  });
}

}  // namespace functra::prims
