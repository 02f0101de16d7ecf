"""A task that does nothing, acknowledged late as ours are; the broker's port is the first word of PEER."""
import os

from celery import Celery

port = os.environ["PEER_PORT"]
app = Celery("tasks", broker=f"redis://127.0.0.1:{port}/0")
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=64, task_ignore_result=False)
app.conf.result_backend = f"redis://127.0.0.1:{port}/1"


@app.task
def nothing():
    return None
