// Learning to learn: model-agnostic meta-learning (Finn, Abbeel and Levine, 2017) on sinusoids. After functorch's
// examples/maml_regression, itself after E. Jang's maml-jax.
//
// A task is a sinusoid of unknown amplitude and phase, seen at twenty points. We look for initial weights from which one step of
// gradient descent on those points fits the whole curve. The loss of the initial weights contains a gradient, so learning them takes a
// derivative of a derivative; and vmap takes it for all tasks of a batch at once.
#include <functra/nn.h>
#include <functra/optim.h>

#include "support/check.h"

using namespace example;
namespace nn = ft::nn;

namespace {

const double kAlpha = 0.1, kPi = 3.14159265358979323846;  // the rate of the inner step
const int kPoints = 20, kTasks = 8, kIterations = 4000;

struct Net {
  nn::Linear fc1, fc2, fc3;
  explicit Net(const Tensor& key) : Net(ft::random::split(key, 3), 0) {}
  Tensor operator()(const Tensor& x) const { return fc3(ft::relu(fc2(ft::relu(fc1(x))))); }
  FUNCTRA_TREE(Net, fc1, fc2, fc3);

 private:
  Net(const Tensor& keys, int) : fc1(keys[0], 1, 40), fc2(keys[1], 40, 40), fc3(keys[2], 40, 1) {}
};

// A sinusoid, and points [n, 1] to learn from and to be judged by.
struct Task {
  Tensor amplitude, phase, x1, y1, x2, y2;
};
Tensor wave(const Tensor& amplitude, const Tensor& phase, const Tensor& x) { return amplitude * ft::sin(x + phase); }
Task sample_task(const Tensor& key) {
  Tensor k = ft::random::split(key, 4);
  Tensor a = ft::random::uniform(k[0], {}, {}, 0.1, 0.5), p = ft::random::uniform(k[1], {}, {}, 0.0, kPi);
  Tensor x1 = ft::random::uniform(k[2], {kPoints, 1}, {}, -5.0, 5.0), x2 = ft::random::uniform(k[3], {kPoints, 1}, {}, -5.0, 5.0);
  return {a, p, x1, wave(a, p, x1), x2, wave(a, p, x2)};
}

Tensor inner_loss(const Net& net, const Tensor& x, const Tensor& y) { return ft::mse_loss(net(x), y); }
// Steps of gradient descent on the task's own points.
Net adapted(Net net, const Tensor& x, const Tensor& y, int steps) {
  ft::optim::SGD sgd{{.lr = kAlpha}};
  for (auto state = sgd.init(net); steps > 0; --steps) std::tie(net, state) = sgd.step(net, ft::grad(inner_loss)(net, x, y), state);
  return net;
}
// How well the weights do on a task, after one step on it.
Tensor task_loss(const Net& net, const Task& t) { return ft::mse_loss(adapted(net, t.x1, t.y1, 1)(t.x2), t.y2); }
// Over a batch of tasks: each leaf of `tasks` has one more dimension.
Tensor meta_loss(const Net& net, const Task& tasks) { return ft::mean(ft::vmap(task_loss, {.in_dims = {ft::none, 0}})(net, tasks)); }

// The mean loss over tasks after so many steps on each.
double loss_after(const Net& net, const Task& tasks, int steps) {
  auto one = [&](const Task& t) { return ft::mse_loss(adapted(net, t.x1, t.y1, steps)(t.x2), t.y2); };
  return double(ft::mean(ft::vmap(one)(tasks)));
}
// Points as one curve of short dashes: NaN ends a line.
ft::io::Curve points(const std::string& name, const std::vector<double>& x, const std::vector<double>& y) {
  ft::io::Curve c{name, {}, {}};
  for (std::size_t i = 0; i < x.size(); ++i) {
    c.x.insert(c.x.end(), {x[i] - 0.07, x[i] + 0.07, x[i]});
    c.y.insert(c.y.end(), {y[i], y[i], NAN});
  }
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  Tensor k = ft::random::split(ft::random::key(7), 4);
  auto tasks_of = ft::jit([](const Tensor& key) { return ft::vmap(sample_task)(ft::random::split(key, kTasks)); });

  // The derivative of the meta loss goes through the inner gradient. In f64, against a difference and against a loop over the tasks.
  ft::set_default_dtype(ft::f64);
  Net exact(k[0]), along(k[1]);
  Task few = ft::vmap(sample_task)(ft::random::split(k[2], 3));
  auto loss_at = [&](const Net& n) { return meta_loss(n, few); };
  Net g = ft::grad(loss_at)(exact);
  check_close("derivative through the inner step, against a difference", dot(g, along), difference(loss_at, exact, along, 1e-7), 1e-6);
  auto looped = [&](const Net& n) {
    Tensor sum = 0.0;
    for (int i = 0; i < 3; ++i) sum = sum + task_loss(n, ft::tree_map([&](const Tensor& t) { return t[i]; }, few));
    return sum / 3.0;
  };
  check_close("all tasks at once, against one by one", dot(g, along), dot(ft::grad(looped)(exact), along), 1e-12);
  ft::set_default_dtype(ft::f32);

  // Meta-training: Adam on the initial weights. Beside it the same network learns the mean of all tasks, without an inner step.
  Net meta(k[0]), plain(k[0]);
  ft::optim::Adam adam{{.lr = 1e-3}};
  auto trainer = [&](auto loss) {
    return ft::jit([adam, loss](const Net& n, const ft::optim::AdamState<Net>& s, const Task& tasks) {
      auto [g, value] = ft::grad_and_value(loss)(n, tasks);
      return std::pair{value, adam.step(n, g, s)};
    });
  };
  auto meta_step = trainer(meta_loss);
  auto plain_step = trainer([](const Net& n, const Task& t) { return inner_loss(n, t.x1, t.y1); });
  auto meta_state = adam.init(meta), plain_state = adam.init(plain);
  std::vector<double> steps, losses;
  double mean = 0;
  Tensor keys = ft::random::split(k[3], kIterations);
  for (int i = 0; i < kIterations; ++i) {
    Task tasks = tasks_of(keys[i]);
    auto [value, next] = meta_step(meta, meta_state, tasks);
    std::tie(meta, meta_state) = next;
    std::tie(plain, plain_state) = plain_step(plain, plain_state, tasks).second;
    mean += double(value) / 50;
    if (i % 50 == 49) steps.push_back(i + 1), losses.push_back(mean), mean = 0;
    if (i % 500 == 499) fmt::print("iteration {} -- outer loss: {:.4f}\n", i + 1, losses.back());
  }

  // New tasks: what the two initialisations make of twenty points.
  Task fresh = ft::vmap(sample_task)(ft::random::split(ft::random::key(8), 100));
  double before = loss_after(meta, fresh, 0), after = loss_after(meta, fresh, 1), later = loss_after(meta, fresh, 5);
  double plain_after = loss_after(plain, fresh, 1), plain_later = loss_after(plain, fresh, 5);
  fmt::print("mean square error on 100 new tasks: before {:.4f}, after one step {:.4f}, after five {:.4f}\n", before, after, later);
  fmt::print("without meta-learning: after one step {:.4f}, after five {:.4f}\n", plain_after, plain_later);
  check("one step on a new task takes most of the error away", after < 0.3 * before);
  check("five steps take more", later < after);
  check("without meta-learning a step does much less", plain_after > 2 * after);

  Task t = ft::tree_map([](const Tensor& v) { return v[0]; }, fresh);
  Tensor x = ft::linspace(-5, 5, 200).unsqueeze(1);
  auto curve = [&](const char* name, const Tensor& y) { return ft::io::Curve{name, column(x.to(ft::f64), 0), column(y.to(ft::f64), 0)}; };
  std::vector<ft::io::Curve> fits{curve("true", wave(t.amplitude, t.phase, x)),
                                  curve("before", meta(x)),
                                  curve("after one step", adapted(meta, t.x1, t.y1, 1)(x)),
                                  curve("after five", adapted(meta, t.x1, t.y1, 5)(x)),
                                  curve("five, no MAML", adapted(plain, t.x1, t.y1, 5)(x)),
                                  points("seen", column(t.x1.to(ft::f64), 0), column(t.y1.to(ft::f64), 0))};
  save(out + "/maml_sinusoid.png", ft::io::line_plot(fits, "A new sinusoid learned from 20 points", "x", "y"));
  save(out + "/maml_sinusoid_loss.png", ft::io::line_plot({{"meta loss", steps, losses}}, "Meta-training", "iteration", "mean square error"));
  return failures != 0;
}
