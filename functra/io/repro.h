// A failing Program kept as files: what the minifier finds, to send to somebody.
#pragma once
#include <string>
#include <vector>

#include "functra/core/program.h"

namespace functra::io {

// In the directory (made if it is missing): program.txt, inputs.npz (i0, i1, ...) and repro.cpp, a program that reads the inputs, holds
// the Program as text, evaluates it, prints the outputs, and runs `check`: C++ statements over `Program program` and
// `std::vector<Tensor> inputs, outputs` that return true where it fails; the process then exits with status 1. IoError if a file cannot
// be written, ValueError for inputs that do not fit the program.
void save_repro(const std::string& directory, const Program& program, const std::vector<Tensor>& inputs, const std::string& check = "return true;");
struct Repro {
  Program program;
  std::vector<Tensor> inputs;
};
// IoError, with the file, for what cannot be read, and for inputs that do not have the program's types.
Repro load_repro(const std::string& program_file, const std::string& inputs_file);

}  // namespace functra::io
