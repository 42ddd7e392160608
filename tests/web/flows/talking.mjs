// What people do in a chat.
import assert from "node:assert/strict";
import { until } from "../browser.mjs";
import { answers, ask, chats, choose, field, questions, row, rowMenu, settled, signIn, write } from "../page.mjs";

const MARKDOWN = [
  "# A heading", "Some **bold**, *italic*, ~~struck~~ and `code`, 5 &lt; 6, a [link](https://example.org/) and a [bad one](javascript:alert(1)).", "- one\n- two\n  1. deep", "- [x] done\n- [ ] open",
  "> a quote", "| a | b |\n|---|--:|\n| 1 | 2 |", "```python\ndef f(x):\n    return x + 1\n```", "![a picture](https://evil.example/x.png)", "The end.",
].join("\n\n");

export async function an_answer_is_shown_as_it_was_meant({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, MARKDOWN);
  const answer = answers(page).last();
  assert.equal(await answer.locator("h2").innerText(), "A heading");
  assert.equal(await answer.locator("strong").first().innerText(), "bold");
  assert.equal(await answer.locator("blockquote").innerText(), "a quote");
  assert.equal(await answer.locator("table td").count(), 2);
  assert.equal(await answer.locator("input[type=checkbox]").count(), 2);
  assert.match(await answer.innerText(), /5 < 6/);
  const links = await answer.locator("a").evaluateAll((all) => all.map((a) => [a.getAttribute("href"), a.rel, a.target]));
  assert.deepEqual(links, [["https://example.org/", "noopener noreferrer nofollow", "_blank"], ["https://evil.example/x.png", "noopener noreferrer nofollow", "_blank"]]);
  assert.equal(await answer.locator("img").count(), 0);
  await answer.locator(".hl-keyword").first().waitFor();
  await answer.getByRole("button", { name: "Copy", exact: true }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "def f(x):\n    return x + 1");
  await answer.hover();
  await answer.getByRole("button", { name: "Copy answer" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), MARKDOWN);
  await answer.getByRole("button", { name: "Copy", exact: true }).waitFor();
  const drawn = await answer.locator(".markdown").innerHTML();
  await page.reload();
  await settled(page);
  await answers(page).last().locator(".hl-keyword").first().waitFor();
  assert.equal(await answers(page).last().locator(".markdown").innerHTML(), drawn);
}

export async function a_new_chat_is_stored_with_its_first_message_only({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  await page.getByRole("button", { name: "New chat" }).first().click();
  const count = async () => (await need("sql", "select count(*) from parley.chat_sessions where user_id = %s", person.user_id))[0][0];
  assert.equal(await count(), 0);
  await ask(page, "The first message");
  assert.equal(await count(), 1);
  assert.match(page.url(), /\/c\/[0-9a-f-]{36}$/);
  await row(page, "The first message").waitFor();
  assert.equal(await page.title(), "The first message – Parley");
  await page.getByRole("button", { name: "New chat" }).first().click();
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
  await page.goBack();
  await questions(page).first().waitFor();
}

export async function an_answer_that_is_stopped_keeps_its_text({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await write(page, "script:slow:200:50");
  await until(async () => (await answers(page).last().innerText()).length > 20, "some words");
  await page.keyboard.press("Escape");
  await page.getByText("You stopped this answer.").waitFor();
  await settled(page);
  const text = await answers(page).last().locator(".markdown").innerText();
  assert.ok(text.length > 20);
  await page.reload();
  await page.getByText("You stopped this answer.").waitFor();
  assert.equal(await answers(page).last().locator(".markdown").innerText(), text);
}

export async function who_stops_before_the_server_has_heard_stops_it({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  await page.route("**/api/v1/chat", (route) => new Promise((resolve) => setTimeout(resolve, 700)).then(() => route.continue()));
  await write(page, "script:slow:100:50");
  await page.getByRole("button", { name: "Stop the answer" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Stopping" }).waitFor();
  await page.getByText("You stopped this answer.").waitFor({ timeout: 4000 });
  assert.deepEqual(await need("sql", "select status from parley.turns where user_id = %s", person.user_id), [["stopped"]]);
}

export async function a_version_far_up_moves_nothing_above_it({ visit, need }) {
  const person = await need("person");
  await need("sessions", person.user_id, 1);
  const [[session]] = await need("sql", "select session_id from parley.chat_sessions where user_id = %s", person.user_id);
  await need("messages", person.user_id, session, 300);
  const { page } = await visit();
  await signIn(page, person);
  await page.goto(`/c/${session}`);
  await answers(page).getByText("Answer 300").waitFor();
  const scroller = page.locator(".scroller");
  await until(async () => {
    await scroller.evaluate((element) => (element.scrollTop = 300));
    return (await page.locator("article").count()) === 300;
  }, "all messages");
  const question = questions(page).filter({ has: page.getByText("Question 31", { exact: true }) });
  await question.scrollIntoViewIfNeeded();
  await question.hover();
  await question.getByRole("button", { name: "Edit message" }).click();
  await page.getByRole("textbox", { name: "Edit your message" }).fill("Another 31");
  await page.keyboard.press("Control+Enter");
  await settled(page);
  const versions = page.getByRole("group", { name: "Versions" });
  await versions.getByText("2/2").waitFor();
  await versions.getByRole("button", { name: "Previous version" }).click();
  await question.waitFor();
  assert.ok(await question.evaluate((element) => element.getBoundingClientRect().top >= 0 && element.getBoundingClientRect().bottom <= innerHeight));
  assert.equal(await page.locator("article").count(), 300);
  await scroller.evaluate((element) => (element.scrollTop = element.scrollHeight));
  await answers(page).getByText("Answer 300").waitFor();
}

export async function answers_again_and_edits_are_versions_to_leaf_through({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "one");
  await ask(page, "two");
  await answers(page).last().getByRole("button", { name: "Answer again" }).press("Enter");
  await page.getByRole("img", { name: "Version 2 of 2" }).waitFor();
  await settled(page);
  assert.ok(await field(page).evaluate((element) => element === document.activeElement));
  await questions(page).last().hover();
  await questions(page).last().getByRole("button", { name: "Edit message" }).click();
  await page.getByRole("textbox", { name: "Edit your message" }).fill("three");
  await page.locator(".editor").getByRole("button", { name: "Send" }).click();
  await settled(page);
  await until(async () => /three/.test(await answers(page).last().innerText()), "the other answer");
  const versions = questions(page).last().getByRole("group", { name: "Versions" });
  await versions.getByText("2/2").waitFor();
  await versions.getByRole("button", { name: "Previous version" }).click();
  await until(async () => /two/.test(await questions(page).last().innerText()), "the first version");
  await answers(page).last().getByText("2/2").waitFor();
  await page.reload();
  await until(async () => (await questions(page).count()) === 2 && /two/.test(await questions(page).last().innerText()), "the same version");
  await questions(page).last().getByRole("button", { name: "Next version" }).press("Enter");
  await until(async () => /three/.test(await questions(page).last().innerText()), "the second version");
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Next version");
}

export async function each_paragraph_goes_its_own_way({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "שלום\n\nEnglish\n\n- פריט");
  const side = (what) => answers(page).last().getByText(what).evaluate((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const [text, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
    return text.left - box.left > box.right - text.right ? "right" : "left";
  });
  assert.deepEqual([await side("שלום"), await side("English"), await side("פריט")], ["right", "left", "right"]);
}

export async function reasoning_and_tools_are_there_to_unfold({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await write(page, "script:reasoning");
  await settled(page);
  await page.locator(".reasoning summary").click();
  assert.ok((await page.locator(".reasoning-text").innerText()).length > 3);
  await write(page, "script:tools");
  await page.locator(".tool summary").first().waitFor();
  await settled(page);
  await page.locator(".tool summary").first().click();
  await page.locator(".tool pre").first().waitFor();
  await page.reload();
  await page.locator(".reasoning summary").waitFor();
  await page.locator(".tool summary").first().waitFor();
}

export async function a_model_that_fails_is_told_with_a_way_on({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await write(page, "script:cut:3");
  await answers(page).getByText("The model server broke off in the middle of the answer.").waitFor();
  await settled(page);
  await page.reload();
  await page.getByText("The answer broke off.").first().waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await until(async () => (await page.getByText("2/2").count()) > 0, "another answer");
}

export async function texts_of_all_kinds_are_text_and_nothing_else({ visit, need }) {
  const name = "<img src=x onerror=alert(1)>";
  await need("helper", "evil", name, `Hello ${name}`);
  const person = await need("person", name);
  const { page } = await visit();
  await page.addInitScript(() => {
    globalThis.alert = () => console.error("a script ran");
  });
  await signIn(page, person);
  const evil = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "[x](javascript:alert(1))", "[x](java&#115;cript:alert(1))", "![x](https://evil.example/p.png)", "<a href='javascript:alert(1)'>x</a>",
    "<iframe src=https://evil.example></iframe>", "<style>*{display:none}</style>", "[x](data:text/html,<script>alert(1)</script>)", "```html\n<script>alert(1)</script>\n```", "<b onclick=alert(1)>bold</b>", "`<script>alert(1)</script>`",
    "https://evil.example/\"onmouseover=alert(1)", "<https://evil.example>", "[x]: javascript:alert(1)\n\n[x]", "<form action=https://evil.example><button>go</button></form>", "<meta http-equiv=refresh content='0;url=https://evil.example'>",
  ].join("\n\n");
  await ask(page, evil);
  await chats(page).first().waitFor();
  await row(page, "script").first().hover();
  await choose(page, rowMenu(page, "script"), "Rename");
  await page.getByRole("textbox", { name: "Name of the chat" }).fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name, level: 1 }).waitFor();
  const filter = page.getByRole("button", { name: /^Project:/ });
  await choose(page, filter, "New project");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText(`In ${name}`).waitFor();
  await page.getByRole("radio", { name }).check({ force: true });
  await page.getByText(`Hello ${name}`).waitFor();
  await ask(page, "To the helper of that name");
  await page.locator(".top-place").getByText(`${name} · ${name}`).waitFor();
  await choose(page, filter, "All chats");
  await row(page, name).first().locator("a").click();
  const answer = answers(page).last();
  await answer.getByText("bold").first().waitFor();
  assert.equal(await page.locator("[onclick], [onerror], [onload]").count(), 0);
  assert.equal(await answer.locator("script, img, svg:not(.icon), iframe, style, form, meta, [onclick], [onerror], a[href^=javascript], a[href^=data]").count(), 0);
  await page.reload();
  await settled(page);
}

export async function a_draft_waits_in_each_chat({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "First chat");
  await field(page).fill("unfinished in the first");
  await page.getByRole("button", { name: "New chat" }).first().click();
  assert.equal(await field(page).inputValue(), "");
  await field(page).fill("unfinished in a new one");
  await row(page, "First chat").locator("a").click();
  assert.equal(await field(page).inputValue(), "unfinished in the first");
  await page.reload();
  await settled(page);
  assert.equal(await field(page).inputValue(), "unfinished in the first");
  await page.getByRole("button", { name: "New chat" }).first().click();
  assert.equal(await field(page).inputValue(), "unfinished in a new one");
}

export async function what_a_quick_hand_types_stays({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "First chat");
  // The key goes down as soon as the new field is there, before it was ever painted.
  await page.evaluate(() => {
    const find = () => document.querySelector(".composer textarea");
    const before = find();
    new MutationObserver((_, observer) => {
      if (find() === before) return;
      observer.disconnect();
      find().value = "typed at once";
      find().dispatchEvent(new InputEvent("input", { bubbles: true }));
    }).observe(document.body, { childList: true, subtree: true });
  });
  await page.keyboard.press("Control+Shift+O");
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".question").filter({ hasText: "typed at once" }).waitFor();
}

export async function a_helper_greets_and_answers({ visit, need }) {
  await need("helper", "coach", "Coach", "What shall we train today?");
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  await page.getByRole("radio", { name: "Coach" }).check({ force: true });
  await page.getByText("What shall we train today?").waitFor();
  await ask(page, "Running");
  assert.deepEqual(await need("sql", "select helper from parley.chat_sessions where user_id = %s", person.user_id), [["coach"]]);
}
