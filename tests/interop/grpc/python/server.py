"""gRPC's interoperability test service on grpcio. Prints its port, serves until its standard input ends."""

import sys
import time
from concurrent import futures

import grpc

from service import INITIAL_KEY, TRAILING_KEY, Messages, handler_of, parse, read


class TestService:
    """grpcio does not tell a server whether a request was compressed, so expect_compressed is not looked at."""

    def __init__(self, messages):
        self._messages = messages

    def EmptyCall(self, request, context):
        return self._messages.Empty()

    def UnaryCall(self, request, context):
        self._echo_metadata(context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        self._echo_status(request, context)
        return self._messages.SimpleResponse(payload=self._zeros(request.response_size))

    def StreamingOutputCall(self, request, context):
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        yield from self._responses(request, context)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return self._messages.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        self._echo_metadata(context)
        for request in requests:
            self._echo_status(request, context)
            yield from self._responses(request, context)

    def HalfDuplexCall(self, requests, context):
        for request in list(requests):
            yield from self._responses(request, context)

    def _responses(self, request, context):
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 1e6)
            if not parameters.compressed.value:
                context.disable_next_message_compression()
            yield self._messages.StreamingOutputCallResponse(payload=self._zeros(parameters.size))

    def _zeros(self, size):
        return self._messages.Payload(body=bytes(size))

    @staticmethod
    def _echo_metadata(context):
        for key, value in context.invocation_metadata():
            if key == INITIAL_KEY:
                context.send_initial_metadata(((key, value),))
            elif key == TRAILING_KEY:
                context.set_trailing_metadata(((key, value),))

    @staticmethod
    def _echo_status(request, context):
        wanted = request.response_status
        if wanted.code != 0:
            code = next(code for code in grpc.StatusCode if code.value[0] == wanted.code)
            context.abort(code, wanted.message)


class Health:
    def __init__(self, messages):
        self._response = messages.named("grpc.health.v1.HealthCheckResponse")

    def Check(self, request, context):
        status = {"": 1, "grpc.testing.TestService": 1, "grpc.testing.Asleep": 2}.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return self._response(status=status)


def main():
    arguments = parse()
    messages = Messages(arguments.descriptors)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((
        handler_of(messages, "grpc.testing.TestService", TestService(messages)),
        handler_of(messages, "grpc.health.v1.Health", Health(messages)),
    ))
    if arguments.tls:
        credentials = grpc.ssl_server_credentials(
            [(read(arguments.tls, "server.key"), read(arguments.tls, "server.pem"))],
            root_certificates=read(arguments.tls, "ca.pem"),
            require_client_auth=arguments.mutual,
        )
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(grace=None)


main()
