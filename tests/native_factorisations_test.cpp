// Small factorisations and solves in compiled functions: derivatives are taken of their pieces.
#include <gtest/gtest.h>

#include "support/compiled.h"

namespace functra::testing {
namespace {

// A symmetric matrix with a positive spectrum, [lanes, n, n].
Tensor spectra(std::int64_t lanes, std::int64_t n, DType d = f64) {
  Tensor m = numbers({lanes, n, n}, d);
  return matmul(m, m.transpose(1, 2)) + eye(n, d);
}
Tensor exponent(const Tensor& a, const Tensor& b) {
  Tensor l = linalg::cholesky(a), w = linalg::solve_triangular(l, b.unsqueeze(1)).squeeze(1);
  return dot(w, w) + 2 * sum(log(diag(l)));
}
Leaves each(std::function<Vec(const Vec&)> f) {
  return [f](const Vec& v) { return vmap([f](const Vec& u) { return f(u); })(v); };
}

}  // namespace

TEST(NativeFactorisations, gradients_of_every_size) {
  Leaves gradient = each([](const Vec& v) {
    auto [a, b] = grad<0, 1>(exponent)(v[0], v[1]);
    return Vec{a, b};
  });
  for (std::int64_t n : {1, 2, 3, 6, 8, 9})
    expect_compiled("size " + std::to_string(n), gradient, {spectra(20, n), numbers({20, n}, f64, 1)}, Match::rounded, 1024);
  expect_compiled("f32", gradient, {spectra(20, 3, f32), numbers({20, 3}, f32, 1)}, Match::rounded, 1024);
}
TEST(NativeFactorisations, many_of_up_to_16_rows) {
  auto gradient = vmap([](const Tensor& a, const Tensor& b) { return grad<0, 1>(exponent)(a, b); });
  for (std::int64_t n : {10, 16}) {
    const Tensor a = spectra(1030, n), b = numbers({1030, n}, f64, 1);
    expect_compiled(
        "rows " + std::to_string(n), [&](const Vec& v) { return tree_leaves(gradient(v[0], v[1])); }, {a, b}, Match::rounded, 4096);
  }
}
TEST(NativeFactorisations, every_transform) {
  auto jacobian = [](const Tensor& a) { return linalg::cholesky(a * a); };
  const Tensor a = spectra(1, 3)[0], b = numbers({3}, f64, 1), lanes = spectra(5, 3);
  struct Case {
    const char* name;
    Leaves f;
    Vec in;
  };
  auto of = [](auto f) -> Leaves { return [=](const Vec& v) { return tree_leaves(f(v[0], v[1])); }; };
  for (const Case& c : std::vector<Case>{
           {"forward", of([](const Tensor&a, const Tensor&b) { return jvp([&](const Tensor& x) { return exponent(x, b); }, a, cos(a)); }), {a, b}},
           {"jacfwd", of([=](const Tensor&a, const Tensor&) { return jacfwd(jacobian)(a); }), {a, b}},
           {"jacrev", of([=](const Tensor&a, const Tensor&) { return jacrev(jacobian)(a); }), {a, b}},
           {"hessian", of([](const Tensor&a, const Tensor&b) { return hessian(exponent)(a, b); }), {a, b}},
           {"a batch inside",
            of([](const Tensor&a, const Tensor&b) {
              return grad([&](const Tensor& x) { return sum(vmap([&](const Tensor& m) { return exponent(m, b); })(x)); })(a);
            }),
            {lanes, b}},
           {"right-hand sides of a batch",
            of([](const Tensor&a, const Tensor&b) {
              return grad([&](const Tensor& x) {
                Tensor l = linalg::cholesky(x);
                return sum(vmap([&](const Tensor& r) { return linalg::solve_triangular(l, r.unsqueeze(1)); })(b));
              })(a);
            }),
            {a, numbers({20, 3})}},
           {"a compiled function", of([](const Tensor&a, const Tensor&b) { return grad(jit(exponent))(a, b); }), {a, b}},
           {"a loop",
            of([](const Tensor&a, const Tensor&b) {
              return grad([&](const Tensor& x) {
                return scan(
                           [&](const Tensor& c, NoneType) {
                             return std::pair{c * 0.5 + exponent(x + c * eye(3, f64), b), none};
                           },
                           tensor(0.5, f64), {.length = 4})
                    .first;
              })(a);
            }),
            {a, b}},
           {"a branch",
            of([](const Tensor&a, const Tensor&b) {
              return grad([&](const Tensor& x) {
                return cond(
                    sum(b) > 0, [&](const Tensor& m) { return exponent(m, b); }, [](const Tensor& m) { return sum(m); }, x);
              })(a);
            }),
            {a, b}},
       })
    expect_compiled(c.name, c.f, c.in, Match::rounded, 1024);
}
TEST(NativeFactorisations, are_expanded_before_they_are_differentiated) {
  auto gradient = jit(grad(exponent));
  const Tensor a = spectra(1, 3)[0], b = numbers({3});
  EXPECT_EQ(gradient.trace(a, b).program().str().find("cholesky"), std::string::npos);
  EXPECT_NE(make_fx(grad(exponent))(a, b).str().find("cholesky"), std::string::npos);
  EXPECT_NE(jit(exponent).trace(a, b).program().str().find("cholesky"), std::string::npos);
  // Of more than 8 rows, where a thousand matrices share the code and nothing is differentiated twice.
  const Tensor middle = spectra(1, 11)[0], d = numbers({11});
  auto whole = [&](const auto& f, const Tensor& m) { return jit(f).trace(m, d).program().str().find("cholesky") != std::string::npos; };
  const Tensor many = middle.unsqueeze(0).expand({1024, 11, 11}), few = many.index({Slice(0, 100)});
  auto by_matrix = VmapOptions{.in_dims = {0, none}};
  EXPECT_TRUE(whole(grad(exponent), middle));
  EXPECT_TRUE(whole(vmap(grad(exponent), by_matrix), few));
  EXPECT_FALSE(whole(vmap(grad(exponent), by_matrix), many));
  const Tensor large = spectra(1, 20)[0], c = numbers({20});
  EXPECT_NE(gradient.trace(large, c).program().str().find("cholesky"), std::string::npos);
  // Programs of a body are shared with plain evaluation; what is derived from them is not.
  auto loop = [&](const Tensor& x) {
    return grad([&](const Tensor& y) {
      return scan([](const Tensor& c, NoneType) { return std::pair{linalg::cholesky(c + eye(3, f64)), none}; }, y, {.length = 2}).first.sum();
    })(x);
  };
  Tensor before = loop(a), compiled = jit(loop)(a), after = loop(a);
  EXPECT_EQ(results_differ({compiled}, {before}, Match::rounded, 256), "");
  EXPECT_EQ(results_differ({after}, {before}, Match::bits), "");
}

}  // namespace functra::testing
