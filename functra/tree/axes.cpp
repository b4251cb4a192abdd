// Spreads in_dims and out_dims over the leaves of a tree.
#include "functra/tree/axes.h"

#include <string>

#include "functra/tree/tree.h"

namespace functra::tree {
namespace {

class Spread : public Visitor {
 public:
  std::vector<OptInt> out;
  // `own`: the entry was given for the root itself, not for everything.
  Spread(std::string entry, std::string where, const Axes& axes, bool own) {
    levels_.push_back({&axes, std::move(entry), std::move(where), 0, false, own});
  }

  void tensor(Tensor&) override {
    if (top().axes->list) throw StructureError(top().entry + " is a list, but " + top().where + " is one tensor: give a number or none");
    out.push_back(top().axes->axis);
  }
  void leaf(const Static& s) override {
    const Level& l = top();
    if (l.axes->list) throw StructureError(l.entry + " is a list, but " + l.where + " is the static value " + s.text(s.p) + ": give none");
    if (l.own && l.axes->axis)
      throw StructureError(l.entry + " is " + std::to_string(*l.axes->axis) + ", but " + l.where + " is the static value " + s.text(s.p) +
                           ", which has no dimensions: give none");
  }
  void note(Node kind, std::size_t n) override {
    if (kind == Node::optional && n == 0) top().absent = true;
  }
  void enter(const Step& s) override {
    Level& l = top();
    std::size_t i = l.children++;
    Level child{l.axes, l.entry, l.where + s.str(), 0, false, false};
    if (l.axes->list) {
      if (i < l.axes->items.size()) child.axes = &l.axes->items[i], child.own = true;
      else child.axes = &nothing_;  // the length is wrong: reported when all children are counted
      child.entry += "[" + std::to_string(i) + "]";
    }
    levels_.push_back(std::move(child));
  }
  void leave() override {
    finish();
    levels_.pop_back();
  }
  void finish() {
    const Level& l = top();
    if (!l.axes->list || l.absent || l.axes->items.size() == l.children) return;
    throw StructureError(l.entry + " has " + std::to_string(l.axes->items.size()) + (l.axes->items.size() == 1 ? " entry" : " entries") + ", but " +
                         l.where + " has " + std::to_string(l.children));
  }

 private:
  struct Level {
    const Axes* axes;
    std::string entry, where;
    std::size_t children;
    bool absent;  // an empty optional: a list for its contents is fine
    bool own;     // the entry was given for this very node
  };
  Level& top() { return levels_.back(); }
  std::vector<Level> levels_;
  const Axes nothing_ = none;
};

}  // namespace

std::vector<OptInt> broadcast_prefix(const Axes& axes, Refs args, const char* who) {
  if (axes.list && axes.items.size() != args.size())
    throw StructureError(std::string(who) + " has " + std::to_string(axes.items.size()) + (axes.items.size() == 1 ? " entry" : " entries") +
                         ", but the function was called with " + std::to_string(args.size()) + (args.size() == 1 ? " argument" : " arguments"));
  std::vector<OptInt> r;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string number = std::to_string(i);
    Spread v(axes.list ? who + ("[" + number + "]") : who, "argument " + number, axes.list ? axes.items[i] : axes, axes.list);
    args[i].visit(v);
    v.finish();
    r.insert(r.end(), v.out.begin(), v.out.end());
  }
  return r;
}

std::vector<OptInt> broadcast_prefix(const Axes& axes, TreeRef result, const char* who) {
  // One entry for a single Tensor: `out_dims = {1}`, as in torch.
  bool bare = result.ops == &ops<Tensor> && axes.list && axes.items.size() == 1;
  Spread v(bare ? who + std::string("[0]") : who, "the result", bare ? axes.items[0] : axes, false);
  result.visit(v);
  v.finish();
  return std::move(v.out);
}

}  // namespace functra::tree
