#!/usr/bin/env python3
"""Functra and its peers side by side: every workload in turn by every program, one table of their minimum times.

    run.py --python VENV/bin/python [--only w1,w2] [--peers functra,hand,jax,...] [--rounds 2] [--budget 0.5] [--limit 90]
           [--program build/release/bench/functra_bench] [--page FILE] [--json FILE] [--from FILE]

Every program prints JSON lines (common.py). Ratios are theirs / ours: above 1, Functra is faster. Targets are those of targets.json
("of": the hand-written program, or the best other peer). Rows whose `check` differs from JAX's (or, without JAX, from the hand-written
program's) by more than 1e-5 (f32) or 1e-9 (f64) are marked '!'. Compile times are cold: caches on disk are fresh for each run. Functra
runs once more with the cache it filled; "eager" is Functra without jit. A program that takes longer than the limit is stopped.
"""
import argparse, contextlib, datetime, json, os, platform, shutil, signal, subprocess, sys, tempfile

import page

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEFAULT_PEERS = "functra,eager,hand,jax,torch.func,torch.compile,enzyme"
HAND = "g++ -std=c++20 -O3 -march=native -fno-math-errno -fno-trapping-math -fopenmp-simd -pthread {src} -o {out} -lmvec -lm"
MODULES = {"jax": "jax", "torch.func": "torch", "torch.compile": "torch", "enzyme": "enzyme_ad.jax", "mlx": "mlx.core", "casadi": "casadi"}
FIRST_CALL = ("compile_ms", "trace_ms", "code_ms")


def options():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--python", default=os.environ.get("FUNCTRA_PEERS_PYTHON", sys.executable), help="an interpreter that has the peers")
    ap.add_argument("--peers", default=DEFAULT_PEERS, help="a comma list, in the order of the columns; also mlx, casadi")
    ap.add_argument("--only", default="", help="a comma list of workloads")
    ap.add_argument("--rounds", type=int, default=1, help="the best of so many runs")
    ap.add_argument("--budget", default="0.5", help="seconds of repeats per row")
    ap.add_argument("--limit", type=float, default=90, help="seconds that a program may take for a row")
    ap.add_argument("--program", default=os.path.join(ROOT, "build/release/bench/functra_bench"), help="Functra's measurements")
    ap.add_argument("--build", default=os.path.join(ROOT, "build/peers"), help="where the hand-written peer is compiled")
    ap.add_argument("--page", default="", help="write the table, and a chart beside it, as this Markdown page")
    ap.add_argument("--json", default="", help="write the figures")
    ap.add_argument("--from", dest="source", default="", help="figures of an earlier --json; nothing is run")
    return ap.parse_args()


def hand(build):
    """The hand-written program, compiled again where a source is newer."""
    src, out = os.path.join(HERE, "peer_hand.cpp"), os.path.join(build, "peer_hand")
    sources = [src] + [os.path.join(HERE, "hand", f) for f in os.listdir(os.path.join(HERE, "hand"))]
    if not os.path.exists(out) or os.path.getmtime(out) < max(map(os.path.getmtime, sources)):
        os.makedirs(build, exist_ok=True)
        subprocess.check_call(HAND.format(src=src, out=out), shell=True)
    return out


def command(peer, a):
    """The command of a peer and its environment, or why it is left out."""
    if peer in ("functra", "eager"):
        return ([a.program, "--eager" if peer == "eager" else "--workloads"], {}) if os.path.exists(a.program) else "its program is not built"
    if peer == "hand":
        return ([hand(a.build), HERE], {}) if shutil.which("g++") else "g++ is not installed"
    if peer not in MODULES:
        return "no such peer"
    module = MODULES[peer]
    try:
        found = subprocess.run([a.python, "-c", f"import {module}"], capture_output=True).returncode == 0
    except OSError:
        found = False
    if not found:
        return f"module {module} is not installed"
    script = "torch" if peer.startswith("torch.") else peer
    env = {"PEER_TORCH": peer.split(".")[1]} if script == "torch" else {}
    return [a.python, os.path.join(HERE, f"peer_{script}.py")], env


def run(cmd, env, limit):
    """The lines of one program, and what went wrong."""
    p = subprocess.Popen(cmd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        out, err = p.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return [], f"> {limit:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)  # compilers that it started, too
        p.wait()
    lines = [json.loads(l) for l in out.splitlines() if l.startswith("{")]
    errors = [l["error"] for l in lines if "error" in l]
    if not errors and p.returncode != 0:
        errors = (err.strip().splitlines() or [f"exit code {p.returncode}"])[-1:]
    return [l for l in lines if "error" not in l], "; ".join(errors)


def row(peer, cmd, env, workload, a):
    """The figures of one program for one workload (None: it has none), and what went wrong; caches on disk are fresh."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as fresh:
        env = {**os.environ, **env, "PEER_ONLY": workload, "PEER_BUDGET_S": a.budget,
               "FUNCTRA_CACHE_DIR": fresh, "TORCHINDUCTOR_CACHE_DIR": fresh, "PEER_DATA": os.path.join(ROOT, "bench/data")}
        env.pop("JAX_COMPILATION_CACHE_DIR", None)
        lines, error = run(cmd, env, a.limit)
        r = next((l for l in lines if l["workload"] == workload), None)
        if r and peer == "functra":
            for again in run(cmd, {**env, "PEER_BUDGET_S": "0"}, a.limit)[0]:
                r["warm"] = {k: again[k] for k in FIRST_CALL if k in again}
    return r, error


def measure(a, targets):
    """rows[workload][peer]: the figures, the best of all rounds; missing[workload][peer]: why there are none; the peers that ran; those
    left out, with the reason."""
    commands, left_out = {}, {}
    for peer in filter(None, a.peers.split(",")):
        c = command(peer, a)
        if isinstance(c, str):
            left_out[peer] = c
            print(f"left out: {peer} ({c}; python is {a.python})", file=sys.stderr)
        else:
            commands[peer] = c
    workloads = [w for w in a.only.split(",") if w] or list(targets)
    rows, missing = {w: {} for w in workloads}, {w: {} for w in workloads}
    for n in range(a.rounds):
        for w in workloads:
            for peer, (cmd, env) in commands.items():
                if peer in missing[w]:
                    continue
                r, error = row(peer, cmd, env, w, a)
                if error:
                    missing[w][peer] = error
                    rows[w].pop(peer, None)
                elif r:
                    old = rows[w].setdefault(peer, r)
                    if r["min_us"] < old["min_us"]:  # first calls: those of the first run
                        old.update({k: r[k] for k in ("min_us", "median_us", "call_us") if k in r})
                print(f"[{n + 1}/{a.rounds}] {w} {peer}: " + (error or (f"{r['min_us']:.4g} us" if r else "no such row")), file=sys.stderr)
    return dict(rows=rows, peers=list(commands), left_out=left_out, missing=missing, budget=a.budget, rounds=a.rounds, machine=machine())


def machine():
    cpu = platform.processor() or "unknown"
    try:
        names = [l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
        cpu = names[0] if names else cpu
        flags = next((l for l in open("/proc/cpuinfo") if l.startswith("flags")), "")
        cpu += ", AVX-512" if "avx512f" in flags else ", AVX2" if "avx2" in flags else ""
    except OSError:
        pass
    return dict(cpu=cpu, cores=len(os.sched_getaffinity(0)), system=platform.platform(terse=True),
                date=datetime.date.today().isoformat(), commit=commit())


def commit():
    r = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return r.stdout.strip() if r.returncode == 0 else ""


if __name__ == "__main__":
    a = options()
    targets = json.load(open(os.path.join(HERE, "targets.json")))
    figures = json.load(open(a.source)) if a.source else measure(a, targets)
    if a.json:
        json.dump(figures, open(a.json, "w"), indent=1)
    print(page.text(figures, targets))
    if a.page:
        chart = os.path.splitext(a.page)[0] + ".svg"
        open(chart, "w").write(page.chart(figures, targets))
        open(a.page, "w").write(page.document(figures, targets, os.path.basename(chart)))
        print(f"wrote {a.page} and {chart}", file=sys.stderr)
    sys.exit(any("functra" in m for m in figures["missing"].values()))
