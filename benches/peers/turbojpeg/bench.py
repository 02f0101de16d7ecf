"""Photos to gray at an eighth by libjpeg-turbo alone, without any hash, timed by the thread's own CPU clock."""

import json
import pathlib
import sys
import time

from turbojpeg import TJPF_GRAY, TurboJPEG

jpeg = TurboJPEG()
photos = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
rounds = 3
begun = time.thread_time()
for _ in range(rounds):
    for photo in photos:
        jpeg.decode(photo, pixel_format=TJPF_GRAY, scaling_factor=(1, 8))
mean = (time.thread_time() - begun) * 1e3 / (len(photos) * rounds)
print(json.dumps({"photos": len(photos), "mean_cpu_ms": mean}))
