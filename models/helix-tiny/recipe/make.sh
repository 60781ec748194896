#!/bin/sh
# Builds everything from nothing: kernels, tokenizer, training data, model, evaluation, reference answers.
# Needs: a C compiler, Python 3.11, PyTorch 1.13, NumPy 1.24, a CPU with AVX-512 (bf16 instructions make it fast).
# One to one and a half hours on two CPU cores; an interrupted training goes on from its last checkpoint when run again.
set -e
cd "$(dirname "$0")"
PY=${PYTHON:-python3}
BUILD=${HELIX_BUILD:-build}
OUT=${1:-$BUILD/helix-tiny}
export HELIX_BUILD="$BUILD" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
mkdir -p "$BUILD"
[ -f "$BUILD/kernels.so" ] || cc -O3 -march=native -mprefer-vector-width=512 -ffast-math -shared -fPIC kernels.c -o "$BUILD/kernels.so" -lm
[ -f "$BUILD/tokenizer.json" ] || $PY data.py tokenizer "$BUILD"
[ -f "$BUILD/train_1024.npy" ] || $PY data.py tokens "$BUILD" 66 2
$PY train.py "$BUILD"
$PY export.py "$BUILD" "$OUT"
$PY evaluate.py "$OUT" 50
$PY check.py "$OUT"
