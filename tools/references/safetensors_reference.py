"""A file of the safetensors format as its own writer makes it, as bytes, for tests/io_state_test.cpp.

needs: safetensors torch numpy
writes: tests/data/safetensors_reference.inc"""
import sys

import torch
from safetensors.torch import save

tensors = {"scalar": torch.tensor(2.5, dtype=torch.float64), "empty": torch.zeros(0, 3), 'odd "name"\n\u00e9': torch.tensor([True, False, True])}
for name in ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]:
    tensors["layer." + name] = (torch.arange(6).reshape(2, 3) * 3 - (0 if name[0] == "u" else 7)).to(getattr(torch, name))
data = save(tensors, {"format": "pt", "note": "a\tb"})
lines = ["// " + sys.argv[0].split("/")[-1], "const unsigned char safetensors_file[] = {"]
for i in range(0, len(data), 32):
    lines.append("    " + ", ".join(map(str, data[i:i + 32])) + ",")
text = "\n".join(lines + ["};", ""])
open(sys.argv[1], "w").write(text) if len(sys.argv) > 1 else sys.stdout.write(text)
