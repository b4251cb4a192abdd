// Fashion-MNIST (Debian's dataset-fashion-mnist) as tensors.
#pragma once
#include <functra/functra.h>
#include <functra/io/idx.h>

#include <string>

namespace example {

struct Images {
  functra::Tensor pixels;  // f32 [n, 1, 28, 28], of mean 0 and deviation 1 over the training set
  functra::Tensor labels;  // i64 [n], 0 to 9
};
inline const char* const kClasses[] = {"T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"};

// The first n images of "train" or "t10k".
inline Images fashion_mnist(const std::string& set, std::int64_t n) {
  std::string path = "/usr/share/datasets/fashion-mnist/" + set;
  functra::Tensor pixels = functra::narrow(functra::io::read_idx(path + "-images-idx3-ubyte.gz"), 0, 0, n),
                  labels = functra::narrow(functra::io::read_idx(path + "-labels-idx1-ubyte.gz"), 0, 0, n);
  return {((pixels.to(functra::f32) / 255 - 0.286) / 0.353).unsqueeze(1), labels.to(functra::i64)};
}
// Pictures of them for a sheet: dark on white, [n, 28, 28] in [0, 1].
inline functra::Tensor as_pictures(const functra::Tensor& pixels) { return 1 - (pixels.squeeze(1) * 0.353 + 0.286); }

}  // namespace example
