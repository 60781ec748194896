#!/bin/sh
# Builds bench_server and bench_client into the folder given as the first argument (default: artifacts/grpc-bench).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../../artifacts/grpc-bench}
for tool in g++ protoc grpc_cpp_plugin pkg-config; do
  command -v $tool >/dev/null || missing="${missing:-} $tool"
done
if [ -n "${missing:-}" ] || ! pkg-config --exists grpc++ protobuf; then
  echo "Missing:${missing:-} libgrpc++. On Debian: apt-get install g++ pkg-config libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc" >&2
  exit 3
fi
mkdir -p "$out"
protoc -I "$here/../proto" --cpp_out="$out" --grpc_out="$out" --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" \
  "$here/../proto/helixflow/bench/v1/bench.proto"
flags="-O3 -march=native -DNDEBUG -std=c++17 -I$out $(pkg-config --cflags grpc++ protobuf)"
generated="$out/helixflow/bench/v1/bench.pb.cc $out/helixflow/bench/v1/bench.grpc.pb.cc"
libraries="$(pkg-config --libs grpc++ protobuf) -lpthread"
for source in $generated; do
  g++ $flags -c "$source" -o "$out/$(basename "$source" .cc).o" &
done
g++ $flags -c "$here/server.cc" -o "$out/server.o"
g++ $flags -c "$here/client.cc" -o "$out/client.o"
wait
g++ "$out/server.o" "$out/bench.pb.o" "$out/bench.grpc.pb.o" $libraries -o "$out/bench_server"
g++ "$out/client.o" "$out/bench.pb.o" "$out/bench.grpc.pb.o" $libraries -o "$out/bench_client"
