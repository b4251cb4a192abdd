// AOT autograd, partitions, program rewriting, drawing and the minifier: namespace functra::compile.
#pragma once
#include "functra/aot/aot.h"
#include "functra/aot/draw.h"
#include "functra/aot/minify.h"
#include "functra/aot/partition.h"
#include "functra/aot/rewrite.h"
