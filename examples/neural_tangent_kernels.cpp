// Neural tangent kernels, as functorch's page of that name: the kernel J(x1) J(x2)^T of a network's Jacobians by its parameters tells how
// training on x2 moves the output at x1 (Jacot et al. 2018). Two methods (Novak et al., "Fast Finite Width Neural Tangent Kernel", 2022): contract
// Jacobians, or vmap products of the kernel with vectors. Here of a convolutional network on Fashion-MNIST.
#include <functra/nn.h>

#include "support/check.h"
#include "support/fashion_mnist.h"

using namespace example;
namespace nn = ft::nn;

namespace {

struct CNN {
  nn::Conv2d conv1, conv2, conv3;
  nn::Linear fc;
  Tensor features(const Tensor& images) const { return conv3(ft::relu(conv2(ft::relu(conv1(images))))).flatten(1); }
  Tensor operator()(const Tensor& images) const { return fc(features(images)); }  // [n, 1, 28, 28] -> [n, 10]
};
CNN make_cnn(const Tensor& key) {
  Tensor k = ft::random::split(key, 4);
  return {nn::Conv2d(k[0], 1, 32, 3), nn::Conv2d(k[1], 32, 32, 3), nn::Conv2d(k[2], 32, 32, 3), nn::Linear(k[3], 15488, 10)};
}
// The network on one image: inputs of a batch do not depend on each other.
Tensor fnet_single(const CNN& net, const Tensor& image) { return net(image.unsqueeze(0)).squeeze(0); }

// Method 1: Jacobians [N, 10, parameters] of every image, contracted over the parameters, tensor by tensor. Full [N, M, 10, 10], its
// trace or its diagonal over the outputs, by the equation.
Tensor ntk_jacobian_contraction(const CNN& net, const Tensor& x1, const Tensor& x2, const char* equation = "Naf,Mbf->NMab") {
  auto jacobians = ft::vmap(ft::jacrev(fnet_single), {.in_dims = {ft::none, 0}});
  auto j1 = ft::tree_leaves(jacobians(net, x1)), j2 = ft::tree_leaves(jacobians(net, x2));
  Tensor sum = 0.0;
  for (std::size_t i = 0; i < j1.size(); ++i) sum = sum + ft::einsum(equation, j1[i].flatten(2), j2[i].flatten(2));
  return sum;
}

// Method 2: J(x1) J(x2)^T e for each unit vector e: a vjp at x2, then a jvp at x1 along what it gives. No Jacobian is ever held.
Tensor ntk_vector_products(const CNN& net, const Tensor& x1, const Tensor& x2) {
  auto ntk = [&](const Tensor& a, const Tensor& b) {
    auto [output, vjp_fn] = ft::vjp([&](const CNN& m) { return fnet_single(m, b); }, net);
    auto column = [&, pull = vjp_fn](const Tensor& e) { return ft::jvp([&](const CNN& m) { return fnet_single(m, a); }, net, pull(e)).second; };
    return ft::vmap(column, {.out_dims = 1})(ft::eye(output.size(0)));  // the products are columns
  };
  auto with_all_x2 = ft::vmap(ntk, {.in_dims = {ft::none, 0}});
  return ft::vmap(with_all_x2, {.in_dims = {0, ft::none}})(x1, x2);  // every pair of images
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  Images train = fashion_mnist("train", 20), test = fashion_mnist("t10k", 5);
  CNN net = make_cnn(ft::random::key(0));

  Tensor ntk = ntk_jacobian_contraction(net, train.pixels, test.pixels);
  fmt::print("NTK of 20 and 5 images: {}\n", ntk.sizes());
  Tensor trace = ntk_jacobian_contraction(net, train.pixels, test.pixels, "Naf,Maf->NM"),
         diagonal = ntk_jacobian_contraction(net, train.pixels, test.pixels, "Naf,Maf->NMa");
  fmt::print("its trace {}, its diagonal {}\n", trace.sizes(), diagonal.sizes());
  check_same("the trace", trace, ft::einsum("NMaa->NM", ntk), 1e-5);
  check_same("the diagonal", diagonal, ft::diagonal(ntk, 0, 2, 3), 1e-5);

  Tensor by_products = ntk_vector_products(net, train.pixels, test.pixels);
  check_same("vector products = contraction of Jacobians", by_products, ntk, 1e-5);
  double contraction = seconds([&] { return ntk_jacobian_contraction(net, train.pixels, test.pixels); }, 1),
         products = seconds([&] { return ntk_vector_products(net, train.pixels, test.pixels); }, 1);
  fmt::print("contraction of Jacobians {:.0f} ms, vector products {:.0f} ms\n", contraction * 1e3, products * 1e3);

  // One entry without Jacobians: the dot product of two gradients.
  auto gradient = [&](const Tensor& image, std::int64_t output) {
    return ft::grad([&](const CNN& m) { return fnet_single(m, image)[output]; })(net);
  };
  check_close("an entry by two gradients", double(ntk.index({3, 2, 1, 7})), dot(gradient(train.pixels[3], 1), gradient(test.pixels[2], 7)), 1e-4);

  // The last layer alone has a kernel in closed form: (h(x1) . h(x2) + 1) times the identity, of the features h before it. functional_call
  // takes the parameters to differentiate by name; the others stay as they are.
  ft::StateDict last;
  for (const auto& [name, value] : ft::named_parameters(net))
    if (name.starts_with("fc.")) last[name] = value;
  auto of_last = [&](const ft::StateDict& params, const Tensor& image) { return ft::functional_call(net, params, image.unsqueeze(0)).squeeze(0); };
  auto jacobians = ft::vmap(ft::jacrev(of_last), {.in_dims = {ft::none, 0}})(last, test.pixels);
  Tensor kernel = 0.0;
  for (const auto& [name, j] : jacobians) kernel = kernel + ft::einsum("Naf,Mbf->NMab", j.flatten(2), j.flatten(2));
  Tensor h = net.features(test.pixels), similar = ft::matmul(h, h.t()) + 1;
  check_same("the last layer's kernel in closed form", kernel, similar.reshape({5, 5, 1, 1}) * ft::eye(10), 1e-5);

  // Of images with themselves: a symmetric positive kernel. Images of a class are alike to the network before it has learnt anything.
  Tensor same = ntk_jacobian_contraction(net, train.pixels, train.pixels);
  Tensor full = same.permute({0, 2, 1, 3}).reshape({200, 200});
  check_same("it is symmetric", full, full.t(), 1e-5);
  Tensor l = ft::linalg::cholesky(full.to(ft::f64) + 1e-3 * ft::mean(ft::diag(full)).to(ft::f64) * ft::eye(200, ft::f64));
  check("it is positive", bool(ft::all(ft::isfinite(l))));
  Tensor by_class = ft::argsort(train.labels), sorted = ft::einsum("NMaa->NM", same).index({by_class}).index({ft::Ellipsis, by_class});
  Tensor scale = ft::rsqrt(ft::diag(sorted));
  save(out + "/neural_tangent_kernels.png", ft::io::heat_maps({{"cosine of two images (by class)", sorted * scale * scale.unsqueeze(1)},
                                                               {"trace: 20 training by 5 test images", trace},
                                                               {"outputs of one image with itself", same[0][0]}},
                                                              "Neural tangent kernel of a CNN on Fashion-MNIST"));
  return failures != 0;
}
