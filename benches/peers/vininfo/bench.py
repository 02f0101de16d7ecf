"""Maker, country and years of every VIN of a file, and its check digit, by vininfo."""

import json
import pathlib
import sys
import time

from vininfo import Vin

vins = pathlib.Path(sys.argv[1]).read_text().split()
begun = time.thread_time()
known = 0
for text in vins:
    vin = Vin(text)
    known += bool(vin.manufacturer and vin.country and vin.years)
    vin.verify_checksum()
spent = time.thread_time() - begun
print(json.dumps({"vins": len(vins), "known": known, "vins_per_s": len(vins) / spent}))
