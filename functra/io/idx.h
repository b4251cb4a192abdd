// The IDX format of the MNIST family of data sets (yann.lecun.com/exdb/mnist), compressed with gzip or not.
#pragma once
#include <string>

#include "functra/tensor/tensor.h"

namespace functra::io {

// The array in an IDX file: u8, i8, i16, i32, f32 or f64 of any rank. IoError, with the file and what was expected, for a missing or
// truncated file, a wrong magic number, an unknown element type, or a length that does not fit the header.
Tensor read_idx(const std::string& path);

}  // namespace functra::io
