// Per-sample gradients, as functorch's page of that name: the gradient of the loss of each image of a batch, of a convolutional network.
// They are what differential privacy clips and what optimisation research looks at. Here on 64 images of Fashion-MNIST.
#include <functra/nn.h>
#include <functra/optim.h>

#include "support/check.h"
#include "support/fashion_mnist.h"

using namespace example;
namespace nn = ft::nn;

namespace {

struct SimpleCNN {
  nn::Conv2d conv1, conv2;
  nn::Linear fc1, fc2;
  Tensor operator()(const Tensor& images) const {  // [n, 1, 28, 28] -> [n, 10]
    Tensor x = ft::relu(conv1(images));
    x = ft::max_pool2d(ft::relu(conv2(x)), 2);
    x = ft::relu(fc1(x.flatten(1)));
    return ft::log_softmax(fc2(x), 1);
  }
};
SimpleCNN make_cnn(const Tensor& key) {
  Tensor k = ft::random::split(key, 4);
  return {nn::Conv2d(k[0], 1, 32, 3), nn::Conv2d(k[1], 32, 64, 3), nn::Linear(k[2], 9216, 128), nn::Linear(k[3], 128, 10)};
}

Tensor batch_loss(const SimpleCNN& model, const Tensor& images, const Tensor& targets) { return ft::nll_loss(model(images), targets); }
// The loss of one image [1, 28, 28]. The model was written for batches, so that it gets a batch of one.
Tensor compute_loss(const SimpleCNN& model, const Tensor& sample, const Tensor& target) {
  return batch_loss(model, sample.unsqueeze(0), target.unsqueeze(0));
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  const std::int64_t batch_size = 64;
  Images data = fashion_mnist("train", batch_size);
  SimpleCNN model = make_cnn(ft::random::key(0));

  // What training uses: one gradient, of the mean loss of the batch.
  SimpleCNN mean_grad = ft::grad(batch_loss)(model, data.pixels, data.labels);

  // Per-sample gradients by a loop: a forward and a backward pass for each image, then the results stacked.
  auto compute_sample_grads = [&] {
    std::vector<SimpleCNN> grads;
    for (std::int64_t i = 0; i < batch_size; ++i) grads.push_back(ft::grad(compute_loss)(model, data.pixels[i], data.labels[i]));
    return ft::stack_module_state(grads);
  };
  SimpleCNN per_sample = compute_sample_grads();
  fmt::print("conv1.weight {}, its per-sample gradients {}\n", model.conv1.weight.sizes(), per_sample.conv1.weight.sizes());

  // The same by transforms. grad gives the gradient for one image; vmap maps it over images and targets with the same model for all.
  auto ft_compute_sample_grad = ft::vmap(ft::grad(compute_loss), {.in_dims = {ft::none, 0, 0}});
  SimpleCNN ft_per_sample = ft_compute_sample_grad(model, data.pixels, data.labels);

  check_same("vmap(grad(loss)) = the loop", ft_per_sample, per_sample, 1e-5);
  check_same("their mean = the gradient of the mean loss", ft::tree_map([](const Tensor& g) { return ft::mean(g, 0); }, ft_per_sample), mean_grad,
             1e-5);
  check_same("the gradient of the last bias = probabilities - one hot labels", *ft_per_sample.fc2.bias,
             ft::exp(model(data.pixels)) - ft::one_hot(data.labels, 10, ft::f32), 1e-5);
  per_sample = ft_per_sample = mean_grad;  // frees 600 MB before anything is timed

  auto by_vmap = [&] { return ft_compute_sample_grad(model, data.pixels, data.labels); };
  compare_times(fmt::format("per-sample gradients of {} images", batch_size), compute_sample_grads, by_vmap, 2);

  // The norm of each gradient: what is clipped in private training. Only numbers leave vmap, so that no gradient outlives its use.
  auto norm_of = [](const SimpleCNN& m, const Tensor& sample, const Tensor& target) {
    return ft::optim::global_norm(ft::grad(compute_loss)(m, sample, target));
  };
  Tensor norms = ft::vmap(norm_of, {.in_dims = {ft::none, 0, 0}})(model, data.pixels, data.labels);
  fmt::print("norms: from {:.3f} to {:.3f}, mean {:.3f}\n", double(ft::amin(norms)), double(ft::amax(norms)), double(ft::mean(norms)));
  SimpleCNN alone = ft::grad(compute_loss)(model, data.pixels[5], data.labels[5]);
  check_close("the norm of image 5, alone", double(norms[5]), std::sqrt(dot(alone, alone)), 1e-5);

  // The images, from the largest gradient to the smallest.
  Tensor order = ft::argsort(norms, -1, true);
  std::vector<std::string> captions;
  for (std::int64_t i : order.to_vector<std::int64_t>())
    captions.push_back(fmt::format("{}\n{:.2f}", kClasses[data.labels[i].item<int>()], double(norms[i])));
  save(out + "/per_sample_grads.png", ft::io::image_sheet(as_pictures(ft::index_select(data.pixels, 0, order)), captions, 16, 2));
  return failures != 0;
}
