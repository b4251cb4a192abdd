// Programs drawn as graphs, by Graphviz.
#pragma once
#include "functra/aot/partition.h"

namespace functra::compile {

struct DrawOptions {
  bool shapes = true;  // dtypes and shapes on the edges
  bool bytes = true;   // and how many bytes they hold
  bool sites = true;   // source lines in the nodes, where they are known
  std::string title{};
};
// Text in the DOT language: equations are boxes, values edges; the bodies of loops and branches are clusters.
std::string to_dot(const Program& p, const DrawOptions& o = {});
// The same for a joint program: forward, residuals and backward in colours of their own.
std::string to_dot(const JointProgram& j, const Partition& parts, const DrawOptions& o = {});
// Writes a file whose ending says what: .dot, or .svg, .png, .pdf as Graphviz draws them. IoError if it cannot be written.
void draw_graph(const Program& p, const std::string& path, const DrawOptions& o = {});
void draw_graph(const JointProgram& j, const Partition& parts, const std::string& path, const DrawOptions& o = {});

}  // namespace functra::compile
