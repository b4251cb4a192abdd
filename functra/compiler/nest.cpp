#include "functra/compiler/nest.h"

#include <algorithm>

namespace functra::compiler {
namespace {

template <class F> void each_access(Nest& n, F f) {
  for (auto& a : n.accesses) f(a);
  for (auto& s : n.stores) f(s.at);
  for (auto& r : n.reductions) f(r.at);  // without a buffer: no strides
}
std::string text_of(const Access& a) {
  std::string s = "b" + std::to_string(a.buffer) + ":" + std::string(name_of(a.dtype)) + "[" + std::to_string(a.offset);
  for (std::size_t i = 0; i < a.strides.size(); ++i)
    if (a.strides[i]) s += " + " + std::to_string(a.strides[i]) + " i" + std::to_string(i);
  return s + "]";
}
constexpr const char* num_names[] = {"neg", "abs",      "sqrt",  "floor", "ceil", "rint", "trunc", "not", "add", "sub", "mul", "div", "rem", "min",
                                     "max", "copysign", "scale", "and",   "or",   "xor",  "shl",   "shr", "eq",  "ne",  "lt",  "le",  "gt",  "ge"};
constexpr const char* reduce_names[] = {"sum", "prod", "max", "min", "and", "or"};

}  // namespace

bool Steps::moves(std::size_t access, int buffer) const {
  return slice[static_cast<std::size_t>(buffer)] != 0 || std::any_of(carries.begin(), carries.end(), [&](auto& c) { return c.access == access; });
}
bool Nest::can_lie_over(int written, int read) const {
  if (scalar() || steps) return false;
  const Access* to = nullptr;
  for (auto& s : stores) {
    if (s.at.strides.back() != 1) return false;  // blocks that go back store vectors in part, but not records
    if (s.at.buffer != written) continue;
    if (to) return false;
    to = &s.at;
  }
  if (!to || std::ranges::count(to->strides, 0)) return false;
  for (auto& r : reductions)
    if (r.at.buffer < 0 || r.at.buffer == written) return false;  // rows are run over again
  for (Id i = 0; i < graph.size(); ++i)
    if (graph[i].op == Op::gather && accesses[graph[i].attr].buffer == read) return false;  // other points' elements
  return std::ranges::all_of(accesses, [&](auto& a) {
    return a.buffer != read || (a.offset == to->offset && a.strides == to->strides && size_of(a.dtype) == size_of(to->dtype));
  });
}
void Nest::collapse() {
  for (std::size_t a = 0; a + 1 < axes();) {
    const std::size_t b = a + 1;
    bool joins = lower[b] == 0;
    each_access(*this, [&](const Access& x) { joins &= x.strides[a] == x.strides[b] * upper[b]; });
    for (auto& r : reductions) joins &= (r.over >> a & 1) == (r.over >> b & 1);
    for (Id i = 0; i < graph.size() && joins; ++i) joins = graph[i].op != Op::position || (graph[i].attr != a && graph[i].attr != b);
    if (!joins) {
      ++a;
      continue;
    }
    // Axis b takes both; the numbers of later axes in positions would change, so those nests are left alone above.
    bool numbered = false;
    for (Id i = 0; i < graph.size(); ++i) numbered |= graph[i].op == Op::position && graph[i].attr > b;
    if (numbered) {
      ++a;
      continue;
    }
    lower[b] = lower[a] * upper[b];
    upper[b] = upper[a] * upper[b];
    lower.erase(lower.begin() + static_cast<std::ptrdiff_t>(a));
    upper.erase(upper.begin() + static_cast<std::ptrdiff_t>(a));
    each_access(*this, [&](Access& x) { x.strides.erase(x.strides.begin() + static_cast<std::ptrdiff_t>(a)); });
    const std::uint32_t low = (std::uint32_t{1} << a) - 1;
    for (auto& r : reductions) r.over = (r.over & low) | (r.over >> 1 & ~low);
  }
}

namespace {
// The axis along which most of the loads run that have gaps along the last one; the last one itself where there are none.
std::size_t read_along(const Nest& n) {
  const std::size_t last = n.axes() - 1;
  std::vector<std::size_t> loads(n.axes(), 0);
  for (auto& a : n.accesses) {
    if (std::abs(a.strides[last]) <= 1) continue;
    for (std::size_t k = 0; k < last; ++k) loads[k] += std::abs(a.strides[k]) == 1;
  }
  const auto most = std::ranges::max_element(loads);
  return *most ? static_cast<std::size_t>(most - loads.begin()) : last;
}
}  // namespace
std::optional<Nest> Nest::cut_in_strips() {
  constexpr std::int64_t line = 64, short_rows = 8;
  std::int64_t strip = 32;  // at least a line of every result
  for (auto& s : stores) strip = std::max(strip, line / static_cast<std::int64_t>(size_of(s.at.dtype)));
  if (axes() < 2 || scalar() || steps || !reductions.empty()) return {};
  for (Id i = 0; i < graph.size(); ++i)
    if (graph[i].op == Op::position) return {};
  const std::size_t last = axes() - 1, along = read_along(*this);
  if (along == last || extent(last) < 2 * strip || extent(along) < short_rows) return {};
  std::optional<Nest> rest;
  if (const std::int64_t left = extent(last) % strip) {
    rest = *this;
    upper[last] -= left;
    rest->lower[last] = upper[last];
  }
  // Axes in their new order: the others, strips, the one that is read along, positions in a strip.
  std::vector<std::size_t> others;
  for (std::size_t k = 0; k < last; ++k)
    if (k != along) others.push_back(k);
  auto reordered = [&](const std::vector<std::int64_t>& of, std::int64_t strips, std::int64_t positions) {
    std::vector<std::int64_t> r;
    for (std::size_t k : others) r.push_back(of[k]);
    r.insert(r.end(), {strips, of[along], positions});
    return r;
  };
  each_access(*this, [&](Access& a) {
    a.offset += a.strides[last] * lower[last];
    a.strides = reordered(a.strides, a.strides[last] * strip, a.strides[last]);
  });
  const std::int64_t strips = extent(last) / strip;
  lower = reordered(lower, 0, 0);
  upper = reordered(upper, strips, strip);
  return rest;
}

std::string Nest::str() const {
  std::string s = serial ? "serial" : "nest";
  for (std::size_t i = 0; i < axes(); ++i) s += " i" + std::to_string(i) + "=[" + std::to_string(lower[i]) + ", " + std::to_string(upper[i]) + ")";
  s += "\n";
  auto name = [](Id i) { return i == none ? std::string() : " %" + std::to_string(i); };
  for (Id i = 0; i < graph.size(); ++i) {
    const Node& n = graph[i];
    s += "  %" + std::to_string(i) + " = " + std::string(name_of(n.type)) + " ";
    switch (n.op) {
      case Op::constant:
        s += n.structural ? "nothing" : "bits ";
        if (!n.structural) {
          char text[24];
          std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(n.attr));
          s += text;
        }
        break;
      case Op::load: s += text_of(accesses[n.attr]); break;
      case Op::gather: s += text_of(accesses[n.attr]) + " further by " + std::string(name_of(n.from)); break;
      case Op::position: s += "i" + std::to_string(n.attr); break;
      case Op::reduced: s += "reduction " + std::to_string(n.attr); break;
      case Op::carried: s += "carried " + std::to_string(n.attr); break;
      case Op::unary:
      case Op::binary: s += std::string(num_names[static_cast<int>(n.num)]) + " " + std::string(name_of(n.from)); break;
      case Op::fma: s += "fma"; break;
      case Op::select: s += "select"; break;
      case Op::bitcast: s += "bitcast " + std::string(name_of(n.from)); break;
      case Op::convert: s += "convert " + std::string(name_of(n.from)); break;
      case Op::rare: s += "rare " + graph.fallback(n.attr).name; break;
    }
    graph.each_operand(i, [&](Id o) { s += name(o); });
    s += "\n";
  }
  for (auto& x : stores) s += "  " + text_of(x.at) + " =" + name(x.value) + (x.past ? " past the caches\n" : "\n");
  for (std::size_t k = 0; k < carried.size(); ++k)
    s +=
        "  carried " + std::to_string(k) + ": from" + name(carried[k].first) + " by" + name(carried[k].next) + " to " + text_of(carried[k].to) + "\n";
  if (in_place) s += "  in place\n";
  if (packs.used) s += std::string(packs.stores ? "  packed" : "  packed by rows") + (packs.fill ? "\n" : ", no lane filled\n");
  for (auto* list : {&packs.rows, &packs.layout})
    for (auto& row : *list) {
      s += list == &packs.rows ? "  row" : "  carried together";
      for (Id i : row) s += name(i);
      s += "\n";
    }
  for (std::size_t k = 0; k < reductions.size(); ++k) {
    auto& r = reductions[k];
    s += "  reduction " + std::to_string(k) + ": " + text_of(r.at) + (r.accumulate ? " += " : " = ") + reduce_names[static_cast<int>(r.op)] +
         name(r.value) + " over";
    for (std::size_t i = 0; i < axes(); ++i)
      if (r.over >> i & 1) s += " i" + std::to_string(i);
    s += "\n";
  }
  if (!steps) return s;
  s += "  steps " + (steps->go == none ? std::to_string(steps->length) : "while" + name(steps->go)) + (steps->reverse ? " in reverse" : "");
  if (steps->count >= 0) s += ", counted in b" + std::to_string(steps->count);
  s += "\n";
  for (auto& c : steps->carries) s += "  carry " + text_of(accesses[c.access]) + " -> " + text_of(stores[c.store].at) + "\n";
  for (std::size_t b = 0; b < steps->slice.size(); ++b)
    if (steps->slice[b]) s += "  b" + std::to_string(b) + " moves by " + std::to_string(steps->slice[b]) + "\n";
  return s;
}

}  // namespace functra::compiler
