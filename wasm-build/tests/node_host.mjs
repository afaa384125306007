// Runs a WASI command with this process's streams: node node_host.mjs MODULE
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const wasi = new WASI({ version: 'preview1', args: [], env: {}, returnOnExit: true });
const imports = wasi.getImportObject();
// Node 20 calls its own functions from WebAssembly by a short cut that goes wrong once the memory has
// grown: the process ends with "unreachable code" or a segmentation fault. A function of ours in between
// takes the ordinary way.
for (const [name, call] of Object.entries(imports.wasi_snapshot_preview1)) {
  imports.wasi_snapshot_preview1[name] = (...values) => call(...values);
}
const module = await WebAssembly.compile(await readFile(process.argv[2]));
const instance = await WebAssembly.instantiate(module, imports);
process.exitCode = wasi.start(instance);
