#include "functra/ops/matrix.h"

#include <algorithm>

#include "functra/ops/linear.h"
#include "functra/ops/math.h"
#include "functra/ops/reduction.h"
#include "functra/ops/shape.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"

namespace functra {
namespace {

using core::Site;
using prims::like;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
Tensor matrix(const Tensor& x, const char* who, int rank = 2) {
  Tensor v = ops::operand(x, who);
  if (v.dim() < rank)
    throw ShapeError(std::string(who) + ": the tensor has shape " + v.sizes().str() + ", at least " + std::to_string(rank) +
                     " dimensions are needed");
  return v;
}
// x where row and column stand in this relation to the diagonal, else 0.
Tensor triangle(const char* who, const Tensor& given, std::int64_t diagonal, bool lower) {
  Tensor x = matrix(given, who);
  Shape s = x.sizes();
  int n = s.rank();
  Shape last(s.data() + n - 2, 2);
  Tensor distance = core::sub(prims::iota(DType::i64, last, 1), prims::iota(DType::i64, last, 0)),
         k = Tensor::literal_of(Scalar(diagonal), DType::i64);
  Tensor keep = lower ? prims::le(distance, k) : prims::ge(distance, k);
  return core::select(core::broadcast_in_dim(keep, s, {n - 2, n - 1}), x, like(0, x));
}
Tensor triangle_places(const char* who, std::int64_t rows, std::int64_t cols, std::int64_t offset, bool lower) {
  if (rows < 0 || cols < 0) throw ValueError(std::string(who) + ": the size " + Shape{rows, cols}.str() + " is negative");
  std::vector<std::int64_t> r, c;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j)
      if (lower ? j - i <= offset : j - i >= offset) {
        r.push_back(i);
        c.push_back(j);
      }
  auto n = static_cast<std::int64_t>(r.size());
  r.insert(r.end(), c.begin(), c.end());
  return Tensor::copy_of(r.data(), DType::i64, {2, n});
}
// The last dimension on a diagonal of two new ones at the end: its elements spread n apart, row-major.
Tensor on_diagonal(const Tensor& x, std::int64_t offset) {
  Shape s = x.sizes();
  std::size_t last = s.size() - 1;
  std::int64_t len = s[last], n = len + std::abs(offset), first = offset < 0 ? -offset * n : offset;
  Shape low = Shape::filled(s.size(), 0), high = low, gaps = low, to = s;
  low[last] = first;
  gaps[last] = n;
  high[last] = n * n - first - (len ? len + (len - 1) * n : 0);
  to[last] = n;
  return prims::reshape(prims::pad(x, like(0, x), low, high, gaps), to.with(last + 1, n));
}

}  // namespace

Tensor tril(const Tensor& x, std::int64_t diagonal) {
  Site site(FUNCTRA_SITE);
  return triangle("tril", x, diagonal, true);
}
Tensor triu(const Tensor& x, std::int64_t diagonal) {
  Site site(FUNCTRA_SITE);
  return triangle("triu", x, diagonal, false);
}
Tensor tril_indices(std::int64_t rows, std::int64_t cols, std::int64_t offset) { return triangle_places("tril_indices", rows, cols, offset, true); }
Tensor triu_indices(std::int64_t rows, std::int64_t cols, std::int64_t offset) { return triangle_places("triu_indices", rows, cols, offset, false); }
Tensor diag(const Tensor& given, std::int64_t k) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(given, "diag");
  if (x.dim() == 1) return on_diagonal(x, k);
  if (x.dim() != 2)
    throw ShapeError("diag: the tensor has shape " + x.sizes().str() + ", one or two dimensions are needed; use diagonal or diag_embed");
  return diagonal(x, k);
}
Tensor diag_embed(const Tensor& given, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  Site site(FUNCTRA_SITE);
  Tensor x = matrix(given, "diag_embed", 1);
  int rank = static_cast<int>(x.dim()) + 1, a = wrap_dim(dim1, rank, "diag_embed"), b = wrap_dim(dim2, rank, "diag_embed");
  if (a == b) throw ValueError("diag_embed: dimensions " + std::to_string(dim1) + " and " + std::to_string(dim2) + " are the same");
  return movedim(on_diagonal(x, offset), {rank - 2, rank - 1}, {a, b});
}
Tensor block_diag(TensorList xs) {
  Site site(FUNCTRA_SITE);
  if (xs.size() == 0) throw ValueError("block_diag: the list of tensors is empty");
  std::int64_t cols = 0, before = 0;
  std::vector<Tensor> blocks, rows;
  for (const Tensor& x : xs) {
    Tensor v = ops::operand(x, "block_diag");
    if (v.dim() > 2) throw ShapeError("block_diag: a tensor has shape " + v.sizes().str() + ", at most two dimensions are allowed");
    blocks.push_back(v.dim() == 2 ? v : prims::reshape(v, {1, v.numel()}));
    cols += blocks.back().size(1);
  }
  for (const Tensor& x : blocks) {
    rows.push_back(pad(x, {before, cols - before - x.size(1)}, Tensor::literal_of(Scalar(0), x.dtype())));
    before += x.size(1);
  }
  return cat(rows, 0);
}
Tensor trace(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor v = ops::operand(x, "trace");
  if (v.dim() != 2) throw ShapeError("trace: the tensor has shape " + v.sizes().str() + ", two dimensions are needed; sum a diagonal for a batch");
  return diagonal(v).sum();
}
Tensor kron(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  Shape s = ops::operand(a, "kron").sizes(), t = ops::operand(b, "kron").sizes(), left, right, to;
  while (s.size() < t.size()) s = s.with(0, 1);
  while (t.size() < s.size()) t = t.with(0, 1);
  for (std::size_t i = 0; i < s.size(); ++i) {
    for (std::int64_t n : {s[i], std::int64_t(1)}) left.push_back(n);
    for (std::int64_t n : {std::int64_t(1), t[i]}) right.push_back(n);
    to.push_back(s[i] * t[i]);
  }
  return prims::reshape(reshape(a, left) * reshape(b, right), to);
}
Tensor cross(const Tensor& a, const Tensor& b, std::int64_t dim) {
  Site site(FUNCTRA_SITE);
  Tensor x[2] = {a, b};
  ops::promote(x[0], x[1], "cross");
  std::int64_t rank = std::max(x[0].dim(), x[1].dim()), d = rank ? wrap_dim(dim, static_cast<int>(rank), "cross") : 0;
  for (const Tensor& t : x)
    if (t.dim() < rank - d || t.dim() == 0 || t.size(d - rank) != 3)
      throw ShapeError("cross: operands of shapes " + a.sizes().str() + " and " + b.sizes().str() + "; both need an extent of 3 along dimension " +
                       std::to_string(dim));
  Shape s = broadcast_shapes(x[0].sizes(), x[1].sizes(), "cross");
  auto shifted = [&](const Tensor& t, std::int64_t by) { return roll(ops::broadcast_to(t, s, "cross"), -by, d); };
  return shifted(x[0], 1) * shifted(x[1], 2) - shifted(x[0], 2) * shifted(x[1], 1);
}
Tensor cov(const Tensor& given, double correction) {
  Site site(FUNCTRA_SITE);
  Tensor x = ops::operand(given, "cov");
  ops::need_floating(x, "cov");
  if (x.dim() > 2)
    throw ShapeError("cov: the tensor has shape " + x.sizes().str() + ", at most two dimensions are allowed: variables and observations");
  bool single = x.dim() < 2;
  Tensor v = single ? prims::reshape(x, {1, x.numel()}) : x, d = core::sub(v, ops::spread(ops::mean_over(v, {1}), v, {1}));
  Tensor r = prims::div(matmul(d, t(d)), like(std::max(0.0, static_cast<double>(v.size(1)) - correction), v));
  return single ? prims::reshape(r, {}) : r;
}
Tensor corrcoef(const Tensor& x) {
  Site site(FUNCTRA_SITE);
  Tensor c = cov(x);
  if (!c.dim()) return c / c;
  Tensor scale = rsqrt(diagonal(c));
  return c * unsqueeze(scale, 1) * scale;
}

// ---------------------------------------------------------------- grids
std::vector<Tensor> meshgrid(TensorList xs, std::string_view indexing) {
  Site site(FUNCTRA_SITE);
  bool exchange = indexing == "xy";
  if (!exchange && indexing != "ij") throw ValueError("meshgrid: indexing is \"ij\" or \"xy\", not \"" + std::string(indexing) + "\"");
  Shape s;
  for (const Tensor& x : xs) {
    Tensor v = ops::operand(x, "meshgrid");
    if (v.dim() > 1) throw ShapeError("meshgrid: a tensor has shape " + v.sizes().str() + ", at most one dimension is allowed");
    s.push_back(v.numel());
  }
  exchange = exchange && s.size() > 1;
  if (exchange) std::swap(s[0], s[1]);
  std::vector<Tensor> r;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    std::int64_t d = exchange && i < 2 ? 1 - static_cast<std::int64_t>(i) : static_cast<std::int64_t>(i);
    Tensor line = prims::reshape(ops::firm(xs[i]), {s[at(d)]});
    r.push_back(core::broadcast_in_dim(line, s, {d}));
  }
  return r;
}
Tensor cartesian_prod(TensorList xs) {
  Site site(FUNCTRA_SITE);
  if (xs.size() == 0) throw ValueError("cartesian_prod: the list of tensors is empty");
  std::vector<Tensor> grid = meshgrid(xs);
  if (grid.size() == 1) return grid[0];
  std::vector<Tensor> columns;
  for (const Tensor& g : grid) columns.push_back(prims::reshape(g, {g.numel()}));
  return stack(columns, 1);
}

}  // namespace functra
