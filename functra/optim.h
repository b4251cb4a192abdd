// Optimisers, schedules and clipping: #include <functra/optim.h>.
#pragma once
#include "functra/optim/clip.h"
#include "functra/optim/lbfgs.h"
#include "functra/optim/optimizers.h"
#include "functra/optim/privacy.h"
#include "functra/optim/schedule.h"
