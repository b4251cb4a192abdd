#include "net.h"

#include <cmath>
#include <cstdio>

namespace {
int failed = 0;
}  // namespace

Net make_net(const Tensor& key) {
  Tensor keys = ft::random::split(key, 8);
  std::int64_t i = 0;
  auto uniform = [&](const ft::Shape& shape, std::int64_t inputs) {
    double bound = 1 / std::sqrt(static_cast<double>(inputs));
    return ft::random::uniform(keys[i++], shape, ft::f32, -bound, bound);
  };
  return {uniform({16, 1, 8, 8}, 64), uniform({16}, 64),  uniform({32, 16, 4, 4}, 256), uniform({32}, 256),
          uniform({32, 512}, 512),    uniform({32}, 512), uniform({10, 32}, 32),        uniform({10}, 32)};
}
Tensor logits(const Net& net, const Tensor& image) {
  Tensor x = image.unsqueeze(0);
  x = ft::max_pool2d(ft::tanh(ft::conv2d(x, net.conv1, net.bias1, 2, 3)), 2, 1);
  x = ft::max_pool2d(ft::tanh(ft::conv2d(x, net.conv2, net.bias2, 2)), 2, 1);
  x = ft::tanh(ft::linear(x.flatten(), net.hidden, net.bias3));
  return ft::linear(x, net.out, net.bias4);
}
Tensor loss(const Net& net, const Tensor& image, const Tensor& label) { return ft::cross_entropy(logits(net, image), label); }

bool check(const char* what, bool ok) {
  std::printf("  %s  %s\n", ok ? "ok    " : "FAILED", what);
  failed += !ok;
  return ok;
}
bool close(const Tensor& a, const Tensor& b, double tolerance) {
  if (!(a.sizes() == b.sizes())) return false;
  auto x = a.to_vector<double>(), y = b.to_vector<double>();
  double largest = 1e-30;
  for (double v : y) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!(std::abs(x[i] - y[i]) <= tolerance * largest)) return false;
  return true;
}
int failures() { return failed; }
