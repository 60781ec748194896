// The benchmark's client: bench_client ADDRESS, then one line of input a measurement, "SCENARIO SECONDS", answered with "OPERATIONS SECONDS".
//   unary-N: N calls in flight; stream: messages of one call.
//   bench_client ADDRESS [callback|sync|queue]
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "helixflow/bench/v1/bench.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
using helixflow::bench::v1::Bench;
using helixflow::bench::v1::TokenEvent;
using helixflow::bench::v1::TokensRequest;

constexpr char kText[] = "sixteen letters.";

struct Measured {
  int64_t operations;
  double seconds;
};

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void Require(const grpc::Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "call failed: %d %s\n", status.error_code(), status.error_message().c_str());
    std::_Exit(1);
  }
}

// A wrong answer must not count.
void Require(bool right) {
  if (!right) {
    std::fprintf(stderr, "wrong answer\n");
    std::_Exit(1);
  }
}

constexpr int64_t kSequence = 123456;

TokenEvent Request() {
  TokenEvent request;
  request.set_sequence(kSequence);
  request.set_token(4711);
  request.set_log_probability(-0.25f);
  request.set_text(kText);
  return request;
}

Measured UnarySync(Bench::Stub* stub, int inFlight, double seconds) {
  std::atomic<int64_t> total{0};
  auto start = Clock::now();
  auto work = [&] {
    TokenEvent request = Request(), response;
    int64_t calls = 0;
    while (Since(start) < seconds) {
      grpc::ClientContext context;
      Require(stub->Echo(&context, request, &response));
      Require(response.sequence() == kSequence);
      calls++;
    }
    total += calls;
  };
  std::vector<std::thread> others;
  for (int i = 1; i < inFlight; i++) {
    others.emplace_back(work);
  }
  work();
  for (auto& thread : others) {
    thread.join();
  }
  return {total, Since(start)};
}

Measured UnaryCallback(Bench::Stub* stub, int inFlight, double seconds) {
  struct Shared {
    Bench::Stub* stub;
    TokenEvent request = Request();
    Clock::time_point start;
    double seconds;
    std::atomic<int64_t> total{0};
    std::atomic<int> running;
    std::mutex mutex;
    std::condition_variable done;
  } shared;
  struct Lane {
    Shared* shared;
    std::unique_ptr<grpc::ClientContext> context;
    TokenEvent response;
    void Next() {
      context = std::make_unique<grpc::ClientContext>();
      shared->stub->async()->Echo(context.get(), &shared->request, &response, [this](grpc::Status status) {
        Require(status);
        Require(response.sequence() == kSequence);
        shared->total.fetch_add(1, std::memory_order_relaxed);
        if (Since(shared->start) < shared->seconds) {
          Next();
          return;
        }
        std::lock_guard<std::mutex> lock(shared->mutex);
        if (--shared->running == 0) {
          shared->done.notify_one();
        }
      });
    }
  };
  shared.stub = stub;
  shared.seconds = seconds;
  shared.running = inFlight;
  shared.start = Clock::now();
  std::vector<Lane> lanes(inFlight);
  for (Lane& lane : lanes) {
    lane.shared = &shared;
    lane.Next();
  }
  std::unique_lock<std::mutex> lock(shared.mutex);
  shared.done.wait(lock, [&] { return shared.running == 0; });
  return {shared.total, Since(shared.start)};
}

Measured UnaryQueue(Bench::Stub* stub, int inFlight, double seconds) {
  struct Lane {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<TokenEvent>> reader;
    TokenEvent response;
    grpc::Status status;
  };
  grpc::CompletionQueue queue;
  TokenEvent request = Request();
  std::vector<Lane> lanes(inFlight);
  auto next = [&](Lane* lane) {
    lane->context = std::make_unique<grpc::ClientContext>();
    lane->reader = stub->AsyncEcho(lane->context.get(), request, &queue);
    lane->reader->Finish(&lane->response, &lane->status, lane);
  };
  auto start = Clock::now();
  for (Lane& lane : lanes) {
    next(&lane);
  }
  int64_t total = 0;
  int running = inFlight;
  void* tag;
  bool ok;
  while (running > 0 && queue.Next(&tag, &ok)) {
    Lane* lane = static_cast<Lane*>(tag);
    Require(lane->status);
    Require(lane->response.sequence() == kSequence);
    total++;
    if (Since(start) < seconds) {
      next(lane);
    } else {
      running--;
    }
  }
  double elapsed = Since(start);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return {total, elapsed};
}

TokensRequest StreamRequest() {
  TokensRequest request;
  request.set_text(kText);
  return request;
}

Measured StreamSync(Bench::Stub* stub, double seconds) {
  grpc::ClientContext context;
  auto start = Clock::now();
  auto reader = stub->Tokens(&context, StreamRequest());
  TokenEvent event;
  int64_t total = 0;
  while (Since(start) < seconds && reader->Read(&event)) {
    Require(event.sequence() == total++);
  }
  double elapsed = Since(start);
  context.TryCancel();
  while (reader->Read(&event)) {
  }
  reader->Finish();
  return {total, elapsed};
}

Measured StreamCallback(Bench::Stub* stub, double seconds) {
  class Reader final : public grpc::ClientReadReactor<TokenEvent> {
   public:
    Reader(Bench::Stub* stub, double seconds) : seconds_(seconds), start_(Clock::now()) {
      stub->async()->Tokens(&context_, &request_, this);
      StartRead(&event_);
      StartCall();
    }

    void OnReadDone(bool ok) override {
      if (!ok) {
        return;
      }
      if (elapsed_ == 0) {
        Require(event_.sequence() == total_++);
        if (Since(start_) >= seconds_) {
          elapsed_ = Since(start_);
          context_.TryCancel();
        }
      }
      StartRead(&event_);
    }

    void OnDone(const grpc::Status&) override {
      std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
      signal_.notify_one();
    }

    Measured Wait() {
      std::unique_lock<std::mutex> lock(mutex_);
      signal_.wait(lock, [this] { return done_; });
      return {total_, elapsed_};
    }

   private:
    double seconds_;
    Clock::time_point start_;
    grpc::ClientContext context_;
    TokensRequest request_ = StreamRequest();
    TokenEvent event_;
    int64_t total_ = 0;
    double elapsed_ = 0;
    bool done_ = false;
    std::mutex mutex_;
    std::condition_variable signal_;
  };
  Reader reader(stub, seconds);
  return reader.Wait();
}

Measured StreamQueue(Bench::Stub* stub, double seconds) {
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  auto start = Clock::now();
  auto reader = stub->AsyncTokens(&context, StreamRequest(), &queue, nullptr);
  TokenEvent event;
  int64_t total = 0;
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  while (ok && Since(start) < seconds) {
    reader->Read(&event, nullptr);
    queue.Next(&tag, &ok);
    Require(ok && event.sequence() == total++);
  }
  double elapsed = Since(start);
  context.TryCancel();
  grpc::Status status;
  reader->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return {total, elapsed};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "bench_client ADDRESS [callback|sync|queue]\n");
    return 2;
  }
  std::string api = argc > 2 ? argv[2] : "queue";
  // What a plain client can do without; none of it changes the figures much.
  grpc::ChannelArguments settings;
  settings.SetInt("grpc.http2.bdp_probe", 0);
  settings.SetInt("grpc.enable_retries", 0);
  settings.SetInt("grpc.minimal_stack", 1);
  auto channel = grpc::CreateCustomChannel(argv[1], grpc::InsecureChannelCredentials(), settings);
  auto stub = Bench::NewStub(channel);
  std::string scenario;
  double seconds;
  while (std::cin >> scenario >> seconds) {
    Measured measured;
    if (scenario == "stream") {
      measured = api == "sync" ? StreamSync(stub.get(), seconds) : api == "callback" ? StreamCallback(stub.get(), seconds) : StreamQueue(stub.get(), seconds);
    } else {
      int inFlight = std::atoi(scenario.c_str() + sizeof("unary-") - 1);
      measured = api == "sync" ? UnarySync(stub.get(), inFlight, seconds)
                 : api == "callback" ? UnaryCallback(stub.get(), inFlight, seconds)
                                     : UnaryQueue(stub.get(), inFlight, seconds);
    }
    std::printf("%lld %.6f\n", static_cast<long long>(measured.operations), measured.seconds);
    std::fflush(stdout);
  }
  return 0;
}
