#include "functra/runtime/parts.h"

#include <cstring>
#include <span>

#include "functra/base/dtype.h"
#include "functra/base/pool.h"
#include "functra/runtime/workspace.h"

namespace functra::runtime {

using core::ReduceOp;

namespace {
// to[i] = op(to[i], from[i])
template <class T> void combine_as(ReduceOp op, T* to, const T* from, std::int64_t n) {
  auto each = [&](auto f) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(f(to[i], from[i]));
  };
  constexpr bool integer = std::is_integral_v<T>;
  using Wide = std::conditional_t<integer, std::uint64_t, T>;
  switch (op) {
    case ReduceOp::sum: return each([](T a, T b) { return static_cast<Wide>(a) + static_cast<Wide>(b); });
    case ReduceOp::prod: return each([](T a, T b) { return static_cast<Wide>(a) * static_cast<Wide>(b); });
    case ReduceOp::max: return each([](T a, T b) { return a > b || a != a ? a : b; });
    case ReduceOp::min: return each([](T a, T b) { return a < b || a != a ? a : b; });
    case ReduceOp::and_:
      if constexpr (integer) each([](T a, T b) { return a & b; });
      return;
    case ReduceOp::or_:
      if constexpr (integer) each([](T a, T b) { return a | b; });
  }
}
}  // namespace
void combine(ReduceOp op, DType d, void* to, const void* from, std::int64_t n) {
  auto as = [&]<class T>(T) { combine_as<T>(op, static_cast<T*>(to), static_cast<const T*>(from), n); };
  switch (d) {
    case DType::bool_: {  // bits: max is or, min is and
      ReduceOp bits = op == ReduceOp::sum || op == ReduceOp::max || op == ReduceOp::or_ ? ReduceOp::or_ : ReduceOp::and_;
      return combine_as<std::uint8_t>(bits, static_cast<std::uint8_t*>(to), static_cast<const std::uint8_t*>(from), n);
    }
    case DType::u8: return as(std::uint8_t());
    case DType::u16: return as(std::uint16_t());
    case DType::u32: return as(std::uint32_t());
    case DType::u64: return as(std::uint64_t());
    case DType::i8: return as(std::int8_t());
    case DType::i16: return as(std::int16_t());
    case DType::i32: return as(std::int32_t());
    case DType::i64: return as(std::int64_t());
    case DType::f32: return as(float());
    case DType::f64: return as(double());
    default: return;
  }
}
void fill(DType d, std::uint64_t bits, void* to, std::size_t bytes) {
  const std::size_t size = size_of(d);
  if (bits == 0) {
    std::memset(to, 0, bytes);
    return;
  }
  for (std::size_t i = 0; i < bytes; i += size) std::memcpy(static_cast<std::byte*>(to) + i, &bits, size);
}
[[gnu::noinline]] void call_at_page_end(compiler::Kernel kernel, void* const* buffers, std::int64_t begin, std::int64_t end) {
  constexpr std::uintptr_t page = 4096;
  const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  auto* gap = static_cast<volatile char*>(__builtin_alloca(frame % page + 1));
  *gap = 0;
  kernel(buffers, begin, end);
  *gap = 0;  // the frame is there until then: this is no tail call
}

Sum sum_of(const Plan& plan, const Step& s, std::size_t k, std::size_t& row) {
  const Slot& r = plan.slots[static_cast<std::size_t>(s.out[k])];
  const auto op = std::find_if(s.starts.begin(), s.starts.end(), [&](auto& x) { return x.first == k; })->second;
  const Sum x{op, r.type.dtype, s.in.size() + k, r.bytes, row};
  row += aligned(r.bytes);
  return x;
}
namespace {
// [begin, end) in blocks, whose sums are added up some hundred at a time. rows: room for the sums, twice.
void run_blocks(const Part& part, std::span<void* const> buffers, std::span<const Sum> sums, std::byte* rows, std::size_t row, std::int64_t begin,
                std::int64_t end) {
  constexpr std::int64_t together = 128;  // blocks
  auto at = [&](unsigned level, const Sum& x) -> void* { return level == 2 ? buffers[x.buffer] : rows + level * row + x.offset; };
  auto clear = [&](unsigned level) {
    for (const Sum& x : sums) fill(x.dtype, compiler::identity_of(x.op, x.dtype), at(level, x), x.bytes);
  };
  auto add = [&](unsigned from) {
    for (const Sum& x : sums) combine(x.op, x.dtype, at(from + 1, x), at(from, x), static_cast<std::int64_t>(x.bytes / size_of(x.dtype)));
  };
  Buf<void*, 24> mine(buffers.size());
  std::copy(buffers.begin(), buffers.end(), mine.begin());
  for (const Sum& x : sums) mine[x.buffer] = at(0, x);
  clear(1);
  for (std::int64_t k = 1; begin < end; ++k) {
    const std::int64_t to = std::min(begin + part.block, end);
    clear(0);
    run_part(part, mine.begin(), begin, to);
    add(0);
    if (k % together == 0 || to == end) {
      add(1);
      clear(1);
    }
    begin = to;
  }
}
}  // namespace
void run_nests(const Plan& plan, const Step& s, void** buffers) {
  const std::size_t n_in = s.in.size(), n = n_in + s.out.size();
  for (auto [k, op] : s.starts) {
    const Slot& r = plan.slots[static_cast<std::size_t>(s.out[k])];
    fill(r.type.dtype, compiler::identity_of(op, r.type.dtype), buffers[n_in + k], r.bytes);
  }
  for (const Part& part : s.parts) {
    const std::int64_t extent = part.end - part.begin;
    const std::int64_t threads = num_threads(), most = threads > 1 && part.uneven ? 4 * threads : threads;
    std::int64_t pieces = part.grain ? std::min<std::int64_t>(most, (extent + part.grain - 1) / part.grain) : 1;
    const bool blocks = part.block && extent > 2 * part.block;
    if (pieces <= 1 && !blocks) {
      run_part(part, buffers, part.begin, part.end);
      continue;
    }
    const Pieces cut(part.begin, part.end, part.grain, pieces);
    // What parts add up to: the first part's is in place, the others' are in rows of a workspace.
    Buf<Sum, 24> sums(part.combined.size());
    std::size_t row = 0;
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] = sum_of(plan, s, part.combined[j], row);
    const auto count = static_cast<std::size_t>(cut.count);
    Workspace partial(row * (count - 1 + (blocks ? 2 * count : 0)));
    auto place = [&](std::int64_t i, const Sum& x) { return partial.data() + static_cast<std::size_t>(i - 1) * row + x.offset; };
    parallel_for(cut.count, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        Buf<void*, 24> mine(n);
        std::copy(buffers, buffers + n, mine.begin());
        if (i > 0)
          for (const Sum& x : sums) {
            mine[x.buffer] = place(i, x);
            fill(x.dtype, compiler::identity_of(x.op, x.dtype), mine[x.buffer], x.bytes);
          }
        if (blocks) {
          std::byte* rows = partial.data() + row * (count - 1 + 2 * static_cast<std::size_t>(i));
          run_blocks(part, {mine.begin(), n}, {sums.begin(), sums.size()}, rows, row, cut.begin(i), cut.end(i));
        } else {
          run_part(part, mine.begin(), cut.begin(i), cut.end(i));
        }
      }
    });
    for (std::int64_t i = 1; i < cut.count; ++i)
      for (const Sum& x : sums) combine(x.op, x.dtype, buffers[x.buffer], place(i, x), static_cast<std::int64_t>(x.bytes / size_of(x.dtype)));
  }
}

}  // namespace functra::runtime
