// NumPy's array files: .npy (one array) and .npz (a zip of them), as numpy.save, savez and savez_compressed write them.
#pragma once
#include <map>
#include <string>

#include "functra/tensor/tensor.h"

namespace functra::io {

// An array as numpy.save writes it: little endian, C or Fortran order (kept as strides), bool, integers, f16 to f64, complex.
// IoError, with the file and what was expected, for a missing or truncated file, another format, big-endian data, or elements that
// Functra has no type for (object arrays, strings, records).
Tensor read_npy(const std::string& path);
// IoError if the file cannot be written; DTypeError for bf16, which NumPy does not have. A tensor whose memory is in Fortran order is
// stored so, as NumPy does.
void write_npy(const std::string& path, const Tensor& x);

// The arrays of an .npz file by name (without ".npy"), stored or deflated.
std::map<std::string, Tensor> read_npz(const std::string& path);
void write_npz(const std::string& path, const std::map<std::string, Tensor>& arrays, bool compress = false);

}  // namespace functra::io
