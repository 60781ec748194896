export { type Child, type ChildRequest, type Effect, Job, JobFailed, type Json, type ModelUsage, StepInDoubt } from "./job.js";
export { type JobOptions, Worker, type WorkerOptions } from "./worker.js";
