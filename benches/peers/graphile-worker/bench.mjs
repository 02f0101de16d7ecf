// No-op jobs through graphile-worker: `node bench.mjs JOBS CONCURRENCY [local]`; DATABASE_URL names an empty
// database. `local` is its documented fast set-up: a local queue of 500 and batched completion. Prints one JSON line.
import { run, runMigrations, makeWorkerUtils } from "graphile-worker";
import pg from "pg";

const [jobs, concurrency] = process.argv.slice(2, 4).map(Number);
const local = process.argv[4] === "local";
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 12 });
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const { Logger } = await import("graphile-worker");
const logger = new Logger(() => (level, message) => level === "error" && console.error(message));

await runMigrations({ pgPool: pool, logger });
const enqueueing = performance.now();
for (let done = 0; done < jobs; done += 1000) {
  const specs = JSON.stringify(Array.from({ length: Math.min(1000, jobs - done) }, () => ({ identifier: "nothing", payload: {} })));
  await pool.query(
    "select graphile_worker.add_jobs(array(select json_populate_recordset(null::graphile_worker.job_spec, $1::json)))",
    [specs],
  );
}
const enqueued = (performance.now() - enqueueing) / 1000;
const worker = local ? { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {};
const cpu = process.cpuUsage();
const begun = performance.now();
const runner = await run({
  pgPool: pool,
  concurrency,
  noHandleSignals: true,
  pollInterval: 1000,
  taskList: { nothing: () => {} },
  logger,
  preset: { worker },
});
// The end is the last completion the server has committed.
for (;;) {
  const { rows } = await pool.query("select exists (select 1 from graphile_worker._private_jobs) as left");
  if (!rows[0].left) break;
  await new Promise((resolve) => setTimeout(resolve, 5));
}
const seconds = (performance.now() - begun) / 1000;
const used = process.cpuUsage(cpu);
await runner.stop();
await pool.end();
console.log(JSON.stringify({ jobs_per_s: jobs / seconds, enqueue_per_s: jobs / enqueued, cpu_s: (used.user + used.system) / 1e6 }));
process.exit(0);
