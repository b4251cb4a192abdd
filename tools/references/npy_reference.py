"""Files that NumPy wrote, for tests/io_test.cpp.

needs: numpy
writes: tests/data/npy"""
import os
import sys

import numpy as np

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../../tests/data/npy")
os.makedirs(folder, exist_ok=True)
for code in ["b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]:
    x = (np.arange(6) % 2 if code == "b1" else np.arange(6) * 3 - (0 if code[0] == "u" else 7)).astype(code).reshape(2, 3)
    np.save(f"{folder}/{code}.npy", x)
x = np.arange(24, dtype="f4").reshape(2, 3, 4)
np.save(f"{folder}/fortran.npy", np.asfortranarray(x))
np.save(f"{folder}/scalar.npy", np.float64(2.5))
np.save(f"{folder}/empty.npy", np.zeros((0, 5), "f8"))
np.save(f"{folder}/big_endian.npy", x.astype(">f4"))
np.save(f"{folder}/object.npy", np.array([1, "two"], dtype=object), allow_pickle=True)
np.save(f"{folder}/text.npy", np.array(["one", "two"]))
np.save(f"{folder}/record.npy", np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
np.savez(f"{folder}/stored.npz", x=x, n=np.arange(5))
np.savez_compressed(f"{folder}/deflated.npz", x=x, n=np.arange(5))
