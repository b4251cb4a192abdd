#include <functra/functra.h>

#include <iostream>

namespace ft = functra;
using ft::Tensor;

struct Params {
  Tensor w, b;
};  // any aggregate of tensors is a tree

Tensor loss(const Params& p, const Tensor& x, const Tensor& y) {  // one example, no batch dimension
  return ft::mean(ft::square(ft::matmul(p.w, x) + p.b - y));
}

int main() {
  Params p{ft::ones({2, 3}), ft::zeros({2})};
  Tensor xs = ft::tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}), ys = ft::zeros({2, 2});
  Params g = ft::grad(loss)(p, xs[0], ys[0]);                                 // typed like the parameters
  auto per_sample = ft::vmap(ft::grad(loss), {.in_dims = {ft::none, 0, 0}});  // a gradient for each example
  Params each = ft::jit(per_sample)(p, xs, ys);                               // traced once, called like the original
  std::cout << g.b << "\n" << each.b << "\n";
}
