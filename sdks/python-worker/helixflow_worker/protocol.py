"""The worker protocol (schemas/proto/helixflow/agents/v1/worker.proto) as classes.

The messages are made from a descriptor when the module is loaded, so that one file serves every version of protobuf's library. The descriptor is
what `protoc --include_imports --descriptor_set_out=worker.protoset helixflow/agents/v1/worker.proto` writes.
"""

import pathlib
import threading
from urllib.parse import urlsplit

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "helixflow.agents.v1"
_LARGEST_MESSAGE = 64 << 20

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString((pathlib.Path(__file__).parent / "worker.protoset").read_bytes()).file:
    _pool.Add(_file)


def _class_of(descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool).GetPrototype(descriptor)  # protobuf before 4.22


_classes = {name: _class_of(message) for name, message in _pool.FindFileByName("helixflow/agents/v1/worker.proto").message_types_by_name.items()}


def __getattr__(name):
    """The message classes: protocol.ClaimRequest and so on."""
    try:
        return _classes[name]
    except KeyError:
        raise AttributeError(f"the worker protocol has no message {name}") from None


class Connection:
    """The protocol's methods on a channel: connection.Claim(request) and so on. May be used by several threads.

    A call is repeated while the server cannot be reached, as long as `until` (a time of time.monotonic) says; none does its work twice.
    """

    def __init__(self, url, key):
        parts = urlsplit(url)
        target = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        options = [
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
        ]
        secured = parts.scheme == "https"
        self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), options) if secured else grpc.insecure_channel(target, options)
        self._metadata = (("authorization", f"Bearer {key}"),)
        self._closed = threading.Event()
        for method in _pool.FindServiceByName(f"{_PACKAGE}.Workers").methods:
            proto = descriptor_pb2.MethodDescriptorProto()
            method.CopyToProto(proto)
            start = self._channel.unary_stream if proto.server_streaming else self._channel.unary_unary
            call = start(
                f"/{_PACKAGE}.Workers/{method.name}",
                request_serializer=_class_of(method.input_type).SerializeToString,
                response_deserializer=_class_of(method.output_type).FromString,
            )
            setattr(self, method.name, self._with_key(call))

    def _with_key(self, call):
        def invoke(request, **options):
            return call(request, metadata=self._metadata, **options)

        def start(request, **options):
            return call.future(request, metadata=self._metadata, **options)

        invoke.future = start
        return invoke

    def read_value(self, digest):
        """A value that was too large to be sent along."""
        return b"".join(chunk.content for chunk in self.ReadValue(_classes["ReadValueRequest"](hash=digest)))

    def close(self):
        self._channel.close()
