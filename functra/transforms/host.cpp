#include "functra/transforms/host.h"

#include "functra/prims/control.h"
#include "functra/prims/host.h"

namespace functra {
namespace {
Tensor firm(const Tensor& t) { return t.weak() ? core::convert(t, t.dtype()) : t; }
}  // namespace

namespace detail {
std::string expand_format(std::string_view format, const std::vector<std::string>& parts) {
  std::string r;
  std::size_t k = 0;
  for (std::size_t i = 0; i < format.size(); ++i) {
    bool twice = i + 1 < format.size() && format[i] == format[i + 1] && (format[i] == '{' || format[i] == '}');
    if (twice) {
      r += format.substr(i++, 2);
    } else if (format.substr(i, 2) == "{}") {
      if (k == parts.size())
        throw ValueError("debug::print: \"" + std::string(format) + "\" has more {} than the " + std::to_string(parts.size()) + " arguments");
      for (char c : parts[k]) {  // text of static arguments keeps its braces
        bool placeholder = parts[k].find("{}") != std::string::npos;
        if (!placeholder && (c == '{' || c == '}')) r += c;
        r += c;
      }
      ++k;
      ++i;
    } else r += format[i];
  }
  if (k != parts.size())
    throw ValueError("debug::print: \"" + std::string(format) + "\" has " + std::to_string(k) + " {} for " + std::to_string(parts.size()) +
                     " arguments");
  return r;
}
}  // namespace detail

Tensor debug_unwrap(const Tensor& x, bool recurse) {
  Tensor t = x;
  while (t.tag()) {
    core::check_alive(t, "debug_unwrap");
    if (t.kind() == Tensor::Kind::Jvp) t = Tensor(t.node_as<core::JvpNode>().primal);
    else if (t.kind() == Tensor::Kind::Batch) t = Tensor(t.node_as<core::BatchNode>().value);
    else throw TracerError("debug_unwrap: the value is only recorded (jit or make_fx); debug::print prints it when the program runs");
    if (!recurse) break;
  }
  return t;
}

namespace debug {
void set_sink(std::function<void(const std::string&)> sink) { prims::set_print_sink(std::move(sink)); }
}  // namespace debug

namespace erased {
using namespace functra::core;

namespace {
template <class P> void bind_effect(const Primitive& prim, Ins in, const P& p) { bind_prim({prim, params(p)}, in, {}); }
Vec firm_all(Ins x) {
  Vec r;
  for (const Tensor& t : x) {
    if (!t.defined()) throw ValueError("debug: an argument is an undefined Tensor (default constructed)");
    r.push_back(firm(t));
  }
  return r;
}
}  // namespace

void debug_print(std::string format, Ins values) {
  Vec x(values.begin(), values.end());
  for (const Tensor& t : x)
    if (!t.defined()) throw ValueError("debug::print: an argument is an undefined Tensor (default constructed)");
  bind_effect(prims::debug_print_p, x, prims::PrintParams{std::move(format)});
}
void debug_callback(std::string name, std::function<void(Ins)> f, Ins leaves) {
  auto host = prims::register_host(std::move(name), [f = std::move(f)](Ins x) {
    f(x);
    return Vec();
  });
  bind_effect(prims::debug_callback_p, firm_all(leaves), prims::EffectParams{host});
}
std::vector<Tensor> pure_callback(const CallbackOptions& o, std::function<std::vector<Tensor>(Ins)> f, TreeRef like, Ins leaves) {
  prims::CallbackParams p{prims::register_host(o.name, std::move(f)), {}, static_cast<prims::CallbackVmap>(o.vmap)};
  for (const Tensor& t : tree::leaves(like)) {
    if (!t.defined()) throw ValueError("pure_callback: the example of the result has an undefined Tensor; give one of the right shape and dtype");
    Aval a = t.aval();
    p.results.push_back({t.dtype(), false, a.shape});
  }
  return bind_all(prims::pure_callback_p, firm_all(leaves), p);
}
void custom_vmap(Refs args, Call f, VmapRuleFn rule) {
  if (!current) {
    f();
    return;
  }
  Vec x;
  TreeRef out;
  Closed c;
  {
    Recording t("custom_vmap", true);
    Scope s(&t);
    for (Tensor* leaf : tree::pointers(args)) {
      if (!leaf->defined()) throw ValueError("custom_vmap: an argument is an undefined Tensor (default constructed)");
      x.push_back(*leaf);
      *leaf = t.input(leaf->aval());
    }
    out = f().value;
    Vec results;
    for (const Tensor& y : tree::leaves(out)) results.push_back(firm(y));
    c = t.finish(results);
  }
  std::size_t n_captured = c.captured.size(), n_out = c.program->outputs.size();
  auto call = [rule = std::move(rule), n_captured, n_out](std::int64_t size, const Mask& mapped, Ins in) {
    for (std::size_t i = 0; i < n_captured; ++i)
      if (mapped[i])
        throw ValueError(
            "custom_vmap: the function closes over a tensor that differs from example to example, and the rule says nothing about it; pass that "
            "tensor as an argument");
    auto [y, batched] = rule(size, Mask(mapped.begin() + static_cast<std::ptrdiff_t>(n_captured), mapped.end()),
                             Vec(in.begin() + static_cast<std::ptrdiff_t>(n_captured), in.end()));
    if (y.size() != n_out)
      throw StructureError("custom_vmap: the rule returns " + std::to_string(y.size()) + " tensors, the function " + std::to_string(n_out));
    std::vector<Batched> r;
    for (const Tensor& t : y) r.push_back({t, batched ? 0 : -1});
    return r;
  };
  prims::CustomVmapParams p{c.program, prims::register_vmap_rule({"", std::move(call)})};
  tree::assign(out, bind_all(prims::custom_vmap_p, prims::joined({c.captured, x}), p));
}

}  // namespace erased

// ---------------------------------------------------------------- new primitives
void OutputBuffer::wrong_type() const { throw DTypeError("OutputBuffer: span of another element type than " + std::string(name_of(dtype))); }

DefinedPrimitive define_primitive(PrimitiveDefinition d) {
  if (d.name.empty() || !d.shape || !d.eval) throw ValueError("define_primitive: a definition needs a name, a shape rule and eval");
  if (d.results < 1) throw ValueError("define_primitive: '" + d.name + "' has " + std::to_string(d.results) + " results, expected at least 1");
  auto to_types = [](std::span<const Aval> a) {
    std::vector<TensorType> r;
    for (auto& t : a) r.push_back({t.dtype, t.shape});
    return r;
  };
  prims::HostOp op;
  op.name = d.name;
  op.results = d.results;
  op.shape = [f = d.shape, to_types](std::span<const Aval> in) {
    std::vector<Aval> r;
    for (auto& t : f(to_types(in))) r.push_back({t.dtype, false, t.shape});
    return r;
  };
  op.eval = [f = d.eval](Ins in, Outs out) {
    std::vector<OutputBuffer> buffers;
    for (Tensor& t : out) buffers.push_back({t.raw_dtype(), t.sizes(), t.mutable_bytes()});
    f(in, buffers);
  };
  op.jvp = d.jvp;
  if (d.transpose)
    op.transpose = [f = d.transpose](Ins ct, std::span<const core::Operand> in) {
      std::vector<std::optional<Tensor>> operands;
      for (auto& o : in) operands.push_back(o.linear() ? std::nullopt : std::optional<Tensor>(*o));
      return f(ct, operands);
    };
  if (d.batch)
    op.batch = [f = d.batch](std::int64_t size, std::span<const core::Batched> in) {
      Vec x;
      std::vector<int> dims;
      for (auto& b : in) {
        x.push_back(b.value);
        dims.push_back(b.dim);
      }
      auto [y, out_dims] = f(size, x, dims);
      if (y.size() != out_dims.size())
        throw StructureError("define_primitive: the batch rule gives " + std::to_string(y.size()) + " results and " +
                             std::to_string(out_dims.size()) + " dimensions");
      std::vector<core::Batched> r;
      for (std::size_t i = 0; i < y.size(); ++i) r.push_back({y[i], out_dims[i]});
      return r;
    };
  op.vmap = static_cast<prims::CallbackVmap>(d.vmap);
  DefinedPrimitive p;
  p.op_ = prims::register_op(std::move(op));
  return p;
}
DefinedPrimitive::Results DefinedPrimitive::call(Ins operands) const {
  if (!op_) throw ValueError("DefinedPrimitive: not defined; make it with define_primitive");
  auto op = std::static_pointer_cast<const prims::HostOp>(op_);
  Vec x;
  for (const Tensor& t : operands) {
    if (!t.defined()) throw ValueError(op->name + ": an operand is an undefined Tensor (default constructed)");
    x.push_back(firm(t));
  }
  Vec r = core::bind_all(op->transpose ? prims::host_linear_op_p : prims::host_op_p, x, prims::HostOpParams{op});
  return Results(r.begin(), r.end());
}

}  // namespace functra
