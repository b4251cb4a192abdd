// Per-sample gradients of a convolutional network on Fashion-MNIST, by vmap(grad(loss)); then differentially private training with
// them (Abadi et al., "Deep Learning with Differential Privacy", 2016; the network and its rates follow Papernot et al., "Tempered
// Sigmoid Activations for Deep Learning with Differential Privacy", 2020).
//
//   fashion_mnist [--quick] [--epochs N] [--data FOLDER] [--out FOLDER]
//
// Writes loss.png and misclassified.png. Ends with an error if a check fails or the accuracy on the test images is below 80 %.
#include <functra/fmt.h>
#include <functra/io/idx.h>
#include <functra/io/picture.h>
#include <functra/io/png.h>
#include <functra/optim/privacy.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "net.h"

namespace {

constexpr double kBatch = 512, kClip = 0.1, kNoise = 0.8, kMomentum = 0.9, kRate = 2.0, kDelta = 1e-5;
const char* const kClasses[] = {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"};

struct Set {
  Tensor images, labels;
};  // u8 [n, 28, 28], u8 [n]
struct Batch {
  Tensor images, labels;
};  // f32 [b, 28, 28], i64 [b]

Set load(const std::string& folder, const std::string& name) {
  return {ft::io::read_idx(folder + "/" + name + "-images-idx3-ubyte.gz"), ft::io::read_idx(folder + "/" + name + "-labels-idx1-ubyte.gz")};
}
Batch pick(const Set& s, const std::vector<std::int64_t>& which) {
  std::vector<float> pixels;
  std::vector<std::int64_t> labels;
  pixels.reserve(which.size() * 784);
  const auto *images = s.images.data<unsigned char>(), *classes = s.labels.data<unsigned char>();
  for (std::int64_t i : which) {
    for (std::int64_t p = 0; p < 784; ++p)
      pixels.push_back((static_cast<float>(images[i * 784 + p]) / 255 - 0.286f) / 0.353f);  // mean and deviation of the training pixels
    labels.push_back(classes[i]);
  }
  std::int64_t n = static_cast<std::int64_t>(which.size());
  return {ft::from_span(pixels, ft::Shape{n, 28, 28}), ft::from_span(labels)};
}
std::vector<std::int64_t> range(std::int64_t from, std::int64_t to) {
  std::vector<std::int64_t> r;
  for (; from < to; ++from) r.push_back(from);
  return r;
}

// One gradient per example: the parameters keep their types and gain a leading dimension.
auto per_sample_gradients() { return ft::vmap(ft::grad_and_value(loss), {.in_dims = {ft::none, 0, 0}}); }

void check_per_sample_gradients(const Net& net, const Set& train, std::int64_t n) {
  Batch b = pick(train, range(0, n));
  auto [gradients, values] = per_sample_gradients()(net, b.images, b.labels);
  bool ok = true;
  for (std::int64_t i = 0; i < n; ++i) {
    auto [one, value] = ft::grad_and_value(loss)(net, b.images[i], b.labels[i]);
    auto batched = ft::tree_leaves(gradients), single = ft::tree_leaves(one);
    for (std::size_t k = 0; k < single.size(); ++k) ok &= close(batched[k][i], single[k], 1e-4);
    ok &= close(values[i], value, 1e-5);
  }
  check(fmt::format("vmap(grad(loss)) on {} images = a loop of single-image gradients", n).c_str(), ok);
}

// The sum of gradients, each scaled to a norm of at most `clip`.
Net clipped_sum(const Net& gradients, double clip) {
  Tensor squares = 0.0;
  for (const Tensor& g : ft::tree_leaves(gradients)) squares = squares + ft::sum(ft::square(g.reshape({g.size(0), -1})), 1);
  Tensor scale = ft::minimum(clip / (ft::sqrt(squares) + 1e-9), 1.0).unsqueeze(0);
  return ft::tree_map(
      [&](const Tensor& g) {
        ft::Shape shape = g.sizes();
        return ft::matmul(scale, g.reshape({shape[0], -1})).reshape(shape.without(0));
      },
      gradients);
}

struct Training {
  Net net;
  std::vector<double> step, loss;
  double seconds, epsilon;
};

Training train(Net net, const Set& data, int steps, int epochs) {
  double n = static_cast<double>(data.images.size(0)), rate = kBatch / n;
  Net momentum = ft::tree_map([](const Tensor& p) { return ft::zeros_like(p); }, net);
  ft::optim::PrivacyAccountant accountant;
  Training r{};
  auto gradients_of = per_sample_gradients();
  bool terminal = isatty(STDOUT_FILENO);
  double smooth = std::log(10.0);
  auto start = std::chrono::steady_clock::now();
  auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (int i = 0; i < steps; ++i) {
    auto keys = ft::random::split(ft::random::fold_in(ft::random::key(2024), i));
    std::vector<std::int64_t> chosen;  // each image independently with probability `rate`
    Tensor draw = ft::random::uniform(keys[0], {data.images.size(0)});
    auto u = draw.span<float>();
    for (std::size_t k = 0; k < u.size(); ++k)
      if (u[k] < rate) chosen.push_back(static_cast<std::int64_t>(k));
    if (!chosen.empty()) {
      Batch b = pick(data, chosen);
      auto [gradients, values] = gradients_of(net, b.images, b.labels);
      Net sum = clipped_sum(gradients, kClip);
      int leaf = 0;
      Net noisy = ft::tree_map(
          [&](const Tensor& g) { return (g + kNoise * kClip * ft::random::normal(ft::random::fold_in(keys[1], leaf++), g.sizes())) / kBatch; }, sum);
      momentum = ft::tree_map([](const Tensor& m, const Tensor& g) { return kMomentum * m + g; }, momentum, noisy);
      net = ft::tree_map([](const Tensor& p, const Tensor& m) { return p - kRate * m; }, net, momentum);
      double mean = ft::mean(values).item<double>();
      smooth = i == 0 ? mean : 0.95 * smooth + 0.05 * mean;
    }
    r.step.push_back(i);
    r.loss.push_back(smooth);
    bool last = i + 1 == steps;
    if (terminal || last || (i + 1) % std::max(1, steps / (4 * epochs)) == 0) {
      int filled = 30 * (i + 1) / steps;
      fmt::print("{}[{}{}] step {}/{}  loss {:.3f}  {:.0f} s{}", terminal ? "\r" : "", std::string(static_cast<std::size_t>(filled), '#'),
                 std::string(static_cast<std::size_t>(30 - filled), '.'), i + 1, steps, smooth, seconds(), terminal && !last ? "" : "\n");
      std::fflush(stdout);
    }
  }
  accountant.step(kNoise, rate, steps);
  r.net = net;
  r.seconds = seconds();
  r.epsilon = accountant.epsilon(kDelta);
  return r;
}

std::vector<std::int64_t> classify(const Net& net, const Set& data, std::int64_t n) {  // the first n images
  std::vector<std::int64_t> classes;
  auto predict = ft::vmap([](const Net& m, const Tensor& image) { return ft::argmax(logits(m, image)); }, {.in_dims = {ft::none, 0}});
  for (std::int64_t from = 0; from < n; from += 500)
    for (std::int64_t c : predict(net, pick(data, range(from, std::min(from + 500, n))).images).to_vector<std::int64_t>()) classes.push_back(c);
  return classes;
}

void draw_mistakes(const std::string& path, const Set& test, const std::vector<std::int64_t>& classes) {
  std::vector<unsigned char> pixels;
  std::vector<std::string> captions;
  const auto *images = test.images.data<unsigned char>(), *labels = test.labels.data<unsigned char>();
  for (std::size_t i = 0; i < classes.size() && captions.size() < 40; ++i) {
    if (classes[i] == labels[i]) continue;
    for (std::size_t p = 0; p < 784; ++p) pixels.push_back(static_cast<unsigned char>(255 - images[i * 784 + p]));
    captions.push_back(std::string("said ") + kClasses[classes[i]] + "\nis " + kClasses[labels[i]]);
  }
  if (!captions.empty()) ft::io::write_png(path, ft::io::image_sheet(ft::from_span(pixels, ft::Shape{captions.size(), 28, 28}), captions, 8));
}
}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  int epochs = 6;
  std::string folder = "/usr/share/datasets/fashion-mnist", out = "out";
  for (int i = 1; i < argc; ++i) {
    auto is = [&](const char* name) { return std::strcmp(argv[i], name) == 0; };
    if (is("--quick")) quick = true;
    else if (is("--epochs") && i + 1 < argc) epochs = std::max(1, std::atoi(argv[++i]));
    else if (is("--data") && i + 1 < argc) folder = argv[++i];
    else if (is("--out") && i + 1 < argc) out = argv[++i];
    else {
      fmt::print(stderr, "usage: fashion_mnist [--quick] [--epochs N] [--data FOLDER] [--out FOLDER]\n");
      return 2;
    }
  }
  std::filesystem::create_directories(out);
  whirlwind();

  Set training = load(folder, "train"), test = load(folder, "t10k");
  fmt::print("Fashion-MNIST: {} training and {} test images\n", training.images.size(0), test.images.size(0));
  Net net = make_net(ft::random::key(0));
  check_per_sample_gradients(net, training, quick ? 4 : 32);

  int steps = quick ? 4 : static_cast<int>(epochs * static_cast<double>(training.images.size(0)) / kBatch);
  fmt::print("Private training: {} steps of about {} images, clip {}, noise {}\n", steps, kBatch, kClip, kNoise);
  Training r = train(net, training, steps, quick ? 1 : epochs);

  std::vector<std::int64_t> classes = classify(r.net, test, quick ? 500 : test.images.size(0));
  auto labels = test.labels.span<unsigned char>();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) right += classes[i] == labels[i];
  double accuracy = 100.0 * static_cast<double>(right) / static_cast<double>(classes.size());
  ft::io::write_png(out + "/loss.png", ft::io::line_plot({{"training loss", r.step, r.loss}}, "Private training on Fashion-MNIST", "step", "loss"));
  draw_mistakes(out + "/misclassified.png", test, classes);
  fmt::print("wrote {}/loss.png and {}/misclassified.png\n", out, out);
  check("epsilon is at most 8", r.epsilon <= 8);
  if (!quick) check("accuracy on the test images is above 80 %", accuracy > 80);
  fmt::print("test accuracy {:.1f} %\ntraining seconds {:.0f}\nepsilon {:.1f} at delta 1e-5\n", accuracy, r.seconds, r.epsilon);
  return failures() ? 1 : 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "fashion_mnist: {}\n", e.what());
  return 1;
}
