#include "functra/ops/shape.h"

#include <algorithm>

#include "functra/ops/elementwise.h"
#include "functra/prims/index.h"

namespace functra {
namespace {

using ops::firm;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
const Tensor& defined(const Tensor& x, const char* who) {
  if (!x.defined()) throw ValueError(std::string(who) + ": the operand is an undefined Tensor (default constructed)");
  return x;
}
// The extent -1 of `shape` as what n elements need.
Shape resolved(Shape shape, std::int64_t n, const Shape& from, const char* who) {
  std::int64_t known = 1;
  int hole = -1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      if (hole >= 0) throw ShapeError(std::string(who) + ": only one extent of " + shape.str() + " may be -1");
      hole = static_cast<int>(i);
    } else if (shape[i] < 0)
      throw ShapeError(std::string(who) + ": the extent " + std::to_string(shape[i]) + " in shape " + shape.str() +
                       " is negative; only -1 has a meaning");
    else known *= shape[i];
  }
  bool fits = hole < 0 ? known == n : known > 0 && n % known == 0;
  if (!fits)
    throw ShapeError(std::string(who) + ": shape " + shape.str() + " does not hold the " + std::to_string(n) + " elements of shape " + from.str());
  if (hole >= 0) shape[at(hole)] = n / known;
  return shape;
}
Tensor slice_dim(const Tensor& x, std::size_t dim, std::int64_t from, std::int64_t to) {
  Shape s = x.sizes(), start = Shape::filled(s.size(), 0), limit = s;
  if (from == 0 && to == s[dim]) return x;
  start[dim] = from;
  limit[dim] = to;
  return prims::slice(x, start, limit, Shape::filled(s.size(), 1));
}
Shape sorted(Shape s) {
  std::sort(s.begin(), s.end());
  return s;
}
}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  core::Site site(FUNCTRA_SITE);
  Shape from = defined(x, "reshape").sizes();
  return prims::reshape(firm(x), resolved(shape, from.numel(), from, "reshape"));
}
Tensor view(const Tensor& x, const Shape& shape) {
  core::Site site(FUNCTRA_SITE);
  return reshape(x, shape);
}
Tensor flatten(const Tensor& x, std::int64_t start, std::int64_t end) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "flatten").sizes(), to;
  if (s.empty()) return prims::reshape(firm(x), {1});
  int a = wrap_dim(start, s.rank(), "flatten"), b = wrap_dim(end, s.rank(), "flatten");
  if (a > b) throw ValueError("flatten: the first dimension, " + std::to_string(start) + ", comes after the last, " + std::to_string(end));
  for (int i = 0; i < s.rank(); ++i)
    if (i <= a || i > b) to.push_back(s[at(i)]);
    else to[at(a)] *= s[at(i)];
  return prims::reshape(x, to);
}
Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& shape) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "unflatten").sizes(), to;
  int d = wrap_dim(dim, s.rank(), "unflatten");
  Shape parts = resolved(shape, s[at(d)], Shape{s[at(d)]}, "unflatten");
  for (int i = 0; i < s.rank(); ++i)
    if (i == d) to = to.concat(parts);
    else to.push_back(s[at(i)]);
  return prims::reshape(x, to);
}
Tensor squeeze(const Tensor& x, DimsOrAll dims) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "squeeze").sizes(), to;
  if (s.empty()) {  // as in torch, a 0-d tensor has dimension 0 (or -1) to name here, and no other
    if (dims)
      for (std::int64_t d : *dims)
        if (d != 0 && d != -1) wrap_dim(d, 0, "squeeze");
    return firm(x);
  }
  Shape drop = wrap_dims(dims, s.rank(), "squeeze");
  for (int i = 0; i < s.rank(); ++i)
    if (s[at(i)] != 1 || !drop.has(i)) to.push_back(s[at(i)]);
  return prims::reshape(x, to);
}
Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "unsqueeze").sizes();
  return prims::reshape(firm(x), s.with(at(wrap_dim(dim, s.rank() + 1, "unsqueeze")), 1));
}
Tensor expand(const Tensor& x, const Shape& shape) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "expand").sizes(), to = shape;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] != -1) continue;
    if (to.size() < s.size() || i < to.size() - s.size())
      throw ShapeError("expand: the extent -1 in " + shape.str() + " stands for no dimension of shape " + s.str());
    to[i] = s[i - (to.size() - s.size())];
  }
  return ops::broadcast_to(firm(x), to, "expand");
}
Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  core::Site site(FUNCTRA_SITE);
  return ops::broadcast_to(firm(defined(x, "broadcast_to")), shape, "broadcast_to");
}
std::vector<Tensor> broadcast_tensors(TensorList xs) {
  core::Site site(FUNCTRA_SITE);
  Shape s;
  for (const Tensor& x : xs) s = broadcast_shapes(s, defined(x, "broadcast_tensors").sizes(), "broadcast_tensors");
  std::vector<Tensor> r;
  for (const Tensor& x : xs) r.push_back(ops::broadcast_to(firm(x), s, "broadcast_tensors"));
  return r;
}
Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  core::Site site(FUNCTRA_SITE);
  int n = static_cast<int>(defined(x, "transpose").dim());
  Shape perm = Shape::iota(at(n));
  if (n == 0 && dim0 >= -1 && dim0 <= 0 && dim1 >= -1 && dim1 <= 0) return firm(x);
  std::swap(perm[at(wrap_dim(dim0, n, "transpose"))], perm[at(wrap_dim(dim1, n, "transpose"))]);
  return core::permute(x, perm);
}
Tensor permute(const Tensor& x, const Shape& dims) {
  core::Site site(FUNCTRA_SITE);
  int n = static_cast<int>(defined(x, "permute").dim());
  if (dims.rank() != n)
    throw ShapeError("permute: " + std::to_string(dims.size()) + " dimensions " + dims.str() + " given for a tensor of shape " + x.sizes().str());
  return core::permute(firm(x), wrap_dims(dims, n, "permute"));
}
Tensor t(const Tensor& x) {
  core::Site site(FUNCTRA_SITE);
  if (defined(x, "t").dim() > 2)
    throw ShapeError("t: the tensor has shape " + x.sizes().str() + ", at most two dimensions can be transposed; use transpose or permute");
  return x.dim() < 2 ? firm(x) : core::permute(x, {1, 0});
}
Tensor movedim(const Tensor& x, const Shape& source, const Shape& destination) {
  core::Site site(FUNCTRA_SITE);
  int n = static_cast<int>(defined(x, "movedim").dim());
  if (source.size() != destination.size())
    throw ShapeError("movedim: sources " + source.str() + " and destinations " + destination.str() + " differ in number");
  if (source.empty()) return firm(x);
  Shape from = wrap_dims(source, n, "movedim"), to = wrap_dims(destination, n, "movedim"), rest = from.others(at(n)), perm;
  std::size_t next = 0;
  for (int i = 0; i < n; ++i) {
    int k = to.find(i);
    perm.push_back(k >= 0 ? from[at(k)] : rest[next++]);
  }
  return core::permute(x, perm);
}

// ---------------------------------------------------------------- joining and splitting
namespace {
// In their common dtype, before any of them changes its shape: numbers take the dtype of the tensors.
std::vector<Tensor> promoted(TensorList xs, const char* who) {
  if (xs.size() == 0) throw ValueError(std::string(who) + ": the list of tensors is empty");
  Borrowed<8> all(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) all.set(i, xs[i]);
  ops::Common common = ops::common_type(all, who);
  std::vector<Tensor> r;
  r.reserve(xs.size());
  for (const Tensor& x : xs) r.push_back(firm(ops::to_common(x, common)));
  return r;
}
Tensor joined(TensorList xs, std::int64_t dim, const char* who) {
  if (xs.size() == 0) throw ValueError(std::string(who) + ": the list of tensors is empty");
  Borrowed<8> all(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) all.set(i, xs[i]);
  ops::Common common = ops::common_type(all, who);
  Buf<Tensor, 8> parts(xs.size());
  std::size_t n = 0;
  int rank = -1;
  for (const Tensor& x : xs) {
    Shape s = x.sizes();
    if (s.empty()) throw ShapeError(std::string(who) + ": a 0-d tensor cannot be joined; use stack");
    if (s.size() == 1 && s[0] == 0 && xs.size() > 1) {
      if (rank < 0 && &x == &xs[xs.size() - 1] && n == 0) parts[n++] = ops::to_common(x, common);
      continue;
    }
    rank = s.rank();
    parts[n++] = ops::to_common(x, common);
  }
  if (rank < 0) rank = 1;
  int d = wrap_dim(dim, rank, who);
  for (std::size_t k = 1; k < n; ++k) {
    Shape a = parts[0].sizes(), b = parts[k].sizes();
    if (a.size() != b.size() || !(a.without(at(d)) == b.without(at(d))))
      throw ShapeError(std::string(who) + ": shapes " + a.str() + " and " + b.str() + " differ outside dimension " + std::to_string(d));
  }
  return prims::concatenate({parts.begin(), n}, d);
}
}  // namespace
Tensor cat(TensorList xs, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  return joined(xs, dim, "cat");
}
Tensor concat(TensorList xs, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  return joined(xs, dim, "concat");
}
Tensor stack(TensorList xs, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  std::vector<Tensor> rows = promoted(xs, "stack");
  Shape s = rows[0].sizes();
  int d = wrap_dim(dim, s.rank() + 1, "stack");
  for (Tensor& x : rows) {
    Shape u = x.sizes();
    if (!(u == s)) throw ShapeError("stack: all tensors need one shape, got " + s.str() + " and " + u.str());
    x = prims::reshape(x, s.with(at(d), 1));
  }
  return joined(rows, d, "stack");
}
Tensor hstack(TensorList xs) {
  core::Site site(FUNCTRA_SITE);
  std::vector<Tensor> rows = promoted(xs, "hstack");
  for (Tensor& x : rows)
    if (!x.dim()) x = prims::reshape(x, {1});
  return joined(rows, rows[0].dim() > 1 ? 1 : 0, "hstack");
}
Tensor vstack(TensorList xs) {
  core::Site site(FUNCTRA_SITE);
  std::vector<Tensor> rows = promoted(xs, "vstack");
  for (Tensor& x : rows)
    if (x.dim() <= 1) x = prims::reshape(x, {1, x.numel()});
  return joined(rows, 0, "vstack");
}
std::vector<Tensor> split(const Tensor& x, std::int64_t size, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "split").sizes();
  int d = wrap_dim(dim, s.rank(), "split");
  std::int64_t n = s[at(d)];
  if (size < 0 || (size == 0 && n))
    throw ValueError("split: pieces of size " + std::to_string(size) + " do not cover the extent " + std::to_string(n));
  std::vector<Tensor> r;
  if (n == 0) r.push_back(x);
  for (std::int64_t i = 0; i < n; i += size) r.push_back(slice_dim(x, at(d), i, std::min(n, i + size)));
  return r;
}
std::vector<Tensor> split(const Tensor& x, const Shape& sizes, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "split").sizes();
  int d = wrap_dim(dim, s.rank(), "split");
  std::int64_t total = 0, from = 0;
  for (std::int64_t n : sizes) {
    if (n < 0) throw ValueError("split: the size " + std::to_string(n) + " in " + sizes.str() + " is negative");
    total += n;
  }
  if (total != s[at(d)])
    throw ShapeError("split: sizes " + sizes.str() + " add up to " + std::to_string(total) + ", the extent is " + std::to_string(s[at(d)]));
  std::vector<Tensor> r;
  for (std::int64_t n : sizes) {
    r.push_back(slice_dim(x, at(d), from, from + n));
    from += n;
  }
  return r;
}
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  if (chunks < 1) throw ValueError("chunk: the number of chunks, " + std::to_string(chunks) + ", must be positive");
  std::int64_t n = defined(x, "chunk").size(dim);
  return split(x, std::max<std::int64_t>(1, (n + chunks - 1) / chunks), dim);
}
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "unbind").sizes();
  int d = wrap_dim(dim, s.rank(), "unbind");
  std::vector<Tensor> r;
  for (std::int64_t i = 0; i < s[at(d)]; ++i) r.push_back(prims::reshape(slice_dim(x, at(d), i, i + 1), s.without(at(d))));
  return r;
}
Tensor narrow(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "narrow").sizes();
  int d = wrap_dim(dim, s.rank(), "narrow");
  std::int64_t n = s[at(d)], from = start < 0 ? start + n : start;
  if (from < 0 || length < 0 || from + length > n)
    throw IndexError("narrow: start " + std::to_string(start) + " and length " + std::to_string(length) + " do not lie in dimension " +
                     std::to_string(d) + " of shape " + s.str());
  return slice_dim(x, at(d), from, from + length);
}
Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "select").sizes();
  int d = wrap_dim(dim, s.rank(), "select");
  std::int64_t n = s[at(d)], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n)
    throw IndexError("select: index " + std::to_string(index) + " is out of range for dimension " + std::to_string(d) + " of shape " + s.str());
  return prims::reshape(slice_dim(x, at(d), i, i + 1), s.without(at(d)));
}

// ---------------------------------------------------------------- moving and repeating
Tensor flip(const Tensor& x, const Shape& dims) {
  core::Site site(FUNCTRA_SITE);
  return prims::rev(firm(defined(x, "flip")), sorted(wrap_dims(dims, static_cast<int>(x.dim()), "flip")));
}
Tensor pad(const Tensor& x, const Shape& pads, const Tensor& value) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "pad").sizes(), low = Shape::filled(s.size(), 0), high = low;
  if (pads.size() % 2 || pads.size() > 2 * s.size())
    throw ShapeError("pad: the pads " + pads.str() + " must be pairs (low, high), at most one per dimension of shape " + s.str());
  for (std::size_t k = 0; 2 * k < pads.size(); ++k) {
    std::size_t d = s.size() - 1 - k;
    low[d] = pads[2 * k];
    high[d] = pads[2 * k + 1];
    if (s[d] + low[d] + high[d] < 0)
      throw ShapeError("pad: the pads " + pads.str() + " leave a negative extent in dimension " + std::to_string(d) + " of shape " + s.str());
  }
  return prims::pad(firm(x), core::convert(value, x.dtype()), low, high, Shape::filled(s.size(), 0));
}
Tensor roll(const Tensor& x, const Shape& shifts, DimsOrAll dims) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "roll").sizes();
  if (!dims) {
    if (shifts.size() != 1) throw ShapeError("roll: shifts " + shifts.str() + " without dims must be one number");
    return prims::reshape(roll(flatten(x), shifts, 0), s);
  }
  if (dims->size() != shifts.size()) throw ShapeError("roll: shifts " + shifts.str() + " and dims " + dims->str() + " differ in number");
  Tensor r = x;
  for (std::size_t k = 0; k < shifts.size(); ++k) {
    auto d = at(wrap_dim((*dims)[k], s.rank(), "roll"));
    std::int64_t n = s[d], cut = n ? ((-shifts[k]) % n + n) % n : 0;
    if (cut == 0) continue;
    const Tensor parts[2] = {slice_dim(r, d, cut, n), slice_dim(r, d, 0, cut)};
    r = prims::concatenate(parts, static_cast<int>(d));
  }
  return r;
}
namespace {
Tensor tiled(const Tensor& x, const Shape& repeats, const char* who) {
  Shape s = x.sizes(), n = repeats, wide, between, to;
  while (s.size() < n.size()) s = s.with(0, 1);
  while (n.size() < s.size()) n = n.with(0, 1);
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (n[i] < 0) throw ValueError(std::string(who) + ": the repeat " + std::to_string(n[i]) + " in " + repeats.str() + " is negative");
    wide.push_back(n[i]);
    wide.push_back(s[i]);
    between.push_back(static_cast<std::int64_t>(2 * i + 1));
    to.push_back(n[i] * s[i]);
  }
  return prims::reshape(core::broadcast_in_dim(prims::reshape(firm(x), s), wide, between), to);
}
}  // namespace
Tensor tile(const Tensor& x, const Shape& repeats) {
  core::Site site(FUNCTRA_SITE);
  return tiled(defined(x, "tile"), repeats, "tile");
}
Tensor repeat(const Tensor& x, const Shape& repeats) {
  core::Site site(FUNCTRA_SITE);
  if (repeats.rank() < defined(x, "repeat").dim())
    throw ShapeError("repeat: repeats " + repeats.str() + " are fewer than the dimensions of shape " + x.sizes().str());
  return tiled(x, repeats, "repeat");
}
Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::optional<std::int64_t> dim) {
  core::Site site(FUNCTRA_SITE);
  if (repeats < 0) throw ValueError("repeat_interleave: the repeat " + std::to_string(repeats) + " is negative");
  if (!dim) return repeat_interleave(flatten(defined(x, "repeat_interleave")), repeats, 0);
  Shape s = x.sizes();
  auto d = at(wrap_dim(*dim, s.rank(), "repeat_interleave"));
  Shape wide = s.with(d + 1, repeats), to = s;
  to[d] *= repeats;
  return prims::reshape(core::broadcast_in_dim(x, wide, Shape{d + 1}.others(wide.size())), to);
}
Tensor diagonal(const Tensor& x, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "diagonal").sizes();
  int a = wrap_dim(dim1, s.rank(), "diagonal"), b = wrap_dim(dim2, s.rank(), "diagonal");
  if (a == b) throw ValueError("diagonal: dimensions " + std::to_string(dim1) + " and " + std::to_string(dim2) + " are the same");
  Shape rest = Shape{a, b}.others(s.size()), outer = s.pick(rest), perm = rest;
  perm.push_back(a);
  perm.push_back(b);
  std::int64_t n = s[at(a)], m = s[at(b)], k = std::max<std::int64_t>(0, std::min(offset < 0 ? n + offset : n, offset > 0 ? m - offset : m));
  // Read in row-major order the diagonal has steps of m + 1 elements.
  std::int64_t first = offset < 0 ? -offset * m : offset;
  if (k == 0) first = 0;
  std::size_t r = outer.size();
  Tensor flat = prims::reshape(core::permute(x, perm), outer.with(r, n * m));
  Shape start = Shape::filled(r + 1, 0), limit = flat.sizes(), stride = Shape::filled(r + 1, 1);
  start[r] = first;
  limit[r] = k ? first + (k - 1) * (m + 1) + 1 : first;
  stride[r] = m + 1;
  return prims::slice(flat, start, limit, stride);
}

// ---------------------------------------------------------------- members
Tensor Tensor::reshape(const Shape& s) const {
  core::Site site(FUNCTRA_SITE);
  return functra::reshape(*this, s);
}
Tensor Tensor::flatten(std::int64_t start, std::int64_t end) const {
  core::Site site(FUNCTRA_SITE);
  return functra::flatten(*this, start, end);
}
Tensor Tensor::squeeze(DimsOrAll dims) const {
  core::Site site(FUNCTRA_SITE);
  return functra::squeeze(*this, dims);
}
Tensor Tensor::unsqueeze(std::int64_t dim) const {
  core::Site site(FUNCTRA_SITE);
  return functra::unsqueeze(*this, dim);
}
Tensor Tensor::expand(const Shape& s) const {
  core::Site site(FUNCTRA_SITE);
  return functra::expand(*this, s);
}
Tensor Tensor::t() const {
  core::Site site(FUNCTRA_SITE);
  return functra::t(*this);
}
Tensor Tensor::transpose(std::int64_t a, std::int64_t b) const {
  core::Site site(FUNCTRA_SITE);
  return functra::transpose(*this, a, b);
}
Tensor Tensor::permute(const Shape& dims) const {
  core::Site site(FUNCTRA_SITE);
  return functra::permute(*this, dims);
}

}  // namespace functra
