// Compiled code on f16 and bf16: operations are computed in f32 and rounded after each, to the bit as eager evaluation does; rows, loops and
// packed code hold them too, and what runs over the same elements is one nest.
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "functra/core/basis.h"
#include "functra/core/interp.h"
#include "functra/kernels/cast.h"
#include "functra/prims/cast.h"
#include "laws_count.h"
#include "support/compiled.h"

namespace functra::testing {
namespace {

const DType halves[] = {DType::f16, DType::bf16};

std::string label(const std::string& what, DType d, std::int64_t n = 0) {
  return what + " of " + std::string(name_of(d)) + (n ? "[" + std::to_string(n) + "]" : std::string());
}
// Every value of the type, NaN of every kind among them.
Tensor all_values(DType d) { return prims::bitcast(arange(65536).to(DType::u16), d); }
// Every pair of: zeros, limits, subnormal numbers, halves of ties; and pairs from everywhere.
Vec pairs(DType d) {
  std::vector<std::uint16_t> v, a, b;
  for (unsigned x : {0x0000u, 0x0001u, 0x0002u, 0x0080u, 0x03ffu, 0x0400u, 0x3c00u, 0x3c01u, 0x3f80u, 0x3f81u, 0x4000u,
                     0x4040u, 0x4200u, 0x5800u, 0x7bffu, 0x7c00u, 0x7c01u, 0x7e00u, 0x7f7fu, 0x7f80u, 0x7fc0u, 0x7fffu})
    for (unsigned sign : {0u, 0x8000u}) v.push_back(static_cast<std::uint16_t>(x | sign));
  for (auto x : v)
    for (auto y : v) a.push_back(x), b.push_back(y);
  std::uint64_t state = 7;
  for (int k = 0; k < 30000; ++k) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    a.push_back(static_cast<std::uint16_t>(state >> 48)), b.push_back(static_cast<std::uint16_t>(state >> 32));
  }
  return {prims::bitcast(tensor(a), d), prims::bitcast(tensor(b), d)};
}
bool holds(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }
std::string text_of(const Leaves& f, const Vec& in) { return jit(f).trace(in).lower().text(); }
void expect_nests(const std::string& name, const Leaves& f, const Vec& in, std::size_t nests) {
  auto call = jit(f).trace(in).lower().compile();
  EXPECT_EQ(call.nests(), nests) << name << "\n" << text_of(f, in);
  EXPECT_EQ(call.kernels(), 0u) << name << "\n" << text_of(f, in);
}
std::vector<std::uint16_t> bits_of(const Tensor& t) {
  const Tensor c = t.contiguous();
  std::vector<std::uint16_t> r(static_cast<std::size_t>(c.numel()));
  std::memcpy(r.data(), c.bytes(), 2 * r.size());
  return r;
}
Tensor gelu_of(const Tensor& x) { return 0.5 * x * (1.0 + erf(x * std::sqrt(0.5))); }
Tensor norm_of(const Tensor& x) {
  Tensor y = x - mean(x, -1, true);
  return y * rsqrt(mean(square(y), -1, true) + 1e-3);
}

}  // namespace

TEST(NativeHalf, functions_of_every_value) {
  int count = 0;
  for (const core::Primitive* p : core::all_primitives()) {
    if (p->elementwise == core::Elementwise::no || p->n_in != 1 || p->params || !p->lowering.formula->defined_for(DType::f16)) continue;
    ++count;
    for (DType d : halves) {
      auto f = [&](const Vec& v) { return Vec{core::bind1(*p, v[0])}; };
      expect_compiled(label(p->name, d), f, {all_values(d)}, Match::bits);
      expect_nests(label(p->name, d), f, {all_values(d)}, 1);
    }
  }
  EXPECT_GT(count, 30);
  for (DType d : halves) {
    for (int k : {-2, -1, 2, 3, 5})
      expect_compiled(
          label("power", d, k), [&](const Vec& v) { return Vec{pow(v[0], k)}; }, {all_values(d)}, Match::bits);
    expect_compiled(
        label("sinc", d), [&](const Vec& v) { return Vec{sinc(v[0])}; }, {all_values(d)}, Match::bits);
  }
}
TEST(NativeHalf, functions_of_pairs) {
  int count = 0;
  for (const core::Primitive* p : core::all_primitives()) {
    if (p->elementwise == core::Elementwise::no || p->n_in != 2 || p->params || !p->lowering.formula->defined_for(DType::f16)) continue;
    ++count;
    for (DType d : halves) {
      auto f = [&](const Vec& v) { return Vec{core::bind1(*p, v)}; };
      expect_compiled(label(p->name, d), f, pairs(d), Match::bits);
      expect_nests(label(p->name, d), f, pairs(d), 1);
    }
  }
  EXPECT_GT(count, 15);
  for (DType d : halves) {
    expect_compiled(
        label("choice", d),
        [](const Vec& v) {
          return Vec{where(v[0] < v[1], v[0], v[1]), where(v[0] == v[1], v[1], 1.0)};
        },
        pairs(d), Match::bits);
    expect_compiled(
        label("numbers", d),
        [](const Vec& v) {
          return Vec{v[0] * 3.0 - 0.1, 1.0 / v[0], maximum(v[1], 0.0), 1e-7 - v[1]};
        },
        pairs(d), Match::bits);
  }
}
TEST(NativeHalf, each_operation_rounds) {
  // (1 + eps) - 1 is 0 where eps is half a last place, though f32 holds the sum.
  for (DType d : halves) {
    const double ulp = d == DType::f16 ? 0x1p-10 : 0x1p-7;
    Tensor x = full({100}, ulp / 2, d);
    auto f = jit([](const Tensor& v) { return (v + 1.0) - 1.0; });
    EXPECT_EQ(f(x).to_vector<double>(), std::vector<double>(100, 0)) << name_of(d);
    auto g = jit([](const Tensor& v) { return v * v - v * v * 1.0; });  // no product is part of a sum
    EXPECT_EQ(g(full({100}, 1 + ulp, d)).to_vector<double>(), std::vector<double>(100, 0)) << name_of(d);
    // Signs and choices do not round, and are taken without: their chains agree with those of f32.
    expect_compiled(
        label("exact", d),
        [](const Vec& v) {
          return Vec{maximum(abs(-v[0]), v[1]) * 2.0, -floor(abs(v[0])) + v[1]};
        },
        pairs(d), Match::bits);
  }
  for (DType d : halves) {  // nor do whole numbers near a value, and those of one byte
    expect_compiled(
        label("whole", d),
        [](const Vec& v) {
          return Vec{floor(v[0]) * 0.3, ceil(v[0]) * 0.3, round(v[0]) * 0.3, trunc(v[0]) * 0.3};
        },
        {all_values(d)}, Match::bits);
    for (DType o : {DType::bool_, DType::u8, DType::i8, DType::u16, DType::i32})
      expect_compiled(
          label("small", d), [&](const Vec& v) { return Vec{v[0].to(d) * 0.3}; }, {arange(2000).to(o)}, Match::bits);
  }
  auto overflow = jit([](const Tensor& v) { return v * 2.0 * 0.5; });
  EXPECT_TRUE(std::isinf(overflow(full({20}, 60000.0, DType::f16)).to_vector<double>()[7]));
}
TEST(NativeHalf, casts) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> v{0,
                        -0.0,
                        1,
                        -1,
                        0.5,
                        1.5,
                        2.5,
                        65504,
                        65519.99,
                        65520,
                        1e5,
                        -1e5,
                        3.3e38,
                        3.4e38,
                        3e39,
                        6e-8,
                        2.9e-8,
                        3e-8,
                        9e-41,
                        1e-40,
                        inf,
                        -inf,
                        nan,
                        255,
                        256,
                        257,
                        2049,
                        2051,
                        127,
                        128,
                        -128,
                        -129,
                        32768,
                        1e10,
                        1e19,
                        1.00048828125,
                        1.0004882812500002};
  for (int k = 0; k < 300; ++k) v.push_back(std::ldexp(std::sin(k), k % 40 - 24));
  const DType others[] = {DType::bool_, DType::u8,  DType::u16, DType::u32,  DType::u64, DType::i8, DType::i16,
                          DType::i32,   DType::i64, DType::f16, DType::bf16, DType::f32, DType::f64};
  for (DType d : halves)
    for (DType o : others) {
      const std::string name = label("cast to " + std::string(name_of(o)), d);
      auto to = [&](const Vec& x) { return Vec{x[0].to(o)}; };
      auto back = [&](const Vec& x) { return Vec{x[0].to(d)}; };
      expect_compiled(name, to, {all_values(d)}, Match::bits);
      expect_compiled(name + " and back", back, {tensor(v, f64).to(o)}, Match::bits);
      expect_compiled(
          name + " as a number", [&](const Vec& x) { return Vec{(x[0] + 1.0).to(o)}; }, {full({}, 2.5, d)}, Match::bits);
      expect_compiled(
          name + " twice", [&](const Vec& x) { return Vec{x[0].to(o).to(d) + x[0]}; }, {all_values(d)}, Match::bits);
    }
  for (DType d : halves)  // the literal is rounded as a tensor of it is
    for (double c : v)
      if (std::isfinite(c))
        expect_compiled(
            label("literal", d), [&](const Vec& x) { return Vec{x[0] + c}; }, {zeros({3}, d)}, Match::bits);
}
TEST(NativeHalf, movement_keeps_bits) {
  for (DType d : halves) {
    const Tensor x = all_values(d).reshape({256, 256});
    auto f = [](const Vec& v) {
      const Tensor& x = v[0];
      return Vec{x.t(),
                 flip(x, {1}),
                 narrow(x, 1, 3, 77),
                 cat({x, flip(x, {0})}, 1),
                 where(x == x, x, x.t()),
                 x.unsqueeze(1).expand({256, 2, 256}),
                 prims::bitcast(prims::bitcast(x, DType::u16), x.dtype())};
    };
    const Vec is = jit(f)({x}), should = f({x});
    for (std::size_t k = 0; k < is.size(); ++k) EXPECT_EQ(bits_of(is[k]), bits_of(should[k])) << name_of(d) << " result " << k;
    expect_compiled(
        label("pads", d),
        [](const Vec& v) {
          return Vec{pad(v[0], {1, 2, 0, 3}, 1.5) * 2.0, pad(v[0], {0, 5}) + 0.5, tril(v[0])};
        },
        {x}, Match::bits);
    expect_compiled(
        label("positions", d), [&](const Vec& v) { return Vec{v[0] + arange(256).to(d)}; }, {x}, Match::bits);
  }
}
TEST(NativeHalf, every_length) {
  for (DType d : halves)
    for (std::int64_t n = 0; n <= 66; ++n) {
      const int k = static_cast<int>(n % layouts);
      expect_compiled(
          label("elementwise", d, n),
          [](const Vec& v) {
            return Vec{v[0] * v[1] + sin(v[0]), maximum(v[0], v[1]) - v[1] / v[0]};
          },
          {stored(numbers({n}, d), k), numbers({n}, d, 1)}, Match::bits);
      expect_compiled(
          label("mixed", d, n),
          [](const Vec& v) {
            return Vec{v[0].to(f64) * v[1], v[0] > 0, (v[0] * 10.0).to(DType::i8), v[1].to(v[0].dtype())};
          },
          {numbers({n}, d), numbers({n}, f64, 1)}, Match::bits);
      if (n % 3 == 0) expect_compiled(label("rows", d, n), [](const Vec& v) { return Vec{softmax(v[0], 1), sum(v[0], 0)}; }, {numbers({5, n}, d)});
    }
}
TEST(NativeHalf, a_chain_is_one_nest) {
  auto chain = [](const Vec& v) {
    Tensor x = v[0];
    for (int k = 0; k < 5; ++k) x = tanh(x * 1.5) + v[1];
    return Vec{x};
  };
  for (DType d : halves) {
    const Vec in{numbers({1000}, d), numbers({1000}, d, 1)};
    expect_nests(label("chain", d), chain, in, 1);
    EXPECT_TRUE(holds(text_of(chain, in), std::string(name_of(d)) + " convert f32")) << text_of(chain, in);
    expect_compiled(label("chain", d), chain, in, Match::bits);
    expect_nests(
        label("softmax", d), [](const Vec& v) { return Vec{softmax(v[0], 1)}; }, {numbers({64, 1000}, d)}, 1);
    expect_nests(
        label("layer norm", d), [](const Vec& v) { return Vec{norm_of(v[0])}; }, {numbers({64, 1000}, d)}, 1);
  }
}
TEST(NativeHalf, reductions_are_of_f32) {
  for (DType d : halves) {
    for (std::int64_t n : {3, 16, 33, 64, 65, 1000, 70000}) {
      const Tensor x = numbers({3, n}, d), exact = x.to(f64);
      const double eps = d == DType::f16 ? 0x1p-11 : 0x1p-8;
      const Vec is = jit([](const Vec& v) { return Vec{sum(v[0], 1), sum(v[0], 0), sum(v[0] * v[0] * 0.125)}; })({x});
      const Tensor should[] = {sum(exact, 1), sum(exact, 0), sum((x * x * 0.125).to(f64))};
      for (std::size_t k = 0; k < is.size(); ++k) {  // one rounding, and those of f32 (of as many terms as there are, at random)
        auto a = is[k].to_vector<double>(), b = should[k].to_vector<double>();
        for (std::size_t i = 0; i < a.size(); ++i)
          EXPECT_LE(std::fabs(a[i] - b[i]), 1.01 * eps * std::fabs(b[i]) + 1e-6 * std::sqrt(static_cast<double>(n)))
              << name_of(d) << " " << n << " result " << k;
      }
      expect_compiled(
          label("extremes", d, n),
          [](const Vec& v) {
            return Vec{amax(v[0], 1), amin(v[0], 0), amax(v[0], {})};
          },
          {x}, Match::bits);
    }
    const double most = d == DType::f16 ? 60000 : 1 << 20;  // in the type itself, a sum of ones ends where 1 is less than half a last place
    const Tensor ones = full({static_cast<std::int64_t>(most)}, 1.0, d);
    EXPECT_EQ(jit([](const Tensor& v) { return sum(v); })(ones).item<double>(), most) << name_of(d);
    EXPECT_EQ(jit([](const Tensor& v) { return sum(v, 0); })(ones.reshape({-1, 4})).to_vector<double>(), std::vector<double>(4, most / 4))
        << name_of(d);
  }
}
TEST(NativeHalf, programs_and_their_gradients) {
  for (DType d : halves) {
    const Tensor x = numbers({12, 40}, d) * 3.0, w = numbers({40}, d, 2);
    auto gelu_chain = [](const Tensor& x, const Tensor& w) { return gelu_of(gelu_of(x * w) + w); };
    auto attention = [](const Tensor& x, const Tensor& w) { return softmax(x * w, 1) * x; };
    auto norm = [](const Tensor& x, const Tensor& w) { return norm_of(x) * w; };
    auto check = [&](const std::string& name, auto f) {
      auto loss = [=](const Tensor& x, const Tensor& w) { return sum(f(x, w) * w); };
      expect_compiled(label(name, d), [=](const Vec& v) { return Vec{f(v[0], v[1])}; }, {x, w});
      expect_compiled(
          label("gradient of " + name, d), [=](const Vec& v) { return Vec{grad(loss)(v[0], v[1])}; }, {x, w}, Match::rounded, 2);
      expect_compiled(
          label("pushforward of " + name, d),
          [=](const Vec& v) {
            auto [y, t] = jvp([&](const Tensor& x) { return f(x, v[1]); }, v[0], v[0]);
            return Vec{y, t};
          },
          {x, w}, Match::rounded, 2);
      expect_compiled(
          label("gradients per sample of " + name, d),
          [=](const Vec& v) { return Vec{vmap([&](const Tensor& row) { return grad(loss)(row.unsqueeze(0), v[1]); })(v[0])}; }, {x, w},
          Match::rounded, 2);
    };
    check("gelu", gelu_chain);
    check("attention", attention);
    check("layer norm", norm);
    // Without sums, to the bit.
    expect_compiled(
        label("derivative", d), [](const Vec& v) { return Vec{vmap(grad([](const Tensor& x) { return tanh(x) * gelu_of(x); }))(v[0])}; },
        {numbers({300}, d) * 4.0}, Match::bits);
    // And against finite differences, in f64.
    const Tensor y = jit(vmap(grad([](const Tensor&x) { return gelu_of(x); })))(numbers({50}, d) * 3.0), z = numbers({50}, d).to(d) * 3.0;
    const Tensor at = z.to(f64), slope = (gelu_of(at + 1e-5) - gelu_of(at - 1e-5)) / 2e-5;
    auto a = y.to_vector<double>(), b = slope.to_vector<double>();
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], d == DType::f16 ? 4e-3 : 3e-2) << name_of(d);
  }
}
TEST(NativeHalf, packed_code_and_loops) {
  for (DType d : halves) {
    for (std::int64_t n : {1, 2, 3, 5, 16}) {
      expect_compiled(
          label("packed", d, n),
          [](const Vec& v) {
            return Vec{exp(v[0]) * v[1] - v[0], v[0][0] * v[1], stack({v[0], v[1]}, 1) + 0.3};
          },
          {numbers({n}, d), numbers({n}, d, 1)}, Match::bits);
      expect_compiled(label("packed sum", d, n),
                      [](const Vec& v) {
                        return Vec{softmax(v[0] * v[1], 0), v[0] / sum(v[1])};
                      },
                      {numbers({n}, d), numbers({n}, d, 1)});
    }
    auto loop = [](const Vec& v) {
      auto [last, all] = scan(
          [](const Tensor& c, const Tensor& x) {
            Tensor y = c * 0.75 + sin(x);
            return std::pair(y, y * y);
          },
          v[0], v[1]);
      return Vec{last, all};
    };
    for (Shape s : {Shape{}, Shape{3}, Shape{100}}) {
      Shape steps = Shape{20}.concat(s);
      expect_compiled(label("loop", d, s.numel()), loop, {numbers(s, d), numbers(steps, d, 1)}, Match::bits);
      const std::string text = text_of(loop, {numbers(s, d), numbers(steps, d, 1)});
      EXPECT_TRUE(holds(text, s.numel() == 100 ? "steps 20" : "serial")) << text;
    }
  }
}
// Programs of operations, choices, casts and movement at random: to the bit.
TEST(NativeHalf, programs_at_random) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const DType d = halves[seed % 2];
    const Shape sizes[] = {{300}, {7, 45}, {5}, {3, 4}, {40, 2, 20}};
    const Shape s = sizes[seed % 5];
    auto f = [=](const Vec& in) {
      std::uint64_t state = seed + 1;
      auto pick = [&](std::size_t n) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>(state >> 40) % n;
      };
      Vec v = in;
      for (int k = 0; k < 24; ++k) {
        const Tensor x = v[pick(v.size())], y = v[pick(v.size())];
        switch (pick(18)) {
          case 0: v.push_back(x + y); break;
          case 1: v.push_back(x - y); break;
          case 2: v.push_back(x * y); break;
          case 3: v.push_back(x / y); break;
          case 4: v.push_back(maximum(x, y)); break;
          case 5: v.push_back(where(x < y, x * 0.3, y)); break;
          case 6: v.push_back(-x); break;
          case 7: v.push_back(abs(x) + 0.01); break;
          case 8: v.push_back(exp(x)); break;
          case 9: v.push_back(tanh(x) * y); break;
          case 10: v.push_back(sqrt(abs(x))); break;
          case 11: v.push_back(floor(x * 4.0)); break;
          case 12: v.push_back(flip(x, {0})); break;
          case 13: v.push_back(x.to(f32).to(d == DType::f16 ? DType::bf16 : DType::f16).to(d)); break;
          case 14: v.push_back((x.to(f32) * y.to(f32)).to(d)); break;
          case 15: v.push_back(cat({narrow(x, 0, 1, x.size(0) - 1), narrow(y, 0, 0, 1)}, 0)); break;
          case 16: v.push_back((x > y).to(d) - x); break;
          default: v.push_back(narrow(x, 0, 2, 1).expand(s) * y);
        }
      }
      return Vec(v.begin() + 18, v.end());
    };
    expect_compiled(label("seed " + std::to_string(seed), d), f, {numbers(s, d), numbers(s, d, 1), numbers(s, d, 2)}, Match::bits);
  }
}
TEST(NativeHalf, without_instructions_for_f16_kernels_are_called) {
#if HWY_ARCH_X86
  hwy::SetSupportedTargetsForTest(HWY_STATIC_TARGET);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  if (!kernels::converts_f16()) {
    auto f = [](const Vec& v) { return Vec{v[0] * v[1] + 0.25, sum(v[0])}; };
    expect_compiled("f16 by kernels", f, {numbers({70}, DType::f16), numbers({70}, DType::f16, 1)});
    EXPECT_GT(jit(f).trace(Vec{numbers({70}, DType::f16), numbers({70}, DType::f16, 1)}).lower().compile().kernels(), 0u);
    expect_nests(
        "bf16 by integers", [](const Vec& v) { return Vec{v[0] * 0.3 + 0.25}; }, {numbers({70}, DType::bf16)}, 1);
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
#endif
}

}  // namespace functra::testing
