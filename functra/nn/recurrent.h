// Recurrent layers over ft::scan, as torch.nn has them. x is [L, N, input] or [L, input], with batch_first [N, L, input]; the first state
// and the last are [layers * directions, N, hidden] or without N, zeros where none is given.
//
// Weights begin uniform within 1 / sqrt(hidden). In state dictionaries torch's "weight_ih_l1_reverse" names reverse_cells[1].weight_ih.
// Dropout between layers is not an option here.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "functra/nn/module.h"

namespace functra::nn {

struct RecurrentCell {                     // gates one after another: torch's order
  Tensor weight_ih, weight_hh;             // [gates * hidden, input], [gates * hidden, hidden]
  std::optional<Tensor> bias_ih, bias_hh;  // [gates * hidden]
};
enum class Nonlinearity { tanh, relu };
struct RecurrentOptions {
  std::int64_t num_layers = 1;
  bool bias = true, batch_first = false, bidirectional = false;
  OptDType dtype{};
};
struct RNNOptions {
  std::int64_t num_layers = 1;
  Nonlinearity nonlinearity = Nonlinearity::tanh;
  bool bias = true, batch_first = false, bidirectional = false;
  OptDType dtype{};
};

namespace detail {
struct Recurrent {
  std::vector<RecurrentCell> cells, reverse_cells;
  bool batch_first = false;
};
}  // namespace detail

// h' = tanh(W x + b + U h + c), or relu: gives (all h of the last layer, last h of each). ValueError for sizes below 1, ShapeError for x
// or states that do not fit.
struct RNN : detail::Recurrent {
  Nonlinearity nonlinearity;
  RNN(const Tensor& key, std::int64_t input_size, std::int64_t hidden_size, const RNNOptions& o = {});
  std::pair<Tensor, Tensor> operator()(const Tensor& x, const Tensor& h = {}) const;
  FUNCTRA_TREE(RNN, cells, reverse_cells, batch_first, nonlinearity);
};
// Hochreiter and Schmidhuber 1997; gates input, forget, cell, output: gives (all h, (last h, last c)).
struct LSTM : detail::Recurrent {
  LSTM(const Tensor& key, std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& o = {});
  std::pair<Tensor, std::pair<Tensor, Tensor>> operator()(const Tensor& x, const std::pair<Tensor, Tensor>& state = {}) const;
  FUNCTRA_TREE(LSTM, cells, reverse_cells, batch_first);
};
// Cho et al. 2014; gates reset, update, new.
struct GRU : detail::Recurrent {
  GRU(const Tensor& key, std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& o = {});
  std::pair<Tensor, Tensor> operator()(const Tensor& x, const Tensor& h = {}) const;
  FUNCTRA_TREE(GRU, cells, reverse_cells, batch_first);
};

}  // namespace functra::nn
