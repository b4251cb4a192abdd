// Contractions of three factors and more, in the order whose products are smallest; transposes of what is computed from a contraction, made by
// the order of its operands.
#include <gtest/gtest.h>

#include <random>

#include "functra/compiler/rules.h"
#include "functra/core/basis.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "functra/prims/contract.h"
#include "laws_count.h"
#include "support/optimised.h"

namespace functra::testing {
namespace {

Tensor some(const Shape& s, double from = 0.3) {
  std::vector<double> v;
  for (std::int64_t i = 0; i < s.numel(); ++i) v.push_back(std::sin(0.7 * static_cast<double>(i) + from));
  return tensor(v, f64).reshape(s);
}
std::size_t count(const Program& p, const core::Primitive& prim, std::int64_t least = 0) {
  std::size_t n = 0;
  const core::Program& q = *p.ir();
  for (auto& e : q.eqns) n += e.prim == &prim && q.type(static_cast<core::Var>(e.out)).shape.numel() >= least;
  return n;
}
std::int64_t largest_operand(const Program& p) {
  std::int64_t most = 0;
  const core::Program& q = *p.ir();
  for (auto& e : q.eqns)
    if (std::string_view(e.prim->name) == "dot_general")
      for (core::Var v : q.operands(e)) most = std::max(most, q.operand_type(v).shape.numel());
  return most;
}
// The rules alone keep values too.
std::string alone(const Program& p, const Vec& in, compiler::Rules rules) {
  core::ProgramPtr q = compiler::rewrite(p.ir(), {rules});
  core::verify(*q);
  return difference(core::eval_program(*q, in), core::eval_program(*p.ir(), in), 1e-12);
}

}  // namespace

// A^T diag(p) A of many p: of the products of columns of A, not of a scaled A for each p.
TEST(PassTurns, scaled_products_for_many_scales) {
  const std::int64_t B = 70, I = 50, K = 40, J = 30;
  const Vec in{some({B, K}), some({K, I}, 1), some({K, J}, 2), some({B, I}, 3), some({B}, 4), some({B, J}, 5)};
  auto scaled = [](const Vec& x) { return x[0].unsqueeze(1) * x[1].t().unsqueeze(0); };  // [b, i, k]
  struct Case {
    const char* name;
    std::function<Tensor(const Vec&)> f;
    std::int64_t largest;  // operand of a contraction
  };
  const std::int64_t pairs = I * J * K;
  const Case cases[] = {
      {"alone",
       [=](const Vec& x) {
         return einsum("bik,kj->bij", {scaled(x), x[2]});
       },
       pairs},
      {"with what does not run over the sum",
       [=](const Vec& x) {
         return einsum("bik,kj->bij", {scaled(x) * x[3].unsqueeze(2) * x[4].reshape({B, 1, 1}), x[2]});
       },
       pairs},
      {"the other way round",
       [=](const Vec& x) {
         return einsum("kj,bik->jib", {x[2], scaled(x)});
       },
       pairs},
      {"beside an outer product",
       [=](const Vec& x) {
         return einsum("bik,kj->bij", {scaled(x) * x[4].reshape({B, 1, 1}) + x[3].unsqueeze(2) * x[0].unsqueeze(1), x[2]});
       },
       pairs},
      {"minus an outer product",
       [=](const Vec& x) {
         return einsum("kj,bik->bji", {x[2], x[3].unsqueeze(2) * x[0].unsqueeze(1) - scaled(x) * x[4].reshape({B, 1, 1})});
       },
       pairs},
      {"a sum of other things",
       [=](const Vec& x) {
         return einsum("bik,kj->bij", {scaled(x) + sin(scaled(x)), x[2]});
       },
       B * I * K},
      {"used otherwise too",
       [=](const Vec& x) {
         Tensor s = scaled(x);
         return einsum("bik,kj->bij", {s, x[2]}) + sum(sin(s), 2).unsqueeze(2);
       },
       B * I * K},
      {"shared by both",
       [=](const Vec& x) {
         return einsum("bik,bkj->bij", {scaled(x), x[2].unsqueeze(0) * x[5].unsqueeze(1)});
       },
       pairs},
  };
  for (const Case& c : cases) {
    Program p = make_fx(c.f)(in);
    const std::string d = optimised_differs(p, in, 1e-12) + alone(p, in, compiler::sum_rules());
    count_law(d.empty());
    EXPECT_EQ(d, "") << c.name << "\n" << p;
    EXPECT_LE(largest_operand(optimised(p)), c.largest) << c.name << "\n" << optimised(p);
  }
}
// The Hessian of a layer, for many samples: neither a scaled matrix per sample, nor a transpose of the result.
TEST(PassTurns, hessians_of_many_samples) {
  const Tensor a = some({40, 40});
  auto f = [=](const Tensor& x) { return logsumexp(matmul(a, tanh(x))) + 0.5 * sum(x * x); };
  const Vec in{some({90, 40}, 2)};
  Program p = make_fx([=](const Vec& x) { return vmap(hessian(f))(x[0]); })(in);
  EXPECT_EQ(optimised_differs(p, in, 1e-12), "");
  const Program q = optimised(p);
  EXPECT_LE(largest_operand(q), 40 * 40 * 40) << q;
  EXPECT_EQ(count(q, core::transpose_p, 90 * 40 * 40), 0u) << q;
  const Tensor eager = vmap(hessian(f))(in[0]);
  EXPECT_EQ(difference({eager}, {eager.transpose(1, 2)}, 1e-12), "");
}
TEST(PassTurns, transposes_of_computed_contractions) {
  std::mt19937 random(5);
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t gone = 0;
  for (int round = 0; round < 120; ++round) {
    // Shared dimensions, free ones of each side, and the order in which they are wanted.
    const std::size_t nb = below(3), nl = 1 + below(2), nr = 1 + below(3);
    Shape extents;
    for (std::size_t d = 0; d < nb + nl + nr; ++d) extents.push_back(static_cast<std::int64_t>(2 + below(4)));
    const std::int64_t K = 3;
    const Shape shared(extents.begin(), nb), left(extents.begin(), nb + nl), right = shared.concat(Shape(extents.begin() + nb + nl, nr));
    const Vec in{some(left.concat({K})), some(right.concat({K}), 1), some(extents, 2), some({extents.back()}, 3)};
    Shape perm = Shape::iota(extents.size());
    const std::size_t kind = below(4);
    if (kind == 0) std::shuffle(perm.begin(), perm.end(), random);
    else std::shuffle(perm.begin() + static_cast<std::ptrdiff_t>(nb + nl), perm.end(), random);
    if (kind >= 2) std::shuffle(perm.begin(), perm.begin() + static_cast<std::ptrdiff_t>(nb), random);
    if (kind == 3) std::rotate(perm.begin() + static_cast<std::ptrdiff_t>(nb), perm.begin() + static_cast<std::ptrdiff_t>(nb + nl), perm.end());
    const bool other = below(4) == 0;  // an array that would have to be turned
    auto f = [&](const Vec& x) {
      Shape list = Shape::iota(nb), l{static_cast<std::int64_t>(nb + nl)}, r{static_cast<std::int64_t>(nb + nr)};
      Tensor c = prims::dot_general(x[0], x[1], {l, r, list, list});
      Tensor y = where(x[3] > 0.0, sin(c), 2.0) * x[3];
      if (other) y = y + x[2];
      return y.permute(perm);
    };
    Program p = make_fx(f)(in);
    const std::string d = optimised_differs(p, in, 1e-12) + alone(p, in, compiler::turn_rules());
    count_law(d.empty());
    EXPECT_EQ(d, "") << p;
    compiler::Fired fired;
    (void)compiler::rewrite(p.ir(), {compiler::turn_rules()}, &fired);
    if (other) EXPECT_EQ(fired["transpose_of_computed"], 0u) << p;
    gone += fired["transpose_of_computed"];
  }
  EXPECT_GT(gone, 15u);
}

}  // namespace functra::testing
