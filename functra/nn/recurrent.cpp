#include "functra/nn/recurrent.h"

#include <cmath>

#include "functra/nn/init.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/linear.h"
#include "functra/ops/math.h"
#include "functra/ops/random.h"
#include "functra/ops/shape.h"
#include "functra/transforms/control_flow.h"

namespace functra::nn {
using core::Site;
namespace {

using State = std::vector<Tensor>;  // h, or h and c: [N, hidden]

detail::Recurrent make(const std::string& who, const Tensor& key, std::int64_t gates, std::int64_t input, std::int64_t hidden, std::int64_t layers,
                       bool bias, bool batch_first, bool bidirectional, OptDType dtype) {
  if (input < 1 || hidden < 1 || layers < 1)
    throw ValueError(who + ": input_size " + std::to_string(input) + ", hidden_size " + std::to_string(hidden) + " and num_layers " +
                     std::to_string(layers) + " are at least 1");
  detail::Recurrent r;
  r.batch_first = batch_first;
  std::int64_t directions = bidirectional ? 2 : 1, rows = gates * hidden, k = 0;
  double bound = 1 / std::sqrt(static_cast<double>(hidden));
  Tensor keys = random::split(key, 4 * layers * directions);
  auto draw = [&](const Shape& s) { return init::uniform(keys[k++], s, -bound, bound, dtype); };
  for (std::int64_t l = 0; l < layers; ++l)
    for (std::int64_t d = 0; d < directions; ++d) {
      RecurrentCell c{draw({rows, l == 0 ? input : directions * hidden}), draw({rows, hidden}), {}, {}};
      if (bias) c.bias_ih = draw(rows), c.bias_hh = draw(rows);
      (d == 0 ? r.cells : r.reverse_cells).push_back(std::move(c));
    }
  return r;
}

// One step of a cell from its state and W x + b, to the next state.
using Advance = State (*)(const State& s, const Tensor& from_x, const Tensor& from_h);

// [L, N, input] and the first state to all h [L, N, hidden] and the last state.
std::pair<Tensor, State> run_cell(const RecurrentCell& c, const Tensor& x, const State& first, bool reverse, Advance advance) {
  auto step = [&](const State& s, const Tensor& from_x) {
    State next = advance(s, from_x, linear(s[0], c.weight_hh, c.bias_hh.value_or(Tensor())));
    return std::pair<State, Tensor>(next, next[0]);
  };
  auto [last, ys] = scan(step, first, linear(x, c.weight_ih, c.bias_ih.value_or(Tensor())), {.reverse = reverse});
  return {ys, last};
}

std::pair<Tensor, State> run(const detail::Recurrent& r, const Tensor& given, const State& first, std::size_t states, Advance advance,
                             const std::string& who) {
  const RecurrentCell& cell = r.cells.at(0);
  std::int64_t input = cell.weight_ih.size(1), hidden = cell.weight_hh.size(1);
  bool batched = given.dim() == 3;
  if ((!batched && given.dim() != 2) || given.size(-1) != input)
    throw ShapeError(who + ": x has shape " + given.sizes().str() + "; it is " + (r.batch_first ? "[N, L, " : "[L, N, ") + std::to_string(input) +
                     "] or [L, " + std::to_string(input) + "]");
  Tensor x = !batched ? given.unsqueeze(1) : r.batch_first ? given.transpose(0, 1) : given;
  auto layers = static_cast<std::int64_t>(r.cells.size()), directions = r.reverse_cells.empty() ? std::int64_t{1} : std::int64_t{2};
  Shape want{layers * directions, x.size(1), hidden};
  State begin(states);
  for (std::size_t k = 0; k < states; ++k) {
    if (!first[k].defined()) {
      begin[k] = zeros(want, x.dtype());
      continue;
    }
    begin[k] = batched ? first[k] : first[k].unsqueeze(1);
    if (!(begin[k].sizes() == want))
      throw ShapeError(who + ": the first state has shape " + first[k].sizes().str() + ", expected " + (batched ? want : want.without(1)).str());
  }
  std::vector<State> last(states);
  for (std::int64_t l = 0; l < layers; ++l) {
    std::vector<Tensor> ys;
    for (std::int64_t d = 0; d < directions; ++d) {
      State s;
      for (std::size_t k = 0; k < states; ++k) s.push_back(begin[k][l * directions + d]);
      const RecurrentCell& c = (d == 0 ? r.cells : r.reverse_cells)[static_cast<std::size_t>(l)];
      auto [y, end] = run_cell(c, x, s, d == 1, advance);
      ys.push_back(y);
      for (std::size_t k = 0; k < states; ++k) last[k].push_back(end[k]);
    }
    x = directions == 1 ? ys[0] : cat(ys, -1);
  }
  State end;
  for (const State& s : last) end.push_back(batched ? stack(s) : stack(s).squeeze({1}));
  return {!batched ? x.squeeze({1}) : r.batch_first ? x.transpose(0, 1) : x, end};
}

State advance_tanh(const State&, const Tensor& x, const Tensor& h) { return {tanh(x + h)}; }
State advance_relu(const State&, const Tensor& x, const Tensor& h) { return {relu(x + h)}; }
State advance_lstm(const State& s, const Tensor& x, const Tensor& h) {
  std::vector<Tensor> gate = chunk(x + h, 4, -1);
  Tensor c = sigmoid(gate[1]) * s[1] + sigmoid(gate[0]) * tanh(gate[2]);
  return {sigmoid(gate[3]) * tanh(c), c};
}
State advance_gru(const State& s, const Tensor& x, const Tensor& h) {
  std::vector<Tensor> a = chunk(x, 3, -1), b = chunk(h, 3, -1);
  Tensor reset = sigmoid(a[0] + b[0]), update = sigmoid(a[1] + b[1]), fresh = tanh(a[2] + reset * b[2]);
  return {fresh + update * (s[0] - fresh)};
}

}  // namespace

RNN::RNN(const Tensor& key, std::int64_t input, std::int64_t hidden, const RNNOptions& o)
    : Recurrent(make("nn::RNN", key, 1, input, hidden, o.num_layers, o.bias, o.batch_first, o.bidirectional, o.dtype)),
      nonlinearity(o.nonlinearity) {}
std::pair<Tensor, Tensor> RNN::operator()(const Tensor& x, const Tensor& h) const {
  Site site(FUNCTRA_SITE);
  auto [y, end] = run(*this, x, {h}, 1, nonlinearity == Nonlinearity::tanh ? advance_tanh : advance_relu, "nn::RNN");
  return {y, end[0]};
}
LSTM::LSTM(const Tensor& key, std::int64_t input, std::int64_t hidden, const RecurrentOptions& o)
    : Recurrent(make("nn::LSTM", key, 4, input, hidden, o.num_layers, o.bias, o.batch_first, o.bidirectional, o.dtype)) {}
std::pair<Tensor, std::pair<Tensor, Tensor>> LSTM::operator()(const Tensor& x, const std::pair<Tensor, Tensor>& state) const {
  Site site(FUNCTRA_SITE);
  auto [y, end] = run(*this, x, {state.first, state.second}, 2, advance_lstm, "nn::LSTM");
  return {y, {end[0], end[1]}};
}
GRU::GRU(const Tensor& key, std::int64_t input, std::int64_t hidden, const RecurrentOptions& o)
    : Recurrent(make("nn::GRU", key, 3, input, hidden, o.num_layers, o.bias, o.batch_first, o.bidirectional, o.dtype)) {}
std::pair<Tensor, Tensor> GRU::operator()(const Tensor& x, const Tensor& h) const {
  Site site(FUNCTRA_SITE);
  auto [y, end] = run(*this, x, {h}, 1, advance_gru, "nn::GRU");
  return {y, end[0]};
}

}  // namespace functra::nn
