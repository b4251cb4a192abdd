// Products by name: einsum, and what are einsums by other names. The reference is a loop over all values of all letters.
#include <algorithm>
#include <map>

#include "functra/functra.h"
#include "rows/strided.h"

namespace functra::testing {
namespace {

// "ab,bc->ac": operands may hold a letter twice, or have the extent 1 where others have more.
std::vector<Array> sum_of_products(const std::string& equation, const std::vector<Array>& in) {
  const std::string result = equation.substr(equation.find("->") + 2);
  std::vector<std::string> operands{""};
  for (char c : equation.substr(0, equation.find("->"))) c == ',' ? operands.emplace_back() : operands.back() += c;
  std::map<char, std::int64_t> extent;
  for (std::size_t k = 0; k < in.size(); ++k)
    for (std::size_t d = 0; d < operands[k].size(); ++d) {
      auto [at, fresh] = extent.emplace(operands[k][d], in[k].shape[d]);
      if (!fresh && at->second == 1) at->second = in[k].shape[d];
    }
  Shape all, shape;
  for (auto [c, n] : extent) all.push_back(n);
  for (char c : result) shape.push_back(extent.at(c));
  Array y = filled(shape, 0);
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    const Shape values = unravel(i, all);
    auto place = [&](const std::string& letters, const Shape& s) {
      Shape at = s;
      for (std::size_t d = 0; d < letters.size(); ++d)
        at[d] = s[d] == 1 ? 0 : values[static_cast<std::size_t>(std::distance(extent.begin(), extent.find(letters[d])))];
      return ravel(at, s);
    };
    double p = 1;
    for (std::size_t k = 0; k < in.size(); ++k) p *= in[k][place(operands[k], in[k].shape)];
    y[place(result, shape)] += p;
  }
  return {y};
}
void add(Row& r, const std::string& name, const std::string& equation, const std::vector<Shape>& shapes, const Fn& f) {
  for (DType d : {DType::f32, DType::f64}) {
    Vec in, views;
    for (const Shape& s : shapes) in.push_back(random_tensor(s, d, -2, 2, static_cast<int>(in.size())));
    for (const Tensor& t : in) views.push_back(views.empty() ? transposed_view(t) : sliced_view(t));
    const std::string title = std::string(name_of(d)) + " " + name;
    Reference ref = [equation](const std::vector<Array>& x) { return sum_of_products(equation, x); };
    for (auto& [what, operands] : {std::pair{title, in}, {title + " strided", views}}) {
      r.samples.push_back({what, operands, f, ref});
      r.samples.back().linear = shapes.size() == 1;
    }
  }
}

}  // namespace

FUNCTRA_ROW(einsum) {
  Row r;
  auto sum = [&](const std::string& equation, const std::vector<Shape>& shapes, const std::string& in_full = {}) {
    add(r, equation, in_full.empty() ? equation : in_full, shapes, [equation](const Vec& x) { return Vec{functra::einsum(equation, x)}; });
  };
  sum("ij,jk->ik", {{3, 4}, {4, 2}});
  sum("ji,kj->ki", {{4, 3}, {2, 4}});
  sum("bij,bjk->bik", {{2, 3, 4}, {2, 4, 2}});
  sum("abc,cad->bd", {{2, 3, 4}, {4, 2, 3}});
  sum("ij,ij->i", {{3, 4}, {3, 4}});
  sum("i,j->ij", {{3}, {2}});
  sum("ii->i", {{3, 3}});
  sum("ii->", {{3, 3}});
  sum("iji->j", {{2, 3, 2}});
  sum("iij,jk->ik", {{2, 2, 3}, {3, 2}});
  sum("ijk->k", {{2, 3, 4}});
  sum("ij->", {{2, 3}});
  sum("ij,j,kj->ik", {{2, 3}, {3}, {2, 3}});
  sum("ij,k->i", {{2, 3}, {4}});
  sum("ba", {{2, 3}}, "ba->ab");
  sum("ij,jk", {{2, 3}, {3, 2}}, "ij,jk->ik");
  sum("...ij,...jk->...ik", {{2, 1, 2, 3}, {3, 3, 2}}, "abij,bjk->abik");
  sum("ij,jk->ik", {{3, 0}, {0, 2}});
  r.rtol = 1e-6;
  return r;
}
FUNCTRA_ROW(products_of_matrices) {
  Row r;
  using Of = Tensor (*)(const Tensor&, const Tensor&);
  auto product = [&](const std::string& name, Of f, const std::string& equation, const Shape& a, const Shape& b) {
    add(r, name, equation, {a, b}, [f](const Vec& x) { return Vec{f(x[0], x[1])}; });
  };
  product("matmul of vectors", functra::matmul, "i,i->", {4}, {4});
  product("matmul of a matrix and a vector", functra::matmul, "aij,j->ai", {2, 3, 4}, {4});
  product("matmul of a batch", functra::matmul, "abij,bjk->abik", {2, 1, 2, 3}, {3, 3, 2});
  product("mm", functra::mm, "ij,jk->ik", {3, 4}, {4, 2});
  product("bmm", functra::bmm, "bij,bjk->bik", {2, 3, 4}, {2, 4, 2});
  product("mv", functra::mv, "ij,j->i", {3, 4}, {4});
  product("dot", functra::dot, "i,i->", {5}, {5});
  product("outer", functra::outer, "i,j->ij", {3}, {2});
  product("tensordot", [](const Tensor& a, const Tensor& b) { return functra::tensordot(a, b); }, "abc,bcd->ad", {2, 3, 4}, {3, 4, 2});
  product("tensordot of pairs",
          [](const Tensor& a, const Tensor& b) {
            return functra::tensordot(a, b, {0, 2}, {1, 0});
          },
          "abc,cad->bd", {2, 3, 4}, {4, 2, 3});
  product("linear", [](const Tensor& x, const Tensor& w) { return functra::linear(x, w); }, "abi,oi->abo", {2, 3, 4}, {2, 4});
  r.rtol = 1e-6;
  return r;
}

}  // namespace functra::testing
