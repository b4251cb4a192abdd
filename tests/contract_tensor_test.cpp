// What the names of tensors promise, as users write them.
#include <functra/fmt.h>
#include <functra/functra.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <sstream>

#include "tests/support/values.h"

namespace ft = functra;
using ft::Tensor;

namespace {

TEST(ContractTensor, BracesOfNumbers) {
  Tensor a = ft::tensor({{1.0, 2.0}, {3.0, 4.0}}), b = ft::tensor({1, 2, 3}), c = ft::tensor({1.0, 2.0}, ft::f64);
  EXPECT_EQ(a.dtype(), ft::f32);
  EXPECT_EQ(b.dtype(), ft::i64);
  EXPECT_EQ(c.dtype(), ft::f64);
  EXPECT_VALUES(a, (ft::Dims{2, 2}), 1, 2, 3, 4);
  EXPECT_EQ(ft::tensor(2.0).dim(), 0);
  EXPECT_EQ(ft::tensor({2.0}).dim(), 1);
  EXPECT_EQ(ft::tensor({{2.0}}).dim(), 2);
  EXPECT_EQ(ft::tensor({{1.0, 2.0}}).sizes(), (ft::Dims{1, 2}));
  EXPECT_EQ(ft::tensor({{{1}}}).dim(), 3);
  EXPECT_EQ(ft::tensor({}).sizes(), ft::Dims{0});
  EXPECT_EQ(ft::tensor({1, 2.5}).dtype(), ft::f32);
  EXPECT_EQ(ft::tensor({true, false}).dtype(), ft::bool_);
  EXPECT_THROW(ft::tensor({{1.0}, {1.0, 2.0}}), ft::ShapeError);
}

TEST(ContractTensor, EveryDtypeHasItsNameAndHoldsElements) {
  const ft::DType all[] = {ft::bool_, ft::u8,  ft::u16,  ft::u32, ft::u64, ft::i8,  ft::i16, ft::i32,
                           ft::i64,   ft::f16, ft::bf16, ft::f32, ft::f64, ft::c64, ft::c128};
  const char* names[] = {"bool", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64", "c64", "c128"};
  for (std::size_t k = 0; k < std::size(all); ++k) {
    EXPECT_EQ(ft::name_of(all[k]), names[k]);
    Tensor t = ft::ones({2, 3}, all[k]);
    EXPECT_EQ(t.dtype(), all[k]);
    EXPECT_VALUES(t, (ft::Dims{2, 3}), 1, 1, 1, 1, 1, 1);
    EXPECT_VALUES(t.to(ft::f64), (ft::Dims{2, 3}), 1, 1, 1, 1, 1, 1);
  }
}

TEST(ContractTensor, ShapesFromBracesNumbersAndRanges) {
  std::vector<int> ints{2, 3};
  std::array<std::size_t, 2> sizes{2, 3};
  const std::int16_t raw[] = {2, 3};
  EXPECT_EQ(ft::Shape(ints), (ft::Dims{2, 3}));
  EXPECT_EQ(ft::Shape(sizes), (ft::Dims{2, 3}));
  EXPECT_EQ(ft::Shape(std::span<const std::int16_t>(raw)), (ft::Dims{2, 3}));
  EXPECT_EQ(ft::zeros(4).sizes(), ft::Dims{4});
  EXPECT_EQ(ft::zeros(ints).sizes(), (ft::Dims{2, 3}));
}

TEST(ContractTensor, RangesAndMemory) {
  std::vector<double> v{1, 2};
  std::vector<float> w{1, 2};
  EXPECT_EQ(ft::tensor(v).dtype(), ft::f64);
  EXPECT_VALUES(ft::tensor({v, v}), (ft::Dims{2, 2}), 1, 2, 1, 2);
  EXPECT_EQ(ft::from_span(w, ft::Dims{2, 1}).dim(), 2);
  EXPECT_EQ(ft::tensor(w, ft::f64).dtype(), ft::f64);
  float raw[6] = {1, 2, 3, 4, 5, 6};
  EXPECT_VALUES(ft::from_span(std::span<const float>(raw), {2, 3}), (ft::Dims{2, 3}), 1, 2, 3, 4, 5, 6);
  bool freed = false;
  {
    auto* q = new double[6]{5};
    Tensor t = ft::from_blob(q, {2, 3}, [&freed](double* d) {
      freed = true;
      delete[] d;
    });
    EXPECT_EQ(t.dtype(), ft::f64);
    EXPECT_VALUES(t, (ft::Dims{2, 3}), 5, 0, 0, 0, 0, 0);
    EXPECT_FALSE(freed);
  }
  EXPECT_TRUE(freed);
}

TEST(ContractTensor, Factories) {
  EXPECT_VALUES(ft::zeros({2, 3}), (ft::Dims{2, 3}), 0, 0, 0, 0, 0, 0);
  EXPECT_EQ(ft::ones({2, 3}, ft::f64).dtype(), ft::f64);
  EXPECT_VALUES(ft::full({2}, 7.5), ft::Dims{2}, 7.5, 7.5);
  EXPECT_EQ(ft::arange(10).numel(), 10);
  EXPECT_EQ(ft::arange(0, 1, 0.1, ft::f64).numel(), 10);
  EXPECT_EQ(ft::linspace(0, 1, 11, ft::f64).numel(), 11);
  EXPECT_VALUES(ft::eye(3), (ft::Dims{3, 3}), 1, 0, 0, 0, 1, 0, 0, 0, 1);
  EXPECT_VALUES(ft::arange(4), ft::Dims{4}, 0, 1, 2, 3);
  EXPECT_EQ(ft::arange(4).dtype(), ft::i64);
  EXPECT_VALUES(ft::arange(0, 0.3, 0.1, ft::f64), ft::Dims{3}, 0, 0.1, 0.2);
  EXPECT_VALUES(ft::linspace(0, 1, 5, ft::f64), ft::Dims{5}, 0, 0.25, 0.5, 0.75, 1);
  EXPECT_VALUES(ft::eye(2), (ft::Dims{2, 2}), 1, 0, 0, 1);
  EXPECT_VALUES(ft::zeros_like(ft::ones({2}, ft::f64)), ft::Dims{2}, 0, 0);
  EXPECT_EQ(ft::empty({2}).numel(), 2);
  EXPECT_EQ(ft::zeros({0}).numel(), 0);
  EXPECT_EQ(ft::zeros({}).dim(), 0);
  std::vector<int> v(2);
  EXPECT_EQ(ft::zeros({v.size(), 3u}).numel(), 6);
  EXPECT_EQ(ft::zeros(ft::ones({2, 3}).sizes()).dim(), 2);
}

TEST(ContractTensor, Reading) {
  Tensor a = ft::tensor({{1.0, 2.0}, {3.0, 4.0}}), x = ft::tensor({1.0, 2.0, 3.0});
  EXPECT_EQ(a.dim(), 2);
  EXPECT_EQ(a.size(-1), 2);
  EXPECT_EQ(a.numel(), 4);
  EXPECT_EQ(a.to(ft::f64).dtype(), ft::f64);
  EXPECT_EQ(a.sum().item<double>(), 10);
  EXPECT_EQ(a.span<float>()[3], 4.f);
  EXPECT_EQ(a.data<float>()[0], 1.f);
  EXPECT_EQ(a.to_vector<int>()[2], 3);
  EXPECT_EQ(double(x[0]), 1.0);
  EXPECT_TRUE(bool(x[0] > 0));
  int reached = 0;
  if (x[0] > 0) ++reached;
  EXPECT_EQ(reached, 1);
  Tensor n = a;
  if (x[0] > 0) n = 1.0;
  EXPECT_VALUES(n, ft::Dims{}, 1);
  EXPECT_THROW(x.item(), ft::ShapeError);
}

TEST(ContractTensor, Indexing) {
  Tensor a = ft::tensor({{1.0, 2.0}, {3.0, 4.0}}), x = ft::tensor({1.0, 2.0, 3.0});
  EXPECT_TRUE(ft::equal(a[0], ft::tensor({1.0, 2.0})));
  EXPECT_TRUE(ft::equal(x[0], 1.0));
  EXPECT_TRUE(ft::equal(x[-1], 3));
  EXPECT_EQ(x[1].dim(), 0);
  EXPECT_TRUE((ft::equal(a[{0, 1}], 2.0)));
  Tensor z = ft::arange(24).reshape({4, 3, 2});
  EXPECT_VALUES(z.index({ft::Slice(0, 2), ft::none, ft::Ellipsis, 1}), (ft::Dims{2, 1, 3}), 1, 3, 5, 7, 9, 11);
  EXPECT_EQ(z.index({ft::Slice(ft::none, ft::none, 2)}).size(0), 2);
  EXPECT_VALUES(a.index_put({0}, 9.0), (ft::Dims{2, 2}), 9, 9, 3, 4);
  EXPECT_VALUES(a, (ft::Dims{2, 2}), 1, 2, 3, 4);
}

TEST(ContractTensor, Methods) {
  Tensor a = ft::tensor({{1.0, 2.0}, {3.0, 4.0}});
  EXPECT_VALUES(a.reshape({4}), ft::Dims{4}, 1, 2, 3, 4);
  EXPECT_VALUES(a.t(), (ft::Dims{2, 2}), 1, 3, 2, 4);
  EXPECT_VALUES(a.transpose(0, 1), (ft::Dims{2, 2}), 1, 3, 2, 4);
  EXPECT_VALUES(a.permute({1, 0}), (ft::Dims{2, 2}), 1, 3, 2, 4);
  EXPECT_VALUES(a.sum(0), ft::Dims{2}, 4, 6);
  EXPECT_VALUES(a.sum({0, 1}, /*keepdim=*/true), (ft::Dims{1, 1}), 10);
  EXPECT_EQ(a.sum({}).dim(), 0);
  EXPECT_VALUES(a.sum({0}), ft::Dims{2}, 4, 6);
}

TEST(ContractTensor, Operators) {
  Tensor a = ft::tensor({{1.0, 2.0}, {3.0, 4.0}});
  EXPECT_VALUES(-a, (ft::Dims{2, 2}), -1, -2, -3, -4);
  EXPECT_VALUES(a + a[0], (ft::Dims{2, 2}), 2, 4, 4, 6);
  Tensor b = ft::tensor({1, 2, 3});
  EXPECT_VALUES(a + b[0], (ft::Dims{2, 2}), 2, 3, 4, 5);
  EXPECT_EQ((a + b[0]).dtype(), ft::f32);
  EXPECT_VALUES(a * 2.0, (ft::Dims{2, 2}), 2, 4, 6, 8);
  EXPECT_VALUES(1 / a, (ft::Dims{2, 2}), 1, 0.5, 1. / 3, 0.25);
  Tensor m = a < 2.5;
  EXPECT_VALUES(m, (ft::Dims{2, 2}), 1, 1, 0, 0);
  EXPECT_VALUES(!m, (ft::Dims{2, 2}), 0, 0, 1, 1);
  EXPECT_VALUES((m & (a > 1)), (ft::Dims{2, 2}), 0, 1, 0, 0);
  EXPECT_EQ((a == a).sum().item<int>(), 4);
  EXPECT_EQ((1 == a).sum().item<int>(), 1);
  EXPECT_EQ((a != 1).sum().item<int>(), 3);
  Tensor p = a;
  p -= 1;
  p *= 2;
  p /= 4;
  EXPECT_VALUES(p, (ft::Dims{2, 2}), 0, 0.5, 1, 1.5);
  Tensor n = a;
  n += 1;
  EXPECT_EQ(a.sum().item<double>(), 10);
  EXPECT_EQ(n.sum().item<double>(), 14);
}

TEST(ContractTensor, Printing) {
  Tensor x = ft::tensor({1.0, 2.0, 3.0});
  std::ostringstream out;
  out << x << ' ' << x.sizes();
  EXPECT_EQ(out.str(), "tensor([1., 2., 3.]) [3]");
  EXPECT_EQ(fmt::format("{}", x), "tensor([1., 2., 3.])");
  EXPECT_EQ(fmt::format("{}", ft::sin(2.0)), "tensor(0.9093)");
  EXPECT_EQ(fmt::format("{} {}", ft::f32, x.sizes()), "f32 [3]");
}

TEST(ContractTensor, Lists) {
  Tensor x = ft::tensor({1.0, 2.0, 3.0}), y = ft::tensor({0.5, -1.0});
  std::vector<Tensor> list{x, x};
  EXPECT_EQ(ft::stack(list).sizes(), (ft::Dims{2, 3}));
  EXPECT_EQ(ft::stack({x, x}).sizes(), (ft::Dims{2, 3}));
  EXPECT_VALUES(ft::stack({x[0] * x[1], 1.0}), ft::Dims{2}, 2, 1);
  EXPECT_VALUES(ft::cat({x, y}), ft::Dims{5}, 1, 2, 3, 0.5, -1);
}

TEST(ContractTensor, Types) {
  static_assert(!std::is_assignable_v<decltype(std::declval<Tensor&>()[0]), Tensor>);  // a[0] = v would be lost
  static_assert(std::is_assignable_v<Tensor&, double>);
  static_assert(std::is_same_v<decltype(true ? std::declval<Tensor&>() : 0.0), Tensor>);
  // A temporary's memory would dangle; reading a number is explicit; a number converts.
  static_assert(!std::is_convertible_v<Tensor, double> && std::is_constructible_v<double, Tensor> && std::is_constructible_v<bool, Tensor>);
  static_assert(std::is_convertible_v<double, Tensor> && std::is_convertible_v<int, Tensor> && std::is_convertible_v<bool, Tensor>);
  static_assert(std::is_copy_constructible_v<Tensor> && std::is_nothrow_move_constructible_v<Tensor> && sizeof(Tensor) == 16);
  std::variant<Tensor, double> either = 2.0;
  EXPECT_EQ(either.index(), 1u);
}

}  // namespace
