// No-op jobs through BullMQ: `node bench.mjs JOBS CONCURRENCY PORT`. Finished jobs are kept, as ours are. Prints one
// JSON line.
import { Queue, Worker } from "bullmq";

const [jobs, concurrency, port] = process.argv.slice(2, 5).map(Number);
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
const queue = new Queue("nothing", { connection });
await queue.waitUntilReady();
const enqueueing = performance.now();
for (let done = 0; done < jobs; done += 1000) {
  await queue.addBulk(Array.from({ length: Math.min(1000, jobs - done) }, () => ({ name: "nothing", data: {} })));
}
const enqueued = (performance.now() - enqueueing) / 1000;
const cpu = process.cpuUsage();
const begun = performance.now();
let finished = 0;
const worker = new Worker("nothing", async () => {}, { connection, concurrency });
await new Promise((resolve) => worker.on("completed", () => ++finished === jobs && resolve()));
const seconds = (performance.now() - begun) / 1000;
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ jobs_per_s: jobs / seconds, enqueue_per_s: jobs / enqueued, cpu_s: (used.user + used.system) / 1e6 }));
await worker.close();
await queue.close();
process.exit(0);
