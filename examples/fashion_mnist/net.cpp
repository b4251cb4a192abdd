#include "net.h"

#include <cmath>
#include <cstdio>

namespace {

// Windows of a [channels, height, width] image as columns: [channels * k * k, rows * columns].
Tensor patches(const Tensor& x, std::int64_t k, std::int64_t stride) {
  std::int64_t h = x.size(1), w = x.size(2), rows = (h - k) / stride + 1, columns = (w - k) / stride + 1;
  std::vector<std::int64_t> at;
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < k; ++j)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) at.push_back((r * stride + i) * w + c * stride + j);
  return ft::index_select(x.reshape({x.size(0), h * w}), 1, ft::from_span(at)).reshape({x.size(0) * k * k, rows * columns});
}
Tensor conv(const Tensor& x, const Tensor& w, const Tensor& b, std::int64_t stride) {
  std::int64_t k = w.size(2), side = (x.size(1) - k) / stride + 1;
  return (ft::matmul(w.reshape({w.size(0), -1}), patches(x, k, stride)) + b.unsqueeze(1)).reshape({w.size(0), side, side});
}
Tensor pool(const Tensor& x) {  // 2 x 2, stride 1
  auto shifted = [](const Tensor& t, std::int64_t dim) {
    std::int64_t n = t.size(dim);
    return ft::maximum(ft::narrow(t, dim, 0, n - 1), ft::narrow(t, dim, 1, n - 1));
  };
  return shifted(shifted(x, 1), 2);
}
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
  Tensor x = ft::pad(image, {3, 3, 3, 3}).reshape({1, 34, 34});
  x = pool(ft::tanh(conv(x, net.conv1, net.bias1, 2)));
  x = pool(ft::tanh(conv(x, net.conv2, net.bias2, 2)));
  x = ft::tanh(ft::linear(x.reshape({512}), net.hidden, net.bias3));
  return ft::linear(x, net.out, net.bias4);
}
Tensor loss(const Net& net, const Tensor& image, const Tensor& label) {
  Tensor z = logits(net, image), top = ft::amax(ft::stop_gradient(z));
  return ft::log(ft::sum(ft::exp(z - top))) + top - ft::sum(ft::where(ft::arange(10) == label, z, 0.0));
}

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
