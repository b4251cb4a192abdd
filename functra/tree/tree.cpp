#include "functra/tree/tree.h"

#include <cstdio>
#include <cstring>
#include <string>

namespace functra::tree {

// ---- static leaves

void append_bytes(std::string& key, const void* p, std::size_t n) { key.append(static_cast<const char*>(p), n); }
static void append_size(std::string& key, std::size_t n) { append_bytes(key, &n, sizeof n); }
void append_text(std::string& key, std::string_view s) {
  append_size(key, s.size());
  key += s;
}
void append_key(std::string& key, const Shape& s) {
  append_size(key, s.size());
  append_bytes(key, s.data(), s.size() * sizeof(std::int64_t));
}
void append_key(std::string& key, const Scalar& s) {
  key += static_cast<char>(s.type());
  if (s.integral()) {
    auto v = static_cast<std::uint64_t>(s);
    append_bytes(key, &v, sizeof v);
  } else {
    double v[2] = {s.real(), s.imag()};
    append_bytes(key, v, sizeof v);
  }
}
void append_key(std::string& key, long double x) {  // its padding bytes mean nothing
  char text[64];
  int n = std::snprintf(text, sizeof text, "%La", x);
  append_text(key, {text, static_cast<std::size_t>(n)});
}
std::string text_of(std::int64_t x) { return std::to_string(x); }
std::string text_of(std::uint64_t x) { return std::to_string(x); }
std::string text_of(double x) { return Scalar(x).str(); }
std::string in_quotes(std::string_view s) {
  std::string r = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') r += '\\';
    if (c == '\n') r += "\\n";
    else r += c;
  }
  return r + '"';
}

// ---- paths

std::string Step::str() const {
  if (key) {
    std::string k = key->text(key->p);
    if (key->text_like) k = "'" + k.substr(1, k.size() - 2) + "'";
    return "[" + k + "]";
  }
  if (!field.empty()) return "." + std::string(field);
  return "[" + std::to_string(index) + "]";
}

namespace {

struct Pointers : Visitor {
  std::vector<Tensor*> out;
  void tensor(Tensor& t) override { out.push_back(&t); }
};

struct Counter : Visitor {
  std::size_t n = 0;
  void tensor(Tensor&) override { ++n; }
};

struct Constants : Visitor {
  std::vector<char> out;
  std::size_t depth = 0;
  void tensor(Tensor&) override { out.push_back(depth > 0); }
  void note(Node kind, std::size_t n) override {
    if (kind == Node::constant) n ? ++depth : --depth;
  }
};

struct Mapper : Visitor {
  function_ref<Tensor(const Tensor&)> f;
  explicit Mapper(function_ref<Tensor(const Tensor&)> g) : f(g) {}
  void tensor(Tensor& t) override { t = f(t); }
};

// Keeps the text of the way from the root.
struct PathVisitor : Visitor {
  std::string path;
  std::vector<std::size_t> lengths;
  void enter(const Step& s) override {
    lengths.push_back(path.size());
    path += s.str();
  }
  void leave() override {
    path.resize(lengths.back());
    lengths.pop_back();
  }
};

struct Paths : PathVisitor {
  std::vector<std::string> out;
  bool whole = false;  // keep a leading dot: it follows "argument 0"
  void tensor(Tensor&) override { out.push_back(!whole && path.starts_with('.') ? path.substr(1) : path); }
};

struct StaticValues : PathVisitor {
  std::vector<StaticValue> out;
  void tensor(Tensor&) override {}
  void leaf(const Static& s) override {
    StaticValue v{path, {}, s.text(s.p), s.type};
    s.append(s.p, v.key);
    out.push_back(std::move(v));
  }
};

struct Key : Visitor {
  std::string& key;
  std::vector<Tensor*>* leaves;
  bool static_values;
  explicit Key(std::string& k, std::vector<Tensor*>* l = nullptr, bool values = true) : key(k), leaves(l), static_values(values) {}
  void tensor(Tensor& t) override {
    if (leaves) leaves->push_back(&t);
  }
  void leaf(const Static& s) override {
    if (static_values) s.append(s.p, key);
  }
  void note(Node kind, std::size_t n) override {
    key += static_cast<char>(kind);
    append_size(key, n);
  }
  void enter(const Step& s) override {
    if (s.key) s.key->append(s.key->p, key);
  }
};

struct Structure : Visitor {
  std::string out;
  std::vector<char> open;  // per level: the bracket that its first child opens, or 0 once open
  std::vector<char> close;
  Structure() { push(); }
  void push() {
    open.push_back(1);
    close.push_back(0);
  }
  void tensor(Tensor&) override { out += '*'; }
  void leaf(const Static& s) override { out += s.text(s.p); }
  void note(Node kind, std::size_t n) override {
    if (kind == Node::optional && n == 0) out += "none";
    if (n == 0 && kind == Node::list) out += "[]";
    if (n == 0 && kind == Node::map) out += "{}";
  }
  void enter(const Step& s) override {
    bool named = s.key || !s.field.empty();
    if (open.back()) out += named ? '{' : '[';
    else out += ", ";
    open.back() = 0;
    close.back() = named ? '}' : ']';
    if (named) out += (s.key ? s.key->text(s.key->p) : std::string(s.field)) + ": ";
    push();
  }
  void leave() override { finish(); }
  void finish() {
    if (close.back()) out += close.back();
    open.pop_back();
    close.pop_back();
  }
};

void check_count(std::size_t have, std::size_t given) {
  if (have != given)
    throw StructureError("the tree has " + std::to_string(have) + (have == 1 ? " tensor" : " tensors") + ", but " + std::to_string(given) +
                         " were given");
}

}  // namespace

std::vector<Tensor*> pointers(TreeRef t) { return pointers(Refs(&t, 1)); }
std::vector<Tensor*> pointers(Refs trees) {
  Pointers v;
  for (const TreeRef& t : trees) t.visit(v);
  return std::move(v.out);
}
std::vector<Tensor> leaves(TreeRef t) { return leaves(Refs(&t, 1)); }
std::vector<Tensor> leaves(Refs trees) {
  std::vector<Tensor> r;
  for (Tensor* p : pointers(trees)) r.push_back(*p);
  return r;
}
std::size_t count(TreeRef t) {
  Counter v;
  t.visit(v);
  return v.n;
}
std::vector<char> constants(TreeRef t) {
  Constants v;
  t.visit(v);
  return std::move(v.out);
}
void assign(TreeRef t, std::span<const Tensor> leaves) { assign(Refs(&t, 1), leaves); }
void assign(Refs trees, std::span<const Tensor> leaves) {
  auto to = pointers(trees);
  check_count(to.size(), leaves.size());
  for (std::size_t i = 0; i < to.size(); ++i) *to[i] = leaves[i];
}
void clear(TreeRef t) {
  map(t, [](const Tensor&) { return Tensor(); });
}
void map(TreeRef t, function_ref<Tensor(const Tensor&)> f) {
  Mapper v(f);
  t.visit(v);
}

std::vector<std::string> paths(TreeRef t) {
  Paths v;
  t.visit(v);
  return std::move(v.out);
}
std::vector<std::string> argument_paths(Refs args) {
  Paths v;
  v.whole = true;
  for (std::size_t i = 0; i < args.size(); ++i) {
    v.path = "argument " + std::to_string(i);
    args[i].visit(v);
  }
  return std::move(v.out);
}

void append_key(std::string& key, TreeRef t) {
  append_bytes(key, &t.ops, sizeof t.ops);
  Key v(key);
  t.visit(v);
}
void flatten(TreeRef t, std::string& key, std::vector<Tensor*>& leaves) {
  append_bytes(key, &t.ops, sizeof t.ops);
  Key v(key, &leaves);
  t.visit(v);
}
std::string shape_key(Refs trees) {
  std::string key;
  Key v(key, nullptr, false);
  for (const TreeRef& t : trees) t.visit(v);
  return key;
}
std::size_t hash(std::string_view key) {  // multiply and fold, eight bytes at a time
  std::uint64_t h = 0x9e3779b97f4a7c15u ^ key.size();
  const char* p = key.data();
  std::size_t n = key.size();
  auto mix = [&](std::uint64_t w) {
    auto m = static_cast<unsigned __int128>(h ^ w) * 0xd6e8feb86659fd93u;
    h = static_cast<std::uint64_t>(m) ^ static_cast<std::uint64_t>(m >> 64);
  };
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t w;
    std::memcpy(&w, p, 8);
    mix(w);
  }
  std::uint64_t tail = 0;
  if (n) std::memcpy(&tail, p, n);
  mix(tail + n);
  return h;
}

std::vector<StaticValue> static_values(Refs args) {
  StaticValues v;
  for (std::size_t i = 0; i < args.size(); ++i) {
    v.path = "argument " + std::to_string(i);
    args[i].visit(v);
  }
  return std::move(v.out);
}
std::string structure(TreeRef t) {
  Structure v;
  t.visit(v);
  v.finish();
  return std::move(v.out);
}

std::vector<Tensor> matching_leaves(TreeRef t, TreeRef other, std::size_t number) {
  std::string a, b;
  std::vector<Tensor*> mine, theirs;
  Key va(a, &mine, false), vb(b, &theirs, false);
  t.visit(va);
  other.visit(vb);
  if (mine.size() != theirs.size() || (t.ops == other.ops && a != b))
    throw StructureError("tree_map: tree " + std::to_string(number) + " has the structure " + structure(other) + ", but the first has " +
                         structure(t));
  std::vector<Tensor> r;
  for (Tensor* p : theirs) r.push_back(*p);
  return r;
}

}  // namespace functra::tree
