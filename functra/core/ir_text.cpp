// The text of Programs, written and read.
//
//   program(captured v0: f32[3], v1: ~f64[]) {
//     v2: f32[3] = mul(v0, 2.0:f32)
//     v3: f32[] = reduce_sum(v2) {dims=[0]}
//     return v3
//   }
//
// ~ marks a weak type. A literal is a bare number (weak), number:dtype (0-d), or dtype[shape](numbers).
#include <unordered_map>

#include "functra/core/ir.h"
#include "functra/core/symbols.h"

namespace functra::core {
namespace {

void write_literal(std::string& out, const Tensor& t) {
  if (t.rank0()) {
    out += Scalar::load(t.raw_dtype(), t.bytes()).str();
    if (!t.weak()) {
      out += ':';
      out += name_of(t.raw_dtype());
    }
    return;
  }
  Tensor c = t.contiguous();
  out += name_of(c.raw_dtype());
  out += c.shape_ref().str() + "(";
  auto* p = static_cast<const std::byte*>(c.bytes());
  for (std::int64_t i = 0, n = c.numel(); i < n; ++i, p += size_of(c.raw_dtype())) out += (i ? ", " : "") + Scalar::load(c.raw_dtype(), p).str();
  out += ')';
}

class Reader {
 public:
  explicit Reader(TextReader& in) : in_(in) {}
  Program read() {
    in_.expect("program");
    in_.expect("(");
    while (!in_.eat(")")) {
      if (in_.eat("captured")) {
        if (p_.n_hidden != p_.inputs.size()) in_.fail("captured inputs come first");
        ++p_.n_hidden;
      }
      p_.inputs.push_back(define());
      if (in_.peek() != ')') in_.expect(",");
    }
    in_.expect("{");
    while (!in_.eat("return")) equation();
    while (!in_.eat("}")) {
      p_.outputs.push_back(operand());
      in_.eat(",");
    }
    return std::move(p_);
  }

 private:
  Aval type() {
    Aval a;
    core::read(in_, a);
    return a;
  }
  Var define() {
    std::string name(in_.word());
    in_.expect(":");
    Aval a = type();
    auto [it, fresh] = vars_.emplace(name, static_cast<Var>(p_.type_of.size()));
    if (!fresh) in_.fail("'" + name + "' is defined twice");
    return p_.new_var(a);
  }
  Var literal(std::string_view first) {  // dtype[shape](...)
    auto d = dtype_of_name(first);
    if (!d) in_.fail("'" + std::string(first) + "' is not defined");
    Shape s;
    core::read(in_, s);
    std::vector<Scalar> numbers;  // read before memory is taken for what the shape says
    in_.expect("(");
    while (!in_.eat(")")) {
      if (!numbers.empty()) in_.expect(",");
      numbers.push_back(in_.number());
    }
    if (s.numel() != static_cast<std::int64_t>(numbers.size()))
      in_.fail("a literal of shape " + s.str() + " with " + std::to_string(numbers.size()) + " numbers");
    Tensor t = Tensor::uninitialized(*d, s);
    auto* p = static_cast<std::byte*>(t.mutable_bytes());
    for (const Scalar& x : numbers) {
      x.store(*d, p);
      p += size_of(*d);
    }
    return p_.new_literal(t);
  }
  Var operand() {
    char c = in_.peek();
    bool number = (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == '(';
    if (!number) {
      TextReader ahead = in_;
      std::string w(in_.word());
      if (auto it = vars_.find(w); it != vars_.end()) return it->second;
      if (w != "true" && w != "false" && w != "inf" && w != "nan") return literal(w);
      in_ = ahead;
    }
    Scalar s = in_.number();
    if (!in_.eat(":")) return p_.new_literal(Tensor(s));
    DType d;
    core::read(in_, d);
    return p_.new_literal(Tensor::literal_of(s, d));
  }
  void equation() {
    std::vector<std::pair<std::string, Aval>> results;
    if (!in_.eat("=")) {
      do {
        std::string name(in_.word());
        in_.expect(":");
        results.emplace_back(std::move(name), type());
      } while (in_.eat(","));
      in_.expect("=");
    }
    std::string op(in_.word());
    const Primitive* prim = find_primitive(op);
    if (!prim) in_.fail("unknown primitive '" + op + "'");
    auto at = static_cast<std::uint32_t>(p_.pool.size());
    in_.expect("(");
    while (!in_.eat(")")) {
      Var v = operand();
      p_.pool.push_back(v);
      if (in_.peek() != ')') in_.expect(",");
    }
    ParamRef params;
    if (prim->params) {
      in_.expect("{");
      params = ParamRef::adopt(prim->params->read(in_));
      in_.expect("}");
    }
    auto n_in = static_cast<std::uint32_t>(p_.pool.size() - at), first = static_cast<std::uint32_t>(p_.type_of.size());
    for (auto& [name, a] : results) {
      auto [it, fresh] = vars_.emplace(name, static_cast<Var>(p_.type_of.size()));
      if (!fresh) in_.fail("'" + name + "' is defined twice");
      p_.new_var(a);
    }
    p_.eqns.push_back({prim, params, at, first, n_in, static_cast<std::uint32_t>(results.size()), nullptr});
  }
  TextReader& in_;
  Program p_;
  std::unordered_map<std::string, Var> vars_;
};

}  // namespace

void Program::write(std::string& out, int indent, bool sites) const {
  std::string pad(static_cast<std::size_t>(indent), ' ');
  auto name = [&](Var v) {
    if (v < 0) write_literal(out, literals[static_cast<std::size_t>(~v)]);
    else out += "v" + std::to_string(v);
  };
  auto typed = [&](Var v) {
    name(v);
    out += ": " + type(v).str();
  };
  out += "program(";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    out += i ? ", " : "";
    out += i < n_hidden ? "captured " : "";
    typed(inputs[i]);
  }
  out += ") {\n";
  for (const Eqn& e : eqns) {
    out += pad + "  ";
    for (std::uint32_t k = 0; k < e.n_out; ++k) {
      out += k ? ", " : "";
      typed(static_cast<Var>(e.out + k));
    }
    out += e.n_out ? " = " : "= ";
    out += e.prim->name;
    out += '(';
    bool first = true;
    for (Var v : operands(e)) {
      out += first ? "" : ", ";
      first = false;
      name(v);
    }
    out += ')';
    Params q = e.params;
    if (q.type) {
      std::string text;
      q.type->write(text, q.value);
      out += " {";
      for (char c : text) {
        out += c;
        if (c == '\n') out += pad + "  ";
      }
      out += '}';
    }
    if (sites && e.site) out += "  # " + symbol_of(e.site);
    out += '\n';
  }
  out += pad + "  return";
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    out += i ? ", " : " ";
    name(outputs[i]);
  }
  out += "\n" + pad + "}";
}
ProgramPtr read_program(TextReader& in) { return seal(Reader(in).read(), true); }
ProgramPtr parse_program(std::string_view text) {
  TextReader in(text);
  ProgramPtr p = read_program(in);
  if (!in.at_end()) in.fail("text after the end of the program");
  return p;
}

}  // namespace functra::core
