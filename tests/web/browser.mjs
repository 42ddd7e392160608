// What the flows share: a real Chromium, and pages that tell on whatever must never happen.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.WEB_TEST_MODULES ?? join(here, "node_modules");
const from = createRequire(join(modules, "any.js"));
const { chromium } = from("playwright-core");

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

// A browser of its own, as a person's: {context, page}. found gets a line for each thing that must never happen: a script's error, a
// violation of the CSP, a request that leaves the origin.
export async function newPerson(browser, url, found, { size = DESKTOP, dark = false, touch = false, ...more } = {}) {
  const context = await browser.newContext({ baseURL: url, viewport: size, colorScheme: dark ? "dark" : "light", hasTouch: touch, isMobile: touch, locale: "en-GB", ...more });
  context.setDefaultTimeout(15000);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  context.on("request", (request) => {
    const address = request.url();
    if (!address.startsWith(url) && !address.startsWith("data:") && !address.startsWith("blob:")) found.push(`a request to ${address}`);
  });
  context.on("weberror", (error) => found.push(`a script's error: ${error.error().stack}`));
  context.on("console", (message) => {
    // Answers that are no success are told as errors by the browser; the flows look at them where they matter.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) found.push(`the console: ${message.text()}`);
  });
  return { context, page: await context.newPage() };
}

// Violations that axe-core sees on the page as it is. What still fades in would have too little contrast.
export async function accessibilityOf(page) {
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter(({ effect }) => effect.getComputedTiming().endTime < Infinity).map(({ finished }) => finished)).then(() => null));
  // evaluate goes by the debugger, which the page's CSP does not hold.
  await page.evaluate(readFileSync(from.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target, failureSummary }) => `${target} (${failureSummary})`).join("; ")}`);
}

// A line to the server that can be cut: {url, cut(reset), close()}.
export async function newLine(url) {
  const open = new Set();
  const server = createServer((near) => {
    const far = connect(new URL(url).port, "127.0.0.1");
    open.add(near);
    near.on("close", () => open.delete(near) && far.destroy());
    far.on("close", () => near.destroy());
    for (const socket of [near, far]) socket.on("error", () => {});
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: (reset) => [...open].forEach((socket) => (reset ? socket.resetAndDestroy() : socket.destroy())),
    close: () => server.close(),
  };
}

// Waits until a question is answered with something true, and answers that.
export async function until(ask, what = "it", timeout = 15000) {
  const end = Date.now() + timeout;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
