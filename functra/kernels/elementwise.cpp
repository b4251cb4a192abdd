#include "functra/kernels/elementwise.h"

#include <algorithm>
#include <cstring>

#include "functra/base/errors.h"
#include "functra/base/pool.h"

namespace functra::kernels {
namespace {

constexpr int max_operands = 3;
constexpr std::size_t max_block_bytes = 64 * 16;

void fill(std::byte* to, const void* element, std::size_t size, int n) {
  for (int i = 0; i < n; ++i) std::memcpy(to + static_cast<std::size_t>(i) * size, element, size);
}

}  // namespace

void run_loop(const BlockLoop& loop, const void* const* in, void* out, std::int64_t n, unsigned repeat, const void* params) {
  if (n <= 0) return;
  alignas(64) std::byte same[max_operands][max_block_bytes];
  const std::byte* p[max_operands];
  std::size_t step[max_operands];
  const std::int64_t blocks = n / loop.block, rest = n - blocks * loop.block;
  for (int k = 0; k < loop.n_in; ++k) {
    p[k] = static_cast<const std::byte*>(in[k]);
    step[k] = std::size_t{loop.block} * loop.in_size[k];
    if (!(repeat >> k & 1)) continue;
    fill(same[k], in[k], loop.in_size[k], loop.block);
    p[k] = same[k];
    step[k] = 0;
  }
  if (blocks) loop.run(p, step, static_cast<std::byte*>(out), blocks, params);
  if (!rest) return;
  // The last block is padded with its first element, which is as good as any: no odd lanes but the user's.
  alignas(64) std::byte result[max_block_bytes];
  for (int k = 0; k < loop.n_in; ++k) {
    if (repeat >> k & 1) continue;
    const std::byte* from = p[k] + static_cast<std::size_t>(blocks) * step[k];
    const std::size_t size = loop.in_size[k], bytes = static_cast<std::size_t>(rest) * size;
    std::memcpy(same[k], from, bytes);
    fill(same[k] + bytes, from, size, static_cast<int>(loop.block - rest));
    p[k] = same[k];
  }
  loop.run(p, step, result, 1, params);
  std::memcpy(static_cast<std::byte*>(out) + static_cast<std::size_t>(blocks) * loop.block * loop.out_size, result,
              static_cast<std::size_t>(rest) * loop.out_size);
}

namespace {

// The problem with dimensions merged wherever every operand's strides allow, in bytes.
struct Nest {
  static constexpr int max_rank = 32;
  int rank = 0;
  std::int64_t extent[max_rank];
  std::int64_t stride[max_rank][max_operands];
};

template <std::size_t size> void gather_as(const std::byte* from, std::int64_t stride, std::byte* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + static_cast<std::size_t>(i) * size, from + i * stride, size);
}
void gather(const std::byte* from, std::int64_t stride, std::byte* to, std::int64_t n, std::size_t size) {
  switch (size) {
    case 1: return gather_as<1>(from, stride, to, n);
    case 2: return gather_as<2>(from, stride, to, n);
    case 4: return gather_as<4>(from, stride, to, n);
    case 8: return gather_as<8>(from, stride, to, n);
    default: return gather_as<16>(from, stride, to, n);
  }
}

}  // namespace

void elementwise(Loop loop, std::span<const Operand> in, void* out, std::size_t out_size, const Shape& shape, const void* params, double cost_ns) {
  const int n_in = static_cast<int>(in.size());
  Shape contiguous;
  for (const Operand& o : in) if (!o.strides) contiguous = row_major(shape);
  Nest nest;
  std::int64_t total = 1;
  for (int d = 0; d < shape.rank(); ++d) {
    const std::int64_t extent = shape[static_cast<std::size_t>(d)];
    total *= extent;
    if (extent == 1) continue;
    std::int64_t stride[max_operands] = {};
    for (int k = 0; k < n_in; ++k) stride[k] = (in[k].strides ? *in[k].strides : contiguous)[static_cast<std::size_t>(d)] * static_cast<std::int64_t>(in[k].elem_size);
    bool merge = nest.rank > 0;
    for (int k = 0; k < n_in && merge; ++k) merge = nest.stride[nest.rank - 1][k] == stride[k] * extent;
    if (!merge && nest.rank == Nest::max_rank) throw ShapeError("elementwise: more than 32 dimensions that do not merge; make the operands contiguous first");
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
  const bool many_rows = inner < 64 && last > 0;

  // Elements [begin, end) in row-major order: runs of the innermost dimension, cut where operands are gathered; short runs of
  // several rows are gathered together.
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
    auto locate = [&] {
      for (int k = 0; k < n_in; ++k) {
        row[k] = static_cast<const std::byte*>(in[k].data);
        for (int d = 0; d < last; ++d) row[k] += at[d] * nest.stride[d][k];
      }
    };
    auto next_row = [&] {
      at[last] = 0;
      for (int d = last - 1; d >= 0; --d) {
        for (int k = 0; k < n_in; ++k) row[k] += nest.stride[d][k];
        if (++at[d] < nest.extent[d]) return;
        for (int k = 0; k < n_in; ++k) row[k] -= nest.stride[d][k] * nest.extent[d];
        at[d] = 0;
      }
    };
    locate();
    auto* to = static_cast<std::byte*>(out) + begin * static_cast<std::int64_t>(out_size);
    const void* from[max_operands];
    while (begin < end) {
      std::int64_t n;
      unsigned same = repeat;
      if (many_rows) {
        n = 0;
        same = 0;
        const std::int64_t want = std::min(chunk, end - begin);
        while (n < want) {
          const std::int64_t m = std::min(inner - at[last], want - n);
          for (int k = 0; k < n_in; ++k)
            gather(row[k] + at[last] * nest.stride[last][k], nest.stride[last][k], buffer[k] + n * static_cast<std::int64_t>(in[k].elem_size), m, in[k].elem_size);
          n += m;
          if ((at[last] += m) == inner) next_row();
        }
        for (int k = 0; k < n_in; ++k) from[k] = buffer[k];
        loop(from, to, n, same, params);
      } else {
        n = std::min(inner - at[last], end - begin);
        if (strided) n = std::min(n, chunk);
        for (int k = 0; k < n_in; ++k) {
          const std::byte* p = row[k] + at[last] * nest.stride[last][k];
          if (strided >> k & 1) gather(p, nest.stride[last][k], buffer[k], n, in[k].elem_size);
          from[k] = strided >> k & 1 ? buffer[k] : p;
        }
        loop(from, to, n, same, params);
        if ((at[last] += n) == inner) next_row();
      }
      begin += n;
      to += n * static_cast<std::int64_t>(out_size);
    }
  };
  // About five microseconds of work per piece.
  const auto grain = static_cast<std::int64_t>(std::max(1024.0, 5000 / std::max(cost_ns, 0.01)));
  if (total <= grain) range(0, total);
  else parallel_for(total, grain, range);
}

}  // namespace functra::kernels
