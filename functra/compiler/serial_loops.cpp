#include "functra/compiler/serial_loops.h"

#include <algorithm>

#include "functra/compiler/build.h"
#include "functra/compiler/pack.h"
#include "functra/compiler/pull.h"
#include "functra/prims/loop.h"

namespace functra::compiler {

using core::Program;
using core::Var;

namespace {

constexpr std::size_t budget = 6000;        // nodes of a body
constexpr std::int64_t most_values = 1024;  // results of a step
constexpr std::size_t most_items = 4000;    // instructions, about: 0.15 s of code generation

// Everything that the body computes, written out; buffers are its inputs. Per output, its elements.
std::optional<std::vector<Row>> written_out(const Program& body, Nest& n, std::vector<std::vector<Row>>& ways) {
  std::int64_t values = 0;
  for (std::size_t j = 0; j < body.outputs.size(); ++j) values += body.out_type(j).shape.numel();
  if (values > most_values) return {};
  const auto defines = definitions(body);
  std::vector<int> number(body.type_of.size(), -1);
  for (std::size_t i = 0; i < body.inputs.size(); ++i) number[static_cast<std::size_t>(body.inputs[i])] = static_cast<int>(i);
  auto buffer = [&](Var v) { return number[static_cast<std::size_t>(v)]; };
  for (auto& e : body.eqns)
    if (!can_pull(body, e)) return {};
  Pull pull(body, defines, buffer, n, budget);
  std::vector<Row> r;
  for (std::size_t j = 0; j < body.outputs.size(); ++j) {
    const Shape s = body.out_type(j).shape;
    Row& row = r.emplace_back();
    for (std::int64_t at = 0; at < s.numel(); ++at) {
      Point i;
      i.rank = s.rank();
      std::int64_t rest = at;
      for (int d = i.rank - 1; d >= 0; --d) {
        i.at[d].offset = rest % s[static_cast<std::size_t>(d)];
        rest /= s[static_cast<std::size_t>(d)];
      }
      row.push_back(pull.at(body.outputs[j], i));
      if (pull.outcome() != Pull::Outcome::fine) return {};
    }
  }
  ways = pull.rows();
  return r;
}

}  // namespace

std::optional<Nest> serial_loop(const Program& p, const core::Eqn& e, std::span<const Var> in, std::span<const Var> out) {
  if (e.prim != &prims::scan_p) return {};
  const core::Params params = e.params;
  const auto& q = params.get<prims::ScanParams>();
  if (q.counted || q.length < 1) return {};
  const Program& body = *q.body;
  const auto operands = p.operands(e);
  Nest n;
  std::vector<std::vector<Row>> ways;
  auto results = written_out(body, n, ways);
  if (!results) return {};
  Graph& g = n.graph;
  const auto n_const = static_cast<std::size_t>(q.n_const), n_carry = static_cast<std::size_t>(q.n_carry);
  auto buffer_of = [&](Var v) { return static_cast<int>(std::find(in.begin(), in.end(), v) - in.begin()); };

  // What the carry is within a step: loads of inputs of the body, as long as they are numbered so.
  std::vector<std::size_t> begins;
  for (std::size_t c = 0; c < n_carry; ++c) {
    const Aval& t = body.type(body.inputs[n_const + c]);
    if (!computes(t.dtype)) return {};
    begins.push_back(n.carried.size());
    for (std::int64_t at = 0; at < t.shape.numel(); ++at) {
      const auto known =
          std::find_if(n.accesses.begin(), n.accesses.end(), [&](auto& a) { return a.buffer == static_cast<int>(n_const + c) && a.offset == at; });
      const auto k = static_cast<std::size_t>(known - n.accesses.begin());
      if (known == n.accesses.end()) n.accesses.push_back({static_cast<int>(n_const + c), t.dtype, at, {}});
      n.carried.push_back(
          {g.load(t.dtype, k), none, (*results)[c][static_cast<std::size_t>(at)], {static_cast<int>(in.size() + c), t.dtype, at, {0}}});
    }
  }
  for (Id i = 0; i < g.size(); ++i) {
    if (!g.reads(i)) continue;
    const Access& a = n.accesses[g[i].attr];
    const auto input = static_cast<std::size_t>(a.buffer);
    const Var v = operands[input];
    if (input >= n_const && input < n_const + n_carry) {
      if (g[i].op == Op::gather) return {};  // what is carried is not in memory
      g.carry(i, begins[input - n_const] + static_cast<std::size_t>(a.offset));
    } else if (v < 0) {
      std::uint64_t bits = 0;
      const Tensor& t = p.literals[static_cast<std::size_t>(~v)];
      std::memcpy(&bits, t.bytes(), size_of(t.raw_dtype()));
      g.fix(i, bits);
    }
  }
  for (Access& a : n.accesses) {
    const auto input = static_cast<std::size_t>(a.buffer);
    const Var v = operands[input];
    if (v < 0 || (input >= n_const && input < n_const + n_carry)) {  // in registers: of no buffer
      a.buffer = -1;
      continue;
    }
    const std::int64_t per = input < n_const ? 0 : body.type(body.inputs[input]).shape.numel();
    a.buffer = buffer_of(v);
    a.strides = {q.reverse ? -per : per};
    if (q.reverse) a.offset += (q.length - 1) * per;
  }
  for (std::size_t c = 0; c < n_carry; ++c) {
    const Var v = operands[n_const + c];
    const Aval& t = body.type(body.inputs[n_const + c]);
    for (std::int64_t at = 0; at < t.shape.numel(); ++at) {
      Id& first = n.carried[begins[c] + static_cast<std::size_t>(at)].first;
      if (v < 0) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, p.literals[static_cast<std::size_t>(~v)].bytes(), size_of(t.dtype));
        first = g.bits(t.dtype, bits);
        continue;
      }
      n.accesses.push_back({buffer_of(v), t.dtype, at, {0}});
      first = g.load(t.dtype, n.accesses.size() - 1);
    }
  }
  for (std::size_t j = n_carry; j < results->size(); ++j) {
    const Aval t = body.out_type(j);
    const std::int64_t per = t.shape.numel();
    for (std::int64_t at = 0; at < per; ++at)
      n.stores.push_back({{static_cast<int>(in.size() + j), t.dtype, at + (q.reverse ? (q.length - 1) * per : 0), {q.reverse ? -per : per}},
                          (*results)[j][static_cast<std::size_t>(at)]});
  }
  n.buffers = static_cast<int>(in.size() + out.size());
  n.lower = {0};
  n.upper = {q.length};
  n.serial = true;
  if (choose_packing(n, ways).items.size() > most_items) return {};
  return n;
}

}  // namespace functra::compiler
