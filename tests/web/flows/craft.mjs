// How it is made: weight, what screen readers and fingers find, and long chats.
import assert from "node:assert/strict";
import { PHONE, until } from "../browser.mjs";
import { answers, ask, chats, field, settled, signIn, write } from "../page.mjs";

export async function the_first_load_is_light({ visit, need }) {
  const { page, context } = await visit();
  let bytes = 0;
  const kinds = [];
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  const scripts = new Set();
  session.on("Network.responseReceived", ({ requestId, response }) => {
    if (response.mimeType === "text/javascript") {
      scripts.add(requestId);
      kinds.push(response.url);
    }
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) bytes += encodedDataLength;
  });
  await signIn(page, await need("person"));
  await ask(page, "Hello, no code here");
  assert.ok(!kinds.some((url) => url.includes("languages")), "no highlighter without code");
  // What comes over the line has headers too.
  assert.ok(bytes > 10000 && bytes < 45 * 1024 + kinds.length * 900, `${bytes} bytes of script`);
}

export async function every_screen_is_accessible({ visit, need, accessible }) {
  for (const dark of [false, true]) {
    const { page, context } = await visit({ dark });
    await page.goto("/");
    await page.getByRole("heading", { name: "Welcome back" }).waitFor();
    await accessible(page);
    await signIn(page, await need("person"));
    await accessible(page);
    await ask(page, "# Title\n\n- a `list`\n\n```js\nconst a = 1; // no\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n> quote [link](https://example.org)");
    await page.locator(".hl-keyword").first().waitFor();
    await accessible(page);
    await answers(page).last().getByRole("button", { name: "Answer again" }).click();
    await page.getByText("2/2").waitFor();
    await settled(page);
    await accessible(page);
    await page.getByRole("button", { name: /^Account/ }).click();
    await accessible(page);
    await page.getByRole("menu").getByText("Settings").click();
    await page.getByText("Delete my account and all chats").waitFor();
    await accessible(page);
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("Control+/");
    await page.getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
    await accessible(page);
    await page.keyboard.press("Escape");
    await chats(page).first().hover();
    await chats(page).first().getByRole("button", { name: /^Options/ }).click();
    await accessible(page);
    await page.getByRole("menu").getByText("Rename").click();
    await accessible(page);
    await page.keyboard.press("Escape");
    await context.setOffline(true);
    await write(page, "Lost");
    await page.getByRole("button", { name: "Send again" }).waitFor();
    await accessible(page);
    await context.setOffline(false);
    await page.goto("/c/01a1f939-0651-7225-92ac-15fca1885954");
    await page.getByRole("heading", { name: "This chat is not there" }).waitFor();
    await page.goto("/c/nothing");
    await page.getByRole("heading", { name: "This chat is not there" }).waitFor();
    await accessible(page);
    await context.close();
  }
}

export async function a_phone_has_it_all({ visit, need, accessible }) {
  const { page } = await visit({ size: PHONE, touch: true });
  await signIn(page, await need("person"));
  await ask(page, "From the phone");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the screen");
  await page.getByRole("button", { name: "Open sidebar" }).click();
  await chats(page).first().waitFor();
  await accessible(page);
  await page.locator(".backdrop").click({ position: { x: 380, y: 400 } });
  await page.getByRole("button", { name: "New chat" }).last().click();
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
  await accessible(page);
}

export async function two_thousand_messages_scroll_smoothly({ visit, need }) {
  const person = await need("person");
  await need("sessions", person.user_id, 1);
  const [[session]] = await need("sql", "select session_id::text from parley.chat_sessions where user_id = %s", person.user_id);
  await need("messages", person.user_id, session, 2000);
  const { page } = await visit();
  await signIn(page, person);
  await page.goto(`/c/${session}`);
  await page.getByText("Answer 2000").waitFor();
  const scroller = page.locator(".scroller");
  const atEnd = () => scroller.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight < 4);
  await until(atEnd, "the end");
  // Up: what is read stays where it is while older messages come in above.
  await scroller.evaluate((element) => (element.scrollTop = 950));
  await page.waitForTimeout(300);
  for (let count = await page.locator("article").count(); count < 2000;) {
    const seen = await scroller.evaluate((element) => {
      const top = element.getBoundingClientRect().top;
      const article = [...element.querySelectorAll("article")].find((each) => each.getBoundingClientRect().bottom > top + 200);
      return { key: article.dataset.key, at: article.getBoundingClientRect().top };
    });
    await scroller.evaluate((element) => (element.scrollTop -= 100));
    const before = count;
    await until(async () => (count = await page.locator("article").count()) > before, "older messages");
    await page.waitForTimeout(60);
    const at = await page.locator(`article[data-key="${seen.key}"]`).evaluate((element) => element.getBoundingClientRect().top);
    assert.ok(Math.abs(at - seen.at - 100) < 60, `moved by ${at - seen.at} instead of 100`);
    if (count >= 600) break;
    await scroller.evaluate((element) => (element.scrollTop = 950));
    await page.waitForTimeout(100);
  }
  // An answer at the end of it is as quick as ever.
  const begun = Date.now();
  await ask(page, "And now");
  assert.ok(Date.now() - begun < 4000);
  await until(atEnd, "the end again");
}

export async function a_long_answer_streams_without_stalling({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  const paragraph = "Some **words** of a long answer with `code` and more words that go on for a while. ".repeat(5);
  const text = Array.from({ length: 130 }, (_, i) => (i % 10 === 9 ? `\`\`\`js\nconst n = ${i};\n\`\`\`` : `${i} ${paragraph}`)).join("\n\n");
  await page.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, entry.duration);
    }).observe({ entryTypes: ["longtask"] });
  });
  await write(page, text);
  await page.evaluate(() => (globalThis.longest = 0));
  await page.waitForURL(/\/c\//);
  await settled(page);
  assert.ok((await answers(page).last().locator("p").count()) > 100);
  const longest = await page.evaluate(() => globalThis.longest);
  assert.ok(longest < 700, `the page was stuck for ${longest} ms`);
}

export async function who_reads_further_up_is_left_there({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, Array.from({ length: 60 }, (_, i) => `Line ${i}`).join("\n\n"));
  await write(page, "script:slow:80:50");
  await until(async () => (await answers(page).count()) === 2 && (await answers(page).last().innerText()).length > 20, "some words");
  const scroller = page.locator(".scroller");
  const rest = () => scroller.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  assert.ok((await rest()) < 60, "it sticks to the end");
  await scroller.hover();
  await page.mouse.wheel(0, -900);
  await page.waitForTimeout(300);
  const top = await scroller.evaluate((element) => element.scrollTop);
  await settled(page);
  assert.equal(await scroller.evaluate((element) => element.scrollTop), top);
  await page.getByRole("button", { name: "To the newest message" }).click();
  await until(async () => (await rest()) < 4, "the end");
  await field(page).waitFor();
}
