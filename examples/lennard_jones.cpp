// A network learns the Lennard-Jones potential from energies and forces. After functorch's examples/lennard_jones.
//
// A force is minus the gradient of an energy. So the network predicts energies only, its forces are jacrev of it, and the loss, which
// compares both, is differentiated again to train it: reverse over reverse, under vmap over the pairs of atoms.
#include <functra/nn.h>
#include <functra/optim.h>

#include "support/check.h"

using namespace example;
namespace nn = ft::nn;

namespace {

const double kSigma = 0.5, kEpsilon = 4;
const int kPairs = 100, kEpochs = 2000;

// The truth, for distances r: the energy, and the force along the direction of the pair.
Tensor energy(const Tensor& r) { return kEpsilon * (ft::pow(kSigma / r, 12) - ft::pow(kSigma / r, 6)); }
Tensor force(const Tensor& r) { return kEpsilon * (12 * std::pow(kSigma, 12) / ft::pow(r, 13) - 6 * std::pow(kSigma, 6) / ft::pow(r, 7)); }

// What is known of pairs of atoms: from one to the other [n, 3], energies [n], forces [n, 3].
struct Pairs {
  Tensor between, energies, forces;
};
Pairs pairs_at(const Tensor& r, const Tensor& key) {
  Tensor v = ft::random::normal(key, {r.size(0), 3}), direction = v / ft::norm(v, 2, 1, true);
  return {r.unsqueeze(1) * direction, energy(r), force(r).unsqueeze(1) * direction};
}

// From a distance [1] to an energy [1]: four hidden layers of 16.
auto make_model(const Tensor& key) {
  Tensor k = ft::random::split(key, 5);
  return nn::Sequential(nn::Linear(k[0], 1, 16), ft::tanh, nn::Linear(k[1], 16, 16), ft::tanh, nn::Linear(k[2], 16, 16), ft::tanh,
                        nn::Linear(k[3], 16, 16), ft::tanh, nn::Linear(k[4], 16, 1));
}
using Model = decltype(make_model(Tensor()));

// Energies [n] and forces [n, 3] of pairs [n, 3]. The derivative of the energy by the distance, [1, 1] per pair, times the direction.
std::pair<Tensor, Tensor> predict(const Model& model, const Tensor& between) {
  Tensor r = ft::norm(between, 2, 1, true);  // [n, 1]
  Tensor slope = ft::vmap(ft::jacrev(model))(r).squeeze(-1);
  return {model(r).squeeze(-1), -slope * between / r};
}
Tensor loss_of(const Model& model, const Pairs& p) {
  auto [e, f] = predict(model, p.between);
  return ft::mse_loss(e, p.energies) + 0.01 * ft::mse_loss(f, p.forces) / 3;
}
double rms(const Tensor& x) { return double(ft::sqrt(ft::mean(x * x))); }

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  ft::set_default_dtype(ft::f64);  // so that differences can be taken of what is learned
  Tensor k = ft::random::split(ft::random::key(3), 4);
  Tensor r = ft::linspace(kSigma, 2 * kSigma, kPairs);
  Pairs training = pairs_at(r, k[0]);

  // The truth first: a force is minus the derivative of the energy.
  Tensor slope = ft::vmap(ft::grad(energy))(r);
  check_close("the true force is minus the slope of the true energy", rms(force(r) + slope), 0, 1e-10);

  // Is the loss, which holds a derivative, differentiated right?
  Model model = make_model(k[1]), along = make_model(k[2]);
  auto loss_at = [&](const Model& m) { return loss_of(m, training); };
  check_close("gradient of the loss along a direction, against a difference", dot(ft::grad(loss_at)(model), along),
              difference(loss_at, model, along, 1e-6), 1e-7);

  auto state = ft::optim::Adam{}.init(model);
  auto step = ft::jit([](const Model& m, const ft::optim::AdamState<Model>& s, const Pairs& p) {
    auto [g, loss] = ft::grad_and_value(loss_of)(m, p);
    ft::optim::Adam adam{{.lr = ft::optim::CosineAnnealingLR{3e-3, kEpochs}(s.step)}};  // small steps in the end
    return std::pair{loss, adam.step(m, g, s)};
  });
  std::vector<double> epochs, losses;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    auto [loss, next] = step(model, state, training);
    std::tie(model, state) = next;
    if (epoch % 20 == 0) epochs.push_back(epoch), losses.push_back(std::log10(double(loss)));
    if (epoch % 200 == 0) fmt::print("epoch {}: loss {:.6f}\n", epoch, double(loss));
  }

  // Pairs that it has not seen, between those that it has, in other directions.
  Tensor between_seen = ft::linspace(1.01 * kSigma, 1.99 * kSigma, 173);
  Pairs unseen = pairs_at(between_seen, k[3]);
  auto [e, f] = predict(model, unseen.between);
  fmt::print("root mean square errors on unseen pairs: energies {:.4f} of {:.4f}, forces {:.4f} of {:.4f}\n", rms(e - unseen.energies),
             rms(unseen.energies), rms(f - unseen.forces), rms(unseen.forces));
  check("energies are learned to 5 percent", rms(e - unseen.energies) < 0.05 * rms(unseen.energies));
  check("forces are learned to 5 percent", rms(f - unseen.forces) < 0.05 * rms(unseen.forces));

  // The forces are minus the gradient of the learned energy by position: against differences, coordinate by coordinate.
  Tensor learned = f, differences = ft::zeros_like(f);
  for (int axis = 0; axis < 3; ++axis) {
    Tensor h = 1e-5 * ft::one_hot(ft::tensor(axis), 3).to(ft::f64);
    Tensor slope_of_axis = (predict(model, unseen.between + h).first - predict(model, unseen.between - h).first) / 2e-5;
    differences = differences - slope_of_axis.unsqueeze(1) * h / 1e-5;
  }
  check_close("learned forces less differences of learned energies", rms(learned - differences), 0, 1e-6);
  // And jacrev under vmap gives what a loop of backward passes gives.
  double worst = 0;
  for (int i = 0; i < 5; ++i) {
    Tensor one = unseen.between[i];
    Tensor g = ft::grad([&](const Tensor& x) { return model(ft::norm(x).unsqueeze(0))[0]; })(one);
    worst = std::max(worst, double(ft::amax(ft::abs(learned[i] + g))));
  }
  check_close("forces of all pairs at once less those one by one", worst, 0, 1e-10);

  std::vector<double> at = between_seen.to_vector<double>();
  Tensor pull = ft::sum(learned * unseen.between, 1) / between_seen;  // along the pair
  save(out + "/lennard_jones_energy.png",
       ft::io::line_plot({{"true", at, unseen.energies.to_vector<double>()}, {"learned", at, e.contiguous().to_vector<double>()}},
                         "Lennard-Jones energy", "distance", "energy"));
  save(out + "/lennard_jones_force.png",
       ft::io::line_plot({{"true", at, force(between_seen).to_vector<double>()}, {"learned", at, pull.to_vector<double>()}},
                         "Force: minus jacrev of the learned energy", "distance", "force"));
  save(out + "/lennard_jones_loss.png", ft::io::line_plot({{"loss", epochs, losses}}, "Energies and forces", "epoch", "log10 of the loss"));
  return failures != 0;
}
