#include "functra/ops/linear.h"

#include <algorithm>

#include "functra/ops/checked.h"
#include "functra/ops/elementwise.h"
#include "functra/prims/contract.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"

namespace functra {
namespace {

using core::Site;

struct Labelled {  // a tensor whose dimensions have names
  Tensor x;
  Shape labels;
};
std::int64_t extent(const Labelled& t, std::int64_t label) {
  int i = t.labels.find(label);
  return i < 0 ? 1 : t.x.sizes()[static_cast<std::size_t>(i)];
}
Labelled sum_out(Labelled t, const Shape& dims) {
  if (dims.empty()) return t;
  return {core::sum(t.x, dims), t.labels.pick(dims.others(t.labels.size()))};
}
Labelled permuted(const Labelled& t, const Shape& order) {
  Shape perm;
  for (std::int64_t l : order) perm.push_back(t.labels.find(l));
  return {core::permute(t.x, perm), order};
}
// Without the dimensions of extent 1 whose label the other operand has with another extent.
Labelled squeezed(const Labelled& t, const Labelled& other) {
  Shape s = t.x.sizes(), kept, labels;
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i] != 1 || extent(other, t.labels[i]) == 1) {
      kept.push_back(s[i]);
      labels.push_back(t.labels[i]);
    }
  return {prims::reshape(t.x, kept), labels};
}
// Spread over the labels `order`, of which it has some, with these extents.
Tensor spread(const Labelled& t, const Shape& order, const Shape& extents) {
  Shape mine, dims;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (t.labels.find(order[i]) >= 0) {
      mine.push_back(order[i]);
      dims.push_back(static_cast<std::int64_t>(i));
    }
  return core::broadcast_in_dim(permuted(t, mine).x, extents, dims);
}
// Sum of products of two operands over the labels that are not in `out`. The result's labels are those of `out` that occur, in its
// order.
Labelled contract(Labelled a, Labelled b, const Shape& out, const char* who) {
  for (std::int64_t l : a.labels)
    if (std::int64_t m = extent(a, l), n = extent(b, l); b.labels.find(l) >= 0 && m != n && m != 1 && n != 1)
      throw ShapeError(std::string(who) + ": shapes " + a.x.sizes().str() + " and " + b.x.sizes().str() + " do not fit: extents " +
                       std::to_string(m) + " and " + std::to_string(n) + " of one dimension differ");
  Labelled sa = squeezed(a, b), sb = squeezed(b, a);
  auto alone = [&](const Labelled& t, const Labelled& other) {
    Shape d;
    for (std::size_t i = 0; i < t.labels.size(); ++i)
      if (other.labels.find(t.labels[i]) < 0 && out.find(t.labels[i]) < 0) d.push_back(static_cast<std::int64_t>(i));
    return d;
  };
  a = sum_out(sa, alone(sa, sb));
  b = sum_out(sb, alone(sb, sa));
  prims::DotParams p;
  Shape order, labels, extents;
  for (std::int64_t l : out)
    if (a.labels.find(l) >= 0 || b.labels.find(l) >= 0) {
      order.push_back(l);
      extents.push_back(std::max(extent(a, l), extent(b, l)));
    }
  for (std::size_t i = 0; i < a.labels.size(); ++i) {
    int k = b.labels.find(a.labels[i]);
    if (k < 0) continue;
    if (out.find(a.labels[i]) >= 0) {
      p.left_batch.push_back(static_cast<std::int64_t>(i));
      p.right_batch.push_back(k);
    } else {
      p.left.push_back(static_cast<std::int64_t>(i));
      p.right.push_back(k);
    }
  }
  for (std::size_t i = 0; i < extents.size(); ++i)  // an empty dimension beats a 1
    if (extent(a, order[i]) == 0 || extent(b, order[i]) == 0) extents[i] = 0;
  if (p.left.empty()) return {prims::mul(spread(a, order, extents), spread(b, order, extents)), order};
  labels = a.labels.pick(p.left_batch)
               .concat(a.labels.pick(p.left.concat(p.left_batch).others(a.labels.size())))
               .concat(b.labels.pick(p.right.concat(p.right_batch).others(b.labels.size())));
  return permuted({prims::dot_general(a.x, b.x, p), labels}, order);
}

void both(Tensor& a, Tensor& b, const char* who) {
  ops::promote(a, b, who);
  a = ops::firm(a);
  b = ops::firm(b);
}
void need_rank(const Tensor& x, int rank, const char* who, const char* argument) {
  if (x.dim() != rank)
    throw ShapeError(std::string(who) + ": " + argument + " has shape " + x.sizes().str() + ", not " + std::to_string(rank) + " dimensions");
}
void need_equal(std::int64_t m, std::int64_t n, const Tensor& a, const Tensor& b, const char* who) {
  if (m != n)
    throw ShapeError(std::string(who) + ": shapes " + a.sizes().str() + " and " + b.sizes().str() + " do not fit: " + std::to_string(m) +
                     " is summed with " + std::to_string(n));
}
Tensor matrix_product(Tensor a, Tensor b, const char* who) {
  both(a, b, who);
  Shape s = a.sizes(), t = b.sizes();
  if (s.empty() || t.empty())
    throw ShapeError(std::string(who) + ": shapes " + s.str() + " and " + t.str() +
                     ": both operands need at least one dimension; multiply by a number with *");
  auto last = static_cast<std::int64_t>(s.size()) - 1;
  std::int64_t summed = t.size() == 1 ? 0 : static_cast<std::int64_t>(t.size()) - 2;
  need_equal(s.back(), t[static_cast<std::size_t>(summed)], a, b, who);
  if (s.size() <= 2 && t.size() <= 2) return prims::dot_general(a, b, {{last}, {summed}, {}, {}});
  // Labels: 0 rows, 1 summed, 2 columns, then the batch counted from the right.
  Labelled x{a, {}}, y{b, {}};
  std::size_t nb = std::max(s.size(), t.size()) - 2;
  auto label = [&](std::size_t rank) {
    Shape l;
    for (std::size_t i = 0; i + 2 < rank; ++i) l.push_back(static_cast<std::int64_t>(3 + rank - 3 - i));
    return l;
  };
  x.labels = s.size() == 1 ? Shape{1} : label(s.size()).concat({0, 1});
  y.labels = t.size() == 1 ? Shape{1} : label(t.size()).concat({1, 2});
  Shape out;
  for (std::size_t i = nb; i-- > 0;) out.push_back(static_cast<std::int64_t>(3 + i));
  if (s.size() > 1) out.push_back(0);
  if (t.size() > 1) out.push_back(2);
  return contract(x, y, out, who).x;
}

// ---------------------------------------------------------------- einsum
[[noreturn]] void bad_equation(std::string_view equation, const std::string& why) {
  throw ValueError("einsum: \"" + std::string(equation) + "\": " + why);
}

std::string quoted(std::int64_t letter) { return std::string{'\'', static_cast<char>(letter), '\''}; }
// Labels are letters; dimensions of an ellipsis are -1, -2, ... counted from the right.
Shape parse_labels(std::string_view equation, std::string_view part, int rank, int dots) {
  int letters = 0;
  for (char c : part) letters += c != '.';
  Shape labels;
  for (std::size_t i = 0; i < part.size(); ++i) {
    char c = part[i];
    if (c == '.') {
      if (part.substr(i, 3) != "...") bad_equation(equation, "an ellipsis is three dots");
      i += 2;
      if (part.find('.', i + 1) != std::string_view::npos) bad_equation(equation, "one ellipsis per operand");
      for (int k = rank >= 0 ? rank - letters : dots; k > 0; --k) labels.push_back(-k);
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) labels.push_back(c);
    else bad_equation(equation, quoted(c) + " is not a letter");
  }
  return labels;
}
// A label that a tensor has twice becomes its diagonal.
Labelled diagonals(std::string_view equation, Labelled t) {
  for (std::size_t i = 0; i < t.labels.size(); ++i)
    for (std::size_t k = i + 1; k < t.labels.size(); ++k) {
      if (t.labels[i] != t.labels[k]) continue;
      Shape s = t.x.sizes();
      std::int64_t n = s[i];
      if (n != s[k])
        bad_equation(equation, quoted(t.labels[i]) + " names dimensions of extents " + std::to_string(n) + " and " + std::to_string(s[k]));
      Shape two{static_cast<std::int64_t>(i), static_cast<std::int64_t>(k)}, rest = two.others(s.size()), kept = s.pick(rest);
      Tensor flat = prims::reshape(core::permute(t.x, rest.concat(two)), kept.concat({n * n}));
      Shape zero = Shape::filled(kept.size() + 1, 0), step = Shape::filled(kept.size(), 1).concat({n + 1});
      Shape labels = t.labels.pick(rest).concat({t.labels[i]});
      return diagonals(equation, {prims::slice(flat, zero, kept.concat({n * n}), step), labels});
    }
  return t;
}
Tensor contract_all(std::vector<Labelled> t, const Shape& out) {
  while (t.size() > 1) {
    // The pair whose product touches the fewest combinations of indices.
    std::size_t bi = 0, bk = 1;
    double best = -1;
    for (std::size_t i = 0; i < t.size() && t.size() > 2; ++i)
      for (std::size_t k = i + 1; k < t.size(); ++k) {
        double cost = 1;
        for (std::int64_t l : t[i].labels) cost *= static_cast<double>(std::max(extent(t[i], l), extent(t[k], l)));
        for (std::int64_t l : t[k].labels)
          if (t[i].labels.find(l) < 0) cost *= static_cast<double>(extent(t[k], l));
        if (best < 0 || cost < best) {
          best = cost;
          bi = i;
          bk = k;
        }
      }
    Labelled a = t[bi], b = t[bk];
    t.erase(t.begin() + static_cast<std::ptrdiff_t>(bk));
    t.erase(t.begin() + static_cast<std::ptrdiff_t>(bi));
    Shape needed = t.empty() ? out : Shape();
    if (!t.empty())
      for (const Labelled* x : {&a, &b})
        for (std::int64_t l : x->labels) {
          bool used = out.find(l) >= 0;
          for (const Labelled& y : t) used |= y.labels.find(l) >= 0;
          if (used && needed.find(l) < 0) needed.push_back(l);
        }
    t.push_back(contract(std::move(a), std::move(b), needed, "einsum"));
  }
  Shape alone;
  for (std::size_t i = 0; i < t[0].labels.size(); ++i)
    if (out.find(t[0].labels[i]) < 0) alone.push_back(static_cast<std::int64_t>(i));
  return permuted(sum_out(t[0], alone), out).x;
}

Tensor einsum_of(std::string_view equation, Ins in) {
  std::string e;
  for (char c : equation)
    if (c != ' ') e += c;
  auto arrow = e.find("->");
  std::string_view left = std::string_view(e).substr(0, arrow);
  std::vector<std::string_view> parts;
  for (std::size_t from = 0;;) {
    auto comma = left.find(',', from);
    parts.push_back(left.substr(from, comma - from));
    if (comma == std::string_view::npos) break;
    from = comma + 1;
  }
  if (parts.size() != in.size())
    bad_equation(equation, "it has " + std::to_string(parts.size()) + " operands, " + std::to_string(in.size()) + " were given");
  ops::Common c = ops::common_type(in, "einsum");
  std::vector<Labelled> t;
  int dots = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    Tensor x = ops::firm(ops::to_common(in[i], c));
    int rank = static_cast<int>(x.dim()), letters = 0;
    for (char ch : parts[i]) letters += ch != '.';
    bool ellipsis = parts[i].find('.') != std::string_view::npos;
    if (ellipsis ? letters > rank : letters != rank)
      bad_equation(equation, "operand " + std::to_string(i) + " has " + std::to_string(letters) + " letters and shape " + x.sizes().str());
    if (ellipsis) dots = std::max(dots, rank - letters);
    t.push_back(diagonals(equation, {x, parse_labels(equation, parts[i], rank, 0)}));
  }
  Shape out;
  if (arrow != std::string::npos) {
    out = parse_labels(equation, std::string_view(e).substr(arrow + 2), -1, dots);
    for (std::size_t i = 0; i < out.size(); ++i) {
      bool known = out[i] < 0;
      for (auto& x : t) known |= x.labels.find(out[i]) >= 0;
      if (!known) bad_equation(equation, quoted(out[i]) + " of the result is in no operand");
      for (std::size_t k = 0; k < i; ++k)
        if (out[i] == out[k]) bad_equation(equation, quoted(out[i]) + " is twice in the result");
    }
  } else {
    for (int k = dots; k > 0; --k) out.push_back(-k);
    for (int l = 'A'; l <= 'z'; ++l)
      if (std::count(left.begin(), left.end(), static_cast<char>(l)) == 1) out.push_back(l);
  }
  return contract_all(std::move(t), out);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  return matrix_product(a, b, "matmul");
}
Tensor mm(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  need_rank(a, 2, "mm", "a");
  need_rank(b, 2, "mm", "b");
  return matrix_product(a, b, "mm");
}
Tensor bmm(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  need_rank(a, 3, "bmm", "a");
  need_rank(b, 3, "bmm", "b");
  if (a.size(0) != b.size(0))
    throw ShapeError("bmm: shapes " + a.sizes().str() + " and " + b.sizes().str() + " have different batches; matmul broadcasts them");
  return matrix_product(a, b, "bmm");
}
Tensor mv(const Tensor& a, const Tensor& x) {
  Site site(FUNCTRA_SITE);
  need_rank(a, 2, "mv", "a");
  need_rank(x, 1, "mv", "x");
  return matrix_product(a, x, "mv");
}
Tensor dot(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  need_rank(a, 1, "dot", "a");
  need_rank(b, 1, "dot", "b");
  return matrix_product(a, b, "dot");
}
Tensor outer(const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  need_rank(a, 1, "outer", "a");
  need_rank(b, 1, "outer", "b");
  Tensor x = a, y = b;
  both(x, y, "outer");
  return contract({x, {0}}, {y, {1}}, {0, 1}, "outer").x;
}
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  need_rank(w, 2, "linear", "w");
  Tensor p = x, q = w;
  both(p, q, "linear");
  if (p.rank0()) throw ShapeError("linear: x has no dimensions, w has shape " + q.sizes().str());
  need_equal(p.size(-1), q.size(1), p, q, "linear");
  if (b.defined() && !(b.sizes() == Shape{q.size(0)}) && !b.rank0())
    throw ShapeError("linear: b has shape " + b.sizes().str() + ", the result " + std::to_string(q.size(0)) + " features");
  Tensor y = prims::dot_general(p, q, {{p.dim() - 1}, {1}, {}, {}});
  return b.defined() ? y + b : y;
}
Tensor tensordot(const Tensor& a, const Tensor& b, const Shape& dims_a, const Shape& dims_b) {
  Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Tensor x = a, y = b;
  both(x, y, "tensordot");
  return prims::dot_general(x, y,
                            {wrap_dims(DimsOrAll(dims_a), static_cast<int>(x.dim()), "tensordot"),
                             wrap_dims(DimsOrAll(dims_b), static_cast<int>(y.dim()), "tensordot"),
                             {},
                             {}});
}
Tensor tensordot(const Tensor& a, const Tensor& b, std::int64_t n) {
  Site site(FUNCTRA_SITE);
  ops::Checked checked;
  if (n < 0 || n > a.dim() || n > b.dim())
    throw ValueError("tensordot: n = " + std::to_string(n) + " does not fit shapes " + a.sizes().str() + " and " + b.sizes().str());
  Tensor x = a, y = b;
  both(x, y, "tensordot");
  auto m = static_cast<std::size_t>(n);
  return prims::dot_general(x, y, {Shape::iota(m, x.dim() - n), Shape::iota(m), {}, {}});
}
Tensor einsum(std::string_view equation, TensorList operands) {
  Site site(FUNCTRA_SITE);
  return einsum_of(equation, {operands.begin(), operands.end()});
}
Tensor einsum(std::string_view equation, const Tensor& a) {
  Site site(FUNCTRA_SITE);
  return einsum_of(equation, {&a, 1});
}
Tensor einsum(std::string_view equation, const Tensor& a, const Tensor& b) {
  Site site(FUNCTRA_SITE);
  const Tensor in[] = {a, b};
  return einsum_of(equation, in);
}
Tensor einsum(std::string_view equation, const Tensor& a, const Tensor& b, const Tensor& c) {
  Site site(FUNCTRA_SITE);
  const Tensor in[] = {a, b, c};
  return einsum_of(equation, in);
}
Tensor Tensor::matmul(const Tensor& other) const {
  Site site(FUNCTRA_SITE);
  return matrix_product(*this, other, "matmul");
}

namespace lax {
Tensor dot_general(const Tensor& a, const Tensor& b, const DotDims& d) {
  Site site(FUNCTRA_SITE);
  ops::Checked checked;
  Tensor x = a, y = b;
  both(x, y, "dot_general");
  auto wrapped = [](const Shape& dims, const Tensor& t) {
    return dims.empty() ? dims : wrap_dims(DimsOrAll(dims), static_cast<int>(t.dim()), "dot_general");
  };
  return prims::dot_general(x, y, {wrapped(d.lhs_contract, x), wrapped(d.rhs_contract, y), wrapped(d.lhs_batch, x), wrapped(d.rhs_batch, y)});
}
}  // namespace lax

}  // namespace functra
