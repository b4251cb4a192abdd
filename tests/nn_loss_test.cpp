// Losses against torch.nn.functional (tools/references/nn_reference.py): values and gradients for each reduction, and mistakes.
#include <gtest/gtest.h>

#include "functra/functra.h"
#include "functra/nn/loss.h"
#include "tests/support/nn_reference.h"

namespace ft = functra;
using ft::Reduction;
using ft::Tensor;
namespace nn = ft::nn;
using functra::f64;
using functra::testing::expect_like_torch;
using functra::testing::stored_one;
using Inputs = std::vector<Tensor>;

namespace {

struct Nothing {};
template <class F> void like_torch(const std::string& name, F f) {
  expect_like_torch(name, Nothing{}, [&](const Nothing&, const Inputs& x) { return f(x); });
}

}  // namespace

TEST(Losses, EveryLossAndReductionEqualsTorch) {
  Tensor classes = ft::tensor({0, 2, 1, 2}), pixels = ft::tensor({{{0, 2}, {1, -100}}, {{2, 2}, {0, 1}}}), w = ft::tensor({0.5, 2.0, 1.25}, f64);
  Tensor sign = ft::tensor({1.0, -1.0, -1.0, 1.0}, f64), column = sign.unsqueeze(1), unit = stored_one("target_unit");
  for (auto [r, name] : {std::pair(Reduction::mean, "mean"), std::pair(Reduction::sum, "sum"), std::pair(Reduction::none, "none")}) {
    std::string end = std::string("_") + name;
    like_torch("cross_entropy" + end, [&, r = r](const Inputs& x) { return ft::cross_entropy(x[0], classes, r); });
    like_torch("cross_entropy" + end, [&, r = r](const Inputs& x) { return nn::CrossEntropyLoss{{.reduction = r}}(x[0], classes); });
    like_torch("cross_entropy_smooth" + end, [&, r = r](const Inputs& x) {
      return nn::CrossEntropyLoss{{.weight = w, .ignore_index = 1, .reduction = r, .label_smoothing = 0.1}}(x[0], classes);
    });
    like_torch("cross_entropy_images" + end, [&, r = r](const Inputs& x) { return ft::cross_entropy(x[0], pixels, {.weight = w, .reduction = r}); });
    like_torch("cross_entropy_soft" + end,
               [&, r = r](const Inputs& x) { return ft::cross_entropy(x[0], x[1], {.weight = w, .reduction = r, .label_smoothing = 0.2}); });
    like_torch("nll" + end, [&, r = r](const Inputs& x) { return nn::NLLLoss{{.weight = w, .ignore_index = 2, .reduction = r}}(x[0], classes); });
    like_torch("mse" + end, [&, r = r](const Inputs& x) { return nn::MSELoss{r}(x[0], x[1]); });
    like_torch("l1" + end, [&, r = r](const Inputs& x) { return nn::L1Loss{r}(x[0], x[1]); });
    like_torch("smooth_l1" + end, [&, r = r](const Inputs& x) { return nn::SmoothL1Loss{.reduction = r, .beta = 0.5}(x[0], x[1]); });
    like_torch("huber" + end, [&, r = r](const Inputs& x) { return nn::HuberLoss{.reduction = r, .delta = 0.4}(x[0], x[1]); });
    like_torch("bce" + end, [&, r = r](const Inputs& x) { return nn::BCELoss{.reduction = r}(x[0], unit); });
    like_torch("bce_logits" + end,
               [&, r = r](const Inputs& x) { return nn::BCEWithLogitsLoss{.weight = w, .reduction = r, .pos_weight = w}(x[0], unit); });
    like_torch("kl" + end, [&, r = r](const Inputs& x) { return nn::KLDivLoss{r}(x[0], x[1]); });
    like_torch("kl_log" + end, [&, r = r](const Inputs& x) { return nn::KLDivLoss{r, true}(x[0], x[1]); });
    like_torch("hinge_embedding" + end, [&, r = r](const Inputs& x) { return nn::HingeEmbeddingLoss{0.6, r}(x[0], column); });
    like_torch("cosine_embedding" + end, [&, r = r](const Inputs& x) { return nn::CosineEmbeddingLoss{-0.2, r}(x[0], x[1], sign); });
    like_torch("margin_ranking" + end, [&, r = r](const Inputs& x) { return nn::MarginRankingLoss{0.3, r}(x[0], x[1], column); });
    like_torch("triplet" + end, [&, r = r](const Inputs& x) { return nn::TripletMarginLoss{.margin = 0.8, .reduction = r}(x[0], x[1], x[2]); });
    like_torch("triplet_swap" + end,
               [&, r = r](const Inputs& x) { return nn::TripletMarginLoss{.margin = 2, .swap = true, .reduction = r}(x[0], x[1], x[2]); });
    like_torch("soft_margin" + end, [&, r = r](const Inputs& x) { return nn::SoftMarginLoss{r}(x[0], column); });
    like_torch("poisson_nll" + end, [&, r = r](const Inputs& x) { return nn::PoissonNLLLoss{.reduction = r}(x[0], unit); });
    like_torch("poisson_nll_rate" + end, [&, r = r](const Inputs& x) { return nn::PoissonNLLLoss{.log_input = false, .reduction = r}(x[0], unit); });
    like_torch("gaussian_nll" + end, [&, r = r](const Inputs& x) { return nn::GaussianNLLLoss{r}(x[0], unit, x[1]); });
  }
  like_torch("kl_batchmean", [&](const Inputs& x) { return ft::kl_div(x[0], x[1], Reduction::batchmean); });
  like_torch("cosine_similarity", [&](const Inputs& x) { return ft::cosine_similarity(x[0], x[1]); });
  like_torch("pairwise_distance", [&](const Inputs& x) { return ft::pairwise_distance(x[0], x[1]); });
  like_torch("normalize", [&](const Inputs& x) { return ft::normalize(x[0]); });
}
TEST(Losses, CornersAreDefined) {
  Tensor p = ft::tensor({0.0, 1.0}, f64), y = ft::tensor({1.0, 0.0}, f64);
  expect_close(ft::binary_cross_entropy(p, y, 1.0, Reduction::none), ft::tensor({100.0, 100.0}, f64));
  EXPECT_TRUE(bool(ft::isfinite(ft::grad([&](const Tensor& v) { return ft::binary_cross_entropy(v, y); })(p)).all()));
  Tensor x = ft::tensor({1000.0, -1000.0}, f64);
  expect_close(ft::binary_cross_entropy_with_logits(x, y, 1.0, Reduction::none), ft::tensor({0.0, 0.0}, f64));
  expect_close(ft::smooth_l1_loss(x, y, Reduction::mean, 0), ft::l1_loss(x, y));
  Tensor logits = ft::tensor({0.5, 1.0, -1.0}, f64);  // one example without a batch
  expect_close(ft::cross_entropy(logits, ft::tensor(1), {.label_smoothing = 0.0}), ft::cross_entropy(logits, ft::tensor(1)), 1e-12);
  EXPECT_TRUE(std::isnan(double(ft::cross_entropy(logits.unsqueeze(0), ft::tensor({-100}), ft::ClassLossOptions{}))));
  Tensor many = ft::random::normal(ft::random::key(0), {4, 3}, f64), t = ft::tensor({0, 2, -100, 1});
  auto each = ft::vmap([](const Tensor& l, const Tensor& c) { return ft::cross_entropy(l, c, {.reduction = Reduction::sum}); });
  expect_close(each(many, t).sum(), ft::cross_entropy(many, t, {.reduction = Reduction::sum}), 1e-12);
}
TEST(Losses, MistakesAreNamed) {
  Tensor x = ft::ones({4, 3}), t = ft::tensor({0, 1, 2, 3});
  expect_throw<ft::IndexError>([&] { ft::cross_entropy(x, t, {.ignore_index = 0}); }, "cross_entropy: class 3 is outside of the 3 classes");
  EXPECT_NO_THROW(ft::cross_entropy(x, t, {.ignore_index = 3}));
  expect_throw<ft::ShapeError>(
      [&] {
        ft::cross_entropy(x, ft::tensor({0, 1, 2, 0}), {.weight = ft::ones({4})});
      },
      "cross_entropy: weight has shape [4], but there are 3 classes");
  expect_throw<ft::ValueError>([&] { ft::cross_entropy(x, t, {.label_smoothing = 1.5}); }, "label_smoothing is 1.5, not in [0, 1]");
  expect_throw<ft::ValueError>([&] { ft::nll_loss(x, t, {.label_smoothing = 0.5}); }, "nll_loss: label_smoothing is an option of cross_entropy");
  expect_throw<ft::ShapeError>(
      [&] {
        ft::cross_entropy(x, ft::ones({3, 4}), {.label_smoothing = 0.5});
      },
      "logits have shape [4, 3], probabilities [3, 4]");
  expect_throw<ft::ValueError>([&] { ft::mse_loss(x, x, Reduction::batchmean); }, "Reduction::batchmean is for kl_div alone");
  expect_throw<ft::ValueError>([&] { ft::huber_loss(x, x, Reduction::mean, -1); }, "huber_loss: delta is -1");
  expect_throw<ft::ValueError>([&] { ft::smooth_l1_loss(x, x, Reduction::mean, -1); }, "smooth_l1_loss: beta is -1");
}
