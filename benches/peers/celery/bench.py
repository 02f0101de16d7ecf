"""No-op jobs through Celery, prefork 2: `python bench.py JOBS PORT`. Prints one JSON line."""
import json
import os
import subprocess
import sys
import time

jobs, port = int(sys.argv[1]), sys.argv[2]
os.environ["PEER_PORT"] = port
import redis
from tasks import nothing

store = redis.Redis(port=int(port), db=1)
begun = time.perf_counter()
with nothing.app.connection_for_write() as connection:
    for _ in range(jobs):
        nothing.apply_async(connection=connection)
enqueued = time.perf_counter() - begun
worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-l", "error", "--without-gossip", "--without-mingle"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
# From the first result on: the start of the worker's processes is not counted.
while store.dbsize() == 0:
    time.sleep(0.002)
begun, first = time.perf_counter(), store.dbsize()
while store.dbsize() < jobs:
    time.sleep(0.005)
seconds = time.perf_counter() - begun
worker.terminate()
worker.wait()
print(json.dumps({"jobs_per_s": (jobs - first) / seconds, "enqueue_per_s": jobs / enqueued}))
