// Model ensembling, as functorch's page of that name: ten networks of one architecture evaluated, and here trained too, as one by vmap.
// Their mean is better than its members, and where they disagree it does not know.
#include <functra/nn.h>
#include <functra/optim.h>

#include "support/check.h"
#include "support/fashion_mnist.h"

using namespace example;
namespace nn = ft::nn;

namespace {

struct SimpleMLP {
  nn::Linear fc1, fc2, fc3;
  Tensor operator()(const Tensor& images) const {  // [n, 1, 28, 28] -> [n, 10]
    return fc3(ft::relu(fc2(ft::relu(fc1(images.flatten(1))))));
  }
};
SimpleMLP make_mlp(const Tensor& key) {
  Tensor k = ft::random::split(key, 3);
  return {nn::Linear(k[0], 784, 128), nn::Linear(k[1], 128, 128), nn::Linear(k[2], 128, 10)};
}
Tensor predict(const SimpleMLP& model, const Tensor& images) { return model(images); }
Tensor probabilities(const SimpleMLP& model, const Tensor& images) { return ft::softmax(model(images), 1); }
Tensor loss(const SimpleMLP& model, const Tensor& images, const Tensor& labels) { return ft::cross_entropy(model(images), labels); }

double accuracy(const Tensor& scores, const Tensor& labels) { return double(ft::mean((ft::argmax(scores, -1) == labels).to(ft::f32))); }

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  const std::int64_t num_models = 10, batch = 64;
  Images train = fashion_mnist("train", 20000), test = fashion_mnist("t10k", 2000);
  Tensor minibatches = ft::narrow(train.pixels, 0, 0, num_models * batch).reshape({num_models, batch, 1, 28, 28}), minibatch = minibatches[0];
  std::vector<SimpleMLP> models;
  for (int i = 0; i < num_models; ++i) models.push_back(make_mlp(ft::random::fold_in(ft::random::key(0), i)));

  // By loops: a minibatch for each model, or the same minibatch for all.
  auto own_loop = [&] {
    std::vector<Tensor> r;
    for (std::int64_t i = 0; i < num_models; ++i) r.push_back(models[std::size_t(i)](minibatches[i]));
    return ft::stack(r);
  };
  auto shared_loop = [&] {
    std::vector<Tensor> r;
    for (const SimpleMLP& model : models) r.push_back(model(minibatch));
    return ft::stack(r);
  };

  // By vmap: one model whose parameters are those of the ten, stacked. in_dims says what is mapped: none is the same for every model.
  SimpleMLP stacked = ft::stack_module_state(models);
  fmt::print("fc1.weight of one model {}, of the stack {}\n", models[0].fc1.weight.sizes(), stacked.fc1.weight.sizes());
  auto own = ft::vmap(predict);
  auto shared = ft::vmap(predict, {.in_dims = {0, ft::none}});
  check_same("a minibatch for each model", own(stacked, minibatches), own_loop(), 1e-5);
  check_same("the same minibatch for all", shared(stacked, minibatch), shared_loop(), 1e-5);
  auto own_vmap = [&] { return own(stacked, minibatches); };
  auto shared_vmap = [&] { return shared(stacked, minibatch); };
  compare_times("a minibatch for each of 10 models", own_loop, own_vmap, 50);
  compare_times("the same minibatch for 10 models", shared_loop, shared_vmap, 50);

  // Training is the gradient under vmap: each model draws its own minibatches. Adam works on the stack as on any tree.
  auto gradients = ft::vmap(ft::grad_and_value(loss));
  ft::optim::Adam adam{{.lr = 2e-3}};
  auto state = adam.init(stacked);
  const int steps = 150;
  for (int i = 0; i < steps; ++i) {
    Tensor which = ft::random::randint(ft::random::fold_in(ft::random::key(1), i), {num_models, batch}, 0, train.labels.size(0));
    Tensor labels = train.labels.index({which});
    auto [grads, losses] = gradients(stacked, train.pixels.index({which}), labels);
    if (i == 0)
      check_same("step 0: the gradient of model 3, alone", ft::unstack_module_state(grads)[3],
                 ft::grad(loss)(models[3], train.pixels.index({which[3]}), labels[3]), 1e-5);
    std::tie(stacked, state) = adam.step(stacked, grads, state);
    if (i % 50 == 0 || i + 1 == steps) fmt::print("step {:3}: losses from {:.3f} to {:.3f}\n", i, double(ft::amin(losses)), double(ft::amax(losses)));
  }

  // The ensemble's prediction is the mean of its members' probabilities.
  Tensor members = ft::vmap(probabilities, {.in_dims = {0, ft::none}})(stacked, test.pixels), mean = ft::mean(members, 0);
  double alone = 0, together = accuracy(mean, test.labels);
  for (std::int64_t i = 0; i < num_models; ++i) alone += accuracy(members[i], test.labels) / double(num_models);
  fmt::print("accuracy on {} test images: a member {:.1f} % on average, the ensemble {:.1f} %\n", test.labels.size(0), alone * 100, together * 100);
  check("the ensemble is better than its members", together > alone && alone > 0.7);

  // Members that contradict the ensemble: many where it errs, few where it is right.
  Tensor vote = ft::argmax(mean, 1), against = ft::sum((ft::argmax(members, 2) != vote).to(ft::f32), 0), right = (vote == test.labels).to(ft::f32);
  double if_right = double(ft::sum(against * right) / ft::sum(right)), if_wrong = double(ft::sum(against * (1 - right)) / ft::sum(1 - right));
  fmt::print("members that contradict the ensemble: {:.2f} where it is right, {:.2f} where it is wrong\n", if_right, if_wrong);
  check("members disagree where the ensemble errs", if_wrong > 2 * if_right);

  // The plane through three test images (a boot in the corner, a pullover to the right, trousers below): where each class wins, and doubt.
  const std::int64_t n = 64;
  Tensor boot = test.pixels[0], pullover = test.pixels[1], trousers = test.pixels[2], t = ft::linspace(-0.5, 1.5, n, ft::f32);
  Tensor u = t.reshape({1, n, 1, 1, 1}), v = t.reshape({n, 1, 1, 1, 1});
  Tensor plane = (boot + u * (pullover - boot) + v * (trousers - boot)).reshape({n * n, 1, 28, 28});
  Tensor p = ft::vmap(probabilities, {.in_dims = {0, ft::none}})(stacked, plane), average = ft::mean(p, 0);
  Tensor doubt = ft::sum((ft::argmax(p, 2) != ft::argmax(average, 1)).to(ft::f32), 0).reshape({n, n});
  auto class_map = [&](std::int64_t c) { return average.index({ft::Ellipsis, c}).reshape({n, n}); };
  save(out + "/ensembling.png",
       ft::io::heat_maps({{"P(boot)", class_map(9)}, {"P(pullover)", class_map(2)}, {"P(trouser)", class_map(1)}, {"members that disagree", doubt}},
                         "The plane through a boot (top left), a pullover (right), trousers (below): mean of 10 networks", 192));
  return failures != 0;
}
