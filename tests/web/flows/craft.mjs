// How it is made: weight, what screen readers and fingers find, and long chats.
import assert from "node:assert/strict";
import { DESKTOP, PHONE, until } from "../browser.mjs";
import { answers, ask, chats, choose, field, questions, settled, signIn, write } from "../page.mjs";

const scroller = (page) => page.locator(".scroller");
const rest = (page) => scroller(page).evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
const length = (page) => answers(page).last().evaluate((element) => element.textContent.length);

// Waits until the answer has grown by some words.
async function grown(page) {
  const before = await length(page);
  await until(async () => (await length(page)) > before + 40, "more words");
}

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

export async function every_state_and_dialog_is_accessible({ visit, need, accessible }) {
  for (const { size, dark } of [{ size: DESKTOP, dark: false }, { size: PHONE, dark: true }]) {
    const touch = size === PHONE;
    const { page, context } = await visit({ size, dark, touch });
    const openSidebar = () => touch && page.getByRole("button", { name: "Open sidebar" }).last().click();
    const project = page.getByRole("button", { name: /^Project:/ });
    await signIn(page, await need("person", "Ada"));
    await write(page, "script:reasoning");
    await settled(page);
    await page.locator(".reasoning summary").click();
    await write(page, "script:tools");
    await settled(page);
    await page.locator(".tool summary").first().click();
    await write(page, "script:cut:9");
    await page.getByText("The answer broke off.").first().waitFor();
    await settled(page);
    await accessible(page);
    await write(page, "script:slow:400:50");
    await until(async () => (await length(page)) > 40, "some words");
    await accessible(page);
    await page.getByRole("button", { name: "Stop the answer" }).click();
    await page.getByText("You stopped this answer.").waitFor();
    await settled(page);
    await questions(page).last().hover();
    await questions(page).last().getByRole("button", { name: "Edit message" }).click();
    await page.getByRole("textbox", { name: "Edit your message" }).waitFor();
    await accessible(page);
    await page.getByRole("button", { name: "Cancel" }).click();
    await openSidebar();
    await choose(page, project, "New project");
    await page.getByLabel("Name", { exact: true }).fill("Garden");
    await accessible(page);
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByText("In Garden").waitFor();
    await openSidebar();
    await page.getByText("No chats in this project yet.").waitFor();
    await accessible(page);
    await choose(page, project, "Delete project");
    await page.getByRole("heading", { name: "Delete project?" }).waitFor();
    await accessible(page);
    await context.close();
  }
}

export async function each_message_is_told_once({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Hello");
  await page.evaluate(() => {
    globalThis.told = [];
    const place = document.querySelector(".unseen[role=status]");
    new MutationObserver(() => globalThis.told.push(place.textContent)).observe(place, { childList: true, characterData: true, subtree: true });
  });
  await write(page, "script:slow:20:20");
  await until(async () => (await answers(page).count()) === 2, "the answer");
  await settled(page);
  const told = await page.evaluate(() => globalThis.told);
  assert.deepEqual(told.map((text) => text.slice(0, 12)), ["Message sent", "Answer: w0 w"]);
  // The log itself is silent: otherwise each word would be read, and all of it again at the end.
  assert.equal(await page.getByRole("log", { name: "Conversation" }).getAttribute("aria-live"), "off");
  assert.equal(await page.getByRole("log").getByRole("article").count(), 4);
}

export async function nothing_jumps({ visit, need }) {
  const person = await need("person");
  await need("sessions", person.user_id, 40);
  const { page } = await visit();
  await page.addInitScript(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => {
      for (const { hadRecentInput, value, sources } of list.getEntries()) {
        if (!hadRecentInput) globalThis.shifts.push({ value, of: sources.map(({ node }) => node?.className ?? node?.nodeName) });
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  const still = async (what) => {
    const shifts = await page.evaluate(() => globalThis.shifts.splice(0));
    assert.ok(shifts.reduce((sum, { value }) => sum + value, 0) < 0.01, `${what}: ${JSON.stringify(shifts)}`);
  };
  await signIn(page, person);
  await chats(page).first().waitFor();
  await still("the list that loads");
  await ask(page, `${"word ".repeat(300)}\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n\`\`\`js\nconst a = 1;\n\`\`\``);
  await page.locator(".hl-keyword").first().waitFor();
  await write(page, "script:slow:60:20");
  await until(async () => (await answers(page).count()) === 2, "the answer");
  await settled(page);
  await still("answers that are written");
  await page.reload();
  await settled(page);
  await chats(page).first().waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await still("a reload");
}

export async function a_phone_has_it_all({ visit, need, accessible }) {
  const { page } = await visit({ size: PHONE, touch: true });
  await signIn(page, await need("person"));
  await ask(page, "From the phone");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the screen");
  await page.getByRole("button", { name: "Open sidebar" }).click();
  await chats(page).first().waitFor();
  await accessible(page);
  // The last activity is seen, beside the menu.
  const time = chats(page).first().locator("time");
  assert.equal(await time.evaluate((element) => getComputedStyle(element).opacity), "1");
  const [left, right] = [await time.boundingBox(), await chats(page).first().getByRole("button", { name: /^Options/ }).boundingBox()];
  assert.ok(left.width > 20 && left.x + left.width <= right.x);
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
  await page.getByText("Answer 2000", { exact: true }).waitFor();
  await until(async () => (await rest(page)) < 4, "the end");
  // Up to the very first: what is read stays where it is while older messages come in above.
  const most = await scroller(page).evaluate(async (element) => {
    const frame = () => new Promise(requestAnimationFrame);
    // What comes into sight gets its real height.
    const stands = async () => {
      for (let same = 0, before = 0; same < 2; before = element.scrollHeight) {
        await frame();
        same = element.scrollHeight === before ? same + 1 : 0;
      }
    };
    const count = () => element.querySelectorAll("article").length;
    let moved = 0;
    while (count() < 2000) {
      element.scrollTop = 950;
      await stands();
      const before = count();
      const line = element.getBoundingClientRect().top + 200;
      const article = [...element.querySelectorAll("article")].find((each) => each.getBoundingClientRect().bottom > line);
      const at = article.getBoundingClientRect().top;
      element.scrollTop -= 100;
      for (let left = 500; count() === before; left--) {
        if (!left) throw new Error(`no more after ${before} messages`);
        await frame();
      }
      await stands();
      moved = Math.max(moved, Math.abs(article.getBoundingClientRect().top - at - 100));
    }
    return moved;
  });
  assert.ok(most < 60, `what is read moved by ${most}`);
  assert.equal(await page.locator(".bubble").first().textContent(), "Question 1");
  // An answer at the end of it is as quick as ever.
  await field(page).fill("And now");
  await field(page).press("Enter");
  const took = await page.evaluate(async () => {
    const begun = performance.now();
    const last = () => document.querySelector("article:last-of-type");
    while (!/And now/.test(last().textContent) || last().matches(".question, .is-writing")) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
  });
  assert.ok(took < 3000, `${took} ms`);
  await until(async () => (await rest(page)) < 4, "the end again");
}

const TEXTS = {
  "many blocks": (i) => (i % 10 === 9 ? `\`\`\`js\nconst n = ${i};\n\`\`\`\n\n` : `${i} ${"Some **words** of a long answer with `code` and more words that go on for a while. ".repeat(5)}\n\n`),
  "one paragraph": (i) => `word *two* \`three\` and **${i}** `,
  "one table": (i) => `${i ? "" : "| a | b |\n|--|--|\n"}| cell ${i} | **other** cell ${i}, which says a little more than the first one does and so on |\n`,
};

export async function answers_of_64_kb_stream_without_stalling({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await page.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, entry.duration);
    }).observe({ entryTypes: ["longtask"] });
  });
  for (const [what, piece] of Object.entries(TEXTS)) {
    let text = "";
    for (let i = 0; text.length <= 65536; i++) text += piece(i);
    await page.keyboard.press("Control+Shift+O");
    await page.getByRole("heading", { name: /^Good/ }).waitFor();
    await write(page, text);
    await page.evaluate(() => (globalThis.longest = 0));
    await page.waitForURL(/\/c\//);
    await settled(page);
    assert.ok((await length(page)) > 40000, what);
    const longest = await page.evaluate(() => globalThis.longest);
    assert.ok(longest < 700, `${what}: the page was stuck for ${longest} ms`);
  }
}

export async function what_is_selected_stays_selected_while_an_answer_is_written({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  const selected = () => page.evaluate(() => String(getSelection()).trim());
  await write(page, "script:slow:60:30");
  await until(async () => (await answers(page).count()) === 1 && (await length(page)) > 40, "some words");
  await answers(page).last().locator("p").first().dblclick({ position: { x: 8, y: 10 } });
  assert.equal(await selected(), "w0");
  await grown(page);
  assert.equal(await selected(), "w0");
  await settled(page);
  assert.equal(await selected(), "w0");

  // Colours come later, where something is selected when that is over.
  let languages;
  await page.route("**/assets/languages-*", (route) => (languages = route));
  await ask(page, "```js\nconst answer = 42;\n```");
  const code = answers(page).last().locator("code");
  await code.dblclick({ position: { x: 10, y: 10 } });
  assert.equal(await selected(), "const");
  await until(() => languages, "the highlighter");
  const loaded = page.waitForResponse("**/assets/languages-*");
  await languages.continue();
  await loaded;
  await page.evaluate(() => new Promise((done) => setTimeout(done, 200)));
  assert.equal(await selected(), "const");
  await field(page).click();
  await code.locator(".hl-keyword").waitFor();
}

export async function who_reads_further_up_is_left_there({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, Array.from({ length: 60 }, (_, i) => `Line ${i}`).join("\n\n"));
  await write(page, "script:slow:40:50");
  await until(async () => (await answers(page).count()) === 2 && (await answers(page).last().innerText()).length > 20, "some words");
  assert.ok((await rest(page)) < 60, "it sticks to the end");
  await scroller(page).hover();
  await page.mouse.wheel(0, -900);
  await page.waitForTimeout(300);
  const top = await scroller(page).evaluate((element) => element.scrollTop);
  await settled(page);
  assert.equal(await scroller(page).evaluate((element) => element.scrollTop), top);
  await page.getByRole("button", { name: "To the newest message" }).click();
  await until(async () => (await rest(page)) < 4, "the end");
  await field(page).waitFor();
}

export async function nobody_is_pulled_back_who_goes_up_a_little({ visit, need }) {
  const { page, context } = await visit({ size: PHONE, touch: true, reducedMotion: "reduce" });
  await signIn(page, await need("person"));
  await ask(page, Array.from({ length: 60 }, (_, i) => `Line ${i}`).join("\n\n"));
  await write(page, "script:slow:1200:10");
  await until(async () => (await answers(page).count()) === 2 && (await length(page)) > 300, "some lines");
  const top = () => scroller(page).evaluate((element) => element.scrollTop);
  const staysThere = async () => {
    const before = await top();
    await grown(page);
    assert.equal(await top(), before);
    // Far enough for the way back to be offered; it leads there at once, for whoever wants no motion.
    await scroller(page).evaluate((element) => (element.scrollTop -= 400));
    const left = await page.getByRole("button", { name: "To the newest message" }).evaluate((button) => {
      button.click();
      const { scrollTop, scrollHeight, clientHeight } = document.querySelector(".scroller");
      return scrollHeight - scrollTop - clientHeight;
    });
    assert.ok(left < 4, `${left} pixels above the end`);
    await follows();
  };
  const follows = async () => {
    await grown(page);
    assert.ok((await rest(page)) < 4, "it sticks to the end");
  };
  await follows();

  // A finger, as slow as can be.
  const finger = await context.newCDPSession(page);
  const touch = (type, y) => finger.send("Input.dispatchTouchEvent", { type, touchPoints: y ? [{ x: 200, y }] : [] });
  await touch("touchStart", 300);
  const begun = await top();
  for (let y = 301; y <= 340; y++) await touch("touchMove", y);
  await touch("touchEnd");
  await until(async () => (await top()) < begun, "the list to follow the finger");
  await page.waitForTimeout(200);
  await staysThere();

  // A key; a scrollbar, which tells of nothing but the scroll.
  await scroller(page).focus();
  const at = await top();
  await page.keyboard.press("ArrowUp");
  await until(async () => (await top()) < at, "the list to follow the key");
  await page.waitForTimeout(300);
  await staysThere();
  await scroller(page).evaluate((element) => (element.scrollTop -= 6));
  await staysThere();

  // Browsers let a scroll begin slowly: what a key or a wheel has announced is not cut off by the words that come meanwhile.
  for (const [kind, init] of [["KeyboardEvent", { type: "keydown", key: "PageUp" }], ["WheelEvent", { type: "wheel", deltaY: -20 }]]) {
    const pulled = await scroller(page).evaluate(async (element, { kind, type, ...init }) => {
      const [begun, top] = [performance.now(), element.scrollTop];
      let moved = 0;
      element.dispatchEvent(new globalThis[kind](type, { bubbles: true, ...init }));
      for (let now = begun; now < begun + 200; now = await new Promise(requestAnimationFrame)) moved = element.scrollTop - top;
      return moved;
    }, { kind, ...init });
    assert.equal(pulled, 0, kind);
    await follows();
  }

  // What only layout moves lets nobody go: a field that grows and becomes small again, a block that does.
  await field(page).fill("line\n".repeat(6));
  await follows();
  await field(page).fill("");
  await follows();
  await answers(page).first().evaluate((element) => (element.style.paddingBottom = "300px"));
  await follows();
  await answers(page).first().evaluate((element) => {
    element.style.paddingBottom = "";
    return element.closest(".scroller").scrollTop; // laid out at once, before anything is told of it
  });
  await follows();
  await page.keyboard.press("Escape");
  await settled(page);
}
