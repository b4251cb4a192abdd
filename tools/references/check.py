#!/usr/bin/env python3
"""Reruns the scripts behind the stored references and compares what they give with what is stored: ./dev references

A script tools/references/NAME_reference.py says in its docstring what it needs from PyPI ("name(alone)": without the packages that one
depends on) and the file or folder that it writes:
    needs: jax numpy
    writes: tests/data/NAME_reference.npz
It writes to the path that its first argument gives, or to its standard output. Text and arrays of integers must be equal, but for
comments; floating-point arrays agree within a few units of the last place, which differ from processor to processor.

check.py [--python VENV/bin/python] [NAME...]   without --python, a virtual environment is made in a temporary folder
"""
import argparse
import array
import os
import re
import subprocess
import sys
import tempfile
import zipfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))


def declared(script):
    text = open(script, encoding="utf-8").read()
    needs, writes = re.search(r"^needs: (.*)$", text, re.M), re.search(r"^writes: ([\w./-]+)", text, re.M)
    if not needs or not writes:
        sys.exit(f"{script}: its docstring needs the lines 'needs: PACKAGE...' and 'writes: PATH'")
    packages = re.match(r"(?:[\w\[\]().<>=-]+ ?(?!  ))*[\w\[\]().<>=-]*", needs[1])[0].split()
    return packages, writes[1]


def same_npy(a, b):
    """The bytes of two .npy files: equal, or floats within a few units of the last place."""
    if a == b:
        return ""
    at = lambda x: 10 + int.from_bytes(x[8:10], "little") if x[6] == 1 else 12 + int.from_bytes(x[8:12], "little")
    i, j = at(a), at(b)
    if a[:i] != b[:j]:
        return f"header {a[10:i]} became {b[10:j]}"
    kind = re.search(rb"'descr': '<f([48])'", a[:i])
    if not kind or len(a) != len(b):
        return "other values"
    x, y = (array.array("f" if kind[1] == b"4" else "d", v) for v in (a[i:], b[j:]))
    eps = 2.0 ** -23 if kind[1] == b"4" else 2.0 ** -52
    worst = max(abs(p - q) / (abs(p) or eps) / eps for p, q in zip(x, y) if p == p or q == q)
    return "" if worst <= 8 else f"floats differ by {worst:.0f} units of the last place"


def differences(stored, made):
    """Yields what differs between two files or folders."""
    if os.path.isdir(stored):
        names = sorted(set(os.listdir(stored)) | set(os.listdir(made)))
        for n in names:
            a, b = os.path.join(stored, n), os.path.join(made, n)
            if not os.path.exists(a) or not os.path.exists(b):
                yield f"{n} is {'not stored' if os.path.exists(b) else 'not made'}"
            else:
                yield from (f"{n}: {d}" for d in differences(a, b))
    elif stored.endswith(".npz"):
        with zipfile.ZipFile(stored) as a, zipfile.ZipFile(made) as b:
            if set(a.namelist()) != set(b.namelist()):
                yield f"members {sorted(set(a.namelist()) ^ set(b.namelist()))}"
            for n in sorted(set(a.namelist()) & set(b.namelist())):
                if d := same_npy(a.read(n), b.read(n)):
                    yield f"{n}: {d}"
    elif stored.endswith(".npy"):
        if d := same_npy(open(stored, "rb").read(), open(made, "rb").read()):
            yield d
    else:
        lines = lambda f: [l for l in open(f, encoding="utf-8").read().splitlines() if not l.startswith(("//", "#"))]
        a, b = lines(stored), lines(made)
        if len(a) != len(b):
            yield f"{len(a)} lines became {len(b)}"
        for k, (p, q) in enumerate(zip(a, b)):
            if p != q:
                yield f"line {k + 1}: {p[:100]} became {q[:100]}"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--python")
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    scripts = sorted(f for f in os.listdir(here) if f.endswith("_reference.py") and (not a.names or f.removesuffix("_reference.py") in a.names))
    work = {s: declared(os.path.join(here, s)) for s in scripts}
    failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        python = a.python
        if not python:
            python = os.path.join(tmp, "venv/bin/python")
            subprocess.check_call([sys.executable, "-m", "venv", os.path.join(tmp, "venv")])
            packages = sorted({p for needs, _ in work.values() for p in needs})
            alone = [p.removesuffix("(alone)") for p in packages if p.endswith("(alone)")]
            print("installing", *packages, flush=True)
            pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.check_call(pip + [p for p in packages if not p.endswith("(alone)")])
            if alone:
                subprocess.check_call(pip + ["--no-deps"] + alone)
        for s, (_, stored) in work.items():
            made = os.path.join(tmp, "made", os.path.basename(stored))
            os.makedirs(os.path.dirname(made), exist_ok=True)
            run = subprocess.run([python, os.path.join(here, s), made], stdout=subprocess.PIPE)
            if run.returncode == 0 and not os.path.exists(made):
                with open(made, "wb") as f:
                    f.write(run.stdout)
            found = ["the script failed"] if run.returncode else list(differences(os.path.join(root, stored), made))
            failed += bool(found)
            print(f"{stored}: {'as stored' if not found else 'differs'}")
            for d in found[:20]:
                print("   ", d)
    print(f"{len(work) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
