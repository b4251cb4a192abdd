// The network: two tanh convolutions, 16 x 8 x 8 / 2 and 32 x 4 x 4 / 2, each followed by a 2 x 2 / 1 max pool, and a hidden layer of
// 32: 26,010 parameters. Every function here is written for one image, without a batch dimension.
#pragma once
#include <functra/functra.h>

namespace ft = functra;
using ft::Tensor;

struct Net {
  Tensor conv1, bias1, conv2, bias2, hidden, bias3, out, bias4;
};

Net make_net(const Tensor& key);                                        // uniform, by the number of inputs
Tensor logits(const Net& net, const Tensor& image);                     // [28, 28] -> [10]
Tensor loss(const Net& net, const Tensor& image, const Tensor& label);  // cross entropy, 0-d

bool check(const char* what, bool ok);                                  // prints a line, and remembers failures
bool close(const Tensor& a, const Tensor& b, double tolerance = 1e-5);  // relative to the largest element of b; shapes agree
int failures();

void whirlwind();  // every transform on small functions, each checked
