#pragma once

namespace bench {

void run_eager();  // the measurements of eager.cpp that are wanted

}  // namespace bench
