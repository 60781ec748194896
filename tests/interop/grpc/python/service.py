"""What the client and the server share: messages made from a set of descriptors, and the arguments."""

import argparse
import os

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

INITIAL_KEY = "x-grpc-test-echo-initial"
TRAILING_KEY = "x-grpc-test-echo-trailing-bin"


def parse(*positional):
    parser = argparse.ArgumentParser()
    for name in positional:
        parser.add_argument(name)
    parser.add_argument("--descriptors", required=True, help="a serialised FileDescriptorSet")
    parser.add_argument("--tls", help="a folder with certificates and keys")
    parser.add_argument("--mutual", action="store_true", help="the client shows a certificate too")
    return parser.parse_args()


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


class Messages:
    """The message classes and methods that a file of descriptors defines."""

    def __init__(self, path):
        self._pool = descriptor_pool.DescriptorPool()
        with open(path, "rb") as file:
            for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
                self._pool.Add(proto)
        self._factory = message_factory.MessageFactory(self._pool)

    def __getattr__(self, name):
        return self.named("grpc.testing." + name)

    def named(self, full_name):
        return self._factory.GetPrototype(self._pool.FindMessageTypeByName(full_name))

    def methods(self, service):
        """Name, input class, output class, and whether each side streams, of each method of a service."""
        for method in self._pool.FindServiceByName(service).methods:
            proto = descriptor_pb2.MethodDescriptorProto()
            method.CopyToProto(proto)
            yield (
                method.name,
                self._factory.GetPrototype(method.input_type),
                self._factory.GetPrototype(method.output_type),
                proto.client_streaming,
                proto.server_streaming,
            )


class Stub:
    """A service's methods on a channel."""

    def __init__(self, channel, messages, service):
        for name, request, response, client_streaming, server_streaming in messages.methods(service):
            kind = f"{'stream' if client_streaming else 'unary'}_{'stream' if server_streaming else 'unary'}"
            method = getattr(channel, kind)(
                f"/{service}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            setattr(self, name, method)


def handler_of(messages, service, implementation):
    """A service's methods for a server; those that the implementation lacks are left out."""
    handlers = {}
    for name, request, response, client_streaming, server_streaming in messages.methods(service):
        function = getattr(implementation, name, None)
        if function is not None:
            kind = f"{'stream' if client_streaming else 'unary'}_{'stream' if server_streaming else 'unary'}"
            handlers[name] = getattr(grpc, kind + "_rpc_method_handler")(
                function,
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
    return grpc.method_handlers_generic_handler(service, handlers)
