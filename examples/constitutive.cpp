// Consistent tangents of J2 plasticity with linear hardening: the stress is written as a program, the tangent is its Jacobian, for 100,000
// points of a finite-element mesh at once. The same Jacobian drives Newton's method in a uniaxial test.
#include "support/check.h"

using namespace example;

namespace {

// Steel, in MPa. Strains are [6]: xx yy zz xy yz zx, shears twice the tensor's (engineering); stresses in the same order.
const double kYoung = 200e3, kPoisson = 0.3, kYield = 250, kHardening = 10e3;
const double kShear = kYoung / (2 * (1 + kPoisson)), kBulk = kYoung / (3 * (1 - 2 * kPoisson));

struct State {
  Tensor plastic, alpha;  // plastic strain [6], equivalent plastic strain []
};
struct Point {
  Tensor stress;
  State next;
};
// Of second order; and what its shears count beside the normal components, in a strain and in a norm of stresses.
const Tensor kIdentity = ft::tensor({1.0, 1.0, 1.0, 0.0, 0.0, 0.0}, ft::f64);
const Tensor kHalf = ft::tensor({1.0, 1.0, 1.0, 0.5, 0.5, 0.5}, ft::f64), kTwice = ft::tensor({1.0, 1.0, 1.0, 2.0, 2.0, 2.0}, ft::f64);
Tensor volume(const Tensor& e) { return e[0] + e[1] + e[2]; }

// Radial return (Simo & Hughes, Computational Inelasticity, box 3.1): elastic, then back to the yield surface if beyond it.
Point radial_return(const Tensor& strain, const State& old) {
  Tensor elastic = strain - old.plastic;
  Tensor trial = 2 * kShear * (kHalf * elastic - volume(elastic) / 3 * kIdentity);
  Tensor norm = ft::sqrt(ft::sum(kTwice * trial * trial) + 1e-30);  // has a slope at 0, too
  Tensor excess = norm - std::sqrt(2.0 / 3) * (kYield + kHardening * old.alpha);
  Tensor slip = ft::maximum(excess, 0.0) / (2 * kShear + 2.0 / 3 * kHardening);
  Tensor normal = trial / norm;
  return {kBulk * volume(elastic) * kIdentity + trial - 2 * kShear * slip * normal,
          {old.plastic + slip * kTwice * normal, old.alpha + std::sqrt(2.0 / 3) * slip}};
}
struct Response {
  Tensor tangent;  // [6, 6], derivatives of the stress
  Point point;
};
Response respond(const Tensor& strain, const State& old) {
  auto f = [](const Tensor& e, const State& s) {
    Point p = radial_return(e, s);
    return std::pair{p.stress, p};
  };
  auto [tangent, point] = ft::jacfwd(ft::has_aux, f)(strain, old);
  return {tangent, point};
}

// The tangents by hand (Simo & Hughes, box 3.2), of points [n].
Tensor algorithmic_tangents(const Tensor& strain, const State& old) {
  Tensor e = kHalf * (strain - old.plastic), third = ft::sum(e.index({ft::Ellipsis, ft::Slice(0, 3)}), -1, true) / 3;
  Tensor trial = 2 * kShear * (e - third * kIdentity), norm = ft::sqrt(ft::sum(kTwice * trial * trial, -1));
  Tensor excess = norm - std::sqrt(2.0 / 3) * (kYield + kHardening * old.alpha), yields = (excess > 0).to(ft::f64);
  Tensor slip = yields * excess / (2 * kShear * (1 + kHardening / (3 * kShear)));
  Tensor theta = 1 - 2 * kShear * slip / norm, theta_bar = yields / (1 + kHardening / (3 * kShear)) - (1 - theta);
  Tensor n = trial / norm.unsqueeze(-1), ones = kIdentity.unsqueeze(1) * kIdentity, each = theta.unsqueeze(-1).unsqueeze(-1);
  return kBulk * ones + 2 * kShear * each * (ft::diag(kHalf) - ones / 3) -
         2 * kShear * theta_bar.unsqueeze(-1).unsqueeze(-1) * n.unsqueeze(-1) * n.unsqueeze(-2);
}

// A bar pulled along x: the strains of the sides are those that leave no stress in them, by Newton's method with the tangent. Five unknowns.
std::pair<State, Tensor> pull(const State& old, const Tensor& along) {
  auto sides = [](const Tensor& t) { return t.index({ft::Slice(1)}); };
  auto strain = [&](const Tensor& side) { return ft::cat({along.unsqueeze(0), side}); };
  Tensor side = ft::fori_loop(
      0, 8,
      [&](const Tensor&, const Tensor& x) {
        Response r = respond(strain(x), old);
        return x - ft::linalg::solve(sides(r.tangent).index({ft::Ellipsis, ft::Slice(1)}), sides(r.point.stress));
      },
      sides(old.plastic));
  Point p = radial_return(strain(side), old);
  return {p.next, p.stress};
}
// The stresses [n, 6] of a test of n strains, one after the other.
Tensor uniaxial_test(const Tensor& along) { return ft::scan(pull, State{ft::zeros({6}, ft::f64), ft::zeros({}, ft::f64)}, along).second; }

// The axial stress alone, in one dimension, where radial return is one line (Simo & Hughes, box 1.4).
std::vector<double> in_one_dimension(const std::vector<double>& strains) {
  double plastic = 0, alpha = 0;
  std::vector<double> stresses;
  for (double e : strains) {
    double trial = kYoung * (e - plastic), slip = std::max(0.0, (std::fabs(trial) - kYield - kHardening * alpha) / (kYoung + kHardening));
    plastic += std::copysign(slip, trial), alpha += slip;
    stresses.push_back(kYoung * (e - plastic));
  }
  return stresses;
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  const std::int64_t n = 100000;
  Tensor k = ft::random::split(ft::random::key(0), 3);
  Tensor strain = 1e-3 * ft::random::normal(k[0], {n, 6}, ft::f64);
  State old{2e-4 * ft::random::normal(k[1], {n, 6}, ft::f64), 1e-2 * ft::random::uniform(k[2], {n}, ft::f64)};
  Response all = eager_and_jit("stress, tangent and state", n, ft::vmap(respond), strain, old);

  double yielding = double(ft::mean((all.point.next.alpha > old.alpha).to(ft::f64)));
  fmt::print("{:.1f} percent of the points yield\n", 100 * yielding);
  check("some points yield and some do not", yielding > 0.1 && yielding < 0.9);
  check_same("tangents, against the closed form", all.tangent, algorithmic_tangents(strain, old), 1e-12);
  check_same("tangents are symmetric", all.tangent.transpose(1, 2), all.tangent, 1e-12);
  // Against central differences, column by column; a point that only one of the two strains makes yield has a corner between them.
  auto points = ft::jit(ft::vmap(radial_return));
  std::vector<Tensor> columns;
  Tensor smooth = ft::ones({n}, ft::f64);
  const double h = 1e-7;
  for (int i = 0; i < 6; ++i) {
    Tensor step = h * ft::one_hot(ft::tensor(i), 6, ft::f64);
    Point high = points(strain + step, old), low = points(strain - step, old);
    columns.push_back((high.stress - low.stress) / (2 * h));
    smooth = smooth * ((high.next.alpha > old.alpha) == (low.next.alpha > old.alpha)).to(ft::f64);
  }
  check("nearly all points are smooth", double(ft::mean(smooth)) > 0.999);
  smooth = smooth.reshape({n, 1, 1});
  check_same("tangents, against differences", smooth * all.tangent, smooth * ft::stack(columns, 2), 1e-6);

  // A bar pulled, pushed and pulled again, in 350 steps.
  Tensor along = ft::cat({ft::linspace(0, 0.01, 101, ft::f64), ft::linspace(0.01, -0.01, 151, ft::f64).index({ft::Slice(1)}),
                          ft::linspace(-0.01, 0.004, 101, ft::f64).index({ft::Slice(1)})});
  auto test = ft::jit(uniaxial_test);
  Tensor stresses = test(along);
  fmt::print("a test of {} strains, 8 steps of Newton each: {:.2f} ms\n", along.numel(), 1e3 * seconds([&] { test(along); }));
  std::vector<double> x = along.to_vector<double>();
  Tensor axial = stresses.index({ft::Ellipsis, 0});
  check_same("axial stress, against one dimension", axial, ft::tensor(in_one_dimension(x)), 1e-10);
  check_same("the sides are free of stress", stresses.index({ft::Ellipsis, ft::Slice(1)}) + axial.unsqueeze(1), axial.unsqueeze(1).expand({-1, 5}),
             1e-9);
  double hardening = kYoung * kHardening / (kYoung + kHardening);
  check_close("stress at a strain of 0.01", double(axial[100]), kYield + hardening * (0.01 - kYield / kYoung), 1e-10);

  for (double& e : x) e *= 100;
  auto part = [](const std::vector<double>& v, int from, int to) { return std::vector<double>(v.begin() + from, v.begin() + to); };
  std::vector<double> y = axial.contiguous().to_vector<double>();
  save(out + "/constitutive.png", ft::io::line_plot({{"pulled", part(x, 0, 101), part(y, 0, 101)},
                                                     {"pushed", part(x, 100, 251), part(y, 100, 251)},
                                                     {"pulled again", part(x, 250, 351), part(y, 250, 351)}},
                                                    "Steel with linear hardening", "strain, percent", "stress, MPa"));
  return failures != 0;
}
