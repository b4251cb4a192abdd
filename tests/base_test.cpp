#include <gtest/gtest.h>

#include "functra/base/dtype.h"
#include "functra/base/errors.h"

namespace functra {

TEST(DTypes, NamesReadBack) {
  for (int i = 0; i < dtype_count; ++i) EXPECT_EQ(dtype_of_name(name_of(static_cast<DType>(i))), static_cast<DType>(i));
  EXPECT_EQ(dtype_of_name("float"), std::nullopt);
}

TEST(DTypes, DefaultIsAFloatingType) {
  EXPECT_EQ(default_dtype(), f32);
  EXPECT_THROW(set_default_dtype(i32), DTypeError);
  EXPECT_EQ(default_dtype(), f32);
}

}  // namespace functra
