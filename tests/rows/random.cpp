// Random bits against a plain threefry-2x32 (Salmon et al. 2011, section 3.2: 20 rounds, a word of the key schedule every fourth).
#include "functra/prims/random.h"

#include "functra/prims/math.h"
#include "tests/laws/row.h"

namespace functra::testing {
namespace {

std::pair<std::uint32_t, std::uint32_t> threefry(std::uint32_t k0, std::uint32_t k1, std::uint64_t counter) {
  std::uint32_t k[3] = {k0, k1, 0x1bd11bda ^ k0 ^ k1}, x = static_cast<std::uint32_t>(counter >> 32) + k0,
                y = static_cast<std::uint32_t>(counter) + k1;
  const unsigned rotation[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  for (unsigned round = 0; round < 20; ++round) {
    x += y;
    y = (y << rotation[round % 8]) | (y >> (32 - rotation[round % 8]));
    y ^= x;
    if (round % 4 == 3) {
      unsigned s = round / 4 + 1;
      x += k[s % 3];
      y += k[(s + 1) % 3] + s;
    }
  }
  return {x, y};
}
Sample sample(const std::string& name, const Vec& in, const prims::RandomBitsParams& p) {
  return {name, in,
          [p](const Vec& v) {
            Tensor b = prims::random_bits(v[0], v[1], p);
            return Vec{p.dtype == u64 ? prims::shift_right(b, prims::like(12, b)) : b};
          },
          [p](const std::vector<Array>& v) {
            std::size_t keys = v[0].size() / 2, n = static_cast<std::size_t>(p.shape.numel());
            Shape s = v[0].shape.without(v[0].shape.size() - 1).concat(p.shape);
            if (p.pairs) s.push_back(2);
            Array r{s, {}};
            for (std::size_t k = 0; k < keys; ++k)
              for (std::size_t i = 0; i < n; ++i) {
                auto [a, b] = threefry(static_cast<std::uint32_t>(v[0][2 * k]), static_cast<std::uint32_t>(v[0][2 * k + 1]),
                                       static_cast<std::uint64_t>(v[1][v[1].size() > 1 ? k : 0]) + i);
                if (p.pairs) r.v.insert(r.v.end(), {double(a), double(b)});
                else
                  r.v.push_back(p.dtype == u32   ? double(a ^ b)
                                : p.dtype == u16 ? double((a ^ b) & 0xffff)
                                : p.dtype == u8  ? double((a ^ b) & 0xff)
                                                 : double((std::uint64_t{a} << 32 | b) >> 12));
              }
            return std::vector<Array>{r};
          }};
}

FUNCTRA_ROW(random_bits) {
  Row r;
  Tensor key = from_values({2}, u32, {123456789, 4000000000.0}), keys = from_values({3, 2}, u32, {1, 2, 3, 4000000000.0, 5, 6}),
         zero = from_values({}, u64, {0});
  r.samples = {sample("u32 [3, 7]", {key, zero}, {{3, 7}, u32, false}),
               sample("u64 [17], the 52 bits of a fraction", {key, zero}, {{17}, u64, false}),
               sample("u16 [5, 5]", {key, zero}, {{5, 5}, u16, false}),
               sample("u8 [33]", {key, zero}, {{33}, u8, false}),
               sample("u32 0-d", {key, zero}, {{}, u32, false}),
               sample("empty", {key, zero}, {{0, 4}, u32, false}),
               sample("pairs", {key, zero}, {{9}, u32, true}),
               sample("counters beyond 32 bits", {key, from_values({}, u64, {4294967290.0})}, {{20}, u32, false}),
               sample("stacked keys", {keys, zero}, {{6}, u32, false}),
               sample("stacked keys and counters", {keys, from_values({3}, u64, {0, 10, 20})}, {{6}, u32, true}),
               sample("transposed keys", {transposed_view(keys), zero}, {{6}, u32, false}),
               sample("spread over threads", {key, zero}, {{100000}, u32, false})};
  r.floor = 60;
  return r;
}
// Draws have no operands, differ from call to call and refuse to be traced: tests/random_test.cpp holds them to their laws.
FUNCTRA_ROW(draw_bits) {
  Row r;
  r.vmap = false;
  r.floor = 0;
  return r;
}

}  // namespace
}  // namespace functra::testing
