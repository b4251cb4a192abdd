// vmap: f run on batched values.
#include "functra/core/basis.h"
#include "functra/prims/shape.h"
#include "functra/transforms/erased.h"

namespace functra::erased {
using namespace functra::core;

namespace {

struct Mapped {
  std::vector<int> dims;
  std::int64_t size = -1;
};  // -1: not mapped

Mapped mapped_dims(Refs args, const std::vector<Tensor>& leaves, const VmapOptions& o) {
  auto axes = tree::broadcast_prefix(o.in_dims, args, "vmap: in_dims");
  Mapped m;
  std::vector<std::string> paths;
  auto path = [&](std::size_t i) {
    if (paths.empty()) paths = tree::argument_paths(args);
    return paths[i];
  };
  std::size_t first = 0;
  if (o.axis_size && *o.axis_size < 0) throw ValueError("vmap: axis_size is " + std::to_string(*o.axis_size) + ", expected at least 0");
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    check_alive(leaves[i], "vmap");
    if (!axes[i] || !leaves[i].defined()) {
      m.dims.push_back(-1);
      continue;
    }
    Shape s = leaves[i].sizes();
    if (s.empty())
      throw ShapeError("vmap: " + path(i) + " has in_dims " + std::to_string(*axes[i]) +
                       " but is a 0-d tensor; use ft::none in in_dims for arguments that all examples share");
    if (*axes[i] < -s.rank() || *axes[i] >= s.rank())
      throw IndexError("vmap: in_dims " + std::to_string(*axes[i]) + " of " + path(i) + " is out of range for its shape " + s.str());
    int d = static_cast<int>(*axes[i] < 0 ? *axes[i] + s.rank() : *axes[i]);
    m.dims.push_back(d);
    std::int64_t n = s[static_cast<std::size_t>(d)];
    if (m.size >= 0 && n != m.size)
      throw ShapeError("vmap: mapped sizes differ: " + path(first) + " has " + std::to_string(m.size) + " along dimension " +
                       std::to_string(m.dims[first]) + ", " + path(i) + " has " + std::to_string(n) + " along dimension " + std::to_string(d));
    if (m.size < 0) {
      m.size = n;
      first = i;
    }
  }
  if (o.axis_size) {
    if (m.size >= 0 && m.size != *o.axis_size)
      throw ShapeError("vmap: axis_size " + std::to_string(*o.axis_size) + ", but " + path(first) + " has " + std::to_string(m.size) +
                       " along dimension " + std::to_string(m.dims[first]));
    m.size = *o.axis_size;
  }
  if (m.size < 0)
    throw ValueError(leaves.empty() ? "vmap: no tensor among the arguments to map over; give axis_size"
                                    : "vmap: no argument is mapped: at least one in_dims must be a number, or give axis_size");
  return m;
}

Tensor take(const Tensor& x, int dim, std::int64_t from, std::int64_t n) {
  Shape s = x.sizes(), start = Shape::filled(s.size(), 0), limit = s;
  start[static_cast<std::size_t>(dim)] = from;
  limit[static_cast<std::size_t>(dim)] = from + n;
  return prims::slice(x, start, limit, Shape::filled(s.size(), 1));
}

// One chunk: results with the mapped dimension where out_dims wants it.
std::vector<Tensor> run(const std::vector<Tensor*>& in, const std::vector<Tensor>& values, const Mapped& m, const VmapOptions& o, Call f) {
  BatchInterp b(m.size, static_cast<Draws>(o.randomness), o.axis_name);
  for (std::size_t i = 0; i < in.size(); ++i) *in[i] = b.wrap(values[i], m.dims[i]);
  Result r;
  std::vector<Tensor> out;
  {
    Scope s(&b);
    r = f();
    out = tree::leaves(r.value);
    for (const Tensor& y : out)
      if (y.tag() != b.tag) check_alive(y, "vmap");
  }
  auto axes = tree::broadcast_prefix(o.out_dims, r.value, "vmap: out_dims");
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!out[i].defined()) continue;
    Batched v = b.unwrap(out[i]);
    if (out[i].weak() && axes[i]) v.value = convert(v.value, out[i].dtype());
    auto path = [&] {
      std::string p = tree::paths(r.value)[i];
      return p.empty() ? std::string("the result") : "result " + p;
    };
    if (!axes[i]) {
      if (v.dim >= 0) throw ValueError("vmap: out_dims is none for " + path() + ", but it differs from example to example; give it a number");
      out[i] = v.value;
      continue;
    }
    int rank = static_cast<int>(v.value.dim()) + (v.dim < 0);
    std::int64_t d = *axes[i];
    if (d < -rank || d >= rank)
      throw IndexError("vmap: out_dims " + std::to_string(d) + " is out of range for " + path() + ", which has " + std::to_string(rank) +
                       " dimensions with the mapped one");
    out[i] = move_dim(v, static_cast<int>(d < 0 ? d + rank : d), m.size);
  }
  return out;
}
}  // namespace

void vmap(Refs args, const VmapOptions& o, Call f) {
  auto in = tree::pointers(args);
  std::vector<Tensor> values = tree::leaves(args);
  Mapped m = mapped_dims(args, values, o);
  if (o.chunk_size && *o.chunk_size < 1) throw ValueError("vmap: chunk_size is " + std::to_string(*o.chunk_size) + ", expected at least 1");
  // The trees of f's result live until the next call, so the last call's tree is the one that is filled.
  TreeRef result;
  auto call = [&]() -> Result {
    Result r = f();
    result = r.value;
    return r;
  };
  if (!o.chunk_size || *o.chunk_size >= m.size) {
    auto out = run(in, values, m, o, call);
    tree::assign(result, out);
    return;
  }
  std::vector<std::vector<Tensor>> parts;  // per result leaf
  for (std::int64_t from = 0; from < m.size; from += *o.chunk_size) {
    Mapped c = m;
    c.size = std::min(*o.chunk_size, m.size - from);
    std::vector<Tensor> chunk = values;
    for (std::size_t i = 0; i < chunk.size(); ++i)
      if (m.dims[i] >= 0) chunk[i] = take(values[i], m.dims[i], from, c.size);
    auto out = run(in, chunk, c, o, call);
    parts.resize(out.size());
    for (std::size_t i = 0; i < out.size(); ++i) parts[i].push_back(std::move(out[i]));
  }
  auto axes = tree::broadcast_prefix(o.out_dims, result, "vmap: out_dims");
  std::vector<Tensor> whole;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!axes[i] || !parts[i][0].defined()) {
      whole.push_back(parts[i][0]);
      continue;
    }
    int rank = static_cast<int>(parts[i][0].dim());
    whole.push_back(prims::concatenate(parts[i], static_cast<int>(*axes[i] < 0 ? *axes[i] + rank : *axes[i])));
    parts[i].clear();
  }
  tree::assign(result, whole);
}

}  // namespace functra::erased
