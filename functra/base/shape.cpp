#include "functra/base/shape.h"

#include <ostream>

#include "functra/base/errors.h"

namespace functra {

void Shape::grow(std::size_t n) {
  std::size_t cap = n < 2 * static_cast<std::size_t>(cap_) ? 2 * static_cast<std::size_t>(cap_) : n;
  auto* p = new std::int64_t[cap];
  std::memcpy(p, data(), n_ * sizeof(std::int64_t));
  if (cap_) delete[] heap_;
  heap_ = p;
  cap_ = static_cast<std::uint32_t>(cap);
}
Shape Shape::with(std::size_t at, std::int64_t v) const {
  Shape r;
  r.reserve(n_ + 1);
  for (std::size_t i = 0; i <= n_; ++i) {
    if (i == at) r.push_back(v);
    if (i < n_) r.push_back((*this)[i]);
  }
  return r;
}
Shape Shape::without(std::size_t at) const {
  Shape r;
  r.reserve(n_);
  for (std::size_t i = 0; i < n_; ++i)
    if (i != at) r.push_back((*this)[i]);
  return r;
}
Shape Shape::concat(const Shape& o) const {
  Shape r = *this;
  r.reserve(n_ + o.n_);
  for (std::int64_t v : o) r.push_back(v);
  return r;
}
Shape Shape::pick(const Shape& at) const {
  Shape r;
  r.reserve(at.size());
  for (std::int64_t i : at) r.push_back((*this)[static_cast<std::size_t>(i)]);
  return r;
}
Shape Shape::others(std::size_t rank) const {
  Shape r;
  for (std::size_t i = 0; i < rank; ++i)
    if (!has(static_cast<std::int64_t>(i))) r.push_back(static_cast<std::int64_t>(i));
  return r;
}
std::string Shape::str() const {
  std::string s = "[";
  for (std::size_t i = 0; i < n_; ++i) s += (i ? ", " : "") + std::to_string((*this)[i]);
  return s + "]";
}
std::ostream& operator<<(std::ostream& o, const Shape& s) { return o << s.str(); }

Shape row_major(const Shape& shape) {
  Shape r = shape;
  std::int64_t p = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    r[i] = p;
    p *= shape[i];
  }
  return r;
}
bool is_row_major(const Shape& shape, const Shape& strides) {
  std::int64_t p = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != p) return false;
    p *= shape[i];
  }
  return true;
}
bool view_strides(const Shape& shape, const Shape& strides, const Shape& as, Shape& out) {
  out = row_major(as);
  if (shape.numel() == 0) return true;
  // Match runs of dimensions with equal products; within a run the old dimensions must be one strided block.
  Shape old_n, old_s;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) {
      old_n.push_back(shape[i]);
      old_s.push_back(strides[i]);
    }
  std::size_t oi = 0, ni = 0;
  while (oi < old_n.size() && ni < as.size()) {
    std::size_t o0 = oi, n0 = ni;
    std::int64_t op = old_n[oi++], np = as[ni++];
    while (op != np) {
      if (np < op) np *= as[ni++];
      else op *= old_n[oi++];
    }
    for (std::size_t k = o0; k + 1 < oi; ++k)
      if (old_s[k] != old_n[k + 1] * old_s[k + 1]) return false;
    std::int64_t s = old_s[oi - 1];
    for (std::size_t k = ni; k-- > n0;) {
      out[k] = s;
      s *= as[k];
    }
  }
  for (; ni < as.size(); ++ni) out[ni] = 1;
  return true;
}
Shape inverse(const Shape& perm) {
  Shape r = perm;
  for (std::size_t i = 0; i < perm.size(); ++i) r[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
  return r;
}
bool is_iota(const Shape& perm) {
  for (std::size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<std::int64_t>(i)) return false;
  return true;
}
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* who) {
  const Shape &l = a.size() >= b.size() ? a : b, &s = a.size() >= b.size() ? b : a;
  Shape r = l;
  for (std::size_t i = 0, off = l.size() - s.size(); i < s.size(); ++i) {
    std::int64_t& d = r[off + i];
    if (d == 1) d = s[i];
    else if (s[i] != 1 && s[i] != d)
      throw ShapeError(std::string(who) + ": shapes " + a.str() + " and " + b.str() + " do not broadcast: " +
                       std::to_string(a.size() >= b.size() ? d : s[i]) + " against " + std::to_string(a.size() >= b.size() ? s[i] : d) +
                       " at dimension " + std::to_string(off + i) + "; reshape one, or index it with none");
  }
  return r;
}
int wrap_dim(std::int64_t dim, int rank, const char* who) {
  if (dim < -rank || dim >= rank)
    throw IndexError(std::string(who) + ": dimension " + std::to_string(dim) + " is out of range for a tensor of " + std::to_string(rank) +
                     " dimensions" + (rank ? " (expected " + std::to_string(-rank) + " to " + std::to_string(rank - 1) + ")" : ""));
  return static_cast<int>(dim < 0 ? dim + rank : dim);
}
Shape wrap_dims(const DimsOrAll& dims, int rank, const char* who) {
  if (!dims) return Shape::iota(static_cast<std::size_t>(rank));
  Shape r;
  for (std::int64_t d : *dims) {
    int w = wrap_dim(d, rank, who);
    if (r.has(w)) throw ValueError(std::string(who) + ": dimension " + std::to_string(d) + " is given twice in " + dims->str());
    r.push_back(w);
  }
  return r;
}

}  // namespace functra
