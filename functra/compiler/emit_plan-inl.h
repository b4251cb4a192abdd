// What runs where in a nest, and how wide, before code is generated.
#pragma once
#include <map>

#include "functra/compiler/emit.h"

namespace llvm {
class Value;
}

namespace functra::compiler {

class NestPlan {
 public:
  NestPlan(const Nest& nest, const Target& target) : n_(nest), g_(nest.graph), target_(target) { analyse(); }
  unsigned vectors_in_flight() const { return copies_; }
  unsigned vectors_in_block() const { return copies_ * groups_; }

 protected:
  // Accesses that differ by a constant share a pointer, which moves along the axes.
  struct Stream {
    int buffer;
    std::vector<std::int64_t> strides;  // in bytes
    llvm::Value* at = nullptr;
    bool operator<(const Stream& o) const { return std::tie(buffer, strides) < std::tie(o.buffer, o.strides); }
  };
  std::size_t stream_of(const Access& a);
  std::size_t last() const { return n_.axes() - 1; }
  bool in_lanes(Id i) const { return n_.axes() > 0 && level_[i] == n_.axes(); }
  unsigned chains() const { return groups_ > 1 ? 1 : copies_; }  // that a sum over the last axis is made in
  bool over_lanes(const Reduction& r) const { return n_.axes() && (r.over >> last() & 1); }
  // Records side by side: loads of neighbouring columns are loads of rows, taken apart.
  struct Window {
    std::int64_t from;
    unsigned columns;  // a power of two
  };

  const Nest& n_;
  const Graph& g_;
  const Target& target_;
  std::vector<Stream> streams_;
  std::vector<std::size_t> stream_of_load_, store_streams_, reduction_streams_;
  std::vector<std::uint8_t> level_;        // loops that a node stands in
  std::vector<std::vector<Id>> by_level_;  // live nodes
  std::vector<std::uint8_t> stage_;        // loops over the last axis that must end before a node is known
  unsigned stages_ = 1;
  unsigned lanes_ = 1, copies_ = 1;                     // of the last axis in a vector; vectors in flight
  unsigned groups_ = 1;                                 // of vectors in flight, in a block; more than one: sums follow what they share
  std::vector<Id> shared_;                              // then: what several sums are made of, and is not loaded again
  std::vector<Id> rares_;                               // live nodes that may call out
  std::vector<std::uint32_t> rares_before_;             // such nodes one after another, up to this one
  std::vector<Id> keep_;                                // what later stages read from memory
  std::vector<Id> rows_;                                // what is computed before all others
  std::map<std::size_t, llvm::Value*> gathered_;        // reductions that are summed up in a row
  std::vector<std::pair<Id, std::int64_t>> twin_;       // per node: the one of which it is a lane, and which
  std::map<std::size_t, std::vector<Window>> windows_;  // per stream
  std::vector<std::uint8_t> passes_;                    // per store: is it written past the caches?

 private:
  void analyse();
  void choose_copies(std::size_t work, std::int64_t extent);
  std::size_t most_alive() const;
  void choose_groups(const std::vector<std::uint8_t>& live);
  void find_twins(const std::vector<std::uint8_t>& live);
  void choose_rows(const std::vector<std::uint8_t>& live);
  void choose_kept(const std::vector<std::uint8_t>& live);
  void find_windows();
  void choose_passing();
};

}  // namespace functra::compiler
