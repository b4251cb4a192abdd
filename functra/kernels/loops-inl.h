// Loops over contiguous runs of plain elements, per instruction set; no include guard.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace functra {
namespace HWY_NAMESPACE {
namespace detail {

// out[i] = f(in[k][i]...) for i < n, where operand k repeats one element if bit k of `repeat` is set. Whole blocks have a fixed
// length, which compilers vectorise; `rest` does what is left over, one element at a time. The output may be an operand's memory.
template <class Out, class... In, class F, class Rest, std::size_t... k> HWY_INLINE void plain_loop(const F& f, const Rest& rest,
                                                                                                    const void* const* in, void* out, std::int64_t n,
                                                                                                    unsigned repeat, std::index_sequence<k...>) {
  constexpr int block = 64;
  auto p = std::tuple(static_cast<const In*>(in[k])...);
  Out* o = static_cast<Out*>(out);
  if (n >= block) {
    alignas(64) std::byte same[sizeof...(k)][block * std::max({sizeof(In)...})];
    ((repeat >> k & 1 ? [&] {
      using T = In;
      T* to = reinterpret_cast<T*>(same[k]);
      for (int i = 0; i < block; ++i) to[i] = *std::get<k>(p);
    }() : void()), ...);
    const std::int64_t step[] = {(repeat >> k & 1 ? 0 : block)...};
    auto q = std::tuple(repeat >> k & 1 ? reinterpret_cast<const In*>(same[k]) : std::get<k>(p)...);
    for (; n >= block; n -= block, o += block) {
#if defined(__clang__)
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
      for (int i = 0; i < block; ++i) o[i] = f(std::get<k>(q)[i]...);
      ((std::get<k>(q) += step[k]), ...);
    }
    ((repeat >> k & 1 ? void() : void(std::get<k>(p) = std::get<k>(q))), ...);
  }
  const std::int64_t step[] = {(repeat >> k & 1 ? 0 : 1)...};
  for (std::int64_t i = 0; i < n; ++i) o[i] = rest(std::get<k>(p)[i * step[k]]...);
}
template <class Out, class... In, class F, class Rest>
HWY_INLINE void plain_loop(const F& f, const Rest& rest, const void* const* in, void* out, std::int64_t n, unsigned repeat) {
  plain_loop<Out, In...>(f, rest, in, out, n, repeat, std::index_sequence_for<In...>());
}

}  // namespace detail
}  // namespace HWY_NAMESPACE
}  // namespace functra
HWY_AFTER_NAMESPACE();
