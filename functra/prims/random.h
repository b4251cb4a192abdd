// Random bits: a pure function of a key and a counter (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).
#pragma once
#include <utility>

#include "functra/prims/build.h"

namespace functra::prims {

// A key is two u32. Threefry-2x32 with 20 rounds.
std::pair<std::uint32_t, std::uint32_t> threefry2x32(std::uint32_t k0, std::uint32_t k1, std::uint32_t x0, std::uint32_t x1);

// dtype u8, u16, u32 or u64; pairs: both words of each counter, u32 [..., 2] (new keys).
struct RandomBitsParams {
  Shape shape;
  DType dtype;
  bool pairs;
};
extern const Primitive random_bits_p, draw_bits_p;

// keys u32 [B..., 2], start u64 [B...] or 0-d -> [B..., shape...]: element i depends on the key and start + i alone, as in JAX with
// jax_threefry_partitionable.
Tensor random_bits(const Tensor& keys, const Tensor& start, const RandomBitsParams& p);
// The next bits of the process-wide generator; the nearest vmap decides by its randomness, and tracing refuses.
Tensor draw_bits(const RandomBitsParams& p);
void seed_generator(std::uint64_t seed);

}  // namespace functra::prims
