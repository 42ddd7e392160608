// Lets aimock, which asks for a newer Node, start on that of Debian 12: it imports a function of node:zlib (crc32, for a format of answers that is not
// used here) which is not there yet. Everything else of aimock is as it came.
import * as module from "node:module";
import * as zlib from "node:zlib";

const url = (source) => "data:text/javascript," + encodeURIComponent(source);

const shim = url(`
export * from "node:zlib";
export { default } from "node:zlib";
export function crc32() { throw new Error("node:zlib has no crc32 here"); }`);

const hooks = url(`
export function resolve(name, context, next) {
  const isWanted = name === "node:zlib" && !context.parentURL.startsWith("data:");
  return isWanted ? { url: ${JSON.stringify(shim)}, shortCircuit: true } : next(name, context);
}`);

if (!zlib.crc32) module.register(hooks);
