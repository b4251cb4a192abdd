// Random bits by key and counter, and the stateful generator made of them.
#include "functra/prims/random.h"

#include <algorithm>
#include <limits>
#include <mutex>

#include "functra/base/num.h"
#include "functra/base/pool.h"
#include "functra/prims/families.h"

namespace functra::prims {
namespace {

// u32 words, computed side by side: the compiler vectorises loops over a block of them.
struct Words {
  static constexpr int size = 16;
  std::uint32_t at[size];
  Words() = default;
  explicit Words(std::uint32_t x) { std::fill(at, at + size, x); }
  template <class F> static Words each(F f) {
    Words r;
    for (int i = 0; i < size; ++i) r.at[i] = f(i);
    return r;
  }
  friend Words operator+(const Words& a, const Words& b) {
    return each([&](int i) { return a.at[i] + b.at[i]; });
  }
  friend Words operator^(const Words& a, const Words& b) {
    return each([&](int i) { return a.at[i] ^ b.at[i]; });
  }
};
template <int r> Words rotated(const Words& x) {
  return Words::each([&](int i) { return x.at[i] << r | x.at[i] >> (32 - r); });
}
using Word = num::SymOf<std::uint32_t>;
template <int r> Word rotated(Word x) { return num::shl<r>(x) | num::shr<32 - r>(x); }

// Threefry-2x32 with 20 rounds, of words or of symbols of them.
template <class X> void threefry(const X& k0, const X& k1, X& a, X& b) {
  const X key[3] = {k0, k1, k0 ^ k1 ^ X(0x1bd11bdau)};
  auto mix = [&]<int r>() {
    a = a + b;
    b = rotated<r>(b) ^ a;
  };
  a = a + key[0];
  b = b + key[1];
  for (unsigned round = 0; round < 5; ++round) {
    if (round % 2 == 0) mix.template operator()<13>(), mix.template operator()<15>(), mix.template operator()<26>(), mix.template operator()<6>();
    else mix.template operator()<17>(), mix.template operator()<29>(), mix.template operator()<16>(), mix.template operator()<24>();
    a = a + key[(round + 1) % 3];
    b = b + (key[(round + 2) % 3] + X(round + 1));
  }
}

// The n results of counters start, start + 1, ...
void fill(std::uint32_t k0, std::uint32_t k1, std::uint64_t start, std::int64_t n, const RandomBitsParams& p, std::byte* out) {
  const Words key0(k0), key1(k1);
  for (std::int64_t at = 0; at < n; at += Words::size) {
    auto counter = [&](int i) { return start + static_cast<std::uint64_t>(at + i); };
    Words a = Words::each([&](int i) { return static_cast<std::uint32_t>(counter(i) >> 32); });
    Words b = Words::each([&](int i) { return static_cast<std::uint32_t>(counter(i)); });
    threefry(key0, key1, a, b);
    int m = static_cast<int>(std::min<std::int64_t>(Words::size, n - at));
    auto store = [&](auto* to, auto value) {
      for (int i = 0; i < m; ++i) to[at + i] = value(a.at[i], b.at[i]);
    };
    if (p.pairs) {
      auto* to = reinterpret_cast<std::uint32_t*>(out) + 2 * at;
      for (int i = 0; i < m; ++i) {
        to[2 * i] = a.at[i];
        to[2 * i + 1] = b.at[i];
      }
    } else if (p.dtype == u32) store(reinterpret_cast<std::uint32_t*>(out), [](auto x, auto y) { return x ^ y; });
    else if (p.dtype == u64) store(reinterpret_cast<std::uint64_t*>(out), [](auto x, auto y) { return std::uint64_t{x} << 32 | y; });
    else if (p.dtype == u16) store(reinterpret_cast<std::uint16_t*>(out), [](auto x, auto y) { return static_cast<std::uint16_t>(x ^ y); });
    else store(reinterpret_cast<std::uint8_t*>(out), [](auto x, auto y) { return static_cast<std::uint8_t>(x ^ y); });
  }
}
void fill_parallel(std::uint32_t k0, std::uint32_t k1, std::uint64_t start, std::int64_t n, const RandomBitsParams& p, std::byte* out) {
  std::int64_t size = p.pairs ? 8 : static_cast<std::int64_t>(size_of(p.dtype));
  parallel_for(n, 1 << 15,
               [&](std::int64_t from, std::int64_t to) { fill(k0, k1, start + static_cast<std::uint64_t>(from), to - from, p, out + from * size); });
}

Shape result_shape(const RandomBitsParams& p) { return p.pairs ? p.shape.concat({2}) : p.shape; }
Tensor make(DType d, const Shape& s) { return s.empty() ? Tensor::strong(0, d) : Tensor::uninitialized(d, s); }
void check(const RandomBitsParams& p, const char* who) {
  if (!is_unsigned(p.dtype) || (p.pairs && p.dtype != u32))
    throw DTypeError(std::string(who) + ": bits are u8, u16, u32 or u64 (pairs: u32), not " + std::string(name_of(p.dtype)));
  for (std::int64_t e : p.shape)
    if (e < 0) throw ShapeError(std::string(who) + ": negative extent in shape " + p.shape.str());
}

// An element of random bits: of its key, and the counter that its place is.
Sym placed_bits(core::Places& here, const Params& params, std::span<const Aval> in) {
  auto& p = params.get<RandomBitsParams>();
  const int batch = in[0].shape.rank() - 1, rank = p.shape.rank();
  std::vector<core::Places::At> place(static_cast<std::size_t>(batch) + 1);
  for (int d = 0; d < batch; ++d) place[static_cast<std::size_t>(d)].along = d;
  const Word k0(here.element(0, place));
  place.back().offset = 1;
  const Word k1(here.element(0, place));
  place.pop_back();
  if (in[1].shape.empty()) place.clear();
  using Long = num::SymOf<std::uint64_t>;
  const Long start(here.element(1, place));
  Word a(0), b(0);
  if (p.shape.numel() <= std::numeric_limits<std::uint32_t>::max()) {  // the sum of 64 bits, in words
    std::uint32_t stride = 1;
    for (int d = rank; d-- > 0; stride *= static_cast<std::uint32_t>(p.shape[static_cast<std::size_t>(d)]))
      b = b + num::convert_to<std::uint32_t>(num::SymOf<std::int64_t>(here.position(batch + d))) * Word(stride);
    const Word low = num::convert_to<std::uint32_t>(start), high = num::convert_to<std::uint32_t>(num::shr<32>(start));
    b = b + low;
    a = num::select(b < low, high + Word(1), high);
  } else {
    Long number = start, stride(1);
    for (int d = rank; d-- > 0; stride = stride * Long(p.shape[static_cast<std::size_t>(d)]))
      number = number + num::convert_to<std::uint64_t>(num::SymOf<std::int64_t>(here.position(batch + d))) * stride;
    a = num::convert_to<std::uint32_t>(num::shr<32>(number));
    b = num::convert_to<std::uint32_t>(number);
  }
  threefry(k0, k1, a, b);
  if (p.pairs) return num::select(num::SymOf<std::int64_t>(here.position(batch + rank)) == num::SymOf<std::int64_t>(0), a, b);
  if (p.dtype == u64) return num::shl<32>(num::convert_to<std::uint64_t>(a)) | num::convert_to<std::uint64_t>(b);
  const Word both = a ^ b;
  if (p.dtype == u16) return num::convert_to<std::uint16_t>(both);
  if (p.dtype == u8) return num::convert_to<std::uint8_t>(both);
  return both;
}

struct Generator {
  std::mutex mutex;
  std::uint64_t seed = 0, draws = 0;
};
Generator& generator() {
  static Generator g;
  return g;
}
}  // namespace

std::pair<std::uint32_t, std::uint32_t> threefry2x32(std::uint32_t k0, std::uint32_t k1, std::uint32_t x0, std::uint32_t x1) {
  Words a(x0), b(x1);
  threefry(Words(k0), Words(k1), a, b);
  return {a.at[0], b.at[0]};
}

// ---------------------------------------------------------------- random_bits (keys, start)
constexpr Primitive random_bits_p = {
    .name = "random_bits",
    .params = &param_type<RandomBitsParams>,
    .n_in = 2,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<RandomBitsParams>();
          check(p, "random_bits");
          const Shape& k = in[0].shape;
          if (in[0].dtype != u32 || k.empty() || k.back() != 2)
            throw ShapeError("random_bits: a key is u32 [2] (or stacked keys, u32 [..., 2]), got " + in[0].str() + "; make one by random::key(seed)");
          Shape batch = k.without(k.size() - 1);
          if (in[1].dtype != u64) throw DTypeError("random_bits: the first counter is u64, got " + in[1].str());
          if (!in[1].shape.empty() && in[1].shape != batch)
            throw ShapeError("random_bits: first counters " + in[1].shape.str() + " for keys " + k.str());
          out[0] = {p.dtype, false, batch.concat(result_shape(p))};
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<RandomBitsParams>();
          Aval a[2] = {in[0].aval(), in[1].aval()}, o;
          random_bits_p.shape(c, std::span<const Aval>(a), {&o, 1});
          Tensor keys = in[0].contiguous(), start = in[1].contiguous(), r = make(o.dtype, o.shape);
          std::int64_t n = p.shape.numel(), k = keys.numel() / 2, bytes = n * (p.pairs ? 8 : static_cast<std::int64_t>(size_of(p.dtype)));
          auto* key = static_cast<const std::uint32_t*>(keys.bytes());
          auto* first = static_cast<const std::uint64_t*>(start.bytes());
          auto* to = static_cast<std::byte*>(r.mutable_bytes());
          std::int64_t step = start.dim() ? 1 : 0;
          if (k == 1 && n) fill_parallel(key[0], key[1], first[0], n, p, to);
          else if (n)
            parallel_for(k, std::max<std::int64_t>(1, (1 << 15) / n), [&](std::int64_t b, std::int64_t e) {
              for (std::int64_t i = b; i < e; ++i) fill(key[2 * i], key[2 * i + 1], first[i * step], n, p, to + i * bytes);
            });
          out[0] = std::move(r);
        },
    .jvp = jvp_zero,
    .batch =
        [](const Call& c, const BatchContext& x, std::span<Batched> in, std::span<Batched> out) {
          Tensor keys = move_dim0(in[0], x.size), start = in[1].value;
          if (in[1].dim >= 0) {
            start = move_dim0(in[1], x.size);
            Shape k = keys.sizes(), whole = k.without(k.size() - 1);
            if (start.dim() == 1 && whole.size() > 1) start = broadcast_in_dim(start, whole, {0});  // one counter for all keys of a slice
          } else if (start.dim() > 0) {
            start = move_dim0(in[1], x.size);
          }
          out[0] = {random_bits(keys, start, c.params.get<RandomBitsParams>()), 0};
        },
    .lowering = {.kind = Lowering::Kind::placed, .placed = placed_bits}};
Tensor random_bits(const Tensor& keys, const Tensor& start, const RandomBitsParams& p) {
  const Tensor in[2] = {keys, start};
  return bind1(random_bits_p, Ins(in, 2), p);
}

// ---------------------------------------------------------------- draw_bits: the stateful generator
constexpr Primitive draw_bits_p = {.name = "draw_bits",
                                   .effect = true,
                                   .seen = core::seen_random,
                                   .params = &param_type<RandomBitsParams>,
                                   .n_in = 0,
                                   .shape =
                                       [](const Call& c, std::span<const Aval>, std::span<Aval> out) {
                                         auto& p = c.params.get<RandomBitsParams>();
                                         check(p, "draw_bits");
                                         out[0] = {p.dtype, false, result_shape(p)};
                                       },
                                   .eval =
                                       [](const Call& c, Ins, Outs out) {
                                         auto& p = c.params.get<RandomBitsParams>();
                                         check(p, "draw_bits");
                                         std::pair<std::uint32_t, std::uint32_t> key;
                                         {
                                           Generator& g = generator();
                                           std::lock_guard lock(g.mutex);
                                           key = threefry2x32(static_cast<std::uint32_t>(g.seed >> 32), static_cast<std::uint32_t>(g.seed),
                                                              static_cast<std::uint32_t>(g.draws >> 32), static_cast<std::uint32_t>(g.draws));
                                           ++g.draws;
                                         }
                                         Tensor r = make(p.dtype, result_shape(p));
                                         if (p.shape.numel())
                                           fill_parallel(key.first, key.second, 0, p.shape.numel(), p, static_cast<std::byte*>(r.mutable_bytes()));
                                         out[0] = std::move(r);
                                       },
                                   .jvp = jvp_zero,
                                   .batch =
                                       [](const Call& c, const BatchContext& x, std::span<Batched>, std::span<Batched> out) {
                                         RandomBitsParams p = c.params.get<RandomBitsParams>();
                                         if (x.draws == core::Draws::error)
                                           throw ValueError(
                                               "vmap: a draw from the stateful generator with randomness error; give vmap .randomness = "
                                               "Randomness::same (one draw for all slices) or ::different (one each), or pass a key "
                                               "per slice to ft::random");
                                         bool each = x.draws == core::Draws::different;
                                         if (each) p.shape = p.shape.with(0, x.size);
                                         out[0] = {draw_bits(p), each ? 0 : -1};
                                       },
                                   .lowering = {.kind = Lowering::Kind::kernel}};
Tensor draw_bits(const RandomBitsParams& p) { return bind1(draw_bits_p, Ins(), p); }
void seed_generator(std::uint64_t seed) {
  Generator& g = generator();
  std::lock_guard lock(g.mutex);
  g.seed = seed;
  g.draws = 0;
}

Table random_table() {
  static constexpr const Primitive* t[] = {&random_bits_p, &draw_bits_p};
  return t;
}

}  // namespace functra::prims
