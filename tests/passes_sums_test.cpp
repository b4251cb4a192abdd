// Sums of products by their factors: random products of factors that lack dimensions, against the program as it stands; and that what is large
// is not made: squared norms and weighed sums of gradients per sample, kernels of tangents.
#include <gtest/gtest.h>

#include <random>

#include "functra/compiler/rules.h"
#include "functra/core/basis.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "laws_count.h"
#include "support/optimised.h"

namespace functra::testing {
namespace {

Tensor some(const Shape& s, double from = 0.3, DType d = f64) {
  std::vector<double> v;
  for (std::int64_t i = 0; i < s.numel(); ++i) v.push_back(std::sin(0.7 * static_cast<double>(i) + from));
  return tensor(v, f64).reshape(s).to(d);
}
// The elements of the largest value that an equation of p makes.
std::int64_t largest(const Program& p) {
  std::int64_t most = 0;
  const core::Program& q = *p.ir();
  for (auto& e : q.eqns)
    if (e.prim != &core::broadcast_in_dim_p) most = std::max(most, q.type(static_cast<core::Var>(e.out)).shape.numel());
  return most;
}

// What these rules make of p without the help of others, which tidy up what they see in the pass.
std::string by_factors_alone(const Program& p, const Vec& in) {
  core::ProgramPtr q = compiler::rewrite(p.ir(), {compiler::sum_rules()});
  core::verify(*q);
  return difference(core::eval_program(*q, in), core::eval_program(*p.ir(), in), 1e-13);
}

struct Net {
  Tensor w1, b1, w2;
  FUNCTRA_TREE(Net, w1, b1, w2);
};

}  // namespace

TEST(PassSums, random_products_of_factors) {
  std::mt19937 random(7);
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t changed = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t rank = 2 + below(4);
    Shape extents;
    for (std::size_t d = 0; d < rank; ++d) extents.push_back(static_cast<std::int64_t>(1 + below(5)));
    struct Part {
      Shape dims;  // in the order of the factor's own
      bool squared, negative;
    };
    std::vector<Part> parts(2 + below(4));
    std::vector<Tensor> in;
    for (Part& p : parts) {
      for (std::size_t d = 0; d < rank; ++d)
        if (below(2)) p.dims.push_back(static_cast<std::int64_t>(d));
      std::shuffle(p.dims.begin(), p.dims.end(), random);
      p.squared = below(4) == 0;
      p.negative = below(6) == 0;
      in.push_back(some(extents.pick(p.dims), static_cast<double>(round % 9)));
    }
    Shape over;
    for (std::size_t d = 0; d < rank; ++d)
      if (below(2)) over.push_back(static_cast<std::int64_t>(d));
    const bool plus = below(3) == 0;
    auto f = [&](const std::vector<Tensor>& x) {
      Tensor product;
      for (std::size_t k = 0; k < parts.size(); ++k) {
        Shape perm = Shape::iota(parts[k].dims.size()), lacking = extents;
        std::sort(perm.begin(), perm.end(), [&](std::int64_t i, std::int64_t j) {
          return parts[k].dims[static_cast<std::size_t>(i)] < parts[k].dims[static_cast<std::size_t>(j)];
        });
        for (std::size_t d = 0; d < rank; ++d)
          if (!parts[k].dims.has(static_cast<std::int64_t>(d))) lacking[d] = 1;
        Tensor t = x[k].permute(perm).reshape(lacking).expand(extents);
        product = product.defined() ? product * t : t;
        if (parts[k].squared) product = square(product);
        if (parts[k].negative) product = -product;
      }
      if (plus) product = product + x[0].sum();
      return over.empty() ? product : sum(product, over);
    };
    Program p = make_fx(f)(in);
    const std::string d = optimised_differs(p, in, 1e-13) + by_factors_alone(p, in);
    count_law(d.empty());
    EXPECT_EQ(d, "") << p;
    changed += largest(optimised(p)) < largest(p);
  }
  EXPECT_GT(changed, 100u);
}
TEST(PassSums, contractions_of_random_products) {
  std::mt19937 random(11);
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  for (int round = 0; round < 200; ++round) {
    Shape e;
    for (int d = 0; d < 5; ++d) e.push_back(static_cast<std::int64_t>(1 + below(5)));  // shared, of a, of b, two summed
    const bool join = below(2);
    // a [s, i, k, l] = u [s, k] v [i, l] or u [i, k, s] v [l], b [s, j, k, l] = w [j, k] z [l, s]
    const bool other = below(2);
    const std::vector<Tensor> in{other ? some({e[1], e[3], e[0]}) : some({e[0], e[3]}), other ? some({e[4]}, 1) : some({e[1], e[4]}, 1),
                                 some({e[2], e[3]}, 2), some({e[4], e[0]}, 3)};
    auto f = [&](const std::vector<Tensor>& x) {
      Tensor a = other ? x[0].permute({2, 0, 1}).unsqueeze(3) * x[1] : x[0].unsqueeze(1).unsqueeze(3) * x[1].unsqueeze(1);
      Tensor b = x[2].unsqueeze(2) * x[3].t().unsqueeze(1).unsqueeze(1);
      if (!join) return einsum("sikl,sjkl->sij", a.expand({e[0], e[1], e[3], e[4]}), b);
      return matmul(a.expand({e[0], e[1], e[3], e[4]}).reshape({e[0], e[1], e[3] * e[4]}), b.reshape({e[0], e[2], e[3] * e[4]}).transpose(1, 2));
    };
    Program p = make_fx(f)(in);
    const std::string d = optimised_differs(p, in, 1e-13) + by_factors_alone(p, in);
    count_law(d.empty());
    EXPECT_EQ(d, "") << p;
  }
}

// Gradients per sample of a layer are outer products. Their norms, their weighed sum and their products with each other need none of them.
TEST(PassSums, gradients_per_sample_that_are_summed_are_not_made) {
  const std::int64_t n = 16, in = 40, hidden = 30, out = 8;
  const Net net{some({in, hidden}), some({hidden}), some({hidden, out})};
  const Tensor x = some({n, in}, 1), y = some({n, out}, 2);
  auto loss = [](const Net& p, const Tensor& x, const Tensor& y) { return sum(square(matmul(tanh(matmul(x, p.w1) + p.b1), p.w2) - y)); };
  auto clipped = [=](const Net& p, const Tensor& x, const Tensor& y) {
    Net g = vmap(grad(loss), {.in_dims = {none, 0, 0}})(p, x, y);
    Tensor norm = sqrt(sum(square(g.w1), {1, 2}) + sum(square(g.b1), {1}) + sum(square(g.w2), {1, 2}));
    Tensor scale = minimum(1.0, 0.5 / norm);
    auto total = [&](const Tensor& t) { return tensordot(scale, t, 1); };
    auto weighed = [&](const Tensor& t) { return sum(t * scale.unsqueeze(1).unsqueeze(1), 0); };
    return Net{weighed(g.w1), total(g.b1), total(g.w2)};
  };
  Program p = make_fx(clipped)(net, x, y);
  EXPECT_GE(largest(p), n * in * hidden);
  EXPECT_LE(largest(optimised(p)), in * hidden) << optimised(p);
  const Net eager = clipped(net, x, y), native = jit(clipped)(net, x, y);
  for (auto [a, b] : {std::pair(eager.w1, native.w1), {eager.b1, native.b1}, {eager.w2, native.w2}}) EXPECT_EQ(difference({a}, {b}, 1e-12), "");

  auto kernel = [](const Net& p, const Tensor& x, const Tensor& z) {
    auto jacobian = vmap(jacrev([](const Net& p, const Tensor& x) { return matmul(tanh(matmul(x, p.w1) + p.b1), p.w2); }), {.in_dims = {none, 0}});
    auto a = tree_leaves(jacobian(p, x)), b = tree_leaves(jacobian(p, z));
    Tensor k = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) k += einsum("naf,mbf->nmab", a[i].flatten(2), b[i].flatten(2));
    return k;
  };
  const Tensor z = some({5, in}, 3);
  Program q = make_fx(kernel)(net, x, z);
  EXPECT_GE(largest(q), n * out * in * hidden);
  EXPECT_LE(largest(optimised(q)), n * 5 * out * out) << optimised(q);
  EXPECT_EQ(difference({kernel(net, x, z)}, {jit(kernel)(net, x, z)}, 1e-12), "");
}

}  // namespace functra::testing
