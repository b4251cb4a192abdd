// Prices and Greeks of a million European calls (Black & Scholes, 1973): the price is written once, its sensitivities are derivatives.
#include "support/check.h"

using namespace example;

namespace {

const double kStrike = 100;

Tensor normal_cdf(const Tensor& z) { return 0.5 * ft::erfc(-z / std::sqrt(2.0)); }

// A call by the spot, the volatility, the years left and the rate; each may be a number or a tensor of any shape.
Tensor price(const Tensor& spot, const Tensor& vol, const Tensor& years, const Tensor& rate) {
  Tensor spread = vol * ft::sqrt(years);
  Tensor d1 = (ft::log(spot / kStrike) + (rate + 0.5 * vol * vol) * years) / spread, d2 = d1 - spread;
  return spot * normal_cdf(d1) - kStrike * ft::exp(-rate * years) * normal_cdf(d2);
}

struct Greeks {
  Tensor price, delta, vega, theta, rho, gamma;
};
// Of one option. Time runs against the years left: theta is minus the derivative by them.
Greeks greeks(const Tensor& spot, const Tensor& vol, const Tensor& years, const Tensor& rate) {
  auto [slopes, value] = ft::grad_and_value<0, 1, 2, 3>(price)(spot, vol, years, rate);
  auto [delta, vega, by_years, rho] = slopes;
  return {value, delta, vega, -by_years, rho, ft::grad(ft::grad(price))(spot, vol, years, rate)};
}

// The textbook's formulas (Hull, Options, Futures, and Other Derivatives, chapter 19), for whole tensors of options.
Greeks closed_form(const Tensor& spot, const Tensor& vol, const Tensor& years, const Tensor& rate) {
  Tensor root = ft::sqrt(years), d1 = (ft::log(spot / kStrike) + (rate + 0.5 * vol * vol) * years) / (vol * root), d2 = d1 - vol * root;
  Tensor density = ft::exp(-0.5 * d1 * d1) / std::sqrt(2 * M_PI), owed = kStrike * ft::exp(-rate * years) * normal_cdf(d2);
  return {spot * normal_cdf(d1) - owed, normal_cdf(d1), spot * density * root, -spot * density * vol / (2 * root) - rate * owed, years * owed,
          density / (spot * vol * root)};
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  ft::set_default_dtype(ft::f64);
  // Hull's example: spot 42, strike 40, a rate of 0.1, a volatility of 0.2, half a year: 4.76. Prices are homogeneous in spot and strike.
  check_close("the textbook's call", double(price(42 * kStrike / 40, 0.2, 0.5, 0.1)) * 40 / kStrike, 4.759422, 1e-7);

  const std::int64_t n = 1000000;
  Tensor k = ft::random::split(ft::random::key(0), 4);
  auto uniform = [&](int i, double low, double high) { return low + (high - low) * ft::random::uniform(k[i], {n}); };
  Tensor spot = uniform(0, 80, 120), vol = uniform(1, 0.1, 0.5), years = uniform(2, 0.1, 2), rate = uniform(3, 0, 0.05);

  eager_and_jit("price and four Greeks", n, ft::vmap(ft::grad_and_value<0, 1, 2, 3>(price)), spot, vol, years, rate);
  Greeks all = eager_and_jit("price and five Greeks, gamma too", n, ft::vmap(greeks), spot, vol, years, rate);

  Greeks truth = closed_form(spot, vol, years, rate);
  check_same("price", all.price, truth.price, 1e-13);
  check_same("delta", all.delta, truth.delta, 1e-12);
  check_same("vega", all.vega, truth.vega, 1e-12);
  check_same("theta", all.theta, truth.theta, 1e-12);
  check_same("rho", all.rho, truth.rho, 1e-12);
  check_same("gamma", all.gamma, truth.gamma, 1e-12);
  // The price solves the Black-Scholes equation: theta + r s delta + s^2 v^2 gamma / 2 = r price.
  Tensor left = all.theta + rate * spot * all.delta + 0.5 * ft::square(spot * vol) * all.gamma;
  check_same("the Black-Scholes equation", left, rate * all.price, 1e-11);

  // The derivative of the whole portfolio when all four move together, against a difference.
  std::tuple at{spot, vol, years, rate}, along{ft::tensor(3.0), ft::tensor(0.02), ft::tensor(-0.1), ft::tensor(0.01)};
  auto worth = [](const std::tuple<Tensor, Tensor, Tensor, Tensor>& x) { return ft::mean(std::apply(price, x)); };
  Tensor moves = 3.0 * all.delta + 0.02 * all.vega + 0.1 * all.theta + 0.01 * all.rho;
  check_close("a move of the portfolio, against a difference", double(ft::mean(moves)), difference(worth, at, along, 1e-4), 1e-8);

  // Delta and gamma over the spot (across, 50 to 150) and the time left (down, 2 years to 1 week): at the end a step, and its spike.
  const std::int64_t columns = 256;
  Tensor across = ft::linspace(50, 150, columns), down = ft::linspace(2, 1.0 / 52, columns);
  ft::VmapOptions over_spot{.in_dims = {0, ft::none, ft::none, ft::none}}, over_years{.in_dims = {ft::none, ft::none, 0, ft::none}};
  Greeks grid = ft::jit(ft::vmap(ft::vmap(greeks, over_spot), over_years))(across, 0.2, down, 0.03);
  save(out + "/greeks.png",
       ft::io::heat_maps({{"delta", ft::round(grid.delta * 1e6) / 1e6}, {"log10 of gamma", ft::log10(ft::clamp(grid.gamma, 1e-5, 1.0))}},
                         "A call of strike 100: spot 50 to 150 across, 2 years to 1 week down", static_cast<int>(columns)));
  std::vector<double> x = across.to_vector<double>();
  auto row = [&](const Tensor& t, std::int64_t i) { return t[i].contiguous().to_vector<double>(); };
  save(out + "/greeks_gamma.png",
       ft::io::line_plot({{"2 years", x, row(grid.gamma, 0)}, {"1 year", x, row(grid.gamma, 129)}, {"1 month", x, row(grid.gamma, 247)}},
                         "Gamma, by a second derivative", "spot", "gamma"));
  return failures != 0;
}
