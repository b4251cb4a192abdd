"""Indexing cases with NumPy's results, for tests/index_numpy_test.cpp.

needs: numpy
writes: tests/data/indexing_reference.inc"""
import numpy as np, random
random.seed(1)
rng=np.random.default_rng(1)
out=[]
def arr(v): 
    v=np.asarray(v)
    if v.ndim==1: return "{"+",".join(str(int(x)) for x in v)+"}"
    return "{"+",".join(arr(r) for r in v)+"}"
for case in range(120):
    rank=random.randint(1,4)
    s=[random.randint(1,5) for _ in range(rank)]
    x=np.arange(int(np.prod(s)),dtype=float).reshape(s)
    ns=[];cs=[];d=0
    nt=0
    common=random.choice([(2,),(3,),(2,3)])
    hasint=False
    while d<rank:
        k=random.choice(['i','s','s','t','n','skip'])
        if k=='i' and nt: k='s'
        if k=='skip': break
        if k=='n': ns.append(None); cs.append("none"); continue
        n=s[d]
        if k=='i':
            v=random.randint(-n,n-1); ns.append(v); cs.append(f"{v}"); hasint=True
        if k=='s':
            st=random.choice([None]+list(range(-n-2,n+3))); sp=random.choice([None]+list(range(-n-2,n+3))); step=random.choice([1,1,2,3,-1,-2,-3])
            ns.append(slice(st,sp,step)); f=lambda v:"none" if v is None else str(v); cs.append(f"Slice({f(st)},{f(sp)},{step})")
        if k=='t':
            if hasint: k='s'; ns.append(slice(None)); cs.append("Slice()")
            else:
                sh=common if random.random()<.6 else (common[-1],)
                v=rng.integers(-n,n,sh); ns.append(v); cs.append(f"tensor({arr(v)})"); nt+=1
        d+=1
    if not ns: continue
    if any(isinstance(a,np.ndarray) for a in ns) and any(isinstance(a,int) for a in ns): continue
    y=x[tuple(ns)]
    lst=", ".join(f"Index({c})" for c in cs)
    xs="{"+",".join(map(str,s))+"}"
    out.append(f'CASE("index {case}", reshape(arange({x.size}, f64), {xs}).index(std::vector<Index>{{{lst}}}), Shape(std::vector<int>{{{",".join(map(str,y.shape))}}}), {{{",".join(str(int(v)) for v in y.ravel())}}})')
    # put, no duplicates guaranteed? use accumulate with np.add.at
    if y.size:
        v=np.arange(y.size,dtype=float)+100
        z=x.copy(); np.add.at(z,tuple(ns),v.reshape(y.shape))
        ysh=",".join(map(str,y.shape))
        src=f"reshape(arange({y.size}, f64)+100.0, Shape(std::vector<int>{{{ysh}}}))"
        out.append(f'CASE("accumulate {case}", reshape(arange({x.size}, f64), {xs}).index_put(std::vector<Index>{{{lst}}}, {src}, true), Shape({xs}), {{{",".join(str(int(v)) for v in z.ravel())}}})')
        if nt==0:
            z=x.copy(); z[tuple(ns)]=v.reshape(y.shape)
            out.append(f'CASE("put {case}", reshape(arange({x.size}, f64), {xs}).index_put(std::vector<Index>{{{lst}}}, {src}), Shape({xs}), {{{",".join(str(int(v)) for v in z.ravel())}}})')
print("// Made by tools/references/indexing_reference.py with NumPy " + np.__version__ + ".")
print("\n".join(out))
