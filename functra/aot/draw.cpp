#include "functra/aot/draw.h"

#include <graphviz/gvc.h>

#include <cstdlib>
#include <fstream>
#include <mutex>

#include "functra/aot/halves.h"
#include "functra/core/symbols.h"

namespace functra::compile {
using namespace functra::core;
using functra::Program;

namespace {

std::string quoted(const std::string& s) {
  std::string r = "\"";
  for (char c : s)
    if (c == '\n') r += "\\n";
    else r += (c == '"' || c == '\\' ? std::string("\\") : std::string()) + c;
  return r + "\"";
}
std::string shortened(std::string s, std::size_t n) {
  if (s.size() > n) s.replace(n - 3, s.npos, "...");
  return s;
}
std::string bytes_text(std::int64_t n) {
  const char* unit[] = {"B", "KiB", "MiB", "GiB"};
  auto x = static_cast<double>(n);
  int u = 0;
  for (; x >= 1024 && u < 3; ++u) x /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, u ? "%.1f %s" : "%.0f %s", x, unit[u]);
  return text;
}

class Writer {
 public:
  explicit Writer(const DrawOptions& o) : o_(o) {}
  std::string text =
      "digraph program {\n  rankdir=TB; ranksep=0.3; nodesep=0.2;\n"
      "  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"Helvetica\", fontsize=10, margin=\"0.08,0.04\"];\n"
      "  edge [fontname=\"Helvetica\", fontsize=8, arrowsize=0.6, color=gray40];\n";
  std::function<std::string(std::size_t eqn)> color;       // of the outermost program's equations
  std::function<bool(Var)> marked;                         // values drawn thick
  std::function<std::string(std::size_t, bool)> endpoint;  // what an input, or an output, is called
  std::string finish() { return text + "}\n"; }

  void program(const core::Program& p, const std::string& id, int depth) {
    std::vector<std::string> maker(p.type_of.size());
    for (std::size_t i = 0; i < p.inputs.size(); ++i) {
      std::string node = id + "i" + std::to_string(i);
      std::string name = depth == 0 && endpoint ? endpoint(i, true) : (i < p.n_hidden ? "captured " : "input ") + std::to_string(i);
      text += "  " + node + " [label=" + quoted(name) + ", shape=ellipse, fillcolor=\"#e8eef7\"];\n";
      maker[static_cast<std::size_t>(p.inputs[i])] = node;
    }
    for (std::size_t i = 0; i < p.eqns.size(); ++i) equation(p, i, id, depth, maker);
    for (std::size_t i = 0; i < p.outputs.size(); ++i) {
      std::string node = id + "o" + std::to_string(i), name = depth == 0 && endpoint ? endpoint(i, false) : "output " + std::to_string(i);
      text += "  " + node + " [label=" + quoted(name) + ", shape=ellipse, fillcolor=\"#f7efe1\"];\n";
      edge(p, p.outputs[i], node, maker, depth);
    }
  }

 private:
  void equation(const core::Program& p, std::size_t i, const std::string& id, int depth, std::vector<std::string>& maker) {
    const Eqn& e = p.eqns[i];
    std::string node = id + "e" + std::to_string(i), label = e.prim->name, params;
    Params q = e.params;
    auto inner = inner_programs(e);
    if (q.type && inner.empty()) q.type->write(params, q.value);
    if (!params.empty()) label.append("\n").append(shortened(params, 48));
    if (o_.sites && e.site)
      if (std::string where = symbol_of(e.site); !where.empty()) {
        label += '\n';
        label.append(where, where.find_last_of('/') + 1);
      }
    text += "  " + node + " [label=" + quoted(label);
    if (depth == 0 && color) text += ", fillcolor=" + quoted(color(i));
    text += "];\n";
    for (std::uint32_t k = 0; k < e.n_out; ++k) maker[e.out + k] = node;
    int n = 0;
    for (Var v : p.operands(e)) {
      if (v >= 0) edge(p, v, node, maker, depth);
      else ++n;
    }
    if (n && depth < 4) literals(p, e, node);
    for (std::size_t b = 0; b < inner.size(); ++b) {
      const std::string body = id + "e" + std::to_string(i) + "b" + std::to_string(b) + "_";
      text += "  subgraph cluster_" + body + " {\n  label=" + quoted(std::string(e.prim->name) + ", program " + std::to_string(b)) +
              "; fontname=\"Helvetica\"; fontsize=9; style=rounded; color=gray60;\n";
      program(*inner[b], body, depth + 1);
      text += "  }\n";
      if (!inner[b]->inputs.empty()) text += "  " + node + " -> " + body + "i0 [style=dotted, arrowhead=none];\n";
    }
  }
  void literals(const core::Program& p, const Eqn& e, const std::string& node) {
    int n = 0;
    for (Var v : p.operands(e)) {
      if (v >= 0) continue;
      const Tensor& t = p.literals[static_cast<std::size_t>(~v)];
      std::string name = node + "l" + std::to_string(n++), value = t.rank0() ? Scalar::load(t.raw_dtype(), t.bytes()).str() : t.aval().str();
      text += "  " + name + " [label=" + quoted(value) + ", shape=plaintext, style=\"\"];\n  " + name + " -> " + node + ";\n";
    }
  }
  void edge(const core::Program& p, Var v, const std::string& to, const std::vector<std::string>& maker, int depth) {
    if (v < 0) return;
    const Aval& a = p.type(v);
    std::string label = o_.shapes ? a.str() : "";
    if (o_.bytes) label += (label.empty() ? "" : "\n") + bytes_text(core::bytes_of(a));
    bool thick = depth == 0 && marked && marked(v);
    text += "  " + maker[static_cast<std::size_t>(v)] + " -> " + to + " [label=" + quoted(label) +
            (thick ? ", penwidth=2.5, color=\"#c0392b\"" : "") + "];\n";
  }
  const DrawOptions& o_;
};

void write_file(const std::string& dot, const std::string& path) {
  auto at = path.find_last_of('.');
  const std::string ending = at == path.npos ? "" : path.substr(at + 1);
  if (ending == "dot") {
    std::ofstream out(path);
    out << dot;
    if (!out.flush()) throw IoError("draw_graph: cannot write " + path);
    return;
  }
  if (ending != "svg" && ending != "png" && ending != "pdf") throw ValueError("draw_graph: '" + path + "' ends in none of .dot, .svg, .png, .pdf");
  if (!std::ofstream(path)) throw IoError("draw_graph: cannot write " + path);
  static std::mutex mutex;  // Graphviz is not thread safe
  std::lock_guard lock(mutex);
  static GVC_t* const context = gvContext();  // never freed: its text plugin keeps pointers into it between drawings
  graph_t* graph = agmemread(dot.c_str());
  bool ok = graph && gvLayout(context, graph, "dot") == 0;
  if (ok) {
    ok = gvRenderFilename(context, graph, ending.c_str(), path.c_str()) == 0;
    gvFreeLayout(context, graph);
  }
  if (graph) agclose(graph);
  if (!ok) throw IoError("draw_graph: Graphviz could not draw " + path);
}
std::string titled(const DrawOptions& o, const std::string& extra = {}) {
  std::string label = o.title + (o.title.empty() || extra.empty() ? "" : "\n") + extra;
  return label.empty() ? "" : "  label=" + quoted(label) + "; labelloc=t; fontname=\"Helvetica\"; fontsize=12;\n";
}
}  // namespace

std::string to_dot(const Program& p, const DrawOptions& o) {
  if (!p.ir()) throw ValueError("to_dot: this program is empty (default constructed)");
  Writer w(o);
  w.text += titled(o);
  w.program(*p.ir(), "p", 0);
  return w.finish();
}
std::string to_dot(const JointProgram& j, const Partition& parts, const DrawOptions& o) {
  const aot::Roles r(j);
  Writer w(o);
  std::vector<std::uint8_t> saved(r.p.type_of.size());
  for (auto& q : parts.saved) saved[std::stoul(q.variable.substr(1))] = 1;
  // What the backward half computes: from the gradients back to what is kept.
  std::vector<std::uint8_t> needed(r.p.type_of.size()), behind(r.p.eqns.size());
  auto need = [&](Var v) {
    if (v >= 0 && !saved[static_cast<std::size_t>(v)]) needed[static_cast<std::size_t>(v)] = 1;
  };
  for (std::size_t i = j.outputs; i < r.p.outputs.size(); ++i) need(r.p.outputs[i]);
  for (std::size_t i = r.p.eqns.size(); i-- > 0;) {
    const Eqn& e = r.p.eqns[i];
    for (std::uint32_t k = 0; k < e.n_out; ++k) behind[i] |= needed[e.out + k];
    if (behind[i])
      for (Var v : r.p.operands(e)) need(v);
  }
  w.text += titled(o, "blue: forward, orange: backward, green: only for the backward half, violet: in both halves; thick: kept, " +
                          bytes_text(parts.saved_bytes()));
  w.color = [&](std::size_t i) { return r.backward_eqn[i] ? "#fbe3d0" : !r.forward_eqn[i] ? "#e1f2dd" : behind[i] ? "#e0d3f0" : "#dbe9f6"; };
  w.marked = [&](Var v) { return saved[static_cast<std::size_t>(v)] != 0; };
  w.endpoint = [&](std::size_t i, bool input) {
    if (input) return i < j.primals ? "primal " + std::to_string(i) : "cotangent " + std::to_string(i - j.primals);
    return i < j.outputs ? "output " + std::to_string(i) : "gradient " + std::to_string(i - j.outputs);
  };
  w.program(r.p, "p", 0);
  return w.finish();
}
void draw_graph(const Program& p, const std::string& path, const DrawOptions& o) { write_file(to_dot(p, o), path); }
void draw_graph(const JointProgram& j, const Partition& parts, const std::string& path, const DrawOptions& o) {
  write_file(to_dot(j, parts, o), path);
}

}  // namespace functra::compile
