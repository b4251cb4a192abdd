#include "functra/tree/tree.h"

#include <gtest/gtest.h>

#include <complex>
#include <limits>
#include <map>

namespace ft = functra;
using ft::Axes, ft::none, ft::Tensor, ft::TreeRef;

namespace {

enum class Act { relu, tanh };
struct Params {
  Tensor w, b;
};
struct Layer {
  Tensor w;
  std::optional<Tensor> bias;
  std::string name = "l";
  int width = 1;
};
struct Net {
  std::vector<Layer> layers;
  std::map<std::string, Params> heads;
  std::array<Tensor, 2> scale;
  std::variant<Tensor, double> reg = 0.1;
  const int version = 1;
};
struct Tree {
  Tensor v;
  std::vector<Tree> kids;
};
class Private {
  Tensor w_;
  double k_;
  FUNCTRA_TREE(Private, w_, k_);

 public:
  Private(Tensor w, double k) : w_(std::move(w)), k_(k) {}
};
struct Base {
  Tensor a;
};
struct Derived : Base {
  Tensor b;
  FUNCTRA_TREE(Derived, a, b);
};
template <class T> class Boxed {
  T value_;
  FUNCTRA_TREE(Boxed, value_);

 public:
  explicit Boxed(T v) : value_(std::move(v)) {}
};
class Config {
  int width_;
  std::string name_;
  std::vector<double> rates_;
  FUNCTRA_STATIC(Config, width_, name_, rates_);

 public:
  Config(int w, std::string n, std::vector<double> r) : width_(w), name_(std::move(n)), rates_(std::move(r)) {}
};
class Flag {
  int bits_ = 0;
  FUNCTRA_STATIC(Flag);

 public:
  explicit Flag(int b) : bits_(b) {}
};
struct Wide {
  Tensor a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29,
      a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58,
      a59, a60, a61, a62, last;
};

Net example() { return {{{1.0, 2.0, "in", 2}, {3.0, std::nullopt}}, {{"a", {4.0, 5.0}}, {"b", {6.0, 7.0}}}, {8.0, 9.0}, Tensor(10.0)}; }
std::vector<double> values(const auto& t) {
  std::vector<double> r;
  for (const Tensor& x : ft::tree_leaves(t)) r.push_back(x.item<double>());
  return r;
}
std::string key(const auto& t) {
  std::string k;
  ft::tree::append_key(k, TreeRef(t));
  return k;
}
template <class E> std::string message(auto f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing was thrown";
}

TEST(Tree, LeavesAndPathsOfNestedContainers) {
  Net net = example();
  EXPECT_EQ(values(net), (std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(ft::tree_paths(net), (std::vector<std::string>{"layers[0].w", "layers[0].bias", "layers[1].w", "heads['a'].w", "heads['a'].b",
                                                           "heads['b'].w", "heads['b'].b", "scale[0]", "scale[1]", "reg"}));
  EXPECT_EQ(ft::tree_paths(Tensor(1.0)), std::vector<std::string>{""});
  EXPECT_EQ((ft::tree_paths(std::map<int, Tensor>{{-3, 1.0}})), std::vector<std::string>{"[-3]"});
  auto tuple = std::tuple{Tensor(1.0),
                          3,
                          std::string("s"),
                          Act::relu,
                          std::pair{Tensor(2.0), true},
                          none,
                          std::complex<float>(1, 2),
                          ft::f32,
                          ft::Shape{2},
                          ft::DimsOrAll{1},
                          std::monostate{}};
  EXPECT_EQ(ft::tree_leaves(tuple).size(), 2u);
}

TEST(Tree, StructsOfManyKinds) {
  Tree t{1.0, {{2.0, {}}, {3.0, {{4.0, {}}}}}};
  EXPECT_EQ(ft::tree_paths(t)[3], "kids[1].kids[0].v");
  EXPECT_EQ(ft::tree_paths(Private(1.0, 2)), std::vector<std::string>{"w_"});
  EXPECT_EQ(ft::tree_paths(Boxed<Params>({1.0, 2.0})), (std::vector<std::string>{"value_.w", "value_.b"}));
  Derived d;
  d.a = 1.0, d.b = 2.0;
  EXPECT_EQ(ft::tree_paths(d), (std::vector<std::string>{"a", "b"}));
  struct Local {
    Tensor q;
    std::vector<bool> flags;
    std::pair<int, Tensor> r;
    int pad;
  };
  EXPECT_EQ((ft::tree_paths(Local{1.0, {true}, {1, 2.0}, 0})[1]), "r[1]");
  struct None {};
  EXPECT_TRUE(ft::tree_leaves(None{}).empty());
  Wide wide;
  wide.last = 5.0;
  EXPECT_EQ(ft::tree_leaves(wide).size(), 64u);
  EXPECT_EQ(ft::tree_paths(wide).back(), "last");
  EXPECT_EQ(ft::tree_leaves(wide)[63].item<double>(), 5);
  EXPECT_FALSE(ft::tree_leaves(wide)[62].defined());  // an undefined Tensor is a leaf
}

TEST(Tree, FlattenAndUnflatten) {
  Net net = example();
  std::vector<Tensor> leaves;
  ft::TreeDef structure;
  std::tie(leaves, structure) = ft::tree_flatten(net);
  EXPECT_EQ(structure.num_leaves(), 10u);
  for (Tensor& t : leaves) t = t * 2;
  Net doubled = ft::tree_unflatten<Net>(structure, leaves);
  EXPECT_EQ(values(doubled), (std::vector<double>{2, 4, 6, 8, 10, 12, 14, 16, 18, 20}));
  EXPECT_EQ(doubled.layers[0].name, "in");
  EXPECT_EQ(doubled.layers[0].width, 2);
  EXPECT_TRUE(ft::tree_flatten(doubled).second == structure);
  EXPECT_FALSE(ft::tree_flatten(Params{1.0, 2.0}).second == structure);
  net.reg = 2.0;
  EXPECT_FALSE(ft::tree_flatten(net).second == structure);
  leaves.pop_back();
  EXPECT_EQ(message<ft::StructureError>([&] { ft::tree_unflatten<Net>(structure, leaves); }), "the tree has 10 tensors, but 9 were given");
  EXPECT_EQ(message<ft::StructureError>([&] { ft::tree_unflatten<Params>(structure, leaves); }),
            "tree_unflatten: the structure is that of another type");
}

TEST(Tree, Map) {
  Net two = ft::tree_map([](const Tensor& t) { return t * 2; }, example());
  EXPECT_EQ(values(two)[9], 20);
  EXPECT_EQ(two.layers[0].name, "in");
  Net sum = ft::tree_map([](Tensor a, Tensor b, const Tensor& c) { return a + b * c; }, example(), two, example());
  EXPECT_EQ(values(sum)[2], 3 + 6 * 3);
  Params p = ft::tree_map([](Tensor a, Tensor b) { return a + b; }, Params{1.0, 2.0}, std::pair{Tensor(3.0), Tensor(4.0)});
  EXPECT_EQ(values(p), (std::vector<double>{4, 6}));
  using Lists = std::vector<std::vector<Tensor>>;
  auto add = [](Tensor a, Tensor b) { return a + b; };
  EXPECT_EQ(message<ft::StructureError>([&] {
              ft::tree_map(add, Lists{{1.0, 2.0}, {3.0}}, Lists{{1.0}, {2.0, 3.0}});
            }),
            "tree_map: tree 1 has the structure [[*], [*, *]], but the first has [[*, *], [*]]");
}

TEST(Tree, KeysHoldStructureAndStaticValues) {
  auto same = [](const auto& a, const auto& b) { return key(a) == key(b) && ft::tree::hash(key(a)) == ft::tree::hash(key(b)); };
  EXPECT_TRUE(same(example(), ft::tree_map([](const Tensor& t) { return t + 1; }, example())));
  auto changed = [&](auto change) {
    Net n = example();
    change(n);
    return key(n) != key(example());
  };
  EXPECT_TRUE(changed([](Net& n) { n.layers[1].width = 3; }));
  EXPECT_TRUE(changed([](Net& n) { n.layers[1].name = "k"; }));
  EXPECT_TRUE(changed([](Net& n) { n.layers[1].bias = 1.0; }));
  EXPECT_TRUE(changed([](Net& n) { n.layers.pop_back(); }));
  EXPECT_TRUE(changed([](Net& n) { n.reg = 0.1; }));
  EXPECT_TRUE(changed([](Net& n) {
    n.heads.erase("b");
    n.heads["c"];
  }));
  EXPECT_FALSE(same(std::vector<std::string>{"ab", "c"}, std::vector<std::string>{"a", "bc"}));
  EXPECT_FALSE(same(0.0, -0.0));
  EXPECT_TRUE(same(std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(same(1, 1L));  // another type
  EXPECT_TRUE(same(1.5L, 1.5L));
  EXPECT_FALSE(same(std::complex(1.0, 2.0), std::complex(2.0, 1.0)));
  EXPECT_FALSE(same(ft::Shape{2, 3}, ft::Shape{3, 2}));
  EXPECT_FALSE(same(ft::DimsOrAll{}, ft::DimsOrAll(ft::Shape())));
  EXPECT_FALSE(same(Config(1, "a", {1.0}), Config(1, "a", {2.0})));
  EXPECT_FALSE(same(Config(1, "a", {1.0}), Config(1, "b", {1.0})));
  EXPECT_TRUE(same(Config(1, "a", {1.0}), Config(1, "a", {1.0})));
  EXPECT_FALSE(same(Flag(1), Flag(2)));
  EXPECT_FALSE(same(std::vector<bool>{true, false}, std::vector<bool>{false, true}));
}

TEST(Tree, StaticValuesByPath) {
  double rate = 0.5;
  std::pair<Tensor, std::string> p{1.0, "a\"b"};
  const TreeRef args[] = {TreeRef(rate), TreeRef(p)};
  auto s = ft::tree::static_values(args);
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].path + " = " + s[0].text, "argument 0 = 0.5");
  EXPECT_EQ(s[1].path + " = " + s[1].text, "argument 1[1] = \"a\\\"b\"");
  EXPECT_EQ(ft::tree::argument_paths(args), std::vector<std::string>{"argument 1[0]"});
  Net net = example();
  EXPECT_EQ(ft::tree::structure(TreeRef(net)),
            "{layers: [{w: *, bias: *, name: \"in\", width: 2}, {w: *, bias: none, name: \"l\", width: 1}], "
            "heads: {\"a\": {w: *, b: *}, \"b\": {w: *, b: *}}, scale: [*, *], reg: *, version: 1}");
}

TEST(Tree, NullReferencesHaveNoLeaves) {
  TreeRef t;
  EXPECT_FALSE(t);
  EXPECT_EQ(ft::tree::count(t), 0u);
}

struct Prefix : testing::Test {
  using Dims = std::vector<ft::OptInt>;
  Params p{1.0, 2.0};
  std::pair<Params, Tensor> nested{p, 3.0};
  std::tuple<Tensor, int> mixed{1.0, 7};
  Tensor x = 1.0;
  int n = 3;
  static Dims spread(const Axes& a, auto&... t) {
    const TreeRef refs[] = {TreeRef(t)...};
    return ft::tree::broadcast_prefix(a, refs, "vmap: in_dims");
  }
  static std::string error(const Axes& a, auto&... t) {
    return message<ft::StructureError>([&] { spread(a, t...); });
  }
};

TEST_F(Prefix, NumbersAndNoneStandForEverythingBelow) {
  EXPECT_EQ(spread(0, p, x, n), (Dims{0, 0, 0}));
  EXPECT_EQ(spread({none, 1, none}, p, x, n), (Dims{{}, {}, 1}));
  EXPECT_EQ(spread({{{none, 0}, -1}, 2}, nested, x), (Dims{{}, 0, -1, 2}));
  EXPECT_EQ(spread({1, ft::axes({none, 0})}, x, nested), (Dims{1, {}, {}, 0}));
}

TEST_F(Prefix, StaticLeaves) {
  EXPECT_EQ(spread({0}, mixed), (Dims{0}));
  EXPECT_EQ(spread({ft::axes({0, none})}, mixed), (Dims{0}));
  EXPECT_EQ(error({0, 0}, x, n), "vmap: in_dims[1] is 0, but argument 1 is the static value 3, which has no dimensions: give none");
  EXPECT_EQ(error({ft::axes({0, 1})}, mixed),
            "vmap: in_dims[0][1] is 1, but argument 0[1] is the static value 7, which has no dimensions: give none");
  EXPECT_EQ(error({0, ft::axes({none})}, x, n), "vmap: in_dims[1] is a list, but argument 1 is the static value 3: give none");
}

TEST_F(Prefix, WrongListsNameTheirPath) {
  EXPECT_EQ(error({0, 0}, x), "vmap: in_dims has 2 entries, but the function was called with 1 argument");
  EXPECT_EQ(error({ft::axes({{0, 1, 2}, 0})}, nested), "vmap: in_dims[0][0] has 3 entries, but argument 0[0] has 2");
  EXPECT_EQ(error({ft::axes({ft::axes({0}), 0})}, nested), "vmap: in_dims[0][0] has 1 entry, but argument 0[0] has 2");
  EXPECT_EQ(error({ft::axes({0, {0, 1}})}, nested), "vmap: in_dims[0][1] is a list, but argument 0[1] is one tensor: give a number or none");
}

TEST_F(Prefix, Results) {
  auto out = [](const Axes& a, auto& t) { return ft::tree::broadcast_prefix(a, TreeRef(t), "vmap: out_dims"); };
  EXPECT_EQ(out({0, 1}, p), (Dims{0, 1}));
  EXPECT_EQ(out({{0, none}, 1}, nested), (Dims{0, {}, 1}));
  EXPECT_EQ(out({1}, x), (Dims{1}));
  EXPECT_EQ(out(-1, mixed), (Dims{-1}));
  EXPECT_EQ(message<ft::StructureError>([&] { out({0, 1, 2}, p); }), "vmap: out_dims has 3 entries, but the result has 2");
}

TEST_F(Prefix, EmptyOptionalsTakeAnyList) {
  std::optional<Params> absent, here = p;
  EXPECT_EQ(spread({ft::axes({0, 1})}, absent), Dims{});
  EXPECT_EQ(spread({ft::axes({0, 1})}, here), (Dims{0, 1}));
}

}  // namespace
