// Many models trained at once. After functorch's examples/ensembling/parallel_train.py, itself after "Parallelizing neural networks on
// one GPU with JAX" (W. Whitney, 2021): a step of training is a pure function of weights and data, so vmap over the weights trains an
// ensemble, vmap over the learning rate sweeps it, and vmap over keys gives every model a data set of its own.
#include <functra/nn.h>
#include <functra/optim.h>

#include <chrono>

#include "support/check.h"

using namespace example;
namespace nn = ft::nn;

namespace {

const int kSamples = 100, kModels = 8, kSteps = 1000;
const double kPi = 3.14159265358979323846;

// Step 1. Two spirals: points [n, 2] and labels [n].
std::pair<Tensor, Tensor> make_spirals(const Tensor& key, int n, double noise) {
  auto [k1, k2] = ft::random::split(key);
  Tensor r = ft::sqrt(ft::linspace(0, 1, n)), angle = r * 2 * kPi;
  Tensor label = ft::random::bernoulli(k1, 0.5, {n}), sign = ft::where(label, 1.0, -1.0);
  Tensor curve = ft::stack({r * sign * ft::cos(angle), r * sign * ft::sin(angle)}, 1);
  return {curve + noise * ft::random::normal(k2, {n, 2}), label.to(ft::i64)};
}

// Step 2. A classifier with one hidden layer: a struct of layers, made from a key.
struct Classifier {
  nn::Linear fc1, fc2;
  explicit Classifier(const Tensor& key) : fc1(ft::random::split(key)[0], 2, 32), fc2(ft::random::split(key)[1], 32, 2) {}
  Tensor operator()(const Tensor& x) const { return fc2(ft::relu(fc1(x))); }
  FUNCTRA_TREE(Classifier, fc1, fc2);
};
Tensor loss_of(const Classifier& net, const Tensor& x, const Tensor& labels) { return ft::cross_entropy(net(x), labels); }
Tensor accuracy(const Classifier& net, const Tensor& x, const Tensor& labels) { return ft::mean((ft::argmax(net(x), -1) == labels).to(ft::f32)); }

// Step 3. One step of gradient descent: (weights, rate, data) -> (loss, new weights). Nothing is changed in place.
std::pair<Tensor, Classifier> train_step(const Classifier& net, const Tensor& rate, const Tensor& x, const Tensor& labels) {
  auto [g, loss] = ft::grad_and_value(loss_of)(net, x, labels);
  ft::optim::SGD sgd{{.lr = rate}};
  return {loss, sgd.step(net, g, sgd.init(net)).first};
}

// Calls step(models, rate) kSteps times; the losses, one row per step.
template <class Step, class Net> Tensor train(Step step, Net& net, const Tensor& rate) {
  std::vector<Tensor> losses;
  for (int i = 0; i < kSteps; ++i) {
    auto [loss, next] = step(net, rate);
    net = next;
    losses.push_back(loss);
  }
  return ft::stack(losses);
}
std::vector<Classifier> some_models(std::uint64_t seed) {
  std::vector<Classifier> nets;
  Tensor keys = ft::random::split(ft::random::key(seed), kModels);
  for (int i = 0; i < kModels; ++i) nets.emplace_back(keys[i]);
  return nets;
}
// The largest difference between the tensors of two models.
double distance(const Classifier& a, const Classifier& b) {
  double most = 0;
  ft::tree_map([&](const Tensor& x, const Tensor& y) { return most = std::max(most, double(ft::amax(ft::abs(x - y)))), x; }, a, b);
  return most;
}
double seconds_of(const std::function<void()>& f) {
  auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
// One curve per model: losses [steps, models], every tenth step.
void plot(const std::string& path, const Tensor& losses, const std::string& title, const std::function<std::string(int)>& name) {
  std::vector<ft::io::Curve> curves;
  Tensor some = losses.index({ft::Slice(0, kSteps, 10)}), at = ft::arange(0, kSteps, 10, ft::f64);
  for (int m = 0; m < kModels; ++m) curves.push_back({name(m), at.to_vector<double>(), column(some.to(ft::f64), m)});
  save(path, ft::io::line_plot(curves, title, "step", "cross entropy"));
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  auto [points, labels] = make_spirals(ft::random::key(0), kSamples, 0.05);
  Tensor x = points, y = labels, rate = ft::tensor(0.2);

  // Step 4. Does one model train?
  auto step = [&](const Classifier& net, const Tensor& rate) { return train_step(net, rate, x, y); };
  Classifier one(ft::random::key(1));
  Tensor single = train(ft::jit(step), one, rate);
  for (int i = 0; i < kSteps; i += 200) fmt::print("one model, step {}: loss {:.4f}\n", i, double(single[i]));
  check("the loss of one model falls by half", double(single[kSteps - 1]) < 0.5 * double(single[0]));

  // Step 5. The weights of several models, stacked: the same struct, each tensor with one more dimension.
  std::vector<Classifier> nets = some_models(3);
  Classifier stacked = ft::stack_module_state(nets);
  check("stacked weights are [models, out, in]", stacked.fc1.weight.sizes() == ft::Shape{kModels, 32, 2});

  // Step 6. Train them all: vmap over the whole step. The loop over models is what it replaces.
  auto parallel = ft::vmap(step, {.in_dims = {0, ft::none}});
  Tensor losses, looped;
  auto compare = [&](const char* how, const auto& together, const auto& alone) {
    stacked = ft::stack_module_state(nets);
    std::vector<Classifier> each = nets;
    std::vector<Tensor> rows;
    double at_once = seconds_of([&] { losses = train(together, stacked, rate); });
    double one_by_one = seconds_of([&] {
      for (Classifier& net : each) rows.push_back(train(alone, net, rate));
    });
    looped = ft::stack(rows, 1);
    fmt::print("{} steps of {} models, {}: vmap {:.2f} s, loop {:.2f} s\n", kSteps, kModels, how, at_once, one_by_one);
    check_close("weights trained together less weights trained one by one", distance(stacked, ft::stack_module_state(each)), 0,
                1e-2);  // of rounding, which a thousand steps enlarge
    check_close("and their losses", double(ft::amax(ft::abs(losses - looped))), 0, 1e-3);
  };
  compare("eager", parallel, step);
  compare("jit", ft::jit(parallel), ft::jit(step));  // without the cost of operations, vmap has less to save
  for (int i = 0; i < kSteps; i += 200) fmt::print("{} models, step {}: losses {}\n", kModels, i, losses[i]);
  plot(out + "/parallel_training.png", losses, "Eight initial values, one rate", [](int m) { return "seed " + std::to_string(m + 1); });

  // Or one model at eight learning rates: the rate is mapped with the weights, which begin as copies of one another.
  Tensor rates = ft::exp2(ft::arange(-7, 1, 1, ft::f32));  // 1/128 to 1
  Classifier swept = ft::stack_module_state(std::vector<Classifier>(kModels, nets[0]));
  Tensor by_rate = train(ft::jit(ft::vmap(step)), swept, rates), last = by_rate[kSteps - 1];
  int best = static_cast<int>(ft::argmin(last).item<std::int64_t>());
  fmt::print("losses by learning rate {}: {}\n", rates, last);
  Classifier again = nets[0];
  check_close("the best rate, trained alone", double(train(step, again, rates[best])[kSteps - 1]), double(last[best]), 1e-5);
  plot(out + "/parallel_training_rates.png", by_rate, "One initial value, eight rates", [](int m) { return fmt::format("rate 1/{}", 128 >> m); });

  // Step 7. On the same data every model overfits in the same way: give each a sample of its own, drawn with its own key, and let them
  // vote. Data and weights are mapped together.
  auto sample = ft::vmap([&](const Tensor& key) {
    Tensor at = ft::random::randint(key, {kSamples}, 0, kSamples);
    return std::pair{ft::index_select(x, 0, at), ft::index_select(y, 0, at)};
  });
  auto [xs, ys] = sample(ft::random::split(ft::random::key(4), kModels));
  Tensor own_x = xs, own_y = ys;
  Classifier bagged = ft::stack_module_state(nets);
  auto bag = ft::vmap(train_step, {.in_dims = {0, ft::none, 0, 0}});
  (void)train(ft::jit([&](const Classifier& net, const Tensor& rate) { return bag(net, rate, own_x, own_y); }), bagged, rate);
  auto [test_points, test_labels] = make_spirals(ft::random::key(5), 1000, 0.05);
  Tensor tx = test_points, ty = test_labels;
  Tensor each = ft::vmap(accuracy, {.in_dims = {0, ft::none, ft::none}})(bagged, tx, ty);
  Tensor votes = ft::mean(ft::vmap([&](const Classifier& net) { return ft::softmax(net(tx), -1); })(bagged), 0);
  double vote = double(ft::mean((ft::argmax(votes, -1) == ty).to(ft::f32)));
  fmt::print("accuracy on 1000 new points: each {}, together {:.3f}\n", each, vote);
  check_close("accuracy of model 0 in the stack, and alone", double(each[0]), double(accuracy(ft::unstack_module_state(bagged)[0], tx, ty)), 0);
  check("together they are at least as good as on average", vote >= double(ft::mean(each)) - 0.01);
  return failures != 0;
}
