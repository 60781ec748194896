// The benchmark's server: prints "port N", serves until its input ends.
//   bench_server [callback|sync|queue] [threads]
// callback and sync let the library own the threads; queue runs completion queues on the given number of threads.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "helixflow/bench/v1/bench.grpc.pb.h"

namespace {

using helixflow::bench::v1::Bench;
using helixflow::bench::v1::TokenEvent;
using helixflow::bench::v1::TokensRequest;

void NextEvent(TokenEvent* event, int64_t sequence) {
  event->set_sequence(sequence);
  event->set_token(static_cast<int32_t>(sequence % 32000));
  event->set_log_probability(-0.25f);
}

class CallbackService final : public Bench::CallbackService {
 public:
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const TokenEvent* request, TokenEvent* response) override {
    *response = *request;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<TokenEvent>* Tokens(grpc::CallbackServerContext*, const TokensRequest* request) override {
    class Writer final : public grpc::ServerWriteReactor<TokenEvent> {
     public:
      explicit Writer(const std::string& text) {
        event_.set_text(text);
        Next();
      }

      void OnWriteDone(bool ok) override { ok ? Next() : Finish(grpc::Status::CANCELLED); }

      void OnDone() override { delete this; }

     private:
      void Next() {
        NextEvent(&event_, sequence_++);
        StartWrite(&event_);
      }

      TokenEvent event_;
      int64_t sequence_ = 0;
    };
    return new Writer(request->text());
  }
};

class SyncService final : public Bench::Service {
 public:
  grpc::Status Echo(grpc::ServerContext*, const TokenEvent* request, TokenEvent* response) override {
    *response = *request;
    return grpc::Status::OK;
  }

  grpc::Status Tokens(grpc::ServerContext*, const TokensRequest* request, grpc::ServerWriter<TokenEvent>* writer) override {
    TokenEvent event;
    event.set_text(request->text());
    int64_t sequence = 0;
    do {
      NextEvent(&event, sequence++);
    } while (writer->Write(event));
    return grpc::Status::CANCELLED;
  }
};

// The completion-queue API: every tag is one call, which takes its own next step.
class Step {
 public:
  virtual ~Step() = default;
  virtual void Take(bool ok) = 0;
};

class EchoCall final : public Step {
 public:
  EchoCall(Bench::AsyncService* service, grpc::ServerCompletionQueue* queue) : service_(service), queue_(queue), responder_(&context_) {
    service_->RequestEcho(&context_, &request_, &responder_, queue_, queue_, this);
  }

  void Take(bool ok) override {
    if (!ok || finished_) {
      delete this;
      return;
    }
    new EchoCall(service_, queue_);
    finished_ = true;
    responder_.Finish(request_, grpc::Status::OK, this);
  }

 private:
  Bench::AsyncService* service_;
  grpc::ServerCompletionQueue* queue_;
  grpc::ServerContext context_;
  TokenEvent request_;
  grpc::ServerAsyncResponseWriter<TokenEvent> responder_;
  bool finished_ = false;
};

class TokensCall final : public Step {
 public:
  TokensCall(Bench::AsyncService* service, grpc::ServerCompletionQueue* queue) : service_(service), queue_(queue), writer_(&context_) {
    service_->RequestTokens(&context_, &request_, &writer_, queue_, queue_, this);
  }

  void Take(bool ok) override {
    if (!started_) {
      if (!ok) {
        delete this;
        return;
      }
      started_ = true;
      new TokensCall(service_, queue_);
      event_.set_text(request_.text());
    } else if (finished_) {
      delete this;
      return;
    } else if (!ok) {
      finished_ = true;
      writer_.Finish(grpc::Status::CANCELLED, this);
      return;
    }
    NextEvent(&event_, sequence_++);
    writer_.Write(event_, this);
  }

 private:
  Bench::AsyncService* service_;
  grpc::ServerCompletionQueue* queue_;
  grpc::ServerContext context_;
  TokensRequest request_;
  TokenEvent event_;
  grpc::ServerAsyncWriter<TokenEvent> writer_;
  int64_t sequence_ = 0;
  bool started_ = false;
  bool finished_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  std::string api = argc > 1 ? argv[1] : "queue";
  int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  grpc::ServerBuilder builder;
  int port = 0;
  // What a plain server can do without; none of it changes the figures much.
  builder.AddChannelArgument("grpc.http2.bdp_probe", 0);
  builder.AddChannelArgument("grpc.minimal_stack", 1);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  CallbackService callback;
  SyncService sync;
  Bench::AsyncService queued;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  if (api == "callback") {
    builder.RegisterService(&callback);
  } else if (api == "sync") {
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, threads);
    builder.RegisterService(&sync);
  } else {
    builder.RegisterService(&queued);
    for (int i = 0; i < threads; i++) {
      queues.push_back(builder.AddCompletionQueue());
    }
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "cannot listen\n");
    return 1;
  }
  std::vector<std::thread> workers;
  for (auto& queue : queues) {
    for (int i = 0; i < 64; i++) {
      new EchoCall(&queued, queue.get());
    }
    new TokensCall(&queued, queue.get());
    workers.emplace_back([&queue] {
      void* tag;
      bool ok;
      while (queue->Next(&tag, &ok)) {
        static_cast<Step*>(tag)->Take(ok);
      }
    });
  }
  std::printf("port %d\n", port);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  std::_Exit(0);
}
