// map and associative_scan with types erased.
#include <algorithm>

#include "functra/prims/control.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"
#include "functra/transforms/body.h"

namespace functra::erased {

// ---------------------------------------------------------------- map
void map(TreeRef xs_tree, Body body, const MapOptions& o) {
  if (o.batch_size && *o.batch_size < 1) throw ValueError("map: batch_size is " + std::to_string(*o.batch_size) + ", expected at least 1");
  if (!o.batch_size) {  // a scan without carry
    static constexpr tree::Ops nothing{[](void*, tree::Visitor&) {}};
    TreeRef empty;
    empty.ops = &nothing;
    empty.p = &empty;
    return scan(
        empty, xs_tree,
        [&]() -> Step {
          return {empty, body().carry};
        },
        ScanOptions{}, "map");
  }
  Vec xs = defined_leaves(xs_tree, "map", "xs");
  std::int64_t n = steps_of(xs_tree, xs, ScanOptions{}, "map");
  TreeRef result;
  Closed c;
  {
    Trace t("map", false);
    Vec out;
    tree::assign(xs_tree, t.inputs(slice_types(xs)));
    result = body().carry;
    for (const Tensor& y : defined_leaves(result, "map", "the result")) out.push_back(firm(y));
    c = t.closed(out);
  }
  const std::string no_axis;
  std::size_t n_const = c.captured.size(), n_out = c.program->outputs.size();
  std::int64_t size = std::min(*o.batch_size, std::max<std::int64_t>(n, 1)), blocks = n / size, rest = n % size;
  Mask mapped(n_const);
  mapped.resize(n_const + xs.size(), 1);
  auto batched = [&](std::int64_t k) { return batch_program(c.program, BatchContext{k, Draws::error, &no_axis}, mapped, Mask(n_out, 1))->program; };
  std::vector<Vec> parts(n_out);
  if (blocks || !rest) {
    Vec args = c.captured, r(n_out);
    for (const Tensor& x : xs) {
      Tensor part = rows(x, 0, blocks * size);
      args.push_back(prims::reshape(part, part.sizes().without(0).with(0, size).with(0, blocks)));
    }
    prims::bind_scan({batched(size), static_cast<std::int64_t>(n_const), 0, blocks}, {}, args, r);
    for (std::size_t i = 0; i < n_out; ++i) parts[i].push_back(prims::reshape(r[i], r[i].sizes().without(0).without(0).with(0, blocks * size)));
  }
  if (rest) {
    Vec args = c.captured;
    for (const Tensor& x : xs) args.push_back(rows(x, blocks * size, rest));
    Vec r = prims::call(batched(rest), args);
    for (std::size_t i = 0; i < n_out; ++i) parts[i].push_back(r[i]);
  }
  Vec out(n_out);
  for (std::size_t i = 0; i < n_out; ++i) out[i] = parts[i].size() == 1 ? parts[i][0] : prims::concatenate(parts[i], 0);
  tree::assign(result, out);
}

// ---------------------------------------------------------------- associative scan
namespace {
class AssociativeScan {
 public:
  AssociativeScan(Closed c) : combine_(std::move(c)) {}
  // Prefixes along dimension 0.
  Vec prefixes(const Vec& x) const {
    std::int64_t n = x[0].sizes()[0];
    if (n < 2) return x;
    Vec pairs = combine(rows(x, 0, n - 1, 2), rows(x, 1, n, 2));  // (0, 1), (2, 3), ...
    Vec odd = prefixes(pairs);
    std::int64_t half = n / 2;
    Vec rest = n % 2 ? combine(odd, rows(x, 2, n, 2)) : combine(rows(odd, 0, half - 1, 1), rows(x, 2, n, 2)), r;
    for (std::size_t i = 0; i < x.size(); ++i) {
      Tensor first = rows({x[i]}, 0, 1, 1)[0], even = prims::concatenate(Vec{first, rest[i]}, 0);
      r.push_back(interleave(even, odd[i], n));
    }
    return r;
  }

 private:
  static Vec rows(const Vec& x, std::int64_t from, std::int64_t to, std::int64_t stride) {
    Vec r;
    for (const Tensor& t : x) {
      Shape s = t.sizes(), start = Shape::filled(s.size(), 0), limit = s, step = Shape::filled(s.size(), 1);
      limit[0] = std::max(from, to);
      start[0] = std::min(from, limit[0]);
      step[0] = stride;
      r.push_back(prims::slice(t, start, limit, step));
    }
    return r;
  }
  static Tensor interleave(const Tensor& even, const Tensor& odd, std::int64_t n) {
    Shape zero = Shape::filled(even.sizes().size(), 0), one = zero;
    one[0] = 1;
    std::int64_t ne = even.sizes()[0], no = odd.sizes()[0];
    auto spread = [&](const Tensor& t, std::int64_t low, std::int64_t count) {
      Shape lo = zero, hi = zero;
      lo[0] = low;
      hi[0] = n - low - (2 * count - 1);
      return prims::pad(t, prims::like(0, t), lo, hi, one);
    };
    Tensor a = spread(even, 0, ne), b = spread(odd, 1, no);
    return a.raw_dtype() == DType::bool_ ? bind1(prims::bitwise_or_p, Vec{a, b}) : add(a, b);
  }
  Vec combine(const Vec& a, const Vec& b) const {
    const std::string no_axis;
    Mask mapped(combine_.captured.size());
    mapped.resize(mapped.size() + a.size() + b.size(), 1);
    auto f = batch_program(combine_.program, BatchContext{a[0].sizes()[0], Draws::error, &no_axis}, mapped, Mask(a.size(), 1));
    return prims::call(f->program, joined({combine_.captured, a, b}));
  }
  Closed combine_;
};
}  // namespace
void associative_scan(TreeRef a_tree, TreeRef b_tree, Body combine, const AssociativeScanOptions& o) {
  Vec xs = defined_leaves(a_tree, "associative_scan", "xs");
  if (xs.empty()) throw StructureError("associative_scan: xs holds no tensors");
  std::vector<int> dims;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    int rank = static_cast<int>(xs[i].dim());
    if (o.dim < -rank || o.dim >= rank)
      throw IndexError("associative_scan: dim " + std::to_string(o.dim) + " is out of range for xs" + named(a_tree, i) + " of shape " +
                       xs[i].sizes().str());
    dims.push_back(static_cast<int>(o.dim < 0 ? o.dim + rank : o.dim));
    xs[i] = move_dim(xs[i], dims[i], 0);
    if (o.reverse) xs[i] = prims::rev(xs[i], {0});
  }
  steps_of(a_tree, xs, ScanOptions{}, "associative_scan");
  Types element = slice_types(xs);
  Closed c;
  {
    Trace t("associative_scan", false);
    std::string structure = key_of(a_tree);
    tree::assign(a_tree, t.inputs(element));
    tree::assign(b_tree, t.inputs(element));
    TreeRef result = combine().carry;
    if (key_of(result) != structure)
      throw StructureError("associative_scan: the function returns " + tree::structure(result) + " for elements " + tree::structure(a_tree));
    Vec out = defined_leaves(result, "associative_scan", "the result");
    for (std::size_t i = 0; i < out.size(); ++i) {
      Aval is = out[i].aval();
      if (is.weak && is.shape == element[i].shape && adopts(is, element[i].dtype)) out[i] = as_type(out[i], element[i]);
      else if (!(is == element[i]))
        throw ShapeError("associative_scan: the function takes elements" + named(a_tree, i) + " of type " + element[i].str() + " and returns " +
                         is.str());
    }
    c = t.closed(out);
  }
  Vec r = AssociativeScan(std::move(c)).prefixes(xs);
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (o.reverse) r[i] = prims::rev(r[i], {0});
    r[i] = move_dim(r[i], 0, dims[i]);
  }
  tree::assign(a_tree, r);
}

}  // namespace functra::erased
