#include "functra/kernels/elementwise.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "functra/base/errors.h"
#include "functra/base/pool.h"
#include "functra/kernels/tile.h"

namespace functra::kernels {
namespace {

constexpr int max_operands = 3;
// The problem with dimensions merged wherever every operand's strides allow, in bytes.
struct Nest {
  static constexpr int max_rank = 32;
  int rank = 0;
  std::int64_t extent[max_rank];
  std::int64_t stride[max_rank][max_operands];
};

// `rows` runs of n elements each, strides in bytes, into rows that begin `pitch` elements apart.
struct Rows {
  std::int64_t rows, row_stride, n, stride, pitch;
};
template <class T> void gather_as(const std::byte* from, const Rows& r, T* to) {
  constexpr auto size = static_cast<std::int64_t>(sizeof(T));
  if (r.row_stride == size && r.rows >= 4 && r.stride % size == 0)
    return transpose_tile(reinterpret_cast<const T*>(from), r.stride / size, r.rows, r.n, to, r.pitch);
  for (std::int64_t j = 0; j < r.rows; ++j, from += r.row_stride, to += r.pitch)
    for (std::int64_t i = 0; i < r.n; ++i) std::memcpy(to + i, from + i * r.stride, sizeof(T));
}
struct Bytes16 {
  std::uint64_t a, b;
};
void gather(const std::byte* from, const Rows& r, std::byte* to, std::size_t size) {
  switch (size) {
    case 1: return gather_as(from, r, reinterpret_cast<std::uint8_t*>(to));
    case 2: return gather_as(from, r, reinterpret_cast<std::uint16_t*>(to));
    case 4: return gather_as(from, r, reinterpret_cast<std::uint32_t*>(to));
    case 8: return gather_as(from, r, reinterpret_cast<std::uint64_t*>(to));
    default: return gather_as(from, r, reinterpret_cast<Bytes16*>(to));
  }
}

struct Problem {
  Loop loop;
  std::span<const Operand> in;
  std::byte* out;
  std::int64_t out_size;
  const void* params;
  Nest nest;
};
// Tiles of a nest: rows along dimension t, columns along the innermost dimension or, where that is short, the two innermost. Operands
// with gaps along the columns are gathered, and lie closer together along t, or t is -1.
struct Tiling {
  int t = -1;
  bool plane;
  unsigned repeat = 0, gathered = 0;
  Tiling(const Problem& p, std::int64_t inner) : plane(inner < 64) {
    const int last = p.nest.rank - 1, first = last - plane, n_in = static_cast<int>(p.in.size());
    if (first < 1) return;
    std::int64_t apart[max_operands], least = INT64_MAX;
    for (int k = 0; k < n_in; ++k) {
      const std::int64_t s = p.nest.stride[last][k], w = p.nest.stride[first][k],
                         size = static_cast<std::int64_t>(p.in[static_cast<std::size_t>(k)].elem_size);
      if (s == 0 && w == 0) repeat |= 1u << k;
      else if (s != size || (plane && w != s * inner)) gathered |= 1u << k;
      apart[k] = std::min(s ? std::abs(s) : INT64_MAX, w ? std::abs(w) : INT64_MAX);
    }
    for (int d = 0; d < first; ++d)
      for (int k = 0; k < n_in; ++k) {
        const std::int64_t s = std::abs(p.nest.stride[d][k]);
        if (!(gathered >> k & 1) || p.nest.extent[d] < 4 || s == 0 || s >= apart[k] || s >= least) continue;
        least = s;
        t = d;
      }
  }
};
void tiled(const Problem& p, const Tiling& tiling, std::int64_t grain) {
  constexpr std::int64_t max_rows = 16, max_cols = 128;
  const int t = tiling.t, last = p.nest.rank - 1, first = last - tiling.plane, n_in = static_cast<int>(p.in.size());
  const auto& extent = p.nest.extent;
  const auto& stride = p.nest.stride;
  const std::int64_t unit = tiling.plane ? extent[last] : 1, max_units = std::max<std::int64_t>(1, max_cols / unit);  // columns come in units
  const std::int64_t strips = (extent[t] + max_rows - 1) / max_rows, chunks = (extent[first] + max_units - 1) / max_units;
  std::int64_t tiles = strips * chunks, out_stride[Nest::max_rank];
  out_stride[last] = p.out_size;
  for (int d = last - 1; d >= 0; --d) out_stride[d] = out_stride[d + 1] * extent[d + 1];
  for (int d = 0; d < first; ++d)
    if (d != t) tiles *= extent[d];
  parallel_for(tiles, std::max<std::int64_t>(1, grain / (max_rows * max_units * unit)), [&](std::int64_t begin, std::int64_t end) {
    alignas(64) std::byte buffer[max_operands][max_rows * max_cols * 16];
    for (std::int64_t tile = begin; tile < end; ++tile) {
      std::int64_t rest = tile / chunks;
      const std::int64_t u = tile % chunks * max_units, r = rest % strips * max_rows;
      const std::int64_t units = std::min(max_units, extent[first] - u), rows = std::min(max_rows, extent[t] - r), cols = units * unit;
      rest /= strips;
      std::int64_t offset[max_operands], to = u * out_stride[first] + r * out_stride[t];
      for (int k = 0; k < n_in; ++k) offset[k] = u * stride[first][k] + r * stride[t][k];
      for (int d = first - 1; d >= 0; --d) {
        if (d == t) continue;
        const std::int64_t at = rest % extent[d];
        rest /= extent[d];
        to += at * out_stride[d];
        for (int k = 0; k < n_in; ++k) offset[k] += at * stride[d][k];
      }
      const std::byte* row[max_operands];
      std::int64_t step[max_operands];
      for (int k = 0; k < n_in; ++k) {
        const Operand& o = p.in[static_cast<std::size_t>(k)];
        const auto size = static_cast<std::int64_t>(o.elem_size);
        row[k] = static_cast<const std::byte*>(o.data) + offset[k];
        step[k] = stride[t][k];
        if (!(tiling.gathered >> k & 1)) continue;
        if (!tiling.plane) gather(row[k], {rows, step[k], cols, stride[last][k], cols}, buffer[k], o.elem_size);
        else
          for (std::int64_t i = 0; i < units; ++i)
            gather(row[k] + i * stride[first][k], {rows, step[k], unit, stride[last][k], cols}, buffer[k] + i * unit * size, o.elem_size);
        row[k] = buffer[k];
        step[k] = cols * size;
      }
      for (std::int64_t i = 0; i < rows; ++i, to += out_stride[t]) {
        const void* from[max_operands];
        for (int k = 0; k < n_in; ++k) from[k] = row[k] + i * step[k];
        p.loop(from, p.out + to, cols, tiling.repeat, p.params);
      }
    }
  });
}

}  // namespace

void elementwise(Loop loop, std::span<const Operand> in, void* out, std::size_t out_size, const Shape& shape, const void* params, double cost_ns) {
  const int n_in = static_cast<int>(in.size());
  Shape contiguous;
  for (const Operand& o : in)
    if (!o.strides) contiguous = row_major(shape);
  Nest nest;
  std::int64_t total = 1;
  for (int d = 0; d < shape.rank(); ++d) {
    const std::int64_t extent = shape[static_cast<std::size_t>(d)];
    total *= extent;
    if (extent == 1) continue;
    std::int64_t stride[max_operands] = {};
    for (int k = 0; k < n_in; ++k)
      stride[k] = (in[k].strides ? *in[k].strides : contiguous)[static_cast<std::size_t>(d)] * static_cast<std::int64_t>(in[k].elem_size);
    bool merge = nest.rank > 0;
    for (int k = 0; k < n_in && merge; ++k) merge = nest.stride[nest.rank - 1][k] == stride[k] * extent;
    if (!merge && nest.rank == Nest::max_rank)
      throw ShapeError("elementwise: more than 32 dimensions that do not merge; make the operands contiguous first");
    if (!merge) nest.extent[nest.rank++] = 1;
    nest.extent[nest.rank - 1] *= extent;
    for (int k = 0; k < n_in; ++k) nest.stride[nest.rank - 1][k] = stride[k];
  }
  if (total == 0) return;
  if (nest.rank == 0) {
    nest.rank = 1;
    nest.extent[0] = 1;
    for (int k = 0; k < n_in; ++k) nest.stride[0][k] = 0;
  }
  const int last = nest.rank - 1;
  const std::int64_t inner = nest.extent[last];
  unsigned repeat = 0, strided = 0;
  for (int k = 0; k < n_in; ++k) {
    if (nest.stride[last][k] == 0) repeat |= 1u << k;
    else if (nest.stride[last][k] != static_cast<std::int64_t>(in[k].elem_size)) strided |= 1u << k;
  }
  // About five microseconds of work per piece.
  const auto grain = static_cast<std::int64_t>(std::max(1024.0, 5000 / std::max(cost_ns, 0.01)));
  if (last == 0 && !strided && total <= grain) {
    const void* from[max_operands];
    for (int k = 0; k < n_in; ++k) from[k] = in[static_cast<std::size_t>(k)].data;
    return loop(from, out, total, repeat, params);
  }
  const bool short_rows = inner < 64 && last > 0;
  if (last > 0 && (strided || short_rows)) {
    const Problem p{loop, in, static_cast<std::byte*>(out), static_cast<std::int64_t>(out_size), params, nest};
    if (const Tiling tiling(p, inner); tiling.t >= 0) return tiled(p, tiling, grain);
  }
  unsigned dense = 0;  // operands without gaps over all dimensions
  for (int k = 0; k < n_in; ++k) {
    std::int64_t expected = static_cast<std::int64_t>(in[static_cast<std::size_t>(k)].elem_size);
    bool is = true;
    for (int d = last; d >= 0 && is; --d) {
      is = nest.stride[d][k] == expected;
      expected *= nest.extent[d];
    }
    if (is) dense |= 1u << k;
  }

  // Elements [begin, end) in row-major order: runs of the innermost dimension, cut where operands are gathered; short runs are
  // gathered together.
  auto range = [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t chunk = 512;
    alignas(64) std::byte buffer[max_operands][chunk * 16];
    std::int64_t at[Nest::max_rank];
    const std::byte* row[max_operands];
    std::int64_t rest = begin;
    for (int d = last; d >= 0; --d) {
      at[d] = rest % nest.extent[d];
      rest /= nest.extent[d];
    }
    for (int k = 0; k < n_in; ++k) {
      row[k] = static_cast<const std::byte*>(in[static_cast<std::size_t>(k)].data);
      for (int d = 0; d < last; ++d) row[k] += at[d] * nest.stride[d][k];
    }
    auto next_rows = [&](std::int64_t rows) {  // within dimension last - 1
      at[last] = 0;
      for (int d = last - 1; d >= 0; --d, rows = 1) {
        for (int k = 0; k < n_in; ++k) row[k] += rows * nest.stride[d][k];
        if ((at[d] += rows) < nest.extent[d]) return;
        for (int k = 0; k < n_in; ++k) row[k] -= nest.stride[d][k] * nest.extent[d];
        at[d] = 0;
      }
    };
    auto* to = static_cast<std::byte*>(out) + begin * static_cast<std::int64_t>(out_size);
    const void* from[max_operands];
    for (std::int64_t n; begin < end; begin += n, to += n * static_cast<std::int64_t>(out_size)) {
      if (short_rows) {
        const std::int64_t want = std::min(chunk, end - begin);
        n = 0;
        while (n < want) {
          const bool whole = at[last] == 0 && want - n >= inner;
          const std::int64_t rows = whole ? std::min((want - n) / inner, nest.extent[last - 1] - at[last - 1]) : 1;
          const std::int64_t length = whole ? inner : std::min(inner - at[last], want - n);
          for (int k = 0; k < n_in; ++k) {
            if (dense >> k & 1) continue;
            const std::size_t size = in[static_cast<std::size_t>(k)].elem_size;
            gather(row[k] + at[last] * nest.stride[last][k], {rows, nest.stride[last - 1][k], length, nest.stride[last][k], length},
                   buffer[k] + n * static_cast<std::int64_t>(size), size);
          }
          n += rows * length;
          if ((at[last] += length) == inner) next_rows(rows);
        }
        for (int k = 0; k < n_in; ++k) {
          const Operand& o = in[static_cast<std::size_t>(k)];
          from[k] = dense >> k & 1 ? static_cast<const std::byte*>(o.data) + begin * static_cast<std::int64_t>(o.elem_size) : buffer[k];
        }
        loop(from, to, n, 0, params);
      } else {
        n = std::min(inner - at[last], end - begin);
        if (strided) n = std::min(n, chunk);
        for (int k = 0; k < n_in; ++k) {
          const std::byte* p = row[k] + at[last] * nest.stride[last][k];
          if (strided >> k & 1) gather(p, {1, 0, n, nest.stride[last][k], n}, buffer[k], in[static_cast<std::size_t>(k)].elem_size);
          from[k] = strided >> k & 1 ? buffer[k] : p;
        }
        loop(from, to, n, repeat, params);
        if ((at[last] += n) == inner) next_rows(1);
      }
    }
  };
  if (total <= grain) range(0, total);
  else parallel_for(total, grain, range);
}

}  // namespace functra::kernels
