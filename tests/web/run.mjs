// Runs one flow: node run.mjs FILE NAME. What it needs of the services it asks for on standard output, a line of JSON each, and gets the
// answer on standard input (services.py).
import { createInterface } from "node:readline";
import { accessibilityOf, launch, newPerson } from "./browser.mjs";

const [file, name] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let last = Promise.resolve();

// Asks the services: need("person"), need("sql", text, ...values). One question at a time.
function need(what, ...values) {
  last = last.then(async () => {
    process.stdout.write(`${JSON.stringify({ need: what, values })}\n`);
    const { value } = await lines.next();
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(`${what}: ${answer.error}`);
    return answer.value;
  });
  return last;
}

const flow = (await import(`./flows/${file}`))[name];
const browser = await launch();
const found = [];
const url = await need("url");
let failure = null;
let current = null;
try {
  await flow({
    url, need, browser, found,
    visit: async (options) => {
      const made = await newPerson(browser, options?.url ?? url, found, options);
      current = made.page;
      return made;
    },
    accessible: async (page) => {
      const violations = await accessibilityOf(page);
      if (violations.length) throw new Error(violations.join("\n"));
    },
  });
  if (found.length) failure = new Error(`what must never happen:\n${found.join("\n")}`);
} catch (error) {
  failure = error;
  if (found.length) failure.message += `\nand what must never happen:\n${found.join("\n")}`;
  const picture = process.env.WEB_TEST_PICTURES;
  if (picture && current && !current.isClosed()) await current.screenshot({ path: `${picture}/${name}.png` }).catch(() => {});
}
await browser.close();
if (failure) {
  process.stderr.write(`${failure.stack}\n`);
  process.exit(1);
}
process.exit(0);
