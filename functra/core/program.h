// Programs as users hold them: the traced form of a function, to print, parse, run and walk.
#pragma once
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "functra/tensor/tensor.h"

namespace functra {
namespace core {
struct Program;
}

class Program {
 public:
  struct Variable {
    std::string name;
    DType dtype;
    bool weak;
    Shape shape;
  };
  struct Equation {
    std::string op;                     // name of the primitive
    std::vector<std::string> operands;  // names of variables, or literals
    std::vector<Variable> results;
    std::string params;  // "dims=[0]", nested programs included
    std::string where;   // "file:line" of the operation where it is known
  };
  Program() = default;
  explicit Program(std::shared_ptr<const core::Program> ir, std::vector<Tensor> captured = {}) : ir_(std::move(ir)), captured_(std::move(captured)) {}

  // Text that to_string() gave; ValueError with line and column otherwise.
  static Program parse(std::string_view text);
  void verify() const;  // ValueError that names the equation
  // ValueError that names the equation, or output, that is not linear in these inputs (by number; captured ones come first). None: in all
  // but the captured ones.
  void verify_linear(const std::vector<std::size_t>& inputs = {}) const;
  bool operator==(const Program& o) const;
  // Evaluates. The leaves of the explicit inputs; a parsed program, which holds no captured tensors, takes those first.
  std::vector<Tensor> operator()(TensorList leaves) const;

  std::vector<Variable> inputs() const;  // hidden ones (captured tensors) first
  std::vector<Variable> outputs() const;
  std::size_t captured() const;                                              // how many of the inputs are hidden
  const std::vector<Tensor>& captured_tensors() const { return captured_; }  // their values; none after parse
  std::size_t size() const;                                                  // number of equations
  std::vector<Equation> equations() const;
  Equation equation(std::size_t i) const;
  std::string str(bool sites = false) const;
  const std::shared_ptr<const core::Program>& ir() const { return ir_; }

 private:
  std::shared_ptr<const core::Program> ir_;
  std::vector<Tensor> captured_;
};
std::string to_string(const Program&);
std::ostream& operator<<(std::ostream& out, const Program& p);

}  // namespace functra
