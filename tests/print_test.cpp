// Printing as PyTorch does in Python: expected texts follow the rules of torch/_tensor_str.py.
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "functra/functra.h"

namespace functra {
namespace {
std::string text(const Tensor& t) { return to_string(t); }
}  // namespace

TEST(Print, NumbersAsTorch) {
  EXPECT_EQ(text(tensor({1.0, 2.0, 3.0})), "tensor([1., 2., 3.])");
  EXPECT_EQ(text(tensor({1, 2, 300})), "tensor([  1,   2, 300])");
  EXPECT_EQ(text(tensor({true, false})), "tensor([ True, False])");
  EXPECT_EQ(text(tensor({1.5, -2.25})), "tensor([ 1.5000, -2.2500])");
  EXPECT_EQ(text(tensor(2.0)), "tensor(2.)");
  EXPECT_EQ(text(tensor(0.1)), "tensor(0.1000)");
  EXPECT_EQ(text(Tensor(2)), "tensor(2)");
  EXPECT_EQ(text(tensor({1.0, 2.0}, f64)), "tensor([1., 2.], dtype=torch.float64)");
  EXPECT_EQ(text(tensor({1, 2}, i32)), "tensor([1, 2], dtype=torch.int32)");
  EXPECT_EQ(text(tensor({{1.0, 2.0}, {3.0, 4.0}})), "tensor([[1., 2.],\n        [3., 4.]])");
  EXPECT_EQ(text(ones({2, 1, 2})), "tensor([[[1., 1.]],\n\n        [[1., 1.]]])");
}
TEST(Print, ScientificNotationByRangeAsTorch) {
  EXPECT_EQ(text(tensor({0.00001, 1.0})), "tensor([1.0000e-05, 1.0000e+00])");
  EXPECT_EQ(text(tensor({1.0, 1001.0})), "tensor([1.0000e+00, 1.0010e+03])");
  EXPECT_EQ(text(tensor({1.0, 1000.0})), "tensor([   1., 1000.])");
  EXPECT_EQ(text(tensor({2e8})), "tensor([2.0000e+08])");
  EXPECT_EQ(text(tensor({0.5, 1000.0})), "tensor([5.0000e-01, 1.0000e+03])");
}
TEST(Print, NonFiniteNumbers) {
  double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(text(tensor({1.0, inf, -inf, nan})), "tensor([1., inf, -inf, nan])");
  EXPECT_EQ(text(tensor({0.5, inf, -nan})), "tensor([0.5000,    inf,    nan])");
  EXPECT_EQ(text(tensor({0.0, 0.0})), "tensor([0., 0.])");
}
TEST(Print, EmptyTensorsShowSizeAndDtype) {
  EXPECT_EQ(text(zeros({0})), "tensor([])");
  EXPECT_EQ(text(zeros({0, 3})), "tensor([], size=(0, 3))");
  EXPECT_EQ(text(zeros({0}, i64)), "tensor([], dtype=torch.int64)");
}
TEST(Print, LongLinesWrapAndLargeTensorsAreSummarised) {
  EXPECT_EQ(
      text(arange(30)),
      "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])");
  EXPECT_EQ(text(arange(1001)), "tensor([   0,    1,    2,  ...,  998,  999, 1000])");
  EXPECT_EQ(text(reshape(arange(2000), {1000, 2})),
            "tensor([[   0,    1],\n        [   2,    3],\n        [   4,    5],\n        ...,\n        [1994, 1995],\n        [1996, 1997],\n       "
            " [1998, 1999]])");
}
TEST(Print, TracedValuesShowTheirWrapper) {
  std::string seen;
  grad([&](const Tensor& x) {
    seen = text(x);
    return x * x;
  })(tensor(3.0));
  EXPECT_EQ(seen, "GradTracer(value=tensor(3.))");
  vmap([&](const Tensor& x) {
    seen = text(x);
    return x;
  })(tensor({1.0, 2.0}));
  EXPECT_EQ(seen, "BatchedTensor(dim=0, value=tensor([1., 2.]))");
  make_fx([&](const Tensor& x) {
    seen = text(x);
    return x;
  })(tensor({1.0, 2.0}));
  EXPECT_EQ(seen, "Tracer(f32[2])");
  std::ostringstream out;
  out << tensor({1, 2});
  EXPECT_EQ(out.str(), "tensor([1, 2])");
}

}  // namespace functra
