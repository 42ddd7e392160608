// What was typed, and what was sent and not taken: none of it is lost, and none of it goes where it was not meant to.
import assert from "node:assert/strict";
import { until } from "../browser.mjs";
import { answers, ask, field, note, questions, row, settled, signIn, write } from "../page.mjs";

const editor = (page) => page.getByRole("textbox", { name: "Edit your message" });
const unsent = (page) => page.locator(".is-unsent");
const newChat = (page) => page.getByRole("button", { name: "New chat" }).first();
const late = (page, ms) => page.route("**/api/v1/chat", (route) => new Promise((resolve) => setTimeout(resolve, ms)).then(() => route.continue()));

async function edit(page, question, text) {
  await question.hover();
  await question.getByRole("button", { name: "Edit message" }).click();
  await editor(page).fill(text);
}

// A message that the server did not get.
async function fail(page, act) {
  await page.route("**/api/v1/chat", (route) => route.abort());
  await act();
  await page.getByRole("button", { name: "Send again" }).last().waitFor();
  await page.unroute("**/api/v1/chat");
}

export async function a_failed_send_stays_whatever_else_is_done({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Before");
  await fail(page, () => write(page, "While away"));
  await edit(page, questions(page).first(), "Edited");
  await page.locator(".editor").getByRole("button", { name: "Send" }).click();
  await settled(page);
  await unsent(page).getByText("While away").waitFor();
  await answers(page).first().getByRole("button", { name: "Answer again" }).click();
  await answers(page).first().getByText("2/2").waitFor();
  await settled(page);
  await unsent(page).getByText("While away").waitFor();

  // It goes when its person says so, not by itself.
  await page.reload();
  await unsent(page).getByText("While away").waitFor();
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.getByRole("button", { name: "Send again" }).click();
  await until(async () => (await answers(page).count()) === 2, "its answer");
  await settled(page);
  assert.equal(await unsent(page).count(), 0);
  await page.reload();
  await until(async () => (await questions(page).count()) === 2, "both questions");
}

export async function a_failed_send_that_is_taken_back_goes_before_what_was_typed_since({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "one");
  await ask(page, "two");
  await fail(page, () => write(page, "First"));
  await field(page).fill("second");
  await unsent(page).getByRole("button", { name: "Edit" }).click();
  await until(async () => (await field(page).inputValue()) === "First\n\nsecond", "both texts");
  await field(page).fill("");

  // One that changes a message goes back over that message.
  await edit(page, questions(page).first(), "ONE");
  await fail(page, () => page.locator(".editor").getByRole("button", { name: "Send" }).click());
  await unsent(page).getByRole("button", { name: "Edit" }).click();
  assert.equal(await editor(page).inputValue(), "ONE");
  await editor(page).fill("ONE more");
  await page.keyboard.press("Control+Enter");
  await settled(page);
  await until(async () => (await questions(page).count()) === 1, "the branch");
  await questions(page).first().getByText("2/2").waitFor();
}

export async function each_tab_keeps_its_own_failed_send({ visit, need }) {
  const { page, context } = await visit();
  await signIn(page, await need("person"));
  const other = await context.newPage();
  await other.goto("/");
  await field(other).waitFor();
  await fail(page, () => write(page, "From here"));
  await ask(other, "From there");
  await page.reload();
  await unsent(page).getByText("From here").waitFor();
  assert.equal(await questions(page).count(), 0);
}

export async function a_new_chat_is_new_while_another_is_being_sent({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  await late(page, 1200);
  await write(page, "The first chat");
  await newChat(page).click();
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
  await field(page).fill("The second chat");
  await row(page, "The first chat").waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  assert.equal(await field(page).inputValue(), "The second chat");
  await page.keyboard.press("Enter");
  await row(page, "The second chat").waitFor();
  await settled(page);
  assert.deepEqual(await need("sql", "select title, message_count from parley.chat_sessions where user_id = %s order by created_at", person.user_id),
    [["The first chat", 2], ["The second chat", 2]]);
}

export async function what_is_typed_after_a_first_message_belongs_to_its_chat({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await late(page, 700);
  await write(page, "First chat");
  await field(page).fill("a follow-up");
  await page.waitForURL(/\/c\//);
  await settled(page);
  await newChat(page).click();
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
  assert.equal(await field(page).inputValue(), "");
  await row(page, "First chat").locator("a").click();
  assert.equal(await field(page).inputValue(), "a follow-up");
}

export async function an_empty_field_of_another_tab_wipes_no_draft({ visit, need }) {
  const { page, context } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "A chat");
  const other = await context.newPage();
  await other.goto(page.url());
  await answers(other).first().waitFor();
  await field(page).fill("precious");
  await page.close();
  await newChat(other).click();
  await other.getByRole("heading", { name: /^Good/ }).waitFor();
  await row(other, "A chat").locator("a").click();
  await until(async () => (await field(other).inputValue()) === "precious", "the draft");
}

export async function an_edit_is_kept_like_a_draft({ visit, need }) {
  const person = await need("person");
  const { page, context } = await visit();
  await signIn(page, person);
  await ask(page, "One chat");
  await newChat(page).click();
  await ask(page, "Two chat");
  await edit(page, questions(page).first(), "a careful rewrite");
  await row(page, "One chat").locator("a").click();
  await page.getByRole("heading", { name: "One chat", level: 1 }).waitFor();
  await row(page, "Two chat").locator("a").click();
  await editor(page).waitFor();
  assert.equal(await editor(page).inputValue(), "a careful rewrite");
  await editor(page).fill("a more careful rewrite");
  await page.reload();
  await editor(page).waitFor();
  assert.equal(await editor(page).inputValue(), "a more careful rewrite");

  // Signed out by the server in mid-edit.
  await editor(page).fill("the most careful rewrite");
  await need("sql", "delete from parley.refresh_tokens where user_id = %s", person.user_id);
  await context.clearCookies();
  await page.reload();
  await page.getByLabel("E-mail address").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await editor(page).waitFor();
  assert.equal(await editor(page).inputValue(), "the most careful rewrite");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.reload();
  await settled(page);
  assert.equal(await editor(page).count(), 0);
}

export async function what_is_typed_into_a_chat_that_another_tab_deletes_goes_on_in_a_new_one({ visit, need }) {
  const { page, context } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "A chat");
  const other = await context.newPage();
  await other.goto("/");
  await row(other, "A chat").waitFor();
  await page.keyboard.type("half a thou");
  await row(other, "A chat").locator("a").press("Delete");
  await note(page, "This chat was deleted in another tab.").waitFor();
  await page.keyboard.type("ght");
  assert.equal(await field(page).inputValue(), "half a thought");
  await page.reload();
  assert.equal(await field(page).inputValue(), "half a thought");
}
