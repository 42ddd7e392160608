// Nothing is lost: reloads, other tabs and devices, lines that break.
import assert from "node:assert/strict";
import { newLine, until } from "../browser.mjs";
import { answers, ask, field, questions, row, settled, signIn, write } from "../page.mjs";

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const stored = (need, person) =>
  need("sql", "select role, content, status from parley.chat_messages where user_id = %s order by created_at, seq", person.user_id);

export async function a_reload_in_mid_answer_goes_on_without_gap_or_repeat({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  await write(page, "script:slow:60:60");
  await page.waitForURL(/\/c\//);
  await until(async () => (await answers(page).last().innerText()).length > 20, "some words");
  await page.reload();
  await until(async () => (await answers(page).count()) === 1, "the answer");
  await settled(page);
  const [, [, text, status]] = await stored(need, person);
  assert.equal(status, "complete");
  assert.equal((await answers(page).last().locator(".markdown").innerText()).replace(/\s+/g, " ").trim(), text.replace(/\s+/g, " ").trim());
}

export async function a_reload_right_after_sending_sends_nothing_twice({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  let isFirst = true;
  await page.route("**/api/v1/chat", async (route) => {
    if (!isFirst) return route.continue();
    isFirst = false;
    // The server gets it, the page never learns of it.
    await route.fetch().catch(() => {});
    return new Promise(() => {});
  });
  await write(page, "Only once");
  await until(async () => (await stored(need, person)).length === 2, "the message on the server");
  await page.reload();
  await until(async () => (await answers(page).count()) === 1, "the answer");
  await settled(page);
  assert.equal(await questions(page).count(), 1);
  assert.equal((await stored(need, person)).length, 2);
}

export async function a_send_without_a_line_stays_with_a_way_to_send_it_again({ visit, need }) {
  const person = await need("person");
  const { page, context } = await visit();
  await signIn(page, person);
  await ask(page, "Before");
  await context.setOffline(true);
  await write(page, "While away");
  await page.getByText("No connection to the server.", { exact: true }).waitFor();
  await context.setOffline(false);
  await page.getByRole("button", { name: "Send again" }).click();
  await until(async () => (await answers(page).count()) === 2, "the answer");
  await settled(page);
  assert.equal((await stored(need, person)).length, 4);
}

export async function a_line_that_is_cut_again_and_again_costs_nothing({ url, visit, need }) {
  const person = await need("person");
  const line = await newLine(url);
  const { page } = await visit({ url: line.url });
  let resumed = 0;
  page.on("request", (request) => (resumed += /\/stream$/.test(request.url())));
  await signIn(page, person);
  await ask(page, "Before");
  await write(page, "script:slow:120:30");
  for (let cuts = 1; cuts <= 4; cuts++) {
    const { length } = await answers(page).last().innerText();
    await until(async () => (await answers(page).last().innerText()).length > length + 20, "some words more");
    line.cut(cuts % 2 === 0);
    await until(() => resumed === cuts, "the line to come back");
    assert.equal(await page.locator(".unsent").count(), 0);
  }
  await settled(page);
  const rows = await stored(need, person);
  assert.equal(rows.length, 4);
  assert.equal(await questions(page).count(), 2);
  assert.equal((await answers(page).last().locator(".markdown").innerText()).replace(/\s+/g, " ").trim(), rows[3][1].replace(/\s+/g, " ").trim());
  line.close();
}

// Who comes back to a turn can wait where a sender would be told.
export async function too_many_requests_on_the_way_back_are_waited_out({ url, visit, need }) {
  const line = await newLine(url);
  const { page } = await visit({ url: line.url });
  let refused = 0;
  await page.route("**/stream", (route) => refused++ > 1 ? route.continue() : route.fulfill({
    status: 429, contentType: "application/problem+json", headers: { "Retry-After": "1" }, body: JSON.stringify({ status: 429, code: "rate_limited", title: "Too many requests." }),
  }));
  await signIn(page, await need("person"));
  await write(page, "script:slow:60:60");
  await until(async () => (await answers(page).last().innerText()).length > 20, "some words");
  line.cut(false);
  await settled(page);
  assert.ok(refused > 2);
  assert.deepEqual([await questions(page).count(), await answers(page).count(), await page.locator(".unsent").count()], [1, 1, 0]);
  line.close();
}

export async function where_streams_do_not_pass_it_polls({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  let polls = 0;
  page.on("request", (request) => (polls += /\/events\?/.test(request.url())));
  // Holds the stream back to its end, as some hosts do.
  await page.route("**/api/v1/chat", async (route) => route.fulfill({ response: await route.fetch({ timeout: 60000 }) }));
  await write(page, "script:slow:60:100");
  await until(async () => (await answers(page).last().innerText()).length > 20, "the first words");
  assert.ok(polls > 0);
  await settled(page);
  const [, [, text]] = await stored(need, person);
  assert.equal((await answers(page).last().locator(".markdown").innerText()).replace(/\s+/g, " ").trim(), text.replace(/\s+/g, " ").trim());
  await page.unrouteAll({ behavior: "ignoreErrors" });
}

export async function two_tabs_and_two_devices_show_the_same({ visit, need }) {
  const person = await need("person");
  const { page, context } = await visit();
  await signIn(page, person);
  await ask(page, "Hello");
  const tab = await context.newPage();
  await tab.goto(page.url());
  await answers(tab).first().waitFor();
  const device = await visit();
  await signIn(device.page, person);
  await device.page.goto(page.url());
  await answers(device.page).first().waitFor();
  await write(page, "script:slow:60:60");
  await until(async () => (await answers(tab).count()) === 2, "the answer in the other tab");
  await until(async () => (await answers(device.page).count()) === 2, "the answer on the other device", 20000);
  await Promise.all([page, tab, device.page].map((each) => settled(each)));
  const texts = await Promise.all([page, tab, device.page].map((each) => answers(each).last().locator(".markdown").innerText()));
  assert.equal(texts[1], texts[0]);
  assert.equal(texts[2], texts[0]);
  await row(tab, "Hello").first().waitFor();
}

export async function a_chat_that_is_left_in_mid_answer_is_joined_again({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Another chat");
  await page.getByRole("button", { name: "New chat" }).first().click();
  await write(page, "script:slow:60:60");
  await page.waitForURL(/\/c\//);
  await until(async () => (await answers(page).last().innerText()).length > 20, "some words");
  await row(page, "Another chat").locator("a").click();
  await page.getByRole("heading", { name: "Another chat", level: 1 }).waitFor();
  await page.waitForTimeout(500);
  await page.goBack();
  await settled(page);
  assert.equal(await answers(page).count(), 1);
}

// What was asked for before a message was sent says nothing of it, however late it comes.
export async function a_late_answer_hides_nothing_that_was_sent_since({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Before");
  for (const [text, late] of [["script:slow:40:40", (route) => route.fetch().then((response) => wait(900).then(() => route.fulfill({ response })))], ["script:slow:41:40", (route) => wait(900).then(() => route.continue())]]) {
    const asked = page.waitForRequest(/\/messages\?/);
    await page.route("**/messages?*", (route) => late(route).catch(() => {}), { times: 1 });
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await asked;
    await write(page, text);
    const before = await questions(page).count();
    await until(async () => (await answers(page).last().innerText()).length > 10, "some words");
    const { length } = await answers(page).last().innerText();
    await wait(1000);
    assert.equal(await questions(page).count(), before);
    assert.ok((await answers(page).last().innerText()).length > length);
    await settled(page);
  }
  // Nor does another version that is fetched.
  await answers(page).last().getByRole("button", { name: "Answer again" }).click();
  await answers(page).last().getByText("2/2").waitFor();
  await settled(page);
  await page.route("**/active", (route) => wait(700).then(() => route.continue()), { times: 1 });
  await answers(page).last().getByRole("button", { name: "Previous version" }).click();
  await field(page).fill("after it");
  await page.keyboard.press("Enter");
  assert.equal(await field(page).inputValue(), "after it");
  await answers(page).last().getByText("1/2").waitFor();
  await page.keyboard.press("Enter");
  await questions(page).last().getByText("after it").waitFor();
  await settled(page);
  assert.equal(await questions(page).count(), 4);
}
