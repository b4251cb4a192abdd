// The cheapest way to take two nodes of a directed graph apart.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace functra {

// Choices of the form "if a holds, b holds, or it costs so much" are such a graph: what holds is what the source still reaches.
class MinCut {
 public:
  static constexpr long infinite = std::numeric_limits<long>::max() / 4;

  explicit MinCut(std::size_t nodes);
  ~MinCut();
  MinCut(const MinCut&) = delete;
  MinCut& operator=(const MinCut&) = delete;
  void edge(std::size_t from, std::size_t to, long capacity);
  // Which nodes the source reaches when edges of the least total capacity between it and the sink are gone; of several such sets of
  // edges, those nearest to the source. Empty where that takes an infinite one: what must hold cannot.
  std::vector<std::uint8_t> reached(std::size_t source, std::size_t sink);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace functra
