// Compiler attributes in one place.
#pragma once

#define FUNCTRA_INLINE [[gnu::always_inline]] inline
#define FUNCTRA_COLD [[gnu::cold, gnu::noinline]]
