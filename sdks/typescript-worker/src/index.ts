export { type Effect, Job, JobFailed, type Json, StepInDoubt } from "./job.js";
export { type JobOptions, Worker, type WorkerOptions } from "./worker.js";
