// Random numbers. namespace random: pure functions of a key, equal to jax.random with jax_threefry_partitionable: element i depends on
// the key and i alone, so every thread, batch and tier gives the same bits; uniform numbers are JAX's bit for bit, normal ones within
// 1e-5. Then the stateful names of torch, which draw from one generator of the process (manual_seed).
//
// dtype: f32 or f64, the default one where absent; DTypeError for others. ShapeError for a key that is not u32 [2]; over several keys
// use vmap, with in_dims 0 for stacked keys.
#pragma once
#include <array>

#include "functra/tensor/tensor.h"

namespace functra {

namespace random {

Tensor key(std::uint64_t seed);                                              // u32 [2]
std::array<Tensor, 2> split(const Tensor& key);                              // two new keys: auto [k1, k2] = split(k)
Tensor split(const Tensor& key, std::int64_t n);                             // n new keys, u32 [n, 2]
Tensor fold_in(const Tensor& key, const Tensor& data);                       // a new key from a key and an integer (0-d; its low 32 bits)
Tensor bits(const Tensor& key, const Shape& shape = {}, DType dtype = u32);  // u8, u16, u32 or u64

// In [minval, maxval); 23 random bits in f32, 52 in f64. The bounds are numbers or broadcast to shape.
Tensor uniform(const Tensor& key, const Shape& shape = {}, OptDType dtype = {}, const Tensor& minval = 0.0, const Tensor& maxval = 1.0);
Tensor normal(const Tensor& key, const Shape& shape = {}, OptDType dtype = {});       // sqrt(2) erf_inv of a uniform number
Tensor exponential(const Tensor& key, const Shape& shape = {}, OptDType dtype = {});  // rate 1
Tensor gumbel(const Tensor& key, const Shape& shape = {}, OptDType dtype = {});
// bool, true with probability p; of p's shape where none is given.
Tensor bernoulli(const Tensor& key, const Tensor& p = 0.5, DimsOrAll shape = {});
// Integers in [minval, maxval); minval where the range is empty. The bounds are numbers or broadcast to shape.
Tensor randint(const Tensor& key, const Shape& shape, const Tensor& minval, const Tensor& maxval, DType dtype = i64);
// Positions along dim drawn with probabilities softmax(logits): i64, of the shape of logits without dim.
Tensor categorical(const Tensor& key, const Tensor& logits, std::int64_t dim = -1);

// An integer n (its value known): the numbers 0 to n - 1 in random order, i64. Otherwise x with its slices along dimension 0 reordered.
Tensor permutation(const Tensor& key, const Tensor& x);

}  // namespace random

// The stateful generator. Under vmap these follow its randomness: an error, one draw for all slices (same), or what one batched draw
// gives (different). TracerError while jit or make_fx traces: a draw would be fixed for ever.
void manual_seed(std::uint64_t seed);
Tensor rand(const Shape& shape, OptDType dtype = {});   // uniform in [0, 1)
Tensor randn(const Shape& shape, OptDType dtype = {});  // normal
Tensor rand_like(const Tensor& x);
Tensor randn_like(const Tensor& x);
Tensor bernoulli(const Tensor& p);  // 0 or 1 in p's dtype, 1 with probability p
// x / (1 - p) where kept, 0 with probability p; x itself when not training. ValueError for p outside [0, 1].
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true);

}  // namespace functra
