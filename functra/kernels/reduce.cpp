#include "functra/kernels/reduce.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/kernels/reduce_table.h"
#include "functra/kernels/strided.h"

namespace functra::kernels {
namespace {

using Offset = std::int64_t;
constexpr Offset kGroup = 32768;  // elements that one task reduces; fixed, so that the order of sums is

struct Block {  // memory for partial results
  explicit Block(Offset bytes) : n(static_cast<std::size_t>(bytes)), p(static_cast<std::byte*>(allocate(n))) {}
  Block(const Block&) = delete;
  ~Block() { deallocate(p, n); }
  std::size_t n;
  std::byte* p;
};

struct Plan {
  ReduceKernels k;
  Offset size;  // of an element
  const std::byte* x;
  std::byte* out;
  Collapsed kept, red;  // operands (out, x) and (x)
};

// out[m] = op over rows [begin, end) x all or [first, last) of the inner reduced dimension, of m adjacent columns.
void column_block(const Plan& p, const std::byte* x, Offset begin, Offset end, Offset first, Offset last, Offset m, std::byte* out) {
  alignas(64) std::byte tmp[kReduceStrip * 16];
  bool fresh = true;
  Offset stride = p.red.inner_stride(0), n = last - first;
  auto columns = [&](const std::byte* from, Offset rows, std::byte* to) {
    Offset fold = m <= 32 && stride == m ? 128 / m : 1;  // narrow adjacent rows: several as one
    if (fold == 1 || rows < 2 * fold) return p.k.columns(from, rows, stride, m, to);
    alignas(64) std::byte wide[kReduceStrip * 16], rest[32 * 16];
    Offset whole = rows / fold, tail = rows - whole * fold;
    p.k.columns(from, whole, fold * m, fold * m, wide);
    p.k.columns(wide, fold, m, m, to);
    if (tail) {
      p.k.columns(from + whole * fold * m * p.size, tail, stride, m, rest);
      p.k.combine(to, rest, m);
    }
  };
  for_rows(p.red, begin, end, [&](const Offset* o) {
    columns(x + (o[0] + first * stride) * p.size, n, fresh ? out : tmp);
    if (!fresh) p.k.combine(out, tmp, m);
    fresh = false;
  });
}

// The same for one output, elements being `stride` apart. Results of rows are gathered and reduced in batches, which keeps sums short.
void row_block(const Plan& p, const std::byte* x, Offset begin, Offset end, Offset first, Offset last, std::byte* out) {
  constexpr Offset kBatch = 256;
  alignas(64) std::byte part[kBatch * 16];
  Offset stride = p.red.inner_stride(0), filled = 0;
  if (end - begin == 1)
    return for_rows(p.red, begin, end, [&](const Offset* o) { p.k.rows(x + (o[0] + first * stride) * p.size, last - first, stride, 1, 0, out, 1); });
  for_rows(p.red, begin, end, [&](const Offset* o) {
    p.k.rows(x + (o[0] + first * stride) * p.size, last - first, stride, 1, 0, part + filled++ * p.size, 1);
    if (filled == kBatch) {
      p.k.rows(part, filled, 1, 1, 0, part, 1);
      filled = 1;
    }
  });
  p.k.rows(part, filled, 1, 1, 0, out, 1);
}

// How the reduced elements of one output are cut: along the inner dimension, or in runs of whole rows.
struct Cut {
  Offset count, per;
  bool inner;
};
Cut cut_of(const Collapsed& red, Offset width) {
  Offset rows = red.rows(), n = red.inner();
  if (n * width >= kGroup || rows == 1) {
    Offset per = std::max<Offset>(64, kGroup / width);
    return {(n + per - 1) / per * rows, per, true};
  }
  Offset per = std::max<Offset>(1, kGroup / (n * width));
  return {(rows + per - 1) / per, per, false};
}
template <class F> void piece(const Collapsed& red, const Cut& c, Offset i, F&& f) {
  if (!c.inner) return f(i * c.per, std::min(red.rows(), (i + 1) * c.per), Offset(0), red.inner());
  Offset each = (red.inner() + c.per - 1) / c.per, row = i / each, first = i % each * c.per;
  f(row, row + 1, first, std::min(red.inner(), first + c.per));
}

void reduce_columns(const Plan& p, std::size_t at) {
  Collapsed outer = p.kept;  // without the columns' dimension
  Offset m = outer.extent[at], to_stride = outer.stride[0][at];
  outer.extent = outer.extent.without(at);
  outer.stride[0] = outer.stride[0].without(at);
  outer.stride[1] = outer.stride[1].without(at);
  outer.extent.push_back(1);
  outer.stride[0].push_back(0);
  outer.stride[1].push_back(0);
  Offset strips = (m + kReduceStrip - 1) / kReduceStrip, planes = outer.rows(), n = p.red.extent.numel(), width = std::min(m, kReduceStrip);
  auto put = [&](const std::byte* from, std::byte* to, Offset count) { copy(to, {to_stride}, from, {1}, {count}, static_cast<std::size_t>(p.size)); };
  auto place = [&](Offset u, auto&& f) {
    Offset first = u % strips * kReduceStrip, count = std::min(m - first, kReduceStrip);
    for_rows(outer, u / strips, u / strips + 1,
             [&](const Offset* o) { f(p.out + (o[0] + first * to_stride) * p.size, p.x + (o[1] + first) * p.size, count); });
  };
  Cut c = cut_of(p.red, width);
  if (planes * strips >= 16 || c.count < 2) {
    parallel_for(planes * strips, std::max<Offset>(1, kGroup / (n * width)), [&](Offset b, Offset e) {
      alignas(64) std::byte tmp[kReduceStrip * 16];
      for (Offset u = b; u < e; ++u)
        place(u, [&](std::byte* to, const std::byte* x, Offset count) {
          bool direct = to_stride == 1;
          column_block(p, x, 0, p.red.rows(), 0, p.red.inner(), count, direct ? to : tmp);
          if (!direct) put(tmp, to, count);
        });
    });
    return;
  }
  Block parts(planes * strips * c.count * width * p.size);
  parallel_for(planes * strips * c.count, 1, [&](Offset b, Offset e) {
    for (Offset t = b; t < e; ++t)
      place(t / c.count, [&](std::byte*, const std::byte* x, Offset count) {
        piece(p.red, c, t % c.count,
              [&](Offset r0, Offset r1, Offset f, Offset l) { column_block(p, x, r0, r1, f, l, count, parts.p + t * width * p.size); });
      });
  });
  alignas(64) std::byte tmp[kReduceStrip * 16];
  for (Offset u = 0; u < planes * strips; ++u)
    place(u, [&](std::byte* to, const std::byte*, Offset count) {
      p.k.columns(parts.p + u * c.count * width * p.size, c.count, width, count, tmp);
      put(tmp, to, count);
    });
}

void reduce_rows(const Plan& p) {
  Offset n = p.red.extent.numel(), outputs = p.kept.extent.numel();
  Cut c = cut_of(p.red, 1);
  if (p.red.rows() == 1 && c.count < 2) {  // whole rows of outputs per call
    Offset inner = p.kept.inner(), per = std::max<Offset>(1, kGroup / n), pieces = (inner + per - 1) / per;
    Offset os = p.kept.inner_stride(0), xs = p.kept.inner_stride(1), stride = p.red.inner_stride(0);
    parallel_for(p.kept.rows() * pieces, std::max<Offset>(1, kGroup / (n * std::min(per, inner))), [&](Offset b, Offset e) {
      for (Offset t = b; t < e; ++t) {
        Offset first = t % pieces * per, count = std::min(inner - first, per);
        for_rows(p.kept, t / pieces, t / pieces + 1, [&](const Offset* o) {
          p.k.rows(p.x + (o[1] + first * xs) * p.size, n, stride, count, xs, p.out + (o[0] + first * os) * p.size, os);
        });
      }
    });
    return;
  }
  Collapsed each = p.kept;
  each.extent.push_back(1);
  each.stride[0].push_back(0);
  each.stride[1].push_back(0);
  if (outputs >= 16 || c.count < 2) {
    parallel_for(outputs, std::max<Offset>(1, kGroup / n), [&](Offset b, Offset e) {
      for_rows(each, b, e, [&](const Offset* o) { row_block(p, p.x + o[1] * p.size, 0, p.red.rows(), 0, p.red.inner(), p.out + o[0] * p.size); });
    });
    return;
  }
  Block parts(outputs * c.count * p.size);
  parallel_for(outputs * c.count, 1, [&](Offset b, Offset e) {
    for (Offset t = b; t < e; ++t)
      for_rows(each, t / c.count, t / c.count + 1, [&](const Offset* o) {
        piece(p.red, c, t % c.count,
              [&](Offset r0, Offset r1, Offset f, Offset l) { row_block(p, p.x + o[1] * p.size, r0, r1, f, l, parts.p + t * p.size); });
      });
  });
  Offset u = 0;
  for_rows(each, 0, outputs, [&](const Offset* o) { p.k.rows(parts.p + u++ * c.count * p.size, c.count, 1, 1, 0, p.out + o[0] * p.size, 1); });
}

}  // namespace

void reduce(Reduce op, DType d, const void* x, const Shape& shape, const Shape& strides, const Shape& dims, void* out) {
  Shape kept = dims.others(shape.size()), kept_shape = shape.pick(kept), kept_strides = strides.pick(kept), out_strides = row_major(kept_shape);
  Shape red_shape = shape.pick(dims), red_strides = strides.pick(dims);
  auto size = static_cast<Offset>(size_of(d));
  ReduceKernels k = reduce_kernels(op, d);
  if (kept_shape.has(0)) return;
  if (red_shape.has(0)) {
    std::byte identity[16];
    reduce_identity(op, d, identity);
    return fill(out, kept_shape.numel(), size_of(d), identity);
  }
  auto* from = static_cast<const std::byte*>(x);
  for (std::size_t i = 0; i < red_shape.size(); ++i)  // the order within a reduction is free
    if (red_strides[i] < 0) {
      from += (red_shape[i] - 1) * red_strides[i] * size;
      red_strides[i] = -red_strides[i];
    }
  Plan p{k, size, from, static_cast<std::byte*>(out), Collapsed(kept_shape, {&out_strides, &kept_strides}), Collapsed(red_shape, {&red_strides})};
  if (p.red.extent.empty()) return copy(out, out_strides, x, kept_strides, kept_shape, size_of(d));
  if (p.red.inner_stride(0) != 1)
    for (std::size_t i = 0; i < p.kept.extent.size(); ++i)
      if (p.kept.stride[1][i] == 1 && p.kept.extent[i] >= 2) return reduce_columns(p, i);
  reduce_rows(p);
}

}  // namespace functra::kernels
