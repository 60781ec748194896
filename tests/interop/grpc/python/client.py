"""The client side of gRPC's interoperability test cases on grpcio. Exits with 0 when the case holds, else says why not."""

import queue
import sys
import traceback

import grpc

from service import INITIAL_KEY, TRAILING_KEY, Messages, Stub, parse, read

STEPS = ((27182, 31415), (8, 9), (1828, 2653), (45904, 58979))
LIMIT_SECONDS = 300
END = object()


class Requests:
    """An iterator of requests that are given one at a time, as a case goes on."""

    def __init__(self, *first):
        self._queue = queue.Queue()
        for request in first:
            self.give(request)

    def give(self, request):
        self._queue.put(request)

    def end(self):
        self._queue.put(END)

    def __iter__(self):
        return iter(self._queue.get, END)


class Cases:
    def __init__(self, channel, messages):
        self._channel = channel
        self._messages = messages
        self._stub = Stub(channel, messages, "grpc.testing.TestService")

    def empty_unary(self):
        assert self._stub.EmptyCall(self._messages.Empty()) == self._messages.Empty()

    def large_unary(self):
        self._check_large(self._stub.UnaryCall(self._large()))

    def client_streaming(self):
        requests = [self._input(size) for size, _ in STEPS]
        equal(self._stub.StreamingInputCall(iter(requests)).aggregated_payload_size, 74922)

    def server_streaming(self):
        request = self._output(*(size for _, size in STEPS))
        equal(sizes(self._stub.StreamingOutputCall(request)), [31415, 9, 2653, 58979])

    def ping_pong(self):
        requests = Requests()
        responses = self._stub.FullDuplexCall(iter(requests), timeout=LIMIT_SECONDS)
        for request_size, response_size in STEPS:
            requests.give(self._output(response_size, body=request_size))
            equal(len(next(responses).payload.body), response_size)
        requests.end()
        equal(list(responses), [])
        equal(responses.code(), grpc.StatusCode.OK)

    def empty_stream(self):
        equal(list(self._stub.FullDuplexCall(iter(()))), [])

    def cancel_after_begin(self):
        requests = Requests()
        call = self._stub.StreamingInputCall.future(iter(requests))
        call.cancel()
        requests.end()
        equal(call.code(), grpc.StatusCode.CANCELLED)

    def cancel_after_first_response(self):
        requests = Requests(self._output(31415, body=27182))
        call = self._stub.FullDuplexCall(iter(requests))
        equal(len(next(call).payload.body), 31415)
        call.cancel()
        requests.end()
        equal(call.code(), grpc.StatusCode.CANCELLED)

    def timeout_on_sleeping_server(self):
        requests = Requests(self._output(body=27182))
        error = failure(lambda: list(self._stub.FullDuplexCall(iter(requests), timeout=0.001)))
        requests.end()
        equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def status_code_and_message(self):
        status = self._messages.EchoStatus(code=2, message="test status message")
        unary = failure(lambda: self._stub.UnaryCall(self._messages.SimpleRequest(response_status=status)))
        request = self._messages.StreamingOutputCallRequest(response_status=status)
        duplex = failure(lambda: list(self._stub.FullDuplexCall(iter((request,)))))
        for error in (unary, duplex):
            equal(error.code(), grpc.StatusCode.UNKNOWN)
            equal(error.details(), "test status message")

    def special_status_message(self):
        text = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
        status = self._messages.EchoStatus(code=2, message=text)
        error = failure(lambda: self._stub.UnaryCall(self._messages.SimpleRequest(response_status=status)))
        equal(error.code(), grpc.StatusCode.UNKNOWN)
        equal(error.details(), text)

    def custom_metadata(self):
        metadata = ((INITIAL_KEY, "test_initial_metadata_value"), (TRAILING_KEY, b"\xab\xab\xab"))
        response, call = self._stub.UnaryCall.with_call(self._large(), metadata=metadata)
        self._check_large(response)
        self._check_echoed(call)
        duplex = self._stub.FullDuplexCall(iter((self._output(314159, body=271828),)), metadata=metadata)
        equal(sizes(duplex), [314159])
        self._check_echoed(duplex)

    def unimplemented_method(self):
        error = failure(lambda: self._stub.UnimplementedCall(self._messages.Empty()))
        equal(error.code(), grpc.StatusCode.UNIMPLEMENTED)

    def unimplemented_service(self):
        stub = Stub(self._channel, self._messages, "grpc.testing.UnimplementedService")
        error = failure(lambda: stub.UnimplementedCall(self._messages.Empty()))
        equal(error.code(), grpc.StatusCode.UNIMPLEMENTED)

    def client_compressed_unary(self):
        expected = self._large(expect_compressed=self._messages.BoolValue(value=True))
        plain = self._large(expect_compressed=self._messages.BoolValue(value=False))
        error = failure(lambda: self._stub.UnaryCall(expected, compression=grpc.Compression.NoCompression))
        equal(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self._check_large(self._stub.UnaryCall(expected, compression=grpc.Compression.Gzip))
        self._check_large(self._stub.UnaryCall(plain, compression=grpc.Compression.NoCompression))

    def client_compressed_streaming(self):
        """grpcio's client switches compression for whole calls only, so each message has a call of its own."""
        expected, plain = self._input(27182, compressed=True), self._input(45904, compressed=False)
        send = self._stub.StreamingInputCall
        error = failure(lambda: send(iter((expected,)), compression=grpc.Compression.NoCompression))
        equal(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        equal(send(iter((expected,)), compression=grpc.Compression.Gzip).aggregated_payload_size, 27182)
        equal(send(iter((plain,)), compression=grpc.Compression.NoCompression).aggregated_payload_size, 45904)

    def server_compressed_unary(self):
        for value in (True, False):
            request = self._large(response_compressed=self._messages.BoolValue(value=value))
            self._check_large(self._stub.UnaryCall(request))

    def server_compressed_streaming(self):
        request = self._output(31415, 92653)
        for parameters, value in zip(request.response_parameters, (True, False)):
            parameters.compressed.value = value
        equal(sizes(self._stub.StreamingOutputCall(request)), [31415, 92653])

    # Beyond the published cases.

    def health(self):
        request = self._messages.named("grpc.health.v1.HealthCheckRequest")
        stub = Stub(self._channel, self._messages, "grpc.health.v1.Health")
        equal(stub.Check(request(service="")).status, 1)
        equal(stub.Check(request(service="grpc.testing.Asleep")).status, 2)
        error = failure(lambda: stub.Check(request(service="nobody")))
        equal(error.code(), grpc.StatusCode.NOT_FOUND)
        watch = stub.Watch(request(service="nobody"))
        equal(next(watch).status, 3)
        watch.cancel()

    def peer_identity(self):
        response = self._stub.UnaryCall(self._messages.SimpleRequest(fill_username=True))
        equal(response.username, "interop-client")

    def refused_without_certificate(self):
        error = failure(lambda: self._stub.EmptyCall(self._messages.Empty()))
        equal(error.code(), grpc.StatusCode.UNAVAILABLE)

    def _large(self, **more):
        payload = self._messages.Payload(body=bytes(271828))
        return self._messages.SimpleRequest(response_size=314159, payload=payload, **more)

    def _input(self, size, compressed=None):
        request = self._messages.StreamingInputCallRequest(payload=self._messages.Payload(body=bytes(size)))
        if compressed is not None:
            request.expect_compressed.value = compressed
        return request

    def _output(self, *response_sizes, body=0):
        return self._messages.StreamingOutputCallRequest(
            response_parameters=[self._messages.ResponseParameters(size=size) for size in response_sizes],
            payload=self._messages.Payload(body=bytes(body)),
        )

    @staticmethod
    def _check_large(response):
        equal(response.payload.body, bytes(314159))

    @staticmethod
    def _check_echoed(call):
        equal(dict(call.initial_metadata()).get(INITIAL_KEY), "test_initial_metadata_value")
        equal(dict(call.trailing_metadata()).get(TRAILING_KEY), b"\xab\xab\xab")


def sizes(responses):
    return [len(response.payload.body) for response in responses]


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call ended with OK")


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r:.200}, got {actual!r:.200}")


def main():
    arguments = parse("address", "case")
    messages = Messages(arguments.descriptors)
    if arguments.tls:
        pair = (read(arguments.tls, "client.key"), read(arguments.tls, "client.pem")) if arguments.mutual else (None, None)
        credentials = grpc.ssl_channel_credentials(read(arguments.tls, "ca.pem"), *pair)
        channel = grpc.secure_channel(arguments.address, credentials)
    else:
        channel = grpc.insecure_channel(arguments.address)
    with channel:
        getattr(Cases(channel, messages), arguments.case)()


try:
    main()
except Exception:  # The message is for the test that started this process.
    traceback.print_exc()
    sys.exit(1)
