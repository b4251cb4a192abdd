#include "functra/base/min_cut.h"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>

namespace functra {
namespace {
using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using Graph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS,
    boost::property<
        boost::vertex_index_t, long,
        boost::property<boost::vertex_color_t, boost::default_color_type,
                        boost::property<boost::vertex_distance_t, long, boost::property<boost::vertex_predecessor_t, Traits::edge_descriptor>>>>,
    boost::property<boost::edge_capacity_t, long,
                    boost::property<boost::edge_residual_capacity_t, long, boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;
}  // namespace

struct MinCut::Impl {
  explicit Impl(std::size_t nodes) : g(nodes) {}
  Graph g;
};

MinCut::MinCut(std::size_t nodes) : impl_(std::make_unique<Impl>(nodes)) {}
MinCut::~MinCut() = default;

void MinCut::edge(std::size_t from, std::size_t to, long capacity) {
  Graph& g = impl_->g;
  auto there = boost::add_edge(from, to, g).first, back = boost::add_edge(to, from, g).first;
  boost::put(boost::edge_capacity, g, there, capacity);
  boost::put(boost::edge_capacity, g, back, 0);
  boost::put(boost::edge_reverse, g, there, back);
  boost::put(boost::edge_reverse, g, back, there);
}
std::vector<std::uint8_t> MinCut::reached(std::size_t source, std::size_t sink) {
  Graph& g = impl_->g;
  boost::boykov_kolmogorov_max_flow(g, source, sink);
  // Along edges that have capacity left. (The colours that the algorithm leaves are those of its search, which may not have come so far.)
  auto left = boost::get(boost::edge_residual_capacity, g);
  std::vector<std::uint8_t> r(boost::num_vertices(g), 0);
  std::vector<std::size_t> todo{source};
  r[source] = 1;
  while (!todo.empty()) {
    const std::size_t v = todo.back();
    todo.pop_back();
    for (auto [e, end] = boost::out_edges(v, g); e != end; ++e)
      if (const std::size_t to = boost::target(*e, g); left[*e] > 0 && !r[to]) {
        r[to] = 1;
        todo.push_back(to);
      }
  }
  auto capacity = boost::get(boost::edge_capacity, g);
  for (auto [e, end] = boost::edges(g); e != end; ++e)
    if (capacity[*e] >= infinite && r[boost::source(*e, g)] && !r[boost::target(*e, g)]) return {};
  return r;
}

}  // namespace functra
