#include "functra/ops/index.h"

#include <algorithm>

#include "functra/ops/elementwise.h"
#include "functra/ops/shape.h"
#include "functra/prims/gather.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/sort.h"
#include "functra/tensor/traced.h"

namespace functra {
namespace {

using ops::firm;
std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
const Tensor& defined(const Tensor& x, const char* who) {
  if (!x.defined()) throw ValueError(std::string(who) + ": an operand is an undefined Tensor (default constructed)");
  return x;
}
// The values behind an index, if they are known.
const Tensor* known(const Tensor& t) {
  if (t.concrete()) return &t;
  if (t.kind() != Tensor::Kind::Jvp) return nullptr;
  try {
    return traced::readable(t, "index");
  } catch (const TracerError&) { return nullptr; }
}
void require_integers(const Tensor& i, const char* who) {
  if (!is_integer(defined(i, who).raw_dtype()))
    throw DTypeError(std::string(who) + ": the index has dtype " + std::string(name_of(i.dtype())) +
                     ", it must be of integers; convert with to(i64)");
}
// Integer positions in [0, n): negative ones counted from the end, checked where the values are known.
Tensor positions(const Tensor& i, std::int64_t n, const char* who, const std::string& where) {
  require_integers(i, who);
  Tensor p = core::convert(i, DType::i64);
  if (const Tensor* values = known(p)) {
    bool negative = false;
    for (std::int64_t v : values->to_vector<std::int64_t>()) {
      if (v < -n || v >= n)
        throw IndexError(std::string(who) + ": index " + std::to_string(v) + " is out of range for " + where + " of extent " + std::to_string(n));
      negative |= v < 0;
    }
    if (!negative) return p;
  } else if (is_unsigned(i.raw_dtype())) return p;
  return core::select(prims::lt(p, Tensor::literal_of(Scalar(0), DType::i64)), core::add(p, Tensor::literal_of(Scalar(n), DType::i64)), p);
}
std::string dimension(std::int64_t d, const Shape& s) { return "dimension " + std::to_string(d) + " of shape " + s.str(); }
std::vector<std::int64_t> true_positions(const Tensor& mask, const char* who) {
  const Tensor* values = known(mask);
  if (!values) {
    traced::readable(mask, who);  // throws, naming the transform
    throw TracerError(std::string(who) + ": the values of the mask are not known here");
  }
  auto v = values->to_vector<std::uint8_t>();
  std::vector<std::int64_t> r;
  for (std::size_t i = 0; i < v.size(); ++i)
    if (v[i]) r.push_back(static_cast<std::int64_t>(i));
  return r;
}
// Per dimension, the coordinates of flat positions.
Vec coordinates(const std::vector<std::int64_t>& flat, const Shape& s) {
  Vec r(s.size());
  std::vector<std::int64_t> rest = flat;
  for (std::size_t d = s.size(); d-- > 0;) {
    std::vector<std::int64_t> c(flat.size());
    for (std::size_t i = 0; i < flat.size(); ++i) {
      c[i] = rest[i] % s[d];
      rest[i] /= s[d];
    }
    r[d] = Tensor::copy_of(c.data(), DType::i64, {c.size()});
  }
  return r;
}

// An index list, resolved. First a basic part (slices, reversals, new extents, dropped extents), then at most one gather.
struct Basic {
  bool reversed = false, dropped = false;
  std::int64_t start = 0, limit = 0, stride = 1;
};
struct Plan {
  Shape shape;                                        // of x
  std::vector<Basic> dims;                            // per dimension of x
  Shape basic;                                        // after the basic part: dropped ones gone, new ones there
  std::vector<std::pair<std::size_t, Tensor>> taken;  // dimension of the basic result, positions
  Shape common;                                       // of all index tensors, broadcast
  std::size_t place = 0;                              // where its dimensions stand in the result

  Shape sliced() const {
    Shape s;
    for (const Basic& b : dims) s.push_back(b.limit > b.start ? (b.limit - b.start + b.stride - 1) / b.stride : 0);
    return s;
  }
};
Plan resolve(const Tensor& x, std::span<const Index> list, const char* who) {
  Plan p;
  p.shape = x.sizes();
  std::int64_t used = 0, ellipses = 0;
  for (const Index& i : list) {
    if (std::holds_alternative<EllipsisType>(i.v)) ++ellipses;
    else if (auto* t = std::get_if<Tensor>(&i.v)) used += is_bool(defined(*t, who).raw_dtype()) ? t->dim() : 1;
    else used += !std::holds_alternative<NoneType>(i.v);
  }
  std::int64_t rank = p.shape.rank();
  if (ellipses > 1) throw IndexError(std::string(who) + ": at most one Ellipsis may stand in an index");
  if (used > rank) throw IndexError(std::string(who) + ": too many indices: " + std::to_string(used) + " for a tensor of shape " + p.shape.str());
  std::size_t d = 0;  // dimension of x
  std::vector<std::pair<std::size_t, Tensor>> tensors;
  bool apart = false, over = false;  // index tensors separated by something else
  auto whole = [&] {
    p.dims.push_back({false, false, 0, p.shape[d], 1});
    p.basic.push_back(p.shape[d]);
    ++d;
  };
  auto between = [&] {
    if (!tensors.empty()) over = true;
  };
  for (const Index& i : list) {
    if (std::holds_alternative<NoneType>(i.v)) {
      between();
      p.basic.push_back(1);
    } else if (std::holds_alternative<EllipsisType>(i.v)) {
      if (rank - used > 0) between();
      for (std::int64_t k = used; k < rank; ++k) whole();
    } else if (auto* n = std::get_if<std::int64_t>(&i.v)) {
      std::int64_t extent = p.shape[d], v = *n < 0 ? *n + extent : *n;
      if (v < 0 || v >= extent)
        throw IndexError(std::string(who) + ": index " + std::to_string(*n) + " is out of range for " +
                         dimension(static_cast<std::int64_t>(d), p.shape));
      p.dims.push_back({false, true, v, v + 1, 1});
      ++d;
    } else if (auto* s = std::get_if<Slice>(&i.v)) {
      between();
      std::int64_t n_ = p.shape[d], step = s->step;
      if (step == 0) throw ValueError(std::string(who) + ": the step of a slice is 0");
      auto wrap = [&](std::int64_t v, std::int64_t lo, std::int64_t hi) { return std::clamp(v < 0 ? v + n_ : v, lo, hi); };
      Basic b;
      if (step > 0) {
        b.start = wrap(s->start.value_or(0), 0, n_);
        b.limit = std::max(b.start, wrap(s->stop.value_or(n_), 0, n_));
        b.stride = step;
      } else {
        std::int64_t first = s->start ? wrap(*s->start, -1, n_ - 1) : n_ - 1, stop = s->stop ? wrap(*s->stop, -1, n_ - 1) : -1;
        std::int64_t count = first > stop ? (first - stop - step - 1) / -step : 0;
        b.reversed = true;  // the same elements from the lowest up, then reversed
        b.stride = -step;
        b.start = count ? first + (count - 1) * step : 0;
        b.limit = count ? first + 1 : 0;
      }
      p.dims.push_back(b);
      p.basic.push_back(b.limit > b.start ? (b.limit - b.start + b.stride - 1) / b.stride : 0);
      ++d;
    } else {
      const Tensor& t = std::get<Tensor>(i.v);
      if (over) apart = true;
      if (is_bool(t.raw_dtype())) {
        Shape m = t.sizes();
        for (std::size_t k = 0; k < m.size(); ++k)
          if (m[k] != p.shape[d + k])
            throw IndexError(std::string(who) + ": the mask has shape " + m.str() + ", it does not fit dimensions " + std::to_string(d) +
                             "... of shape " + p.shape.str());
        if (m.empty()) throw IndexError(std::string(who) + ": a 0-d mask is not an index; use where");
        Vec c = coordinates(true_positions(t, who), m);
        for (const Tensor& part : c) {
          tensors.emplace_back(p.basic.size(), part);
          whole();
        }
      } else {
        tensors.emplace_back(p.basic.size(), positions(t, p.shape[d], who, dimension(static_cast<std::int64_t>(d), p.shape)));
        whole();
      }
    }
  }
  while (d < at(rank)) whole();
  for (auto& [dim, t] : tensors) p.common = broadcast_shapes(p.common, t.sizes(), who);
  p.place = tensors.empty() || apart ? 0 : tensors[0].first;
  p.taken = std::move(tensors);
  return p;
}
Tensor basic_part(const Tensor& x, const Plan& p) {
  Shape start, limit, stride, turned;
  bool all = true;
  for (std::size_t d = 0; d < p.dims.size(); ++d) {
    const Basic& b = p.dims[d];
    start.push_back(b.start);
    limit.push_back(b.limit);
    stride.push_back(b.stride);
    if (b.reversed) turned.push_back(static_cast<std::int64_t>(d));
    all = all && b.start == 0 && b.limit == p.shape[d] && b.stride == 1;
  }
  Tensor r = all ? x : prims::slice(x, start, limit, stride);
  return prims::reshape(prims::rev(r, turned), p.basic);
}
Tensor index_vectors(const Plan& p, const char* who) {
  Buf<Tensor, 4> parts(p.taken.size());
  for (std::size_t k = 0; k < p.taken.size(); ++k)
    parts[k] = prims::reshape(ops::broadcast_to(p.taken[k].second, p.common, who), p.common.with(p.common.size(), 1));
  return prims::concatenate(parts, static_cast<int>(p.common.size()));
}
// Dimension numbers of a plan's gather from an operand of shape `s`: windows are whole but for the dimensions taken.
prims::GatherParams numbers(const Plan& p, const Shape& s) {
  prims::GatherParams g{{}, {}, {}, {}, {}, s, false, Scalar(0)};
  for (auto& [d, t] : p.taken) {
    g.collapsed.push_back(static_cast<std::int64_t>(d));
    g.start_map.push_back(static_cast<std::int64_t>(d));
    g.sizes[d] = 1;
  }
  std::size_t rank = s.size() - p.taken.size() + p.common.size();
  for (std::size_t i = 0; i < rank; ++i)
    if (i < p.place || i >= p.place + p.common.size()) g.offset_dims.push_back(static_cast<std::int64_t>(i));
  return g;
}
Shape result_shape(const Plan& p) {
  if (p.taken.empty()) return p.basic;
  prims::GatherParams g = numbers(p, p.basic);
  Shape r, kept = g.collapsed.others(p.basic.size());
  std::size_t k = 0, c = 0;
  for (std::size_t i = 0; i < kept.size() + p.common.size(); ++i)
    r.push_back(g.offset_dims.has(static_cast<std::int64_t>(i)) ? p.basic[at(kept[k++])] : p.common[c++]);
  return r;
}
bool takes_from_nothing(const Plan& p) {
  for (auto& [d, t] : p.taken)
    if (p.basic[d] == 0) return true;
  return false;
}

Tensor index_of(const Tensor& given, std::span<const Index> list, const char* who) {
  Tensor x = firm(defined(given, who));
  Plan p = resolve(x, list, who);
  Tensor r = basic_part(x, p);
  if (p.taken.empty()) return r;
  if (takes_from_nothing(p)) return core::zeros({x.raw_dtype(), false, result_shape(p)});
  if (p.taken.size() == 1 && p.place == p.taken[0].first) return prims::take(r, p.taken[0].second, static_cast<int>(p.taken[0].first));
  return prims::gather(r, index_vectors(p, who), numbers(p, p.basic));
}
Tensor put(const Tensor& given, std::span<const Index> list, const Tensor& given_values, bool accumulate, const char* who) {
  Tensor x = firm(defined(given, who));
  Tensor values = core::convert(defined(given_values, who), x.raw_dtype());
  Plan p = resolve(x, list, who);
  Shape to = result_shape(p), vs = values.sizes();
  while (vs.size() > to.size() && vs[0] == 1) vs = vs.without(0);
  values = ops::broadcast_to(prims::reshape(values, vs), to, who);
  if (to.numel() == 0) return x;
  // Back from the result of the basic part to the window of x.
  Shape window = p.sliced(), turned, start, stride, ones = Shape::filled(p.dims.size(), 1), zero = Shape::filled(p.dims.size(), 0);
  bool whole = true, contiguous = true;
  for (std::size_t d = 0; d < p.dims.size(); ++d) {
    if (p.dims[d].reversed) turned.push_back(static_cast<std::int64_t>(d));
    start.push_back(p.dims[d].start);
    stride.push_back(p.dims[d].stride);
    whole = whole && window[d] == p.shape[d];
    contiguous = contiguous && (p.dims[d].stride == 1 || window[d] == 1);
  }
  if (!p.taken.empty()) {
    prims::GatherParams g = numbers(p, p.basic);
    prims::ScatterParams sp{g.offset_dims, g.collapsed, g.start_map, {}, {}, false, false};
    Tensor base = basic_part(x, p);
    if (accumulate) base = core::zeros({x.raw_dtype(), false, p.basic});
    Tensor i = index_vectors(p, who);
    values = accumulate ? prims::scatter_add(base, i, values, sp) : prims::scatter(base, i, values, sp);
  }
  values = prims::rev(prims::reshape(values, window), turned);
  if (whole) return accumulate ? core::add(x, values) : values;
  if (accumulate || !contiguous) {
    // Spread over the shape of x, with zeros elsewhere.
    auto spread = [&](const Tensor& v) {
      Shape high, interior;
      for (std::size_t d = 0; d < window.size(); ++d) {
        high.push_back(p.shape[d] - start[d] - ((window[d] - 1) * stride[d] + 1));
        interior.push_back(stride[d] - 1);
      }
      return prims::pad(v, prims::like(0, v), start, high, interior);
    };
    if (accumulate) return core::add(x, spread(values));
    Tensor mask = core::broadcast_in_dim(Tensor::literal_of(Scalar(true), DType::bool_), window, {});
    return core::select(spread(mask), spread(values), x);
  }
  Vec starts;
  for (std::int64_t v : start) starts.push_back(Tensor::literal_of(Scalar(v), DType::i64));
  return prims::dynamic_update_slice(x, values, starts);
}
}  // namespace

Tensor index(const Tensor& x, const std::vector<Index>& indices) {
  core::Site site(FUNCTRA_SITE);
  return index_of(x, indices, "index");
}
Tensor index_put(const Tensor& x, const std::vector<Index>& indices, const Tensor& values, bool accumulate) {
  core::Site site(FUNCTRA_SITE);
  return put(x, indices, values, accumulate, "index_put");
}

Tensor Tensor::operator[](std::int64_t i) const {
  core::Site site(FUNCTRA_SITE);
  if (!dim()) throw IndexError("operator[]: a 0-d tensor has no dimension to index; use item()");
  return functra::select(*this, 0, i);
}
Tensor Tensor::operator[](const Tensor& index) const {
  core::Site site(FUNCTRA_SITE);
  const Index list[1] = {Index(index)};
  return index_of(*this, list, "operator[]");
}
Tensor Tensor::operator[](std::initializer_list<Index> list) const {
  core::Site site(FUNCTRA_SITE);
  return index_of(*this, {list.begin(), list.size()}, "operator[]");
}
Tensor Tensor::index(std::initializer_list<Index> list) const {
  core::Site site(FUNCTRA_SITE);
  return index_of(*this, {list.begin(), list.size()}, "index");
}
Tensor Tensor::index(const std::vector<Index>& list) const {
  core::Site site(FUNCTRA_SITE);
  return index_of(*this, list, "index");
}
Tensor Tensor::index_put(std::initializer_list<Index> list, const Tensor& values, bool accumulate) const {
  core::Site site(FUNCTRA_SITE);
  return put(*this, {list.begin(), list.size()}, values, accumulate, "index_put");
}
Tensor Tensor::index_put(const std::vector<Index>& list, const Tensor& values, bool accumulate) const {
  core::Site site(FUNCTRA_SITE);
  return put(*this, list, values, accumulate, "index_put");
}

// ---------------------------------------------------------------- along one dimension
Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "index_select").sizes();
  int d = wrap_dim(dim, s.rank(), "index_select");
  if (defined(index, "index_select").dim() > 1)
    throw ShapeError("index_select: the index has shape " + index.sizes().str() + ", it must have one dimension; use take_along_dim or index");
  Tensor i = positions(index.dim() ? index : reshape(index, {1}), s[at(d)], "index_select", dimension(d, s));
  if (i.numel() == 0) {
    s[at(d)] = 0;
    return core::zeros({x.dtype(), false, s});
  }
  return prims::take(x, i, d);
}
Tensor take_along_dim(const Tensor& x, const Tensor& indices, std::optional<std::int64_t> dim) {
  core::Site site(FUNCTRA_SITE);
  if (!dim) return take_along_dim(flatten(defined(x, "take_along_dim")), flatten(defined(indices, "take_along_dim")), 0);
  Shape s = defined(x, "take_along_dim").sizes(), i = defined(indices, "take_along_dim").sizes();
  int d = wrap_dim(*dim, s.rank(), "take_along_dim");
  if (s.size() != i.size())
    throw ShapeError("take_along_dim: x has shape " + s.str() + " and the indices " + i.str() + ", they need as many dimensions");
  Shape sx = s, si = i;
  sx[at(d)] = si[at(d)] = 1;
  Shape common = broadcast_shapes(sx, si, "take_along_dim");
  Tensor p = positions(indices, s[at(d)], "take_along_dim", dimension(d, s));
  Shape wide = common, long_ = common;
  wide[at(d)] = s[at(d)];
  long_[at(d)] = i[at(d)];
  if (long_.has(0)) return core::zeros({x.dtype(), false, long_});
  return prims::take_along(ops::broadcast_to(x, wide, "take_along_dim"), ops::broadcast_to(p, long_, "take_along_dim"), d);
}
Tensor take(const Tensor& x, const Tensor& index) {
  core::Site site(FUNCTRA_SITE);
  Tensor flat = flatten(defined(x, "take"));
  Tensor p = positions(index, flat.numel(), "take", "a tensor");
  return p.numel() == 0 ? core::zeros({x.dtype(), false, p.sizes()}) : prims::take(flat, p, 0);
}
Tensor masked_select(const Tensor& x, const Tensor& mask) {
  core::Site site(FUNCTRA_SITE);
  if (!is_bool(defined(mask, "masked_select").raw_dtype()))
    throw DTypeError("masked_select: the mask has dtype " + std::string(name_of(mask.dtype())) + ", it must be bool");
  Shape s = broadcast_shapes(defined(x, "masked_select").sizes(), mask.sizes(), "masked_select");
  auto flat = true_positions(ops::broadcast_to(mask, s, "masked_select"), "masked_select");
  Tensor wide = flatten(ops::broadcast_to(firm(x), s, "masked_select"));
  if (flat.empty()) return core::zeros({x.dtype(), false, {0}});
  return prims::take(wide, Tensor::copy_of(flat.data(), DType::i64, {flat.size()}), 0);
}
Tensor nonzero(const Tensor& x) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "nonzero").sizes();
  auto flat = true_positions(core::convert(x, DType::bool_), "nonzero");
  Vec c = coordinates(flat, s);
  Shape to{static_cast<std::int64_t>(flat.size()), static_cast<std::int64_t>(s.size())};
  if (c.empty()) return Tensor::uninitialized(DType::i64, to);
  return stack(c, 1);
}
namespace {
// The operand of torch's gather and scatter, cut to the extents of the index outside of dim.
Tensor cut(const Tensor& x, const Shape& index, int d, const char* who, const char* what) {
  Shape s = x.sizes(), limit = index;
  if (s.size() != index.size())
    throw ShapeError(std::string(who) + ": " + what + " has shape " + s.str() + " and the index " + index.str() + ", they need as many dimensions");
  if (d >= 0) limit[at(d)] = s[at(d)];
  if (limit == s) return x;
  for (std::size_t i = 0; i < s.size(); ++i)
    if (limit[i] > s[i])
      throw ShapeError(std::string(who) + ": the index of shape " + index.str() + " is larger than " + what + " of shape " + s.str() +
                       " in dimension " + std::to_string(i));
  return prims::slice(x, Shape::filled(s.size(), 0), limit, Shape::filled(s.size(), 1));
}
Tensor scattered(const Tensor& given, std::int64_t dim, const Tensor& index, const Tensor& src, bool add, const char* who) {
  Tensor x = firm(defined(given, who));
  Shape s = x.sizes(), i = defined(index, who).sizes();
  int d = wrap_dim(dim, s.rank(), who);
  Tensor part = cut(x, i, d, who, "x");
  Tensor values = core::convert(defined(src, who), x.raw_dtype());
  values = values.rank0() ? core::broadcast_in_dim(values, i, {}) : cut(values, i, -1, who, "src");
  Tensor p = positions(index, s[at(d)], who, dimension(d, s));
  if (i.numel() == 0) return x;
  Shape others = Shape{d}.others(s.size());
  prims::ScatterParams sp{{}, Shape{d}, Shape{d}, others, others, false, false};
  Tensor vectors = prims::reshape(p, i.with(i.size(), 1));
  Tensor r = add ? prims::scatter_add(part, vectors, values, sp) : prims::scatter(part, vectors, values, sp);
  if (r.sizes() == s) return r;
  Vec starts(s.size(), Tensor::literal_of(Scalar(0), DType::i64));
  return prims::dynamic_update_slice(x, r, starts);
}
Tensor at_slices(const Tensor& given, std::int64_t dim, const Tensor& index, const Tensor& src, bool add, const char* who) {
  Tensor x = firm(defined(given, who));
  Shape s = x.sizes(), u = defined(src, who).sizes();
  int d = wrap_dim(dim, s.rank(), who);
  if (defined(index, who).dim() != 1)
    throw ShapeError(std::string(who) + ": the index has shape " + index.sizes().str() + ", it must have one dimension");
  Shape want = s;
  want[at(d)] = index.numel();
  if (!(u == want))
    throw ShapeError(std::string(who) + ": src has shape " + u.str() + ", " + want.str() + " is needed for x of shape " + s.str() +
                     " and an index of " + std::to_string(index.numel()));
  Tensor p = positions(index, s[at(d)], who, dimension(d, s));
  if (want.numel() == 0) return x;
  prims::ScatterParams sp{Shape{d}.others(s.size()), Shape{d}, Shape{d}, {}, {}, false, false};
  Tensor vectors = prims::reshape(p, {index.numel(), 1}), values = core::convert(src, x.raw_dtype());
  return add ? prims::scatter_add(x, vectors, values, sp) : prims::scatter(x, vectors, values, sp);
}
}  // namespace
Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  core::Site site(FUNCTRA_SITE);
  Shape s = defined(x, "gather").sizes(), i = defined(index, "gather").sizes();
  int d = wrap_dim(dim, s.rank(), "gather");
  Tensor part = cut(x, i, d, "gather", "x");
  Tensor p = positions(index, s[at(d)], "gather", dimension(d, s));
  return i.numel() == 0 ? core::zeros({x.dtype(), false, i}) : prims::take_along(part, p, d);
}
Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src) {
  core::Site site(FUNCTRA_SITE);
  return scattered(x, dim, index, src, false, "scatter");
}
Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src) {
  core::Site site(FUNCTRA_SITE);
  return scattered(x, dim, index, src, true, "scatter_add");
}
Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src) {
  core::Site site(FUNCTRA_SITE);
  return at_slices(x, dim, index, src, true, "index_add");
}
Tensor index_copy(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& src) {
  core::Site site(FUNCTRA_SITE);
  return at_slices(x, dim, index, src, false, "index_copy");
}
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  core::Site site(FUNCTRA_SITE);
  if (!is_bool(defined(mask, "masked_fill").raw_dtype()))
    throw DTypeError("masked_fill: the mask has dtype " + std::string(name_of(mask.dtype())) + ", it must be bool; use a comparison");
  if (!defined(value, "masked_fill").rank0())
    throw ShapeError("masked_fill: the value has shape " + value.sizes().str() + ", it must be 0-d; use where for tensors");
  Tensor y = firm(defined(x, "masked_fill")), v = core::convert(value, y.raw_dtype());
  Tensor both[2] = {mask, y};
  ops::broadcast_all(both, "masked_fill");
  return core::select(both[0], v, both[1]);
}

// ---------------------------------------------------------------- order
std::pair<Tensor, Tensor> sort(const Tensor& given, std::int64_t dim, bool descending) {
  core::Site site(FUNCTRA_SITE);
  Tensor x = firm(defined(given, "sort"));
  if (!x.dim()) {
    wrap_dim(dim, 1, "sort");
    return {x, core::zeros({DType::i64, false, {}})};
  }
  int d = wrap_dim(dim, static_cast<int>(x.dim()), "sort");
  const Tensor both[2] = {x, prims::iota(DType::i64, x.sizes(), d)};
  Vec r = prims::sort(both, d, descending);
  return {r[0], r[1]};
}
Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  core::Site site(FUNCTRA_SITE);
  return sort(x, dim, descending).second;
}
std::pair<Tensor, Tensor> topk(const Tensor& given, std::int64_t k, std::int64_t dim, bool largest) {
  core::Site site(FUNCTRA_SITE);
  Tensor x = firm(defined(given, "topk"));
  int d = wrap_dim(dim, std::max(1, static_cast<int>(x.dim())), "topk");
  std::int64_t n = x.dim() ? x.size(d) : 1;
  if (k < 0 || k > n) throw IndexError("topk: k = " + std::to_string(k) + " does not lie in " + dimension(d, x.sizes()));
  if (!x.dim()) return {x, core::zeros({DType::i64, false, {}})};
  Vec r = prims::top_k(x, k, d, largest);
  return {r[0], r[1]};
}
Tensor msort(const Tensor& x) {
  core::Site site(FUNCTRA_SITE);
  return sort(x, 0).first;
}
std::pair<Tensor, Tensor> median(const Tensor& x, std::int64_t dim, bool keepdim) {
  core::Site site(FUNCTRA_SITE);
  auto [values, where] = sort(defined(x, "median"), dim);
  if (!x.dim()) return {values, where};
  std::int64_t n = x.size(dim);
  if (n == 0) throw ValueError("median: " + dimension(dim, x.sizes()) + " is empty");
  Tensor v = narrow(values, dim, (n - 1) / 2, 1), w = narrow(where, dim, (n - 1) / 2, 1);
  if (is_floating(x.raw_dtype())) {  // NaN wins; sorted, it stands last
    Tensor lv = narrow(values, dim, n - 1, 1), lw = narrow(where, dim, n - 1, 1), bad = prims::ne(lv, lv);
    v = core::select(bad, lv, v);
    w = core::select(bad, lw, w);
  }
  if (keepdim) return {v, w};
  return {squeeze(v, dim), squeeze(w, dim)};
}

}  // namespace functra
