// What can go wrong, by cause. A message names the operation, the argument (by its path in the tree), the shapes involved
// and the repair.
#pragma once
#include <stdexcept>
#include <string>

namespace functra {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct StructureError : Error {
  using Error::Error;
};  // trees, prefixes, option lists that do not fit
struct ShapeError : Error {
  using Error::Error;
};  // extents or ranks that do not fit
struct DTypeError : Error {
  using Error::Error;
};  // an element type that the operation does not take
struct IndexError : Error {
  using Error::Error;
};  // a dimension or an index out of range
struct ValueError : Error {
  using Error::Error;
};  // an option or a number out of its domain
struct TracerError : Error {
  using Error::Error;
};  // a traced value was read, or outlived its transform
struct MissingRuleError : Error {
  using Error::Error;
};  // a primitive lacks the rule that a transform needs
struct IoError : Error {
  using Error::Error;
};  // a file that cannot be read or written
struct CompileError : Error {
  using Error::Error;
};  // native code could not be made

}  // namespace functra
