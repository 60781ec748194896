import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const proto = fileURLToPath(new URL("../proto/helixflow/bench/v1/bench.proto", import.meta.url));
// 64-bit integers as numbers and names as they are: the least work the loader offers.
const definition = loader.loadSync(proto, { keepCase: true, longs: Number });

export const Bench = grpc.loadPackageDefinition(definition).helixflow.bench.v1.Bench;
export { grpc };
